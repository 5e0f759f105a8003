# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets Manager: values of secrets, in as few calls as the API allows. The client is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import AwsError, ClientError, code_of, explain, translated
from .outcomes import DENIED, DeletedError, DeniedError, MissingError

BATCH = 20
_ARN_TAIL = 7  # a hyphen and six characters that Secrets Manager adds to the name; users often leave them out
_KEY = frozenset({"DecryptionFailure", "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException"})

Value = dict[str, Any]  # text or binary


def one(client: Any, name: str, stage: str = "", version: str = "") -> Value:
    """The value of one secret, or one of the errors of outcomes."""
    arguments = {"SecretId": name}
    if stage:
        arguments["VersionStage"] = stage
    if version:
        arguments["VersionId"] = version
    with translated(f"read the secret {name}", client):
        try:
            return _value(client.get_secret_value(**arguments))
        except ClientError as exc:
            raise _outcome(exc, client, name, stage or version) from exc


def several(client: Any, names: Sequence[str]) -> dict[str, Value | AwsError]:
    """The current values of at most BATCH secrets in one call.

    A name without an answer is to be asked for alone, as is each of them if the call raises DeniedError: the batch is
    an action of its own.
    """
    found: dict[str, Value | AwsError] = {}
    arguments: dict[str, Any] = {"SecretIdList": list(names)}
    doing = f"read {len(names)} secrets at once"
    with translated(doing, client):
        while True:
            try:
                page = client.batch_get_secret_value(**arguments)
            except ClientError as exc:
                if code_of(exc) in DENIED:
                    raise DeniedError(f"Cannot {doing}: {explain(exc, client)}") from exc
                raise
            found.update(_page(page, names, client))
            if not page.get("NextToken"):
                return found
            arguments["NextToken"] = page["NextToken"]


def _page(page: dict[str, Any], names: Sequence[str], client: Any) -> dict[str, Value | AwsError]:
    found: dict[str, Value | AwsError] = {}
    for answer in page.get("SecretValues", []):
        also = {answer["Name"], answer["ARN"], answer["ARN"][:-_ARN_TAIL]}
        found.update((name, _value(answer)) for name in names if name in also)
    for answer in page.get("Errors", []):
        error = {"Code": answer.get("ErrorCode", ""), "Message": answer.get("Message", "")}
        outcome = _outcome(ClientError({"Error": error}, "BatchGetSecretValue"), client, answer.get("SecretId", ""), "")
        if isinstance(outcome, (MissingError, DeletedError, DeniedError)):  # what may pass is asked again alone
            found[answer["SecretId"]] = outcome
    return found


def _outcome(exc: ClientError, client: Any, name: str, pinned: str) -> AwsError:
    code = code_of(exc)
    text = str(exc.response.get("Error", {}).get("Message", ""))
    if code == "ResourceNotFoundException":
        if pinned or "staging label" in text:
            return MissingError(
                f"The secret {name} is not there, or has no version {pinned or 'with a value'}. "
                "Correct the name, the region, version_id or version_stage."
            )
        return MissingError(
            f"There is no secret {name} in this region and account. Correct the name or the region, or create it."
        )
    if code == "InvalidRequestException" and "delet" in text.lower():
        return DeletedError(
            f"The secret {name} is marked for deletion. Restore it with 'aws secretsmanager restore-secret', "
            "or name another one."
        )
    if code in _KEY or (code in DENIED and "kms" in text.lower()):
        return DeniedError(
            f"The secret {name} cannot be decrypted ({code}). Allow kms:Decrypt on its key to the role or user that "
            "runs this, and see that the key is enabled."
        )
    if code in DENIED:
        return DeniedError(f"Cannot read the secret {name}: {explain(exc, client)}")
    return AwsError(f"Cannot read the secret {name}: {explain(exc, client)}")


def _value(answer: dict[str, Any]) -> Value:
    return {"text": answer.get("SecretString"), "binary": answer.get("SecretBinary")}
