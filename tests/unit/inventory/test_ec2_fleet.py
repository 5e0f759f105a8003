# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory that users get, from an emulated AWS over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.data import InventoryData
from ansible_collections.sysops.dtk.plugins.inventory.ec2_fleet import InventoryModule

from tests.emulation import REGION

from .world import OWN_ACCOUNT, World

OTHER = "eu-central-1"


def names(data: InventoryData, group: str = "all") -> set[str]:
    return {host.name for host in data.groups[group].get_hosts()}


def own_groups(data: InventoryData) -> dict[str, set[str]]:
    return {name: names(data, name) for name in data.groups if name not in ("all", "ungrouped")}


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("fleet.dtk.yml", True),
        ("fleet.dtk.yaml", True),
        ("dtk.ec2_fleet.yml", True),
        ("dtk.ec2_fleet.yaml", True),
        ("fleet.yml", False),
        ("mydtk.ec2_fleet.yml", False),
        ("fleet.aws_ec2.yml", False),
        ("fleet.dtk.json", False),
    ],
)
def test_the_name_of_the_file_says_that_it_is_ours(tmp_path: Path, name: str, ours: bool) -> None:
    path = tmp_path / name
    path.write_text("plugin: sysops.dtk.ec2_fleet\n", encoding="utf-8")
    assert InventoryModule().verify_file(str(path)) is ours
    assert InventoryModule().verify_file(str(tmp_path / "missing" / name)) is False


def test_hosts_groups_and_variables_of_two_regions(world: World) -> None:
    (web,) = world.run(Name="web-1", dtk_env="prod", dtk_role="web", dtk_app="shop,search")
    (worker,) = world.run(Name="worker-1", dtk_env="beta", dtk_role="worker", region=OTHER, zone="b")
    data = world.inventory(regions=[REGION, OTHER])
    assert own_groups(data) == {
        "env_prod": {"web-1"},
        "env_beta": {"worker-1"},
        "role_web": {"web-1"},
        "role_worker": {"worker-1"},
        "app_shop": {"web-1"},
        "app_search": {"web-1"},
        "az_eu_west_1a": {"web-1"},
        "az_eu_central_1b": {"worker-1"},
    }
    variables = data.hosts["worker-1"].vars
    assert data.hosts["web-1"].vars["instance_id"] == web
    assert variables["instance_id"] == worker
    assert variables["dtk_region"] == OTHER
    assert variables["availability_zone"] == f"{OTHER}b"
    assert variables["dtk_account_id"] == OWN_ACCOUNT
    assert variables["dtk_image_age_days"] == 0
    assert variables["ansible_host"] == variables["private_ip_address"]
    assert variables["ec2_tags"]["dtk:role"] == "worker"
    assert world.display.warnings == []


def test_auto_scaling_is_joined(world: World) -> None:
    group = world.scaled(4, Name="web", dtk_env="prod")
    ids = world.lifecycle(group, "InService", "Pending:Wait", "Terminating:Wait", "Standby")
    data = world.inventory(on_duplicate="suffix")
    found = {host.vars["instance_id"]: host.vars for host in data.hosts.values()}
    assert set(found) == {ids[0], ids[1], ids[3]}, "the one that terminates is left out"
    assert [found[one]["dtk_pending"] for one in (ids[0], ids[1], ids[3])] == [False, True, False]
    assert names(data, "lifecycle_Pending_Wait") == {f"web-{ids[1]}"}
    assert names(data, "asg_" + group.replace("-", "_")) == {f"web-{one}" for one in found}
    first = found[ids[0]]
    assert first["dtk_asg"] == group
    assert first["dtk_lifecycle_state"] == "InService"
    assert first["dtk_health"] == "Healthy"
    assert (first["dtk_launch_template"], first["dtk_launch_template_version"]) == (group, "1")
    assert first["dtk_protected_from_scale_in"] is True


def test_what_terminates_can_be_had(world: World) -> None:
    ids = world.lifecycle(world.scaled(2, Name="web"), "InService", "Terminating:Wait")
    found = world.inventory(on_duplicate="suffix", include_terminating=True)
    assert {host.vars["instance_id"] for host in found.hosts.values()} == set(ids)
    assert names(found, "lifecycle_Terminating_Wait") == {f"web-{ids[1]}"}


