# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ssm_write
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from ansible_collections.sysops.dtk.plugins.module_utils._aws.rate import Pace

from tests.emulation import ACCESS_KEY, REGION, SECRET_KEY, Emulation


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    with Emulation.start() as running:
        yield running


@pytest.fixture
def aws(server: Emulation) -> Emulation:
    server.reset()
    return server


@pytest.fixture
def name() -> str:
    return f"/test/{uuid.uuid4().hex}/x"


def put(aws: Emulation, name: str, value: str, **options: Any) -> int:
    return ssm_write.put(aws.client("ssm"), name, value, "String", **{"overwrite": True, **options})


def test_a_write_tells_its_version_and_keeps_its_remark(aws: Emulation, name: str) -> None:
    assert [put(aws, name, "one", description="by alice"), put(aws, name, "two")] == [1, 2]
    first, second = ssm_write.history(aws.client("ssm"), name)
    assert (first["value"], first["version"], first["why"], second["value"]) == ("one", 1, "by alice", "two")


def test_a_new_parameter_is_never_written_over_another(aws: Emulation, name: str) -> None:
    put(aws, name, "theirs")
    with pytest.raises(ssm_write.ExistsError, match=f"Cannot write the parameter {name}"):
        put(aws, name, "ours", overwrite=False)
    assert [one["value"] for one in ssm_write.history(aws.client("ssm"), name)] == ["theirs"]


def test_a_remark_that_is_too_long_is_cut(aws: Emulation, name: str) -> None:
    put(aws, name, "one", description="x" * 5000)
    (only,) = ssm_write.history(aws.client("ssm"), name)
    assert len(only["why"]) == ssm_write.DESCRIPTION


def test_tier_and_key_are_sent_if_they_are_given(aws: Emulation, name: str) -> None:
    client = aws.client("ssm")
    ssm_write.put(client, name, "s3cret", "SecureString", overwrite=False, tier="Advanced", key="alias/mine")
    described = client.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"]
    assert (described[0]["Tier"], described[0]["KeyId"]) == ("Advanced", "alias/mine")
    assert ssm_write.key_of(client, name) == "alias/mine"
    assert ssm_write.key_of(client, f"{name}/nothing") == ""
    (hidden,) = ssm_write.history(client, name)
    assert hidden["value"] != "s3cret"
    assert [one["value"] for one in ssm_write.history(client, name, decrypt=True)] == ["s3cret"]


def test_history_comes_from_all_pages_oldest_first(aws: Emulation, name: str) -> None:
    for number in range(60):
        put(aws, name, str(number))
    assert [one["value"] for one in ssm_write.history(aws.client("ssm"), name)] == [str(number) for number in range(60)]
    assert ssm_write.history(aws.client("ssm"), f"{name}/nothing") == []


def test_deleting_what_is_gone_is_no_error(aws: Emulation, name: str) -> None:
    put(aws, name, "x")
    ssm_write.delete(aws.client("ssm"), [name, f"{name}/nothing"])
    assert ssm_write.history(aws.client("ssm"), name) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "access denied"),
        ("ExpiredTokenException", "the AWS credentials have expired"),
        ("ParameterLimitExceeded", "delete some, or give tier: advanced"),
        ("HierarchyTypeMismatchException", "its type cannot be changed"),
        ("InvalidKeyId", "the option kms_key"),
    ],
)
def test_a_refused_write_says_why_and_what_to_do(aws: Emulation, name: str, code: str, words: str) -> None:
    aws.fault("ssm:PutParameter", code)
    with pytest.raises(AwsError, match=words) as caught:
        put(aws, name, "x")
    assert str(caught.value).startswith(f"Cannot write the parameter {name}: ")


def test_a_value_that_aws_repeats_is_not_told(aws: Emulation, name: str) -> None:
    aws.fault("ssm:PutParameter", "ValidationException", message="Value 'hunter2' at 'value' is not good")
    with pytest.raises(AwsError) as caught:
        put(aws, name, "hunter2")
    assert "hunter2" not in str(caught.value) and "********" in str(caught.value)
    assert caught.value.__suppress_context__


def test_throttled_writes_are_tried_again(aws: Emulation, name: str) -> None:
    aws.fault("ssm:PutParameter", "ThrottlingException", times=2)
    assert put(aws, name, "x") == 1
    assert aws.calls()["ssm:PutParameter:eu-west-1"] == 3


def test_each_try_of_a_write_waits_for_its_turn_and_reads_do_not(
    aws: Emulation, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Recorder(Pace):
        def take(self, **event: Any) -> None:
            told.append(event["event_name"].rpartition(".")[2])

        def note(self, parsed_response: Any = None, **_event: Any) -> None:
            told.append(parsed_response.get("Error", {}).get("Code", "fine"))

    monkeypatch.setattr(ssm_write, "Pace", Recorder)
    session = boto3.session.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
    client = session.client("ssm", endpoint_url=aws.endpoint, region_name=REGION)
    assert ssm_write.paced(client, 3.0, "PutParameter") is client
    aws.fault("ssm:PutParameter", "ThrottlingException", times=1)
    ssm_write.put(client, name, "x", "String", overwrite=False)
    ssm_write.history(client, name)
    assert told == ["PutParameter", "ThrottlingException", "PutParameter", "fine"]
