# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens when AWS is slow, busy or broken: a whole inventory, or an error that says what is missing."""

from __future__ import annotations

import subprocess

import pytest

from tests.emulation import REGION

from .world import World

OTHER = "eu-central-1"
READS = ("ec2:DescribeInstances", "autoscaling:DescribeAutoScalingGroups", "ec2:DescribeImages")


def hosts(world: World, **options: object) -> set[str]:
    return set(world.inventory(**options).hosts)


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("code", ["RequestLimitExceeded", "ThrottlingException", 500, 503])
def test_trouble_that_ends_is_waited_out(world: World, call: str, code: str | int) -> None:
    world.run(Name="web")
    world.aws.fault(call, code, times=5)
    assert hosts(world) == {"web"}
    assert world.aws.calls()[f"{call}:{REGION}"] == 6
    assert world.display.warnings == []


@pytest.mark.parametrize("call", READS)
def test_a_connection_that_breaks_is_tried_again(world: World, call: str) -> None:
    world.run(Name="web")
    world.aws.drop(call, times=2)
    assert hosts(world) == {"web"}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("RequestLimitExceeded", "AWS throttled 10 tries (RequestLimitExceeded). Run it again later"),
        ("UnauthorizedOperation", "access denied"),
        ("ExpiredToken", "the AWS credentials have expired"),
        ("AuthFailure", "it may not be enabled for the account: then leave it out of regions."),
        (503, "503"),
    ],
)
@pytest.mark.parametrize("call", READS)
def test_trouble_that_stays_is_an_error_with_region_account_and_cause(
    world: World, call: str, code: str | int, told: str
) -> None:
    world.run(Name="web")
    world.run(Name="central", region=OTHER)
    world.aws.fault(call, code, region=OTHER)
    with pytest.raises(SystemExit) as ended:
        world.inventory(regions=[REGION, OTHER])
    assert ended.value.code == 1
    (error,) = world.display.errors
    assert f"Not all of the fleet could be read. region {OTHER} of own account: Cannot " in error
    assert told in error
    assert f"region {REGION} of" not in error


def test_every_place_that_failed_is_named(world: World) -> None:
    world.aws.fault("ec2:DescribeInstances", "UnauthorizedOperation")
    with pytest.raises(SystemExit):
        world.inventory(regions=[REGION, OTHER])
    assert f"region {REGION} of own account" in world.display.errors[0]
    assert f"region {OTHER} of own account" in world.display.errors[0]


def test_with_warn_the_rest_is_listed_and_the_gap_is_known_to_playbooks(world: World) -> None:
    world.run(Name="web")
    world.run(Name="central", region=OTHER)
    world.aws.fault("ec2:DescribeInstances", "AuthFailure", region=OTHER)
    data = world.inventory(regions=[REGION, OTHER], on_partial="warn")
    assert set(data.hosts) == {"web"}
    (gap,) = data.groups["all"].vars["dtk_inventory_partial"]
    assert (gap["account"], gap["region"]) == ("own account", OTHER)
    assert "AuthFailure" in gap["cause"]
    (warning,) = world.display.warnings
    assert f"this part of the fleet is missing in the inventory: region {OTHER} of own account: " in warning


def test_a_whole_inventory_has_no_mark(world: World) -> None:
    world.run(Name="web")
    assert "dtk_inventory_partial" not in world.inventory(on_partial="warn").groups["all"].vars


def test_an_account_whose_role_cannot_be_assumed(world: World) -> None:
    world.run(Name="web")
    world.aws.fault("sts:AssumeRole", "AccessDenied")
    accounts = [{"name": "own"}, {"name": "shop", "role_arn": "arn:aws:iam::222222222222:role/inventory"}]
    with pytest.raises(SystemExit):
        world.inventory(accounts=accounts)
    told = "shop: Cannot assume the role arn:aws:iam::222222222222:role/inventory: access denied"
    assert told in world.display.errors[0]
    data = world.inventory(accounts=accounts, on_partial="warn")
    assert set(data.hosts) == {"web"}
    assert data.groups["all"].vars["dtk_inventory_partial"][0]["account"] == "shop"


