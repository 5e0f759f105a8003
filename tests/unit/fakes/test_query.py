# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire of query services: what boto3 sends is read as what was given to it, and what is written it reads back."""

from __future__ import annotations

import datetime
import urllib.parse
from typing import Any

import botocore.parsers
import botocore.serialize
import botocore.session
import pytest
from botocore.model import ServiceModel

from tests.fakes.contract import Contract, Outcome
from tests.fakes.query import Query
from tests.fakes.rest_json import MalformedError, NoSuchOperationError

TIME = datetime.datetime(2026, 5, 4, 3, 2, 1, 500_000, tzinfo=datetime.UTC)


def model(service: str = "autoscaling") -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def sent(action: str, parameters: dict[str, Any], service: str = "autoscaling") -> bytes:
    """The body that boto3 would send."""
    found = model(service)
    serializer = botocore.serialize.create_serializer("query", include_validation=False)
    request = serializer.serialize_to_request(parameters, found.operation_model(action))
    return urllib.parse.urlencode(request["body"]).encode()


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("DescribeAutoScalingGroups", {}),
        (
            "CreateAutoScalingGroup",
            {
                "AutoScalingGroupName": "a & b <c> ü",
                "MinSize": 0,
                "MaxSize": 3,
                "NewInstancesProtectedFromScaleIn": True,
                "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"},
                "TargetGroupARNs": ["arn:1", "arn:2"],
                "Tags": [{"Key": "k", "Value": "", "PropagateAtLaunch": False}, {"Key": "l", "Value": "1.2.3"}],
            },
        ),
        ("SuspendProcesses", {"AutoScalingGroupName": "a", "ScalingProcesses": []}),
        ("SuspendProcesses", {"AutoScalingGroupName": "a", "ScalingProcesses": [f"p{n}" for n in range(12)]}),
        ("ExecutePolicy", {"PolicyName": "p", "MetricValue": 59.5, "BreachThreshold": -1e-05}),
        ("PutScheduledUpdateGroupAction", {"AutoScalingGroupName": "a", "ScheduledActionName": "b", "StartTime": TIME}),
    ],
)
def test_a_request_is_read_as_it_was_meant(action: str, parameters: dict[str, Any]) -> None:
    assert Query(model()).read(sent(action, parameters)) == (action, parameters)


