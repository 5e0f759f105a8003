# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.sysops.dtk.plugins.plugin_utils import lookup

from tests.emulation import Emulation
from tests.unit.lookup.harness import SECRET, run

pytestmark = pytest.mark.usefixtures("here")

BATCH, SINGLE = "secretsmanager:BatchGetSecretValue:eu-west-1", "secretsmanager:GetSecretValue:eu-west-1"


@pytest.fixture
def create(cloud: Emulation) -> Any:
    def create(name: str, value: str | bytes | dict[str, Any]) -> str:
        kind = "SecretBinary" if isinstance(value, bytes) else "SecretString"
        text = json.dumps(value) if isinstance(value, dict) else value
        return cloud.client("secretsmanager").create_secret(Name=name, **{kind: text})["ARN"]

    return create


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(lookup.display, "warning", told.append)
    return told


def test_a_text_is_returned_as_it_is(create: Any) -> None:
    create("p/token", "{{ 7 * 7 }}\n")
    assert run(SECRET, "p/token") == ["{{ 7 * 7 }}\n"]


def test_by_arn_with_and_without_its_tail(create: Any) -> None:
    arn = create("p/token", "v")
    assert run(SECRET, arn) == ["v"]
    assert run(SECRET, "p/token", arn) == ["v", "v"]


def test_many_are_one_call_for_each_twenty(create: Any, cloud: Emulation) -> None:
    names = [f"p/s{number}" for number in range(21)]
    for name in names:
        create(name, f"value of {name}")
    assert run(SECRET, *names) == [f"value of {name}" for name in names]
    assert cloud.calls()[BATCH] == 2
    assert cloud.calls()[SINGLE] == 0


def test_where_the_batch_is_denied_they_are_read_one_by_one(create: Any, cloud: Emulation) -> None:
    create("p/a", "1")
    create("p/b", "2")
    cloud.fault("secretsmanager:BatchGetSecretValue", "AccessDeniedException")
    assert run(SECRET, "p/a", "p/b") == ["1", "2"]
    assert cloud.calls()[SINGLE] == 2


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("user", "api"),
        ("port", 5432),
        ("a.b", "dotted"),
        (["deep", "er", "x"], [1, None]),
        (["deep"], {"er": {"x": [1, None]}}),
    ],
)
def test_a_key_gives_its_value_with_its_type(create: Any, key: Any, expected: Any) -> None:
    create("p/db", {"user": "api", "port": 5432, "a.b": "dotted", "a": {"b": "no"}, "deep": {"er": {"x": [1, None]}}})
    assert run(SECRET, "p/db", key=key) == [expected]


def test_the_whole_document(create: Any) -> None:
    create("p/db", {"user": "api", "port": 5432})
    assert run(SECRET, "p/db", json=True) == [{"user": "api", "port": 5432}]
    assert run(SECRET, "p/db") == ['{"user": "api", "port": 5432}']


@pytest.mark.parametrize("key", [[], {"a": 1}, [["a"]], True])
def test_a_key_is_a_text_or_a_path_of_texts(key: Any) -> None:
    with pytest.raises(AnsibleError, match="option key takes a text"):
        run(SECRET, "p/db", key=key)


@pytest.mark.parametrize("options", [{"key": "user"}, {"json": True}])
def test_what_is_no_json_is_told_without_its_text(create: Any, options: dict[str, Any]) -> None:
    create("p/token", "hidden-value")
    with pytest.raises(AnsibleError, match="p/token is no JSON document") as caught:
        run(SECRET, "p/token", **options)
    assert "hidden-value" not in str(caught.value)


def test_binary_secrets(create: Any) -> None:
    create("p/bytes", b"\x00\xff")
    create("p/utf8", "schlüssel".encode())
    assert run(SECRET, "p/bytes") == [base64.b64encode(b"\x00\xff").decode()]
    assert run(SECRET, "p/utf8", binary="text") == ["schlüssel"]
    with pytest.raises(AnsibleError, match="p/bytes is binary and no text"):
        run(SECRET, "p/bytes", binary="text")
    create("p/json", b'{"a": 1}')
    assert run(SECRET, "p/bytes", "p/json") == [base64.b64encode(b"\x00\xff").decode(), "eyJhIjogMX0="]
    assert run(SECRET, "p/json", key="a") == [1]