def test_only_running_and_pending_instances_unless_the_filters_say_otherwise(world: World) -> None:
    _running, stopped = world.run(Name="runs"), world.run(Name="stopped")
    world.aws.client("ec2").stop_instances(InstanceIds=stopped)
    assert names(world.inventory()) == {"runs"}
    asked = {"tag:test": world.mark, "instance-state-name": "stopped"}
    assert names(world.inventory(filters=asked)) == {"stopped"}


def test_target_health_is_there_if_asked_for(world: World) -> None:
    (web,) = world.run(Name="web")
    balancers = world.aws.client("elbv2")
    vpc = world.aws.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    arn = balancers.create_target_group(Name=f"web-{world.mark}", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][
        0
    ]
    balancers.register_targets(TargetGroupArn=arn["TargetGroupArn"], Targets=[{"Id": web, "Port": 80}])
    assert "dtk_target_health" not in world.inventory().hosts["web"].vars
    (health,) = world.inventory(target_health=True).hosts["web"].vars["dtk_target_health"]
    assert (health["target_group"], health["port"]) == (f"web-{world.mark}", 80)
    assert health["state"]


def test_calls_that_nobody_asked_for_are_not_made(world: World) -> None:
    world.run(Name="web")
    world.inventory(autoscaling=False, image_age=False)
    assert {name.split(":")[1] for name in world.aws.calls()} == {"RunInstances", "RegisterImage", "DescribeInstances"}


def test_include_filters_add_and_exclude_filters_take_away(world: World) -> None:
    for name in ("a", "b", "c"):
        world.run(Name=name)
    by_name = [{"tag:test": world.mark, "tag:Name": [name]} for name in ("a", "b", "c")]
    assert names(world.inventory(filters=by_name[0], include_filters=by_name[1:])) == {"a", "b", "c"}
    assert names(world.inventory(filters={}, include_filters=by_name[1:])) == {"b", "c"}
    assert names(world.inventory(exclude_filters=by_name[:2])) == {"c"}
    assert names(world.inventory(filters=by_name[0], include_filters=[by_name[0]])) == {"a"}


def test_all_regions_are_asked_for_once(world: World) -> None:
    world.run(Name="west")
    world.run(Name="central", region=OTHER)
    data = world.inventory(regions="all", autoscaling=False, image_age=False)
    assert names(data) == {"west", "central"}
    assert sum(count for call, count in world.aws.calls().items() if ":DescribeRegions:" in call) == 1
    listed = {call.split(":")[2] for call in world.aws.calls() if ":DescribeInstances:" in call}
    assert len(listed) > 10


