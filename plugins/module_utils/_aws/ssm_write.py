# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameter Store: writing settings and reading their versions. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import AwsError, ClientError, code_of, translated
from .paging import pages
from .rate import Pace

# Calls a second, below what an account may do by default, so that other jobs get their share.
WRITES = 3.0
READS = 10.0
BURST = 3.0  # calls that need not wait
DESCRIPTION = 1024  # characters
_PAGE = 50
_MASKED_FROM = 4  # shorter values are found in every sentence
_REMEDIES = {
    "HierarchyTypeMismatchException": "Delete the parameter first; its type cannot be changed.",
    "InvalidKeyId": "Correct the option kms_key, or allow the key to be used.",
    "ParameterLimitExceeded": "The account's number of parameters is used up: delete some, or give tier: advanced.",
    "ParameterMaxVersionLimitExceeded": "Its oldest version has a label and cannot go: move the label to a newer one.",
    "ParameterPatternMismatchException": "The parameter has an allowed pattern, which the value does not match.",
}


class ExistsError(AwsError):
    """A parameter that had to be new is there."""


def paced(client: Any, rate: float, *calls: str) -> Any:
    """The client, with these calls and each try again of them at most so often a second, and less when throttled."""
    pace = Pace(rate, BURST)
    for call in calls:
        client.meta.events.register(f"before-send.ssm.{call}", pace.take)
        client.meta.events.register(f"response-received.ssm.{call}", pace.note)
    return client


def put(
    client: Any,
    name: str,
    value: str,
    kind: str,
    *,
    overwrite: bool,
    description: str = "",
    tier: str = "",
    key: str = "",
) -> int:
    """Write one parameter and return its version; ExistsError if it had to be new and is not."""
    arguments: dict[str, Any] = {"Name": name, "Value": value, "Type": kind, "Overwrite": overwrite}
    # Also an empty one: the remark of who wrote before is not ours.
    arguments["Description"] = description[:DESCRIPTION]
    arguments.update((option, given) for option, given in (("Tier", tier), ("KeyId", key)) if given)
    try:
        with translated(f"write the parameter {name}", client):
            return client.put_parameter(**arguments)["Version"]
    except AwsError as exc:
        code = code_of(exc.__cause__) if isinstance(exc.__cause__, ClientError) else ""
        if code == "ParameterAlreadyExists":
            raise ExistsError(str(exc)) from None
        # The message of AWS may repeat the value, and so would the cause.
        text = str(exc).replace(value, "********") if len(value) >= _MASKED_FROM else str(exc)
        raise AwsError(" ".join(part for part in (text, _REMEDIES.get(code, "")) if part)) from None


def delete(client: Any, names: Sequence[str]) -> None:
    """Delete up to ten parameters; those that are gone already are no error."""
    with translated(f"delete the parameters {', '.join(names)}", client):
        client.delete_parameters(Names=list(names))


def history(client: Any, name: str, decrypt: bool = False) -> list[dict[str, Any]]:
    """All versions of a parameter that are kept, oldest first; none if there is no such parameter."""
    with translated(f"read the history of the parameter {name}", client):
        try:
            answers = pages(client, "get_parameter_history", _PAGE, Name=name, WithDecryption=decrypt)
            found = [_version(item) for page in answers for item in page["Parameters"]]
        except ClientError as exc:
            if code_of(exc) == "ParameterNotFound":
                return []
            raise
    return sorted(found, key=lambda one: one["version"])


def key_of(client: Any, name: str) -> str:
    """The KMS key of a SecureString, empty if that is the default: without it, a write would change the key."""
    with translated(f"find the key of the parameter {name}", client):
        filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        found = client.describe_parameters(ParameterFilters=filters)["Parameters"]
    return next((item.get("KeyId", "") for item in found), "")


def _version(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": item["Name"],
        "value": item["Value"],
        "type": item["Type"],
        "version": item["Version"],
        "at": item["LastModifiedDate"],
        "by": item.get("LastModifiedUser", ""),
        "why": item.get("Description", ""),
        "labels": tuple(item.get("Labels", ())),
    }
