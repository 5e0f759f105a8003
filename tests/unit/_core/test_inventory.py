# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory import (
    EXPRESSION_NAMES,
    age_days,
    connection_variables,
    expression_variables,
    host_variables,
    is_pending,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW: dict[str, Any] = {
    "instance_id": "i-1",
    "region": "eu-west-1",
    "availability_zone": "eu-west-1a",
    "account_id": "111111111111",
    "account": "shop",
    "private_ip_address": "10.0.0.1",
    "public_ip_address": "198.51.100.1",
    "private_dns_name": "ip-10-0-0-1.internal",
    "public_dns_name": "ec2.example.com",
    "image_id": "ami-1",
    "image_created": "2026-02-01T12:00:00.000Z",
    "instance_type": "m5.large",
    "launch_time": "2026-02-28T09:00:00.000Z",
    "state": "running",
    "vpc_id": "vpc-1",
    "tags": {"Name": "web-1", "dtk:env": "prod", "dtk:role": "web"},
    "member": {
        "group": "web",
        "lifecycle_state": "InService",
        "health": "Healthy",
        "protected": True,
        "template": "lt-web",
        "template_version": "7",
    },
    "targets": [{"target_group": "web", "port": 80, "state": "healthy"}],
}
BARE: dict[str, Any] = {
    "instance_id": "i-2",
    "region": "eu-west-1",
    "availability_zone": "eu-west-1a",
    "account_id": "",
    "state": "pending",
    "tags": {},
}


def test_all_that_is_known_of_an_instance() -> None:
    assert host_variables(ROW, "dtk:env", "dtk:role", NOW) == {
        "instance_id": "i-1",
        "availability_zone": "eu-west-1a",
        "image_id": "ami-1",
        "instance_type": "m5.large",
        "launch_time": "2026-02-28T09:00:00.000Z",
        "private_ip_address": "10.0.0.1",
        "public_ip_address": "198.51.100.1",
        "private_dns_name": "ip-10-0-0-1.internal",
        "ec2_tags": {"Name": "web-1", "dtk:env": "prod", "dtk:role": "web"},
        "dtk_region": "eu-west-1",
        "dtk_account_id": "111111111111",
        "dtk_account": "shop",
        "dtk_state": "running",
        "dtk_env": "prod",
        "dtk_role": "web",
        "dtk_image_age_days": 28,
        "dtk_asg": "web",
        "dtk_lifecycle_state": "InService",
        "dtk_health": "Healthy",
        "dtk_launch_template": "lt-web",
        "dtk_launch_template_version": "7",
        "dtk_protected_from_scale_in": True,
        "dtk_target_health": [{"target_group": "web", "port": 80, "state": "healthy"}],
        "dtk_pending": False,
    }


def test_what_is_not_known_is_not_set() -> None:
    assert host_variables(BARE, "dtk:env", "dtk:role", NOW) == {
        "instance_id": "i-2",
        "availability_zone": "eu-west-1a",
        "dtk_region": "eu-west-1",
        "dtk_state": "pending",
        "ec2_tags": {},
        "dtk_pending": True,
    }


def test_the_scaling_group_is_known_by_its_tag_too() -> None:
    tagged = {**BARE, "tags": {"aws:autoscaling:groupName": "web"}}
    assert host_variables(tagged, "dtk:env", "dtk:role", NOW)["dtk_asg"] == "web"


def test_no_variable_has_a_name_that_playbooks_or_extra_variables_use() -> None:
    names = set(host_variables({**ROW, "description": {"a": 1}}, "dtk:env", "dtk:role", NOW))
    assert not names & {"tags", "env", "app", "role", "region", "state", "version", "environment", "name", "health"}
    plain = {name for name in names if not name.startswith("dtk_")}
    assert plain == {
        "availability_zone",
        "ec2_tags",
        "image_id",
        "instance_id",
        "instance_type",
        "launch_time",
        "private_dns_name",
        "private_ip_address",
        "public_ip_address",
    }


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ("private", {"ansible_host": "10.0.0.1"}),
        ("public", {"ansible_host": "198.51.100.1"}),
        (
            "ssm",
            {
                "ansible_host": "i-1",
                "ansible_connection": "amazon.aws.aws_ssm",
                "ansible_aws_ssm_instance_id": "i-1",
                "ansible_aws_ssm_region": "eu-west-1",
            },
        ),
        ("none", {}),
    ],
)
def test_the_way_to_a_host(connection: str, expected: dict[str, str]) -> None:
    assert connection_variables(ROW, connection, "amazon.aws.aws_ssm") == expected


@pytest.mark.parametrize("connection", ["private", "public", "none"])
def test_a_host_without_an_address_gets_none(connection: str) -> None:
    assert connection_variables(BARE, connection, "amazon.aws.aws_ssm") == {}


def test_expressions_have_the_names_of_amazon_aws_too() -> None:
    variables = host_variables(ROW, "dtk:env", "dtk:role", NOW)
    scope = expression_variables(ROW, variables)
    assert {name: scope[name] for name in variables} == variables
    assert scope["tags"] is ROW["tags"]
    assert scope["placement"] == {"availability_zone": "eu-west-1a", "region": "eu-west-1"}
    assert scope["state"] == {"name": "running"}
    assert (scope["owner_id"], scope["vpc_id"], scope["public_dns_name"]) == (
        "111111111111",
        "vpc-1",
        "ec2.example.com",
    )
    assert set(scope) <= EXPRESSION_NAMES


def test_a_full_description_is_there_for_expressions_but_hides_nothing() -> None:
    described = {
        "tags": "wrong",
        "placement": {"tenancy": "default"},
        "state": {"code": 16, "name": "running"},
        "ebs": 1,
    }
    scope = expression_variables({**ROW, "description": described}, {"instance_id": "i-1"})
    assert scope["ebs"] == 1
    assert scope["tags"] is ROW["tags"]
    assert scope["state"]["code"] == 16
    assert scope["placement"] == {"tenancy": "default", "availability_zone": "eu-west-1a", "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("state", "lifecycle", "pending"),
    [
        ("running", "InService", False),
        ("running", "", False),
        ("pending", "", True),
        ("running", "Pending", True),
        ("running", "Pending:Wait", True),
        ("running", "Pending:Proceed", True),
        ("running", "Warmed:Pending:Wait", True),
        ("running", "Warmed:Running", False),
        ("running", "Standby", False),
    ],
)
def test_what_is_on_its_way_into_service(state: str, lifecycle: str, pending: bool) -> None:
    assert is_pending({"state": state, "member": {"lifecycle_state": lifecycle}}) is pending


@pytest.mark.parametrize(
    ("created", "days"),
    [
        ("2026-03-01T11:59:59.000Z", 0),
        ("2026-02-28T12:00:00.000Z", 1),
        ("2026-02-28T12:00:01Z", 0),
        ("2025-03-01T12:00:00.000Z", 365),
        ("2026-03-02T12:00:00.000Z", 0),  # a clock that is behind makes no negative age
    ],
)
def test_the_age_of_an_image(created: str, days: int) -> None:
    assert age_days(created, NOW) == days