@pytest.mark.parametrize("source", ["option", "AWS_REGION", "AWS_DEFAULT_REGION", "profile"])
def test_without_regions_it_is_the_one_of_the_configuration(
    world: World, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    world.run(Name="central", region=OTHER)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    options: dict[str, Any] = {"region": OTHER} if source == "option" else {}
    if source.startswith("AWS"):
        monkeypatch.setenv(source, OTHER)
    if source == "profile":
        config = world.folder / "config"
        keys = "aws_access_key_id = a\naws_secret_access_key = b"
        config.write_text(f"[profile fleet]\nregion = {OTHER}\n{keys}\n", encoding="utf-8")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        options = {"profile": "fleet"}
    assert names(world.inventory(regions=[], **options)) == {"central"}


def test_several_accounts_by_roles(world: World) -> None:
    world.run(Name="ours")
    arn = "arn:aws:iam::222222222222:role/inventory"
    given = world.aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    other = world_client(world, given)
    world.run(Name="theirs", client=other)
    accounts = [{"name": "tools"}, {"name": "shop", "role_arn": arn, "external_id": 1234, "duration": 900}]
    data = world.inventory(accounts=accounts)
    assert names(data) == {"ours", "theirs"}
    assert [data.hosts[name].vars["dtk_account"] for name in ("ours", "theirs")] == ["tools", "shop"]
    assert [data.hosts[name].vars["dtk_account_id"] for name in ("ours", "theirs")] == [OWN_ACCOUNT, "222222222222"]


def world_client(world: World, given: dict[str, Any]) -> Any:
    import boto3

    return boto3.session.Session().client(
        "ec2",
        endpoint_url=world.aws.endpoint,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def test_a_role_is_assumed_once_and_without_any_region_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    world.inventory(regions=[OTHER, REGION], accounts=[{"role_arn": "arn:aws:iam::222222222222:role/inventory"}])
    assumed = {call: count for call, count in world.aws.calls().items() if ":AssumeRole:" in call}
    assert assumed == {f"sts:AssumeRole:{OTHER}": 1}


def test_regions_are_read_at_the_same_time(world: World) -> None:
    world.aws.latency(0.05)
    world.inventory(regions=["eu-west-1", "eu-west-2", "eu-west-3", OTHER])
    assert world.aws.most_in_flight() >= 4


def test_full_description(world: World) -> None:
    world.run(Name="web")
    slim = world.inventory().hosts["web"].vars
    full = world.inventory(full_description=True, compose={"root": "root_device_name"}).hosts["web"].vars
    assert "dtk_description" not in slim
    assert {name: full[name] for name in slim if name != "launch_time"} == {
        name: value for name, value in slim.items() if name != "launch_time"
    }
    described = full["dtk_description"]
    assert described["tags"] == slim["ec2_tags"]
    assert described["instance_id"] == slim["instance_id"]
    assert described["placement"]["tenancy"] == "default"
    assert described["block_device_mappings"][0]["ebs"]["attach_time"].startswith("20")
    assert full["root"] == "/dev/sda1"


def test_standard_groups_can_be_fewer_and_tags_others(world: World) -> None:
    world.run_tagged({"Name": "web", "Env": "prod", "Role": "web", "dtk:env": "no"})
    data = world.inventory(standard_groups=["env", "role"], tag_env="Env", tag_role="Role")
    assert own_groups(data) == {"env_prod": {"web"}, "role_web": {"web"}}
    assert data.hosts["web"].vars["dtk_env"] == "prod"
    assert own_groups(world.inventory(standard_groups=[])) == {}


def test_what_users_add(world: World) -> None:
    world.run(Name="web-1", dtk_env="prod", Owner="{{ 1 + 1 }}", Port="80")
    world.run(Name="web-2", dtk_env="beta")
    data = world.inventory(
        standard_groups=[],
        compose={
            "owner": "tags.Owner | default('nobody')",
            "port": "tags.Port | default(8080) | int",
            "no": "nope.x",
            "joined": "tags.Name ~ '/' ~ tags.Owner | default('x')",
            "by_jinja": "tags.Name ~ dtk_image_age_days",
        },
        groups={"in_prod": "dtk_env == 'prod'", "owned-by-nobody": "owner == 'nobody'"},
        keyed_groups=[
            {"prefix": "zone", "key": "placement.availability_zone", "parent_group": "zones"},
            {"key": "tags.None", "default_value": "none", "prefix": "x"},
            {"prefix": "who", "key": "owner"},
            {"prefix": "tag", "key": "{'a': dtk_env}"},
        ],
    )
    assert data.hosts["web-1"].vars["owner"] == "{{ 1 + 1 }}"
    assert [data.hosts[name].vars["port"] for name in ("web-1", "web-2")] == [80, 8080]
    assert "no" not in data.hosts["web-1"].vars
    assert [data.hosts[name].vars["joined"] for name in ("web-1", "web-2")] == ["web-1/{{ 1 + 1 }}", "web-2/x"]
    assert data.hosts["web-1"].vars["by_jinja"] == "web-10"
    assert own_groups(data) == {
        "in_prod": {"web-1"},
        "owned_by_nobody": {"web-2"},
        "zone_eu_west_1a": {"web-1", "web-2"},
        "zones": {"web-1", "web-2"},
        "who____1___1___": {"web-1"},
        "who_nobody": {"web-2"},
        "tag_a_prod": {"web-1"},
        "tag_a_beta": {"web-2"},
    }


@pytest.mark.parametrize(
    "options",
    [{"compose": {"x": "tags.Nope"}}, {"keyed_groups": [{"key": "tags['Nope']"}]}, {"groups": {"g": "nope.x == 1"}}],
)
def test_strict_ends_the_run_for_what_is_not_there(world: World, options: dict[str, Any]) -> None:
    world.run(Name="web")
    assert names(world.inventory(**options)) == {"web"}
    with pytest.raises(SystemExit):
        world.inventory(strict=True, **options)
    assert "web" in world.display.errors[0]


def test_compose_wins_over_the_connection(world: World) -> None:
    (instance,) = world.run(Name="web", Address="192.0.2.1")
    found = world.inventory(connection="ssm", compose={"ansible_host": "tags.Address"}).hosts["web"].vars
    assert found["ansible_host"] == "192.0.2.1"
    assert found["ansible_connection"] == "amazon.aws.aws_ssm"
    assert found["ansible_aws_ssm_instance_id"] == instance


def test_options_may_be_templates(world: World) -> None:
    world.run(Name="web")
    text = "{{{{ '{}' | reverse | join }}}}".format
    found = world.inventory(regions=[text(REGION[::-1])], filters={"tag:test": text(world.mark[::-1])})
    assert names(found) == {"web"}


def test_a_host_that_another_source_has_too_keeps_what_that_says(world: World) -> None:
    world.run(Name="web")
    path = world.config()
    static = world.folder / "static.yml"
    static.write_text("all: {hosts: {web: {colour: red, ec2_tags: {own: x}}}}\n", encoding="utf-8")
    run = world.ansible("ansible-inventory", "--list", "-i", str(static), "-i", str(path))
    assert run.returncode == 0, run.stderr
    assert '"colour": "red"' in run.stdout
    assert '"instance_id"' in run.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"regios": ["eu-west-1"]}, "There is no option regios. Did you mean regions?"),
        ({"assume_role_arn": "x"}, "Use accounts, a list with role_arn."),
        ({"on_partial": "ignore"}, "on_partial"),
        ({"standard_groups": ["envs"]}, "standard_groups"),
        ({"hostnames": ["Name"]}, "hostnames has 'Name'"),
        ({"parallel": 0}, "parallel is 0. Give a number from 1 to 64."),
        ({"profile": "a", "access_key": "b"}, "profile and access_key are both given."),
        ({"access_key": "b"}, "access_key and secret_key belong together."),
        ({"profile": "nobody"}, "The config profile (nobody) could not be found. Correct the option profile"),
        ({"accounts": [{"arn": "x"}]}, "accounts has the item {'arn': 'x'}. An item is a dictionary with duration, "),
        ({"accounts": [{"role_arn": "inventory"}]}, "accounts has role_arn 'inventory'. Give it as arn:aws:iam::"),
        (
            {"accounts": [{"role_arn": "arn:aws:iam::222222222222:role/x", "duration": "1h"}]},
            "accounts has duration '1h'.",
        ),
        ({"compose": {"a": "b"}, "keyed_groups": ["x"]}, "keyed"),
    ],
)
def test_an_option_that_is_wrong_ends_the_run_and_names_itself(
    world: World, options: dict[str, Any], told: str
) -> None:
    world.run(Name="web")
    path = world.config(**options)
    with pytest.raises(SystemExit) as ended:
        world.inventory(path)
    assert ended.value.code == 1
    assert len(world.display.errors) == 1
    assert world.display.errors[0].startswith(f"{path}: ")
    assert told in world.display.errors[0]


