# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws.accounts import Access, Account, Sessions, assume
from ansible_collections.sysops.dtk.plugins.module_utils._aws.ec2_model import loader
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError

from tests.unit.emulated_aws import EmulatedAws

NAMES = ("REGION", "DEFAULT_REGION", "PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT_URL")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing."""
    for name in NAMES:
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def sessions(**settings: Any) -> Sessions:
    return Sessions(Access(**settings), loader(full=False))


class Sts:
    """Keeps what it was asked."""

    asked: dict[str, Any]

    def assume_role(self, **arguments: Any) -> dict[str, Any]:
        self.asked = arguments
        return {"Credentials": {"AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T", "Expiration": None}}


def test_a_role_is_asked_for_with_all_that_its_trust_policy_may_want() -> None:
    sts = Sts()
    account = Account("arn:aws:iam::111111111111:role/x", external_id="ours", session_name="me", duration=900)
    given = assume(sts, account)
    assert given == {"aws_access_key_id": "A", "aws_secret_access_key": "S", "aws_session_token": "T"}
    assert sts.asked == {
        "RoleArn": "arn:aws:iam::111111111111:role/x",
        "RoleSessionName": "me",
        "DurationSeconds": 900,
        "ExternalId": "ours",
    }


def test_no_external_id_is_none() -> None:
    sts = Sts()
    assume(sts, Account("arn:aws:iam::111111111111:role/x"))
    assert "ExternalId" not in sts.asked
    assert sts.asked["RoleSessionName"] == "sysops.dtk.ec2_fleet"


@pytest.mark.parametrize(
    ("account", "label"),
    [(Account(), "own account"), (Account("arn:x"), "arn:x"), (Account("arn:x", name="shop"), "shop")],
)
def test_what_an_account_is_called(account: Account, label: str) -> None:
    assert account.label == label


def test_the_region_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwsError, match="no AWS region is set"):
        sessions().own_region()
    assert sessions().any_region([]) == "us-east-1"
    assert sessions().any_region(["cn-north-1", "cn-northwest-1"]) == "cn-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert sessions().own_region() == sessions().any_region(["cn-north-1"]) == "eu-west-2"
    assert sessions(region="eu-west-3").own_region() == "eu-west-3"


@pytest.mark.parametrize(
    "ask",
    [Sessions.own_region, lambda one: one.any_region([]), lambda one: one.client("ec2", "x")],
    ids=["own region", "any region", "client"],
)
def test_a_profile_that_is_not_there_is_one_sentence(ask: Any) -> None:
    with pytest.raises(AwsError, match=r"The config profile \(nobody\) could not be found. Correct the option profile"):
        ask(sessions(profile="nobody"))


def test_clients_have_the_credentials_of_whom_they_are_for(aws: EmulatedAws, tmp_path: Path) -> None:
    made = sessions(access_key="own", secret_key="s", endpoint_url=aws.endpoint)
    own = made.client("ec2", "eu-west-1")
    role = made.client("ec2", "eu-west-1", {"aws_access_key_id": "role", "aws_secret_access_key": "s"})
    assert [client._request_signer._credentials.access_key for client in (own, role)] == ["own", "role"]
    assert own.describe_regions()["Regions"]
    assert own.meta.config.retries == {"mode": "standard", "total_max_attempts": 10}
