# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users of amazon.aws.aws_ec2 have run into, each with a test that shows that it does not happen here."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from tests.emulation import REGION

from .world import OWN_ACCOUNT, World

OTHER = "eu-central-1"
ROLE = "arn:aws:iam::222222222222:role/inventory"


@pytest.fixture
def kept(world: World) -> dict[str, Any]:
    return {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(world.folder / "kept")}


def regions_asked(world: World) -> set[str]:
    return {call.split(":")[2] for call in world.aws.calls() if ":DescribeInstances:" in call}


def test_instances_of_one_name_are_not_merged_in_silence(world: World) -> None:
    """100 instances with 7 values of a tag were 7 hosts, without a word."""
    ids = [world.run(Name=f"x{number}", Role=f"role-{number % 7}")[0] for number in range(14)]
    data = world.inventory(hostnames=["tag:Role"])
    assert {host.vars["instance_id"] for host in data.hosts.values()} == set(ids)
    assert "Several instances have one name: role-0 (" in world.display.warnings[0]


def test_a_throttled_source_is_not_an_empty_inventory_with_exit_code_0(world: World) -> None:
    """A warning, 0 hosts and exit code 0: the play that followed had nothing to do, and was green."""
    world.run(Name="web")
    world.aws.fault("ec2:DescribeInstances", "RequestLimitExceeded")
    run = world.ansible("ansible", "all", "-m", "ping", "-i", str(world.config()))
    assert run.returncode == 1
    assert "RequestLimitExceeded" in run.stderr


def test_throttling_is_not_given_up_after_three_tries(world: World) -> None:
    """The client's own three tries were all that DescribeInstances got."""
    world.run(Name="web")
    world.aws.fault("ec2:DescribeInstances", "RequestLimitExceeded", times=8)
    assert set(world.inventory().hosts) == {"web"}


def test_the_cache_of_other_regions_is_not_used(world: World, kept: dict[str, Any]) -> None:
    """The key knew the path of the file only, so an edit of `regions` in it gave the old hosts."""
    world.run(Name="west")
    world.run(Name="central", region=OTHER)
    path = world.config(**kept)
    assert set(world.inventory(path).hosts) == {"west"}
    path.write_text(path.read_text(encoding="utf-8").replace(REGION, OTHER), encoding="utf-8")
    assert set(world.inventory(path).hosts) == {"central"}


def test_the_cache_of_another_account_is_not_used(
    world: World, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ansible#26973, ansible#15067: another profile, or other keys in the environment, and still the old hosts."""
    world.run(Name="web")
    path = world.config(**kept)
    assert set(world.inventory(path).hosts) == {"web"}
    theirs = world.aws.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", theirs["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", theirs["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", theirs["SessionToken"])
    assert world.inventory(path).hosts == {}


def test_the_cache_file_is_not_readable_by_everybody(world: World, kept: dict[str, Any]) -> None:
    """It was 0644."""
    world.inventory(**kept)
    (file,) = (world.folder / "kept").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_warm_cache_assumes_no_role(world: World, kept: dict[str, Any]) -> None:
    """AssumeRole was called at every start, whatever was cached."""
    options = {**kept, "accounts": [{"role_arn": ROLE}]}
    world.inventory(**options)
    world.aws.reset()
    world.inventory(**options)
    assert world.aws.calls() == {}


def test_the_region_of_a_local_zone_is_right(world: World) -> None:
    """It was the zone without its last letter, which is no region for us-west-2-lax-1a."""
    (instance,) = world.run(Name="edge", region="us-west-2")
    ec2_backends[OWN_ACCOUNT]["us-west-2"].get_instance(instance).placement.zone = "us-west-2-lax-1a"
    data = world.inventory(regions=["us-west-2"], compose={"where": "placement.region"})
    variables = data.hosts["edge"].vars
    assert variables["availability_zone"] == "us-west-2-lax-1a"
    assert (variables["dtk_region"], variables["where"]) == ("us-west-2", "us-west-2")
    assert "az_us_west_2_lax_1a" in data.groups


def test_no_reserved_variable_is_set(world: World) -> None:
    """`tags` is a keyword of playbooks: two warnings at every run."""
    world.run(Name="web")
    run = world.ansible("ansible", "all", "-m", "debug", "-a", "msg=x", "-i", str(world.config(connection="none")))
    assert run.returncode == 0, run.stderr
    assert "reserved" not in run.stderr
    assert "tags" not in world.inventory().hosts["web"].vars


def test_one_region_that_is_not_enabled_need_not_empty_the_inventory(world: World) -> None:
    """amazon.aws#2669: AuthFailure of one region, and all hosts of the others were gone."""
    world.run(Name="web")
    world.aws.fault("ec2:DescribeInstances", "AuthFailure", region=OTHER)
    assert set(world.inventory(regions=[REGION, OTHER], on_partial="warn").hosts) == {"web"}
    with pytest.raises(SystemExit):
        world.inventory(regions=[REGION, OTHER])


def test_several_roles_fit_into_one_inventory(world: World) -> None:
    """amazon.aws#1908: one ARN a file."""
    roles = [f"arn:aws:iam::{number}{'0' * 11}:role/inventory" for number in (3, 4)]
    for role in roles:
        world.inventory(accounts=[{"role_arn": role} for role in roles])
    assert sum(count for call, count in world.aws.calls().items() if ":AssumeRole:" in call) == 4


def test_roles_need_no_region_beside_regions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """'You must specify a region', although `regions` did."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    world.inventory(regions=[OTHER], accounts=[{"role_arn": ROLE}])
    assert regions_asked(world) == {OTHER}


def test_the_region_of_the_profile_is_not_ignored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ansible#74494: without `regions` all of them were asked, one after the other."""
    config = world.folder / "config"
    keys = "aws_access_key_id = a\naws_secret_access_key = b"
    config.write_text(f"[profile fleet]\nregion = {OTHER}\n{keys}\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    world.inventory(regions=[], profile="fleet")
    assert regions_asked(world) == {OTHER}


def test_regions_are_discovered_once_not_for_every_filter(world: World) -> None:
    """DescribeRegions was repeated for each dictionary of filters."""
    filters = [{"tag:a": "1"}, {"tag:a": "2"}, {"tag:a": "3"}]
    world.inventory(
        regions=["all"], include_filters=filters, exclude_filters=filters[:1], autoscaling=False, image_age=False
    )
    assert sum(count for call, count in world.aws.calls().items() if ":DescribeRegions:" in call) == 1


def test_an_option_that_is_misspelt_is_not_ignored(world: World) -> None:
    """`filter:` in place of `filters:` listed every instance there is."""
    world.run(Name="web")
    with pytest.raises(SystemExit):
        world.inventory(filter={"tag:Name": "none"})
    assert "Did you mean filters?" in world.display.errors[0]


def test_lifecycle_states_of_auto_scaling_are_known(world: World) -> None:
    """ansible#5378, since 2013: nothing but the name of the group."""
    group = world.scaled(2, Name="web")
    ids = world.lifecycle(group, "InService", "Standby")
    data = world.inventory(hostnames=["instance-id"])
    assert [host.name for host in data.groups["lifecycle_InService"].hosts] == [ids[0]]
    assert [host.name for host in data.groups["lifecycle_Standby"].hosts] == [ids[1]]


def test_prefix_and_name_of_a_host_are_not_swapped(world: World) -> None:
    """amazon.aws#1274."""
    (instance,) = world.run(Name="web")
    data = world.inventory(hostnames=[{"name": "instance-id", "prefix": "tag:Name", "separator": "."}])
    assert set(data.hosts) == {f"web.{instance}"}