def test_no_region_at_all_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SystemExit):
        world.inventory(regions=[])
    assert "no AWS region is set" in world.display.errors[0]
    assert "Or name regions in the option regions." in world.display.errors[0]


def test_no_credentials_are_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SystemExit):
        world.inventory()
    assert "there are no AWS credentials" in world.display.errors[0]


def test_a_file_of_another_plugin_is_left_to_that(world: World) -> None:
    path = world.folder / "other.dtk.yml"
    path.write_text("plugin: ansible.builtin.constructed\n", encoding="utf-8")
    with pytest.raises(Exception, match="Incorrect plugin name"):
        world.inventory(path)


def test_names_that_are_shared_are_told_and_lose_nobody(world: World) -> None:
    ids = world.run(2, Name="web") + world.run(Name="all")
    data = world.inventory(keyed_groups=[{"key": "tags.Name", "separator": ""}])
    assert names(data) == {f"web-{ids[0]}", f"web-{ids[1]}", f"all-{ids[2]}"}
    assert "ec2_tags" not in data.groups["all"].vars
    assert len(world.display.warnings) == 2
    assert all(one in world.display.warnings[0] for one in ids[:2])
    with pytest.raises(SystemExit):
        world.inventory(on_duplicate="fail")


def test_values_that_become_one_group_are_told(world: World) -> None:
    world.run(Name="a", dtk_env="stg-a")
    world.run(Name="b", dtk_env="stg.a")
    assert names(world.inventory(), "env_stg_a") == {"a", "b"}
    assert "'stg-a', 'stg.a' become one group: env_stg_a" in world.display.warnings[0]


def test_groups_with_hyphens_for_those_who_came_from_the_old_script(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible.constants.TRANSFORM_INVALID_GROUP_CHARS", "ignore")
    world.run(Name="a", dtk_env="stg-a")
    data = world.inventory(use_contrib_script_compatible_sanitization=True, standard_groups=["env"])
    assert own_groups(data) == {"env_stg-a": {"a"}}
