# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""REST-JSON on the wire: paths, query strings, bodies, and answers."""

from __future__ import annotations

import datetime
import json
import urllib.parse
from typing import Any

import botocore.session
import pytest

from tests.fakes.contract import Outcome
from tests.fakes.rest_json import MalformedError, NoSuchOperationError, RestJson

ARN = "arn:aws:imagebuilder:eu-west-1:123456789012:component/web/1.0.0/1"


def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@pytest.fixture(scope="module")
def wire() -> RestJson:
    return RestJson(model("imagebuilder"))


def read(wire: RestJson, method: str, uri: str, body: Any = None) -> tuple[str, dict[str, Any]]:
    return wire.read(method, uri, {}, b"" if body is None else json.dumps(body).encode())


def test_a_method_and_a_path_name_the_operation(wire: RestJson) -> None:
    body = {"name": "web", "components": [{"componentArn": ARN, "parameters": None}], "description": None}
    assert read(wire, "PUT", "/CreateImageRecipe", body) == (
        "CreateImageRecipe",
        {"name": "web", "components": [{"componentArn": ARN}]},
    )
    assert read(wire, "POST", "/ListComponents") == ("ListComponents", {})


def test_labels_and_query_strings_are_parameters(wire: RestJson) -> None:
    quoted = urllib.parse.quote(ARN, safe="")
    assert read(wire, "GET", f"/GetComponent?componentBuildVersionArn={quoted}") == (
        "GetComponent",
        {"componentBuildVersionArn": ARN},
    )
    assert read(wire, "GET", f"/tags/{quoted}") == ("ListTagsForResource", {"resourceArn": ARN})
    assert read(wire, "DELETE", f"/tags/{quoted}?tagKeys=a&tagKeys=b%20c") == (
        "UntagResource",
        {"resourceArn": ARN, "tagKeys": ["a", "b c"]},
    )


def test_a_member_of_the_path_is_unknown_in_the_body(wire: RestJson) -> None:
    _operation, parameters = read(wire, "POST", "/tags/x", {"resourceArn": "y", "tags": {}})
    assert parameters == {"resourceArn": "x", "resourceArn (in the body)": "y", "tags": {}}


def test_times_and_bytes_are_converted_and_nonsense_is_left_for_the_contract(wire: RestJson) -> None:
    _operation, parameters = read(wire, "PUT", "/StartResourceStateUpdate", {"updateAt": 0})
    assert parameters["updateAt"] == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    for nonsense in ("soon", True, ["x"]):
        assert read(wire, "PUT", "/StartResourceStateUpdate", {"updateAt": nonsense})[1]["updateAt"] == nonsense
    lambda_wire = RestJson(model("lambda"))
    code = {"FunctionName": "f", "Code": {"ZipFile": "aGVsbG8="}}
    assert read(lambda_wire, "POST", "/2015-03-31/functions", code)[1]["Code"] == {"ZipFile": b"hello"}
    code["Code"] = {"ZipFile": "?"}
    assert read(lambda_wire, "POST", "/2015-03-31/functions", code)[1]["Code"] == {"ZipFile": "?"}


def test_numbers_and_booleans_of_a_query_string_are_no_texts() -> None:
    wire = RestJson(model("lambda"))
    assert read(wire, "GET", "/2015-03-31/functions?MaxItems=5")[1] == {"MaxItems": 5}
    assert read(wire, "GET", "/2015-03-31/functions?MaxItems=many")[1] == {"MaxItems": "many"}


def test_headers_are_parameters() -> None:
    wire = RestJson(model("lambda"))
    headers = {"x-amz-invocation-type": "Event"}
    _operation, parameters = wire.read("POST", "/2015-03-31/functions/f/invocations", headers, b"")
    assert parameters["InvocationType"] == "Event"


def test_a_member_may_be_the_whole_body() -> None:
    wire = RestJson(model("lambda"))
    _operation, parameters = wire.read("POST", "/2015-03-31/functions/f/invocations", {}, b"anything")
    assert parameters == {"FunctionName": "f", "Payload": b"anything"}


def test_what_is_no_operation_and_what_is_no_json_is_told(wire: RestJson) -> None:
    with pytest.raises(NoSuchOperationError, match="PUT /MakeImage"):
        read(wire, "PUT", "/MakeImage")
    with pytest.raises(NoSuchOperationError):
        read(wire, "GET", "/CreateComponent")
    for body in (b"{", b"[]"):
        with pytest.raises(MalformedError):
            wire.read("PUT", "/CreateComponent", {}, body)


def test_an_answer_is_json_and_times_are_numbers(wire: RestJson) -> None:
    operation = model("imagebuilder").operation_model("GetLifecyclePolicy")
    when = datetime.datetime(1970, 1, 1, 0, 1, tzinfo=datetime.UTC)
    policy = {"name": "old", "dateCreated": when, "tags": {"a": "b"}, "policyDetails": []}
    response = wire.write(operation, Outcome(200, {"lifecyclePolicy": policy}))
    assert json.loads(response.body) == {"lifecyclePolicy": policy | {"dateCreated": 60.0}}


def test_an_error_is_a_header_and_a_message(wire: RestJson) -> None:
    operation = model("imagebuilder").operation_model("GetImage")
    response = wire.write(operation, Outcome(404, code="ResourceNotFoundException", message="gone"))
    assert response.status == 404
    assert dict(response.headers)["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert json.loads(response.body) == {"message": "gone"}
