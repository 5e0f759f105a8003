# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameter Store: the calls that the deploy log needs. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ClientError, code_of, translated
from .paging import pages

_DELETE_BATCH = 10


def parameters_in(client: Any, path: str) -> dict[str, str]:
    """Name to value of the parameters directly below `path`, in as few calls as the API allows."""
    with translated(f"read the parameters below {path}", client):
        answers = pages(client, "get_parameters_by_path", 10, Path=path, Recursive=False)
        return {item["Name"]: item["Value"] for page in answers for item in page["Parameters"]}


def read(client: Any, name: str) -> str | None:
    """The value of one parameter, None if there is none."""
    with translated(f"read the parameter {name}", client):
        try:
            return client.get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as exc:
            if code_of(exc) == "ParameterNotFound":
                return None
            raise


def create(client: Any, name: str, value: str, description: str = "") -> bool:
    """Write a parameter that must not exist yet; False if it does."""
    with translated(f"write the parameter {name}", client):
        try:
            client.put_parameter(Name=name, Value=value, Type="String", Overwrite=False, Description=description)
        except ClientError as exc:
            if code_of(exc) == "ParameterAlreadyExists":
                return False
            raise
    return True


def delete(client: Any, names: Sequence[str]) -> None:
    """Delete parameters; those that are gone already are no error."""
    for start in range(0, len(names), _DELETE_BATCH):
        batch = list(names[start : start + _DELETE_BATCH])
        with translated(f"delete {len(batch)} old parameters from {batch[0]} on", client):
            client.delete_parameters(Names=batch)
