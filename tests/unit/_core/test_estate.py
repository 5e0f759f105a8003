# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import PlanError
from ansible_collections.sysops.dtk.plugins.module_utils._core.estate import app_hosts

SPEC = {"unit": "hello.service"}
HOSTVARS = {
    "web-10": {"dtk_apps": {"hello": SPEC}, "placement": {"availability_zone": "a"}, "instance_id": "i-1"},
    "web-2": {"dtk_apps": {"hello": SPEC}, "availability_zone": "b"},
    "web-3": {"dtk_apps": {"hello": SPEC}, "placement": {}},
    "db-1": {"dtk_apps": {"ledger": {}}},
    "bare": {"dtk_apps": None},
}
GROUPS = {"all": list(HOSTVARS), "env_prod": list(HOSTVARS), "env_beta": [], "role_web": ["web-2"]}


def test_the_hosts_of_an_app() -> None:
    assert app_hosts(HOSTVARS, GROUPS, "prod", "hello") == [
        {"name": "web-2", "az": "b", "spec": SPEC},
        {"name": "web-3", "az": "unknown", "spec": SPEC},
        {"name": "web-10", "az": "a", "spec": SPEC, "instance_id": "i-1"},
    ]


@pytest.mark.parametrize(
    ("env", "app", "message"),
    [
        ("stg", "hello", "The env stg is not in the inventory. Envs there are: beta, prod."),
        ("beta", "hello", "The env beta has no hosts."),
        ("prod", "nope", "No host of env prod has the app nope. Apps there are: hello, ledger."),
    ],
)
def test_what_is_not_there_is_told_with_what_is(env: str, app: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        app_hosts(HOSTVARS, GROUPS, env, app)
    assert message in str(caught.value)


def test_an_inventory_without_envs_and_an_env_without_apps() -> None:
    with pytest.raises(PlanError, match="Envs there are: none"):
        app_hosts({}, {}, "prod", "hello")
    with pytest.raises(PlanError, match="Apps there are: none"):
        app_hosts({"a": {}}, {"env_prod": ["a"]}, "prod", "hello")
