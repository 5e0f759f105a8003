# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer of AWS, kept: for whom, where, and what it spares."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.emulation import REGION

from .world import World

ROLE = "arn:aws:iam::222222222222:role/inventory"


@pytest.fixture
def kept(world: World) -> dict[str, Any]:
    return {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(world.folder / "kept")}


def files(world: World) -> list[Path]:
    return sorted((world.folder / "kept").iterdir())


def test_a_second_run_asks_nobody_and_gives_the_same(world: World, kept: dict[str, Any]) -> None:
    world.lifecycle(world.scaled(2, Name="web", dtk_env="prod"), "InService", "Pending")
    options = {**kept, "accounts": [{"name": "own"}, {"role_arn": ROLE}], "on_duplicate": "suffix"}
    first = world.inventory(**options)
    world.aws.reset()
    second = world.inventory(**options)
    assert world.aws.calls() == {}
    for host in first.hosts.values():
        sources = ("inventory_file", "inventory_dir")
        ours = {name: value for name, value in host.vars.items() if name not in sources}
        assert {name: value for name, value in second.hosts[host.name].vars.items() if name not in sources} == ours
    assert {name: [host.name for host in group.hosts] for name, group in first.groups.items()} == {
        name: [host.name for host in group.hosts] for name, group in second.groups.items()
    }


def test_a_process_of_its_own_finds_it(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    path = world.config(**kept)
    first = world.listed(path)
    world.aws.reset()
    assert world.listed(path) == first
    assert world.aws.calls() == {}


def test_a_refresh_asks_again_and_keeps_that(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    world.inventory(**kept)
    world.run(Name="new")
    assert set(world.inventory(**kept).hosts) == {"web"}
    assert set(world.inventory(refresh=True, **kept).hosts) == {"web", "new"}
    assert set(world.inventory(**kept).hosts) == {"web", "new"}


def test_flush_cache_and_refresh_inventory_are_heard(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    path = str(world.config(**kept))
    world.listed(Path(path))
    world.run(Name="new")
    play = world.folder / "play.yml"
    tasks = "[{meta: refresh_inventory}, {debug: {msg: '{{ groups.all | sort | join }}'}}]"
    play.write_text(f"- {{hosts: localhost, gather_facts: false, tasks: {tasks}}}\n", encoding="utf-8")
    assert "new" not in world.ansible("ansible", "all", "--list-hosts", "-i", path).stdout
    assert "newweb" in world.ansible("ansible-playbook", "-i", path, str(play)).stdout
    world.run(Name="newest")
    assert "newest" in world.ansible("ansible", "all", "--list-hosts", "-i", path, "--flush-cache").stdout


def test_only_the_owner_can_read_it(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    path = world.config(**kept)
    previous = os.umask(0)
    try:
        world.inventory(path)
        assert [stat.S_IMODE(file.stat().st_mode) for file in files(world)] == [0o600]
        world.listed(world.config(**kept))
        world.inventory(path, refresh=True)
    finally:
        os.umask(previous)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files(world)} == {0o600}


def test_it_holds_no_credentials(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    secret = {"access_key": "AKIAEXAMPLE", "secret_key": "most-secret-of-all", "session_token": "a-token-of-trust"}
    world.inventory(**kept, **secret, accounts=[{"role_arn": ROLE, "external_id": "ours-alone"}, {"name": "own"}])
    (file,) = files(world)
    everything = f"{file.name} {file.read_text(encoding='utf-8')}"
    assert [text for text in (*secret.values(), "ours-alone", "an-access-key") if text in everything] == []


@pytest.mark.parametrize(
    "change",
    [
        {"regions": [REGION, "eu-west-2"]},
        {"filters": {"tag:Name": "web"}},
        {"accounts": [{"role_arn": ROLE}]},
        {"profile": "other"},
        {"endpoint_url": "here"},
        {"access_key": "AKIA", "secret_key": "b"},
        {"exclude_filters": [{"tag:Name": "web"}]},
        {"full_description": True},
        {"include_terminating": True},
        {"autoscaling": False},
        {"target_health": True},
        {"image_age": False},
    ],
)
def test_other_options_never_get_the_answer_of_these(
    world: World, kept: dict[str, Any], change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = world.folder / "config"
    config.write_text("[profile other]\naws_access_key_id = a\naws_secret_access_key = b\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    world.run(Name="web")
    path = world.config(**kept)
    world.inventory(path)
    world.aws.reset()
    if "endpoint_url" in change:
        change = {"endpoint_url": f"{world.aws.endpoint}/"}
    path.write_text(world.config(**{**kept, **change}).read_text(encoding="utf-8"), encoding="utf-8")
    world.inventory(path)
    assert any(":DescribeInstances:" in call for call in world.aws.calls())


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_REGION"])
def test_other_credentials_of_the_environment_never_get_it(
    world: World, kept: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.config(**kept)
    world.inventory(path)
    world.aws.reset()
    monkeypatch.setenv(name, "eu-west-3")
    world.inventory(path)
    assert any(":DescribeInstances:" in call for call in world.aws.calls())


def test_a_template_counts_by_its_value(world: World, kept: dict[str, Any]) -> None:
    words = world.folder / "word"
    words.write_text(REGION, encoding="utf-8")
    path = world.config(**{**kept, "regions": ["{{ lookup('ansible.builtin.file', '" + str(words) + "') }}"]})
    world.run(Name="web")
    world.run(Name="central", region="eu-central-1")
    assert set(world.listed(path)["_meta"]["hostvars"]) == {"web"}
    words.write_text("eu-central-1", encoding="utf-8")
    assert set(world.listed(path)["_meta"]["hostvars"]) == {"central"}


def test_a_partial_answer_is_not_kept(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    options = {**kept, "regions": [REGION, "eu-west-2"], "on_partial": "warn"}
    world.aws.fault("ec2:DescribeInstances", "AuthFailure", region="eu-west-2")
    assert world.inventory(**options).groups["all"].vars["dtk_inventory_partial"]
    assert files(world) == []
    world.aws.reset()
    assert "dtk_inventory_partial" not in world.inventory(**options).groups["all"].vars


def test_the_age_of_an_image_goes_on(world: World, kept: dict[str, Any]) -> None:
    world.run(Name="web")
    world.inventory(**kept)
    (file,) = files(world)
    stored = json.loads(file.read_text(encoding="utf-8"))
    text = json.dumps(stored)
    assert "image_created" in text
    assert "image_age" not in text
