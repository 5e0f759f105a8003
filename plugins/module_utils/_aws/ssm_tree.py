# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameter Store: settings, in as few calls as the API allows. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .errors import AwsError, ClientError, code_of, explain, translated
from .outcomes import DENIED, DeniedError
from .paging import pages

BATCH = 10  # what one call takes and gives at most, both for names and for a path
_MISSING = frozenset({"ParameterNotFound", "ParameterVersionNotFound", "ParameterVersionLabelNotFound"})

Item = dict[str, Any]  # name, value, type and version of a parameter


def below(client: Any, path: str, label: str = "", decrypt: bool = True) -> list[Item]:
    """All parameters below a path, at any depth; with a label those versions that bear it."""
    arguments: dict[str, Any] = {"Path": path, "Recursive": True, "WithDecryption": decrypt}
    if label:
        arguments["ParameterFilters"] = [{"Key": "Label", "Option": "Equals", "Values": [label]}]
    with _reading(client, f"read the parameters below {path}"):
        answers = pages(client, "get_parameters_by_path", BATCH, **arguments)
        return [_item(found) for page in answers for found in page["Parameters"]]


def one(client: Any, name: str, selector: str = "", decrypt: bool = True) -> Item | None:
    """One parameter, at the version or label of the selector; None if there is none."""
    asked = f"{name}:{selector}" if selector else name
    with _reading(client, f"read the parameter {asked}"):
        try:
            return _item(client.get_parameter(Name=asked, WithDecryption=decrypt)["Parameter"])
        except ClientError as exc:
            if code_of(exc) in _MISSING:
                return None
            raise


def some(client: Any, names: Sequence[str], decrypt: bool = True) -> dict[str, Item | AwsError | None]:
    """Each name with its parameter, None if there is none, or the reason why this one cannot be read.

    One name that may not be read spoils its whole call, so such a call is made again in halves.
    """
    found: dict[str, Item | AwsError | None] = {}
    todo = [list(names[start : start + BATCH]) for start in range(0, len(names), BATCH)]
    while todo:
        batch = todo.pop()
        try:
            found.update(_batch(client, batch, decrypt))
        except AwsError as exc:
            if len(batch) == 1 or not _may_be_one(exc):
                found.update(dict.fromkeys(batch, exc))
            else:
                half = len(batch) // 2
                todo += [batch[half:], batch[:half]]
    return found


def _batch(client: Any, names: list[str], decrypt: bool) -> dict[str, Item | None]:
    with _reading(client, f"read the parameter{'s' if len(names) > 1 else ''} {', '.join(names)}"):
        answer = client.get_parameters(Names=names, WithDecryption=decrypt)
    by_name = {}
    for found in answer["Parameters"]:
        # A parameter of another account is asked for by its ARN.
        by_name[found["Name"]] = by_name[found.get("ARN")] = _item(found)
    return {name: by_name.get(name) for name in names}


def _may_be_one(exc: AwsError) -> bool:
    return isinstance(exc, DeniedError) or (
        isinstance(exc.__cause__, ClientError) and code_of(exc.__cause__) in {"ValidationException", "InvalidKeyId"}
    )


@contextmanager
def _reading(client: Any, doing: str) -> Iterator[None]:
    with translated(doing, client):
        try:
            yield
        except ClientError as exc:
            if code_of(exc) in DENIED:
                raise DeniedError(f"Cannot {doing}: {explain(exc, client)}") from exc
            raise


def _item(found: Item) -> Item:
    return {
        "name": found["Name"],
        "value": found["Value"],
        "type": found.get("Type", "String"),
        "version": found.get("Version", 0),
    }
