# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user wants of the value of a secret. Nothing here ever puts a value into a message."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import CoreError


class SecretError(CoreError):
    """A value that is not what was asked for."""


class NoSuchKeyError(SecretError):
    """The document has no such key."""


@dataclass(frozen=True)
class Secret:
    """A secret has either a text or bytes; neither is ever shown in a traceback."""

    name: str
    text: str | None = field(default=None, repr=False)
    binary: bytes | None = field(default=None, repr=False)


def pick(secret: Secret, key: Sequence[str] = (), document: bool = False, binary: str = "base64") -> Any:
    """The value as text, the parsed document, or what stands at a key of it: a path of keys, each taken literally."""
    text = _text(secret, "text" if key or document else binary)
    if not key and not document:
        return text
    found = _parsed(secret.name, text)
    for depth, part in enumerate(key):
        if not isinstance(found, Mapping) or part not in found:
            # Never what stands above it: these are other secrets.
            raise NoSuchKeyError(
                f"The secret {secret.name} has no key {_spelled(key[: depth + 1])}. "
                "Correct the option key, or add it to the secret."
            )
        found = found[part]
    return found


def _text(secret: Secret, binary: str) -> str:
    if secret.text is not None:
        return secret.text
    raw = secret.binary or b""
    if binary == "base64":
        return base64.b64encode(raw).decode("ascii")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(
            f"The secret {secret.name} is binary and no text in UTF-8. "
            "Take it without the options key and json, and as binary: base64."
        ) from None


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Without the cause, which holds the whole text.
        raise SecretError(
            f"The secret {name} is no JSON document. Leave out the options key and json, or store JSON in it."
        ) from None


def _spelled(key: Sequence[str]) -> str:
    return " -> ".join(repr(part) for part in key)
