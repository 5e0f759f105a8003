# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What IAM says of a call under a policy, as far as the policies of this collection go.

A statement with an element or a condition operator that is not known here is an error, never a quiet yes or no.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "111111111111"
Values = str | Sequence[str]


@dataclass(frozen=True)
class Request:
    action: str
    resource: str
    context: Mapping[str, Values] = field(default_factory=dict)


def allows(policy: Mapping[str, Any], request: Request) -> bool:
    applying = [one["Effect"] for one in policy["Statement"] if applies(one, request)]
    return "Allow" in applying and "Deny" not in applying


def applies(statement: Mapping[str, Any], request: Request) -> bool:
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown:
        raise ValueError(f"{unknown} of a statement")
    return (
        any(_like(pattern, request.action.lower()) for pattern in _several(statement["Action"], str.lower))
        and any(_like(_filled(pattern, request), request.resource) for pattern in _several(statement["Resource"]))
        and all(
            _holds(operator, key, _several(wanted), request)
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def _holds(operator: str, key: str, wanted: Sequence[str], request: Request) -> bool:
    given = _known(key, request)
    patterns = [_filled(pattern, request) for pattern in wanted]
    if operator == "ForAllValues:StringLike":
        return all(any(_like(pattern, value) for pattern in patterns) for value in _several(given or ()))
    if operator == "StringEquals":
        return given in patterns
    if operator not in ("StringLike", "ArnEquals", "ArnLike"):
        raise ValueError(f"the condition operator {operator}")
    return isinstance(given, str) and any(_like(pattern, given) for pattern in patterns)


def _filled(pattern: str, request: Request) -> str:
    """With its policy variables; one that the request does not have matches nothing."""
    return re.sub(r"\$\{([^}]+)\}", lambda found: str(_known(found[1], request) or "\0"), pattern)


def _known(key: str, request: Request) -> Values | None:
    """The names of keys are the same in any case."""
    return next((value for name, value in request.context.items() if name.lower() == key.lower()), None)


def _several(value: Values, change: Callable[[str], str] = str) -> list[str]:
    return [change(one) for one in ([value] if isinstance(value, str) else value)]


def _like(pattern: str, text: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL))
