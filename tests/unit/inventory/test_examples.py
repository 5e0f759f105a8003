# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation shows can be copied as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.inventory import ec2_fleet
from ansible_collections.sysops.dtk.plugins.module_utils import inventory
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory_groups import KINDS
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory_names import _ATTRIBUTES, ON_DUPLICATE

from .world import ROOT, World, documented_options

EXAMPLES = list(yaml.safe_load_all(ec2_fleet.EXAMPLES))
DOCUMENTATION = yaml.safe_load(ec2_fleet.DOCUMENTATION)


@pytest.mark.parametrize("example", EXAMPLES, ids=[str(number) for number in range(len(EXAMPLES))])
def test_every_example_gives_an_inventory(world: World, example: dict[str, Any]) -> None:
    world.run(Name="shop-1", dtk_env="prod", dtk_role="web", Environment="prod", Role="web")
    path = world.folder / "example.dtk.yml"
    path.write_text(yaml.safe_dump(example), encoding="utf-8")
    run = world.ansible("ansible-inventory", "--list", "-i", str(path), HOME=str(world.folder))
    assert run.returncode == 0, run.stderr
    assert world.mark in run.stdout


def test_the_examples_show_most_of_the_options() -> None:
    shown = {name for example in EXAMPLES for name in example}
    assert {"regions", "accounts", "filters", "hostnames", "connection", "compose", "on_partial", "cache"} <= shown


def test_the_documented_choices_are_those_that_work() -> None:
    options = DOCUMENTATION["options"]
    assert tuple(options["standard_groups"]["choices"]) == tuple(options["standard_groups"]["default"]) == KINDS
    assert tuple(options["on_duplicate"]["choices"]) == ON_DUPLICATE
    told = " ".join(options["hostnames"]["description"])
    assert [name for name in _ATTRIBUTES if f"V({name})" not in told] == []


def test_every_option_is_described_and_has_a_type() -> None:
    options = {**DOCUMENTATION["options"], **DOCUMENTATION["options"]["accounts"]["suboptions"]}
    assert [name for name, option in options.items() if not option.get("description") or not option.get("type")] == []


def test_every_variable_of_a_host_is_described(world: World) -> None:
    world.lifecycle(world.scaled(1, Name="web", dtk_env="prod", dtk_role="web"), "InService")
    told = " ".join(DOCUMENTATION["description"])
    data = world.inventory(full_description=True, connection="none", accounts=[{"name": "own"}])
    found = data.hosts["web"].vars
    assert [name for name in found if not name.startswith("inventory_") and f"C({name})" not in told] == []


@pytest.mark.parametrize("folder", ["example", "demo"])
def test_our_own_inventories_have_options_that_exist(folder: str) -> None:
    (path,) = (ROOT / "inventories" / folder).glob("*.dtk.yml")
    inventory.check_names(yaml.safe_load(path.read_text(encoding="utf-8")), documented_options())


def test_the_example_estate_gives_every_server_role_its_apps(world: World) -> None:
    """Its accounts are assumed in the emulated AWS, where they hold what the tests put there."""
    client = _in_account(world, "111111111111", "fleet-inventory")
    world.run(2, client=client, Name="shop-api", dtk_env="prod", dtk_role="api", Team="shop")
    world.run(1, client=client, Name="shop-worker", dtk_env="prod", dtk_role="worker")
    run = world.ansible(
        "ansible-inventory", "--list", "-i", str(ROOT / "inventories" / "example"), HOME=str(world.folder)
    )
    assert run.returncode == 0, run.stderr
    listed = yaml.safe_load(run.stdout)
    hosts = listed["_meta"]["hostvars"]
    ours = {name: found for name, found in hosts.items() if world.mark in str(found["ec2_tags"])}
    assert len(ours) == 3
    for found in ours.values():
        role = found["dtk_role"]["__ansible_unsafe"]
        assert found["dtk_server_role"]["name"] == role
        assert list(found["dtk_apps"]) == [{"api": "shop", "worker": "shop-worker"}[role]]
        assert found["dtk_bucket"] == "example-releases-prod"
    assert set(listed["team_shop"]["hosts"]) <= set(listed["role_api"]["hosts"])


def _in_account(world: World, account: str, role: str) -> Any:
    from .test_ec2_fleet import world_client

    arn = f"arn:aws:iam::{account}:role/{role}"
    return world_client(world, world.aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"])


def test_the_files_of_the_example_are_plain_yaml() -> None:
    for path in sorted(Path(ROOT / "inventories" / "example").rglob("*.yml")):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
