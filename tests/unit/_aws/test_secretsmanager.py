# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import secretsmanager
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from ansible_collections.sysops.dtk.plugins.module_utils._aws.outcomes import DeletedError, DeniedError, MissingError

from tests.emulation import Emulation

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:p/a-AbCdEf"


class Answering:
    """A client with answers that moto does not give."""

    meta = None

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def batch_get_secret_value(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        return self.pages.pop(0)


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    with Emulation.start() as running:
        yield running


def value(name: str, text: str) -> dict[str, Any]:
    return {"Name": name, "ARN": ARN.replace("p/a", name), "SecretString": text}


def test_all_pages_of_a_batch_are_read() -> None:
    client = Answering({"SecretValues": [value("p/a", "1")], "NextToken": "n"}, {"SecretValues": [value("p/b", "2")]})
    found = secretsmanager.several(client, ["p/a", "p/b"])
    assert {name: each["text"] for name, each in found.items()} == {"p/a": "1", "p/b": "2"}
    assert client.asked[1]["NextToken"] == "n"


def test_each_way_to_name_a_secret_finds_its_value() -> None:
    names = ["p/a", ARN, ARN[: -len("-AbCdEf")]]
    found = secretsmanager.several(Answering({"SecretValues": [value("p/a", "1")]}), names)
    assert [found[name]["text"] for name in names] == ["1"] * 3


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", MissingError),
        ("InvalidRequestException", "You can't perform this, because it was marked for deletion.", DeletedError),
        ("AccessDeniedException", "User is not authorized", DeniedError),
        ("DecryptionFailure", "no key", DeniedError),
    ],
)
def test_errors_of_single_secrets_in_a_batch(code: str, message: str, kind: type[AwsError]) -> None:
    error = {"SecretId": "p/a", "ErrorCode": code, "Message": message}
    found = secretsmanager.several(Answering({"SecretValues": [value("p/b", "2")], "Errors": [error]}), ["p/a", "p/b"])
    assert type(found["p/a"]) is kind
    assert found["p/b"]["text"] == "2"


@pytest.mark.parametrize("code", ["InternalServiceError", "ThrottlingException", "InvalidRequestException"])
def test_what_may_pass_is_left_to_be_asked_again(code: str) -> None:
    error = {"SecretId": "p/a", "ErrorCode": code, "Message": "try again"}
    assert secretsmanager.several(Answering({"Errors": [error]}), ["p/a"]) == {}


def test_a_batch_that_is_denied_as_a_whole_says_so(server: Emulation) -> None:
    server.reset()
    server.fault("secretsmanager:BatchGetSecretValue", "AccessDeniedException")
    with pytest.raises(DeniedError, match="Cannot read 2 secrets at once: access denied"):
        secretsmanager.several(server.client("secretsmanager"), ["p/a", "p/b"])
    server.reset()


def test_a_slow_and_failing_service_is_waited_for(server: Emulation) -> None:
    server.reset()
    client = server.client("secretsmanager")
    client.create_secret(Name="waited/for", SecretString="v")
    server.fault("secretsmanager:GetSecretValue", 503, times=1)
    server.latency(0.05)
    assert secretsmanager.one(client, "waited/for") == {"text": "v", "binary": None}
    server.reset()