def test_stages_and_versions(create: Any, cloud: Emulation) -> None:
    create("p/a", "old")
    client = cloud.client("secretsmanager")
    old = client.get_secret_value(SecretId="p/a")["VersionId"]
    client.put_secret_value(SecretId="p/a", SecretString="new")
    assert run(SECRET, "p/a") == ["new"]
    assert run(SECRET, "p/a", version_stage="AWSPREVIOUS") == ["old"]
    assert run(SECRET, "p/a", version_id=old) == ["old"]
    with pytest.raises(AnsibleError, match="p/a is not there, or has no version NONE"):
        run(SECRET, "p/a", version_stage="NONE")


def test_missing_ones_keep_their_place(create: Any, warnings: list[str]) -> None:
    create("p/a", "1")
    create("p/c", "3")
    assert run(SECRET, "p/a", "p/b", "p/c", on_missing="warn") == ["1", None, "3"]
    assert ["p/b" in warning for warning in warnings] == [True]
    assert run(SECRET, "p/b", on_missing="skip") == [None]
    with pytest.raises(AnsibleError, match=r"There is no secret p/b .*on_missing"):
        run(SECRET, "p/a", "p/b", on_deleted="skip", on_denied="skip")


@pytest.mark.parametrize("others", [(), ("p/a",)])
def test_a_deleted_one_is_told_apart(create: Any, cloud: Emulation, others: tuple[str, ...]) -> None:
    create("p/a", "1")
    create("p/gone", "2")
    cloud.client("secretsmanager").delete_secret(SecretId="p/gone")
    with pytest.raises(AnsibleError, match=r"p/gone is marked for deletion\. Restore it .*on_deleted"):
        run(SECRET, "p/gone", *others, on_missing="skip", on_denied="skip")
    assert run(SECRET, "p/gone", *others, on_deleted="skip") == [None, *(["1"] * len(others))]


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (
            "AccessDeniedException",
            "User x may not do secretsmanager:GetSecretValue",
            "access denied",
        ),
        ("AccessDeniedException", "Access to KMS is not allowed", "Allow kms:Decrypt"),
        ("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text", "Allow kms:Decrypt"),
    ],
)
def test_denial_and_trouble_with_the_key_are_told_apart(
    create: Any, cloud: Emulation, code: str, message: str, told: str
) -> None:
    create("p/a", "hidden-value")
    cloud.fault("secretsmanager:GetSecretValue", code, message=message)
    with pytest.raises(AnsibleError, match=rf"p/a[ :].*{told}.*on_denied"):
        run(SECRET, "p/a", on_missing="skip", on_deleted="skip")
    assert run(SECRET, "p/a", on_denied="skip") == [None]


def test_another_invalid_request_is_no_deletion(create: Any, cloud: Emulation) -> None:
    create("p/a", "v")
    cloud.fault("secretsmanager:GetSecretValue", "InvalidRequestException", message="The request is odd")
    with pytest.raises(AnsibleError, match="Cannot read the secret p/a: InvalidRequestException: The request is odd"):
        run(SECRET, "p/a", on_deleted="skip", on_missing="skip", on_denied="skip")


def test_no_region_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AnsibleError, match="no AWS region is set"):
        run(SECRET, "p/a")


def test_an_assumed_role_is_what_reads(create: Any, cloud: Emulation) -> None:
    create("p/a", "v")
    role = "arn:aws:iam::123456789012:role/reader"
    assert run(SECRET, "p/a", assume_role_arn=role, external_id="our-id") == ["v"]
    assert run(SECRET, "p/a", "p/a", assume_role_arn=role, external_id="our-id") == ["v", "v"]
    assert cloud.calls()["sts:AssumeRole:eu-west-1"] == 1
