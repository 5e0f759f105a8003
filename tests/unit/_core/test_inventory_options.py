# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory import InventoryError
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory_options import (
    check_names,
    identity,
    legacy_group_name,
)

DEFINITIONS: dict[str, Any] = {
    "regions": {},
    "filters": {},
    "profile": {"aliases": ["aws_profile"]},
    "plugin": {"aliases": []},
    "region": {"aliases": [{"name": "aws_region"}]},
}


def test_known_options_and_their_aliases_pass() -> None:
    check_names({"plugin": "x", "regions": [], "aws_profile": "a", "aws_region": "b"}, DEFINITIONS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("filter", "There is no option filter. Did you mean filters?"),
        ("region_list", "Did you mean regions?"),
        ("assume_role_arn", "There is no option assume_role_arn. Use accounts, a list with role_arn."),
        ("strict_permissions", "Use on_partial."),
        ("xyzzy", "There is no option xyzzy. See the documentation of the plugin."),
        (7, "There is no option 7."),
    ],
)
def test_an_unknown_option_is_an_error_with_a_hint(name: Any, hint: str) -> None:
    with pytest.raises(InventoryError) as caught:
        check_names({"plugin": "x", name: 1}, DEFINITIONS)
    assert hint in str(caught.value)


SETTINGS: dict[str, Any] = {
    "regions": ["eu-west-1"],
    "accounts": [],
    "filters": {"tag:a": "b"},
    "profile": None,
    "access_key": "AKIA1",
    "secret_key": "very secret",
    "session_token": "very secret too",
    "endpoint_url": None,
    "cache": True,
    "cache_timeout": 60,
}


@pytest.mark.parametrize(
    "change",
    [
        {"regions": ["eu-west-2"]},
        {"regions": []},
        {"accounts": [{"role_arn": "arn:aws:iam::111111111111:role/a"}]},
        {"filters": {}},
        {"profile": "other"},
        {"access_key": "AKIA2"},
        {"endpoint_url": "http://127.0.0.1:1"},
    ],
)
def test_another_value_is_another_inventory(change: dict[str, Any]) -> None:
    assert identity({**SETTINGS, **change}, {}) != identity(SETTINGS, {})


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_REGION"])
def test_other_credentials_of_the_environment_are_another_inventory(name: str) -> None:
    assert identity(SETTINGS, {name: "a"}) != identity(SETTINGS, {name: "b"}) != identity(SETTINGS, {})


def test_secrets_and_the_place_of_the_cache_are_no_part_of_it() -> None:
    known = identity(SETTINGS, {"AWS_SECRET_ACCESS_KEY": "most secret", "AWS_SESSION_TOKEN": "too", "TERM": "x"})
    assert "secret" not in known
    changed = {**SETTINGS, "secret_key": "x", "session_token": "y", "cache": False, "cache_timeout": 1}
    assert identity(changed, {"AWS_SECRET_ACCESS_KEY": "z"}) == known


def test_groups_as_the_old_script_named_them() -> None:
    assert legacy_group_name("env_a-b.c/d") == "env_a-b_c_d"
