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


def test_what_the_inventory_knows_about_a_host() -> None:
    facts = {
        "dtk_apps": {"hello": SPEC},
        "instance_id": "i-1",
        "private_ip_address": "10.0.0.1",
        "dtk_region": "eu-west-1",
        "dtk_account_id": "123456789012",
        "dtk_asg": "web",
        "dtk_lifecycle_state": "InService",
    }
    assert app_hosts({"web-1": facts}, {"env_prod": ["web-1"]}, "prod", "hello") == [
        {
            "name": "web-1",
            "az": "unknown",
            "spec": SPEC,
            "instance_id": "i-1",
            "address": "10.0.0.1",
            "region": "eu-west-1",
            "account_id": "123456789012",
            "asg": "web",
            "lifecycle_state": "InService",
        }
    ]


@pytest.mark.parametrize(
    ("facts", "settled"),
    [
        ({}, True),
        ({"dtk_lifecycle_state": "InService"}, True),
        ({"dtk_lifecycle_state": "Standby"}, True),
        ({"dtk_lifecycle_state": "Pending:Wait"}, False),
        ({"dtk_lifecycle_state": "Warmed:Running"}, False),
        ({"dtk_lifecycle_state": "Terminating:Wait"}, False),
        ({"dtk_pending": True}, False),
    ],
)
def test_who_is_on_the_way_is_left_out_of_a_plan(facts: dict[str, object], settled: bool) -> None:
    hostvars = {"web-1": {"dtk_apps": {"hello": SPEC}, **facts}, "web-2": {"dtk_apps": {"hello": SPEC}}}
    groups = {"env_prod": list(hostvars)}
    names = [row["name"] for row in app_hosts(hostvars, groups, "prod", "hello", settled=True)]
    assert names == (["web-1", "web-2"] if settled else ["web-2"])
    assert len(app_hosts(hostvars, groups, "prod", "hello")) == 2


def test_a_fleet_of_which_nobody_is_in_service_yet() -> None:
    hostvars = {"web-1": {"dtk_apps": {"hello": SPEC}, "dtk_pending": True}}
    with pytest.raises(PlanError, match="The hosts of env prod with the app hello are all on their way"):
        app_hosts(hostvars, {"env_prod": ["web-1"]}, "prod", "hello", settled=True)


def test_an_inventory_without_envs_and_an_env_without_apps() -> None:
    with pytest.raises(PlanError, match="Envs there are: none"):
        app_hosts({}, {}, "prod", "hello")
    with pytest.raises(PlanError, match="Apps there are: none"):
        app_hosts({"a": {}}, {"env_prod": ["a"]}, "prod", "hello")
