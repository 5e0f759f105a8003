# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import elbv2
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from botocore.stub import Stubber

MORE = {"Marker": "more"}


@contextmanager
def load_balancers(code: str = "") -> Iterator[Any]:
    """Two pages of target groups; `code` is what the health of the one on the second page fails with."""
    client = boto3.client("elbv2", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    first = {"TargetGroups": [_group("web"), _group("hook", "lambda")], "NextMarker": "more"}
    web = [_health("i-1", 80, "healthy"), _health("i-2", 80, "draining", "Target.DeregistrationInProgress")]
    with Stubber(client) as stub:
        stub.add_response("describe_target_groups", first, {"PageSize": 400})
        # Nobody asks for the health of a function: it is no host.
        stub.add_response("describe_target_health", {"TargetHealthDescriptions": web}, {"TargetGroupArn": "arn:web"})
        stub.add_response("describe_target_groups", {"TargetGroups": [_group("api", "ip")]}, {"PageSize": 400, **MORE})
        if code:
            stub.add_client_error("describe_target_health", code, "no")
        else:
            api = {"TargetHealthDescriptions": [_health("10.0.0.1", 8080, "unhealthy")]}
            stub.add_response("describe_target_health", api, {"TargetGroupArn": "arn:api"})
        yield client
        stub.assert_no_pending_responses()


def _group(name: str, kind: str = "instance") -> dict[str, str]:
    return {"TargetGroupArn": f"arn:{name}", "TargetGroupName": name, "TargetType": kind}


def _health(target: str, port: int, state: str, reason: str = "") -> dict[str, Any]:
    health = {"State": state, "Reason": reason} if reason else {"State": state}
    return {"Target": {"Id": target, "Port": port}, "TargetHealth": health}


def test_health_of_instances_and_addresses() -> None:
    draining = {"state": "draining", "reason": "Target.DeregistrationInProgress"}
    with load_balancers() as client:
        assert elbv2.target_health(client) == {
            "i-1": [{"target_group": "web", "port": 80, "state": "healthy"}],
            "i-2": [{"target_group": "web", "port": 80, **draining}],
            "10.0.0.1": [{"target_group": "api", "port": 8080, "state": "unhealthy"}],
        }


def test_a_target_group_that_was_deleted_meanwhile_has_no_targets() -> None:
    with load_balancers("TargetGroupNotFound") as client:
        assert set(elbv2.target_health(client)) == {"i-1", "i-2"}


def test_any_other_failure_is_told() -> None:
    with (
        load_balancers("AccessDenied") as client,
        pytest.raises(AwsError, match="Cannot read the health of target group arn:api: access denied"),
    ):
        elbv2.target_health(client)
