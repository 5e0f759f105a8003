# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract: what AWS would refuse is refused, and what it would never say is not said."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from botocore.model import ShapeResolver

from tests.fakes.contract import COMMON, VIOLATION, Allowance, Contract, RefusalError, problems

ARN = "arn:aws:imagebuilder:eu-west-1:123456789012:component/web/1.0.0/1"
COMPONENT = {"name": "web", "semanticVersion": "1.0.0", "platform": "Linux", "data": "x", "clientToken": "t"}


@pytest.fixture
def contract() -> Contract:
    return Contract("imagebuilder")


def answered(contract: Contract, name: str, parameters: dict[str, Any], result: Any = None) -> tuple[int, str, str]:
    def carry_out(_parameters: dict[str, Any]) -> dict[str, Any]:
        if isinstance(result, Exception):
            raise result
        return result or {}

    outcome = contract.answer(name, parameters, carry_out)
    return outcome.status, outcome.code, outcome.message


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"semanticVersion": "1.0.x"}, "'semanticVersion' must match pattern", id="pattern"),
        pytest.param({"platform": "linux"}, "'platform' must be one of Windows, Linux, macOS", id="enum"),
        pytest.param({"data": "x" * 16_001}, "'data' must be at most 16000 characters, and is 16001", id="too long"),
        pytest.param({"data": ""}, "'data' must be at least 1 characters, and is 0", id="too short"),
        pytest.param({"data": "a\0b"}, "'data' must match pattern", id="a pattern means the whole text"),
        pytest.param({"supportedOsVersions": []}, "'supportedOsVersions' must be at least 1 items", id="empty list"),
        pytest.param({"supportedOsVersions": "Debian"}, "'supportedOsVersions' must be a list", id="no list"),
        pytest.param({"tags": {"aws:x": "1"}}, "key 'aws:x'", id="key of a map"),
        pytest.param({"tags": {"x": "1" * 257}}, "'tags.x' must be at most 256 characters", id="value of a map"),
        pytest.param({"tags": []}, "'tags' must be a map", id="no map"),
        pytest.param({"name": None}, "'name' must be a string", id="no string"),
        pytest.param({"dryRun": "yes"}, "'dryRun' must be true or false", id="no boolean"),
        pytest.param({"datum": "x"}, "'datum' is no known member", id="unknown member"),
    ],
)
def test_a_request_has_to_fit_the_input_shape(contract: Contract, changed: dict[str, Any], message: str) -> None:
    status, code, text = answered(contract, "CreateComponent", COMPONENT | changed)
    assert (status, code) == (400, "InvalidRequestException")
    assert message in text
    assert contract.violations == []


def test_what_is_required_has_to_be_there(contract: Contract) -> None:
    incomplete = {key: value for key, value in COMPONENT.items() if key != "clientToken"}
    assert "'clientToken' is required" in answered(contract, "CreateComponent", incomplete)[2]


def test_numbers_have_bounds_also_deep_inside(contract: Contract) -> None:
    devices = [{"deviceName": "/dev/sda1", "ebs": {"volumeSize": 0}}]
    recipe = {"name": "web", "semanticVersion": "1.0.0", "parentImage": "ami-1", "clientToken": "t"}
    text = answered(contract, "CreateImageRecipe", recipe | {"blockDeviceMappings": devices})[2]
    assert "'blockDeviceMappings[0].ebs.volumeSize' must be at least 1, and is 0" in text


def test_an_operation_that_declares_no_invalid_request_says_what_it_declares(contract: Contract) -> None:
    assert answered(contract, "ListTagsForResource", {"resourceArn": "web"})[:2] == (400, "InvalidParameterException")


def test_a_good_request_gets_its_answer(contract: Contract) -> None:
    assert answered(contract, "CreateComponent", COMPONENT, {"componentBuildVersionArn": ARN}) == (200, "", "")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"componentBuildVersionArn": "web"}, "'componentBuildVersionArn' must match pattern"),
        ({"componentArn": ARN}, "'componentArn' is no known member"),
    ],
)
def test_an_answer_that_breaks_the_output_shape_is_not_sent(
    contract: Contract, result: dict[str, Any], message: str
) -> None:
    status, code, text = answered(contract, "CreateComponent", COMPONENT, result)
    assert (status, code) == (500, VIOLATION)
    assert message in text
    assert len(contract.violations) == 1


def test_an_error_has_the_status_of_its_declaration(contract: Contract) -> None:
    refusal = RefusalError("ServiceQuotaExceededException", "enough")
    assert answered(contract, "CreateComponent", COMPONENT, refusal) == (402, "ServiceQuotaExceededException", "enough")


def test_an_error_that_the_operation_does_not_declare_is_not_sent(contract: Contract) -> None:
    refusal = RefusalError("ResourceNotFoundException", "gone")
    status, code, text = answered(contract, "GetComponent", {"componentBuildVersionArn": ARN}, refusal)
    assert (status, code) == (500, VIOLATION)
    assert "GetComponent does not declare ResourceNotFoundException" in text
    assert contract.violations == [text]


def test_an_allowance_is_for_the_operations_that_there_is_evidence_for() -> None:
    allowed = Allowance("ResourceNotFoundException", 404, "seen", ("Get",))
    contract = Contract("imagebuilder", [allowed])
    assert contract.error("GetComponent", "ResourceNotFoundException", "").status == 404
    assert contract.error("DeleteComponent", "ResourceNotFoundException", "").status == 500
    assert contract.error("CreateComponent", "ExpiredTokenException", "").status == 400


def test_each_allowance_has_its_evidence() -> None:
    from tests.fakes.imagebuilder.service import ALLOWANCES

    assert all(len(one.evidence) > 40 for one in (*ALLOWANCES, *COMMON))


def test_any_kind_of_value_is_checked() -> None:
    members = {name: {"shape": name} for name in ("integer", "float", "timestamp", "blob", "long")}
    shapes: dict[str, Any] = {name: {"type": name} for name in members}
    resolver = ShapeResolver({"all": {"type": "structure", "members": members}, **shapes})
    good = {
        "integer": 1,
        "long": 2,
        "float": 1.5,
        "timestamp": datetime.datetime.now(datetime.UTC),
        "blob": b"x",
    }
    shape = resolver.get_shape_by_name("all")
    assert list(problems(shape, good)) == []
    for name in members:
        assert len(list(problems(shape, good | {name: "other"}))) == 1
    assert list(problems(shape, [])) != []
    assert list(problems(None, {})) == []
    assert list(problems(None, {"a": 1})) != []
