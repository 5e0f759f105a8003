# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import elbv2
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from botocore.exceptions import ClientError


class Client:
    """Two pages of target groups; `code` is what the health of the second one fails with."""

    meta = SimpleNamespace(region_name="eu-west-1", endpoint_url="")

    def __init__(self, code: str = "") -> None:
        self._code = code

    def describe_target_groups(self, **arguments: Any) -> dict[str, Any]:
        if "Marker" not in arguments:
            return {"TargetGroups": [_group("web"), _group("hook", "lambda")], "NextMarker": "more"}
        return {"TargetGroups": [_group("api", "ip")]}

    def describe_target_health(self, **arguments: Any) -> dict[str, Any]:
        arn = arguments["TargetGroupArn"]
        assert arn != "arn:hook", "functions are no hosts"
        if arn == "arn:web":
            return {"TargetHealthDescriptions": [_health("i-1", 80, "healthy"), _health("i-2", 80, "draining", "Why")]}
        if self._code:
            raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "DescribeTargetHealth")
        return {"TargetHealthDescriptions": [_health("10.0.0.1", 8080, "unhealthy")]}


def _group(name: str, kind: str = "instance") -> dict[str, str]:
    return {"TargetGroupArn": f"arn:{name}", "TargetGroupName": name, "TargetType": kind}


def _health(target: str, port: int, state: str, reason: str = "") -> dict[str, Any]:
    health = {"State": state, "Reason": reason} if reason else {"State": state}
    return {"Target": {"Id": target, "Port": port}, "TargetHealth": health}


def test_health_of_instances_and_addresses() -> None:
    assert elbv2.target_health(Client()) == {
        "i-1": [{"target_group": "web", "port": 80, "state": "healthy"}],
        "i-2": [{"target_group": "web", "port": 80, "state": "draining", "reason": "Why"}],
        "10.0.0.1": [{"target_group": "api", "port": 8080, "state": "unhealthy"}],
    }


def test_a_target_group_that_was_deleted_meanwhile_has_no_targets() -> None:
    assert set(elbv2.target_health(Client("TargetGroupNotFound"))) == {"i-1", "i-2"}


def test_any_other_failure_is_told() -> None:
    with pytest.raises(AwsError, match="Cannot read the health of target group arn:api: access denied"):
        elbv2.target_health(Client("AccessDenied"))