@pytest.mark.parametrize("call", ["ec2:DescribeInstances", "ec2:DescribeRegions"])
def test_nothing_at_all_is_an_error_whatever_the_options_say(world: World, call: str) -> None:
    world.aws.fault(call, "UnauthorizedOperation")
    with pytest.raises(SystemExit):
        world.inventory(regions=["all"], on_partial="warn", autoscaling=False)
    assert "access denied" in world.display.errors[0]


@pytest.mark.parametrize(
    ("call", "pages"), [("ec2:DescribeInstances", 3), ("autoscaling:DescribeAutoScalingGroups", None)]
)
def test_pages_are_all_read(world: World, call: str, pages: int | None) -> None:
    groups = [world.scaled(2, Name="web") for _number in range(3)]
    world.aws.page(call, 2)
    data = world.inventory(on_duplicate="suffix")
    assert len(data.hosts) == 6
    assert {host.vars["dtk_asg"] for host in data.hosts.values()} == set(groups)
    asked = world.aws.calls()[f"{call}:{REGION}"]
    assert asked == pages if pages else asked > 1


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "ExpiredToken", 500])
def test_a_later_page_that_fails_never_shortens_the_list(world: World, code: str | int) -> None:
    world.run(6, Name="web")
    world.aws.page("ec2:DescribeInstances", 2)
    world.aws.fault("ec2:DescribeInstances", code, after=2)
    with pytest.raises(SystemExit):
        world.inventory(on_duplicate="suffix")
    assert f"Cannot list the instances of {REGION}: " in world.display.errors[0]


def test_a_later_page_is_tried_again_by_itself(world: World) -> None:
    world.run(6, Name="web")
    world.aws.page("ec2:DescribeInstances", 2)
    world.aws.fault("ec2:DescribeInstances", "RequestLimitExceeded", after=2, times=3)
    assert len(hosts(world, on_duplicate="suffix")) == 6


def ends(world: World, *command: str) -> subprocess.CompletedProcess[str]:
    run = world.ansible(*command)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "[ERROR]" in run.stderr or "ERROR!" in run.stderr
    assert "Failed to parse" not in run.stderr
    return run


def test_ansible_commands_fail_instead_of_working_on_nothing(world: World) -> None:
    world.run(Name="web")
    path = str(world.config())
    play = world.folder / "play.yml"
    play.write_text("- {hosts: all, gather_facts: false, tasks: []}\n- {hosts: localhost}\n", encoding="utf-8")
    world.aws.fault("ec2:DescribeInstances", "RequestLimitExceeded")
    for command in (
        ("ansible-inventory", "--list", "-i", path),
        ("ansible", "all", "--list-hosts", "-i", path),
        ("ansible-playbook", "-i", path, str(play)),
    ):
        run = ends(world, *command)
        assert run.stdout == ""
        assert "AWS throttled 10 tries" in " ".join(run.stderr.split())


def test_a_folder_of_inventories_fails_with_its_one_bad_source(world: World) -> None:
    (world.folder / "a.yml").write_text("all: {hosts: {static: {}}}\n", encoding="utf-8")
    world.config()
    world.aws.fault("ec2:DescribeInstances", "UnauthorizedOperation")
    assert "access denied" in " ".join(
        ends(world, "ansible", "all", "--list-hosts", "-i", str(world.folder)).stderr.split()
    )


def test_a_play_that_reads_the_inventory_again_ends_if_that_fails(world: World) -> None:
    world.run(Name="web")
    play = world.folder / "play.yml"
    tasks = "[{meta: refresh_inventory}, {debug: {msg: went on}}]"
    play.write_text(f"- {{hosts: localhost, gather_facts: false, tasks: {tasks}}}\n", encoding="utf-8")
    world.aws.fault("ec2:DescribeInstances", "UnauthorizedOperation", after=1)
    run = world.ansible("ansible-playbook", "-i", str(world.config()), str(play))
    assert run.returncode == 1
    assert "access denied" in " ".join(run.stderr.split())
    assert "went on" not in run.stdout


def test_a_fleet_that_is_empty_is_no_error(world: World) -> None:
    run = world.ansible("ansible-inventory", "--list", "-i", str(world.config()))
    assert run.returncode == 0, run.stderr
    assert world.inventory().hosts == {}