def test_maps_and_flattened_lists_are_read_as_well() -> None:
    """Auto Scaling has neither."""
    attributes = {"Attributes": {"DelaySeconds": "1", "Policy": "{}"}, "Name": "topic"}
    assert Query(model("sns")).read(sent("CreateTopic", attributes, "sns")) == ("CreateTopic", attributes)
    selected = {"DomainName": "d", "ItemName": "i", "Attributes": [{"Name": "a", "Value": "1"}]}
    assert Query(model("sdb")).read(sent("PutAttributes", selected, "sdb")) == ("PutAttributes", selected)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"Action=Fly&Version=2011-01-01", NoSuchOperationError, "Could not find operation Fly for version 2011-01-01"),
        (b"Action=DescribeTags&Version=2010-01-01", NoSuchOperationError, "for version 2010-01-01"),
        (b"Action=DescribeTags", NoSuchOperationError, "for version None"),
        (b"", NoSuchOperationError, "operation None"),
        (b"Action=DescribeTags&Version=2011-01-01&A=1&A.B=2", MalformedError, "A.B: A has a value of its own"),
        (b"Action=DescribeTags&Version=2011-01-01&A=1&A=2", MalformedError, "A was given twice"),
        (b"Action=DescribeTags&Version=2011-01-01&A.B=1&A=2", MalformedError, "A was given twice"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message.replace("(", r"\(")):
        Query(model()).read(body)


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"AutoScalingGroupName": "a", "DesiredCapacity": "many"}, "'DesiredCapacity' must be an integer."),
        ({"AutoScalingGroupName": "a", "DesiredCapacity": "1", "HonorCooldown": "yes"}, "must be true or false."),
        ({"AutoScalingGroupName": "a", "DesiredCapacity": "1", "Force": "true"}, "'Force' is no known member."),
        ({"DesiredCapacity": "1"}, "'AutoScalingGroupName' is required."),
        ({"AutoScalingGroupName": "\x07", "DesiredCapacity": "1"}, "must match pattern"),
        ({"AutoScalingGroupName": "a" * 256, "DesiredCapacity": "1"}, "must be at most 255 characters"),
        ({"AutoScalingGroupName": "a\U0001f600", "DesiredCapacity": "-1"}, ""),
    ],
)
def test_what_does_not_fit_is_left_for_the_contract_to_refuse(form: dict[str, str], problem: str) -> None:
    contract = Contract("autoscaling")
    body = urllib.parse.urlencode({"Action": "SetDesiredCapacity", "Version": "2011-01-01", **form}).encode()
    action, parameters = Query(contract.model).read(body)
    outcome = contract.answer(action, parameters, lambda _: {})
    if not problem:
        assert outcome.result == {}
        return
    assert outcome.code == "ValidationError"
    assert problem in outcome.message


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("InstanceIds=i-1", "'InstanceIds' must be a list."),
        ("InstanceIds.1=i-1", "'InstanceIds' must be a list."),
        ("InstanceIds.member.one=i-1", "'InstanceIds' must be a list."),
        ("InstanceIds.member.1.Id=i-1", "'InstanceIds[0]' must be a string."),
    ],
)
def test_lists_have_their_form(body: str, problem: str) -> None:
    contract = Contract("autoscaling")
    whole = f"Action=AttachInstances&Version=2011-01-01&AutoScalingGroupName=a&{body}".encode()
    action, parameters = Query(contract.model).read(whole)
    assert problem in contract.answer(action, parameters, lambda _: {}).message


def read_back(action: str, outcome: Outcome) -> tuple[int, dict[str, Any]]:
    """As boto3 reads it."""
    operation = model().operation_model(action)
    response = Query(model()).write(operation, outcome)
    parser = botocore.parsers.create_parser("query")
    raw = {"status_code": response.status, "headers": dict(response.headers), "body": response.body}
    parsed = parser.parse(raw, operation.output_shape)
    parsed["ResponseMetadata"].pop("HTTPHeaders", None)
    assert parsed["ResponseMetadata"].pop("RequestId")
    return response.status, parsed


def test_an_answer_is_read_back_as_it_was_meant() -> None:
    activity = {
        "ActivityId": "1",
        "AutoScalingGroupName": "a & <b> ü",
        "Cause": "At  once.",
        "StartTime": TIME,
        "StatusCode": "Successful",
        "Progress": 100,
    }
    status, parsed = read_back("DescribeScalingActivities", Outcome(200, {"Activities": [activity], "NextToken": "n"}))
    assert status == 200
    assert parsed["Activities"] == [activity]
    assert parsed["NextToken"] == "n"


def test_an_empty_list_is_not_a_missing_one() -> None:
    assert read_back("DescribeTags", Outcome(200, {"Tags": []}))[1]["Tags"] == []
    assert "Tags" not in read_back("DescribeTags", Outcome(200, {}))[1]


def test_an_operation_without_an_answer_has_none() -> None:
    assert read_back("SetDesiredCapacity", Outcome(200, {}))[1] == {"ResponseMetadata": {"HTTPStatusCode": 200}}


@pytest.mark.parametrize(("status", "kind"), [(400, "Sender"), (503, "Receiver")])
def test_an_error_says_who_is_to_blame(status: int, kind: str) -> None:
    found, parsed = read_back("DescribeTags", Outcome(status, code="Some", message="of <this>"))
    assert found == status
    assert parsed["Error"] == {"Type": kind, "Code": "Some", "Message": "of <this>"}
