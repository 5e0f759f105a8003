# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory_groups import KINDS, Tags, grouped
from hypothesis import given
from hypothesis import strategies as st

TAGS = Tags(env="dtk:env", role="dtk:role", app="dtk:app")


def safe(name: str) -> str:
    return re.sub(r"\W", "_", name)


def row(zone: str = "eu-west-1a", member: dict[str, Any] | None = None, **tags: str) -> dict[str, Any]:
    found = {"availability_zone": zone, "tags": {f"dtk:{key}": value for key, value in tags.items()}}
    return {**found, "member": member} if member else found


def test_every_kind_of_group() -> None:
    members = {"group": "web-asg", "lifecycle_state": "Pending:Wait"}
    groups, warnings = grouped(
        [row(env="prod", role="web", app="shop, search,,shop"), row("eu-west-1b", members)], KINDS, TAGS, safe
    )
    assert groups == {
        "env_prod": [0],
        "role_web": [0],
        "app_shop": [0],
        "app_search": [0],
        "az_eu_west_1a": [0],
        "az_eu_west_1b": [1],
        "asg_web_asg": [1],
        "lifecycle_Pending_Wait": [1],
    }
    assert warnings == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_can_be_had_alone(kind: str) -> None:
    members = {"group": "web", "lifecycle_state": "InService"}
    groups, _warnings = grouped([row(member=members, env="p", role="r", app="a")], [kind], TAGS, safe)
    assert len(groups) == 1
    assert next(iter(groups)).startswith(f"{kind}_")


def test_a_tag_names_the_scaling_group_where_auto_scaling_was_not_asked() -> None:
    instance = {"availability_zone": "", "tags": {"aws:autoscaling:groupName": "web-asg"}}
    assert set(grouped([instance], KINDS, TAGS, safe)[0]) == {"asg_web_asg"}


def test_other_tags_can_be_named() -> None:
    instance = {"availability_zone": "", "tags": {"Env": "prod", "dtk:env": "beta", "Role": "web", "Apps": "a,b"}}
    groups, _warnings = grouped([instance], KINDS, Tags("Env", "Role", "Apps"), safe)
    assert set(groups) == {"env_prod", "role_web", "app_a", "app_b"}


def test_values_that_become_one_group_are_told() -> None:
    groups, warnings = grouped([row(env="a-b"), row(env="a.b"), row(env="a_b")], ["env"], TAGS, safe)
    assert groups == {"env_a_b": [0, 1, 2]}
    assert len(warnings) == 1
    assert warnings[0].startswith("'a-b', 'a.b', 'a_b' become one group: env_a_b.")


def test_apps_that_become_one_group_have_the_host_once() -> None:
    groups, _warnings = grouped([row(app="a-b,a.b")], ["app"], TAGS, safe)
    assert sorted(set(groups["app_a_b"])) == [0]


@given(st.lists(st.fixed_dictionaries({"env": st.text(max_size=5), "role": st.text(max_size=5)}), max_size=200))
def test_any_tags_keep_to_the_groups_of_their_kind(tags: list[dict[str, str]]) -> None:
    groups, _warnings = grouped([row(**one) for one in tags], ["env", "role"], TAGS, safe)
    assert all(re.fullmatch(r"(env|role)_\w+", name) for name in groups)
    for kind in ("env", "role"):
        placed = sorted(p for name, positions in groups.items() if name.startswith(kind) for p in positions)
        assert placed == [position for position, one in enumerate(tags) if one[kind]]
