# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: secrets out of Secrets Manager, many in few calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._aws import secretsmanager
from ._aws.errors import AwsError
from ._aws.outcomes import DeletedError, DeniedError, MissingError
from ._core.secret_value import NoSuchKeyError, Secret, SecretError, pick

__all__ = [
    "FAILURES",
    "AwsError",
    "DeletedError",
    "DeniedError",
    "MissingError",
    "NoSuchKeyError",
    "Secret",
    "SecretError",
    "Wanted",
    "fetch",
    "pick",
]

FAILURES = (AwsError, SecretError)


@dataclass(frozen=True)
class Wanted:
    """One version of one secret; the current one unless told otherwise."""

    name: str
    stage: str = ""
    version: str = ""

    @property
    def current(self) -> bool:
        return not self.stage and not self.version


def fetch(client: Any, wanted: Sequence[Wanted], hints: Sequence[Wanted] = ()) -> dict[Wanted, Secret | AwsError]:
    """What is wanted, and of the hints what came along with it without a call for each."""
    found: dict[Wanted, Secret | AwsError] = {}
    current = [each for each in dict.fromkeys((*wanted, *hints)) if each.current]
    if len(current) > 1:
        for start in range(0, len(current), secretsmanager.BATCH):
            found.update(_batch(client, current[start : start + secretsmanager.BATCH]))
    for each in wanted:
        if each not in found:
            found[each] = _one(client, each)
    return found


def _batch(client: Any, wanted: Sequence[Wanted]) -> dict[Wanted, Secret | AwsError]:
    try:
        answers = secretsmanager.several(client, [each.name for each in wanted])
    except AwsError:
        # Each of them alone says what is wrong with it, if it is wanted at all.
        return {}
    return {each: _secret(each, answers[each.name]) for each in wanted if each.name in answers}


def _one(client: Any, wanted: Wanted) -> Secret | AwsError:
    try:
        return _secret(wanted, secretsmanager.one(client, wanted.name, wanted.stage, wanted.version))
    except AwsError as exc:
        return exc


def _secret(wanted: Wanted, answer: secretsmanager.Value | AwsError) -> Secret | AwsError:
    return answer if isinstance(answer, AwsError) else Secret(wanted.name, answer["text"], answer["binary"])
