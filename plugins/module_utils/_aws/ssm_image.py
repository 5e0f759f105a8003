# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameter Store: parameters that hold the id of an AMI. The client is passed in, plain data comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import ClientError, code_of, translated
from .paging import pages

DATA_TYPE = "aws:ec2:image"
_BATCH = 10
_PAGE = 50


@dataclass(frozen=True)
class Pointer:
    """A parameter and what it says."""

    name: str
    value: str
    data_type: str


def read(client: Any, name: str) -> Pointer | None:
    """One parameter, by its name or ARN; None if there is none."""
    with translated(f"read the parameter {name}", client):
        try:
            found = client.get_parameter(Name=name)["Parameter"]
        except ClientError as exc:
            if code_of(exc) in {"ParameterNotFound", "ParameterVersionNotFound"}:
                return None
            raise
    return Pointer(found["Name"], found["Value"], found.get("DataType", "text"))


def write(client: Any, name: str, image_id: str, description: str) -> None:
    """Ask for the parameter to be written: AWS looks at the AMI after it has answered, and may not write it."""
    with translated(f"write the parameter {name}", client):
        client.put_parameter(
            Name=name,
            Value=image_id,
            Type="String",
            DataType=DATA_TYPE,
            Overwrite=True,
            Description=description,
        )


def below(client: Any, path: str, part: str) -> list[Pointer]:
    """All parameters with an AMI below a path that have this part in their name."""
    filters = [
        {"Key": "Path", "Option": "Recursive", "Values": [path]},
        {"Key": "Name", "Option": "Contains", "Values": [part]},
    ]
    with translated(f"list the parameters below {path}", client):
        answers = pages(client, "describe_parameters", _PAGE, ParameterFilters=filters)
        names = [item["Name"] for page in answers for item in page["Parameters"] if item.get("DataType") == DATA_TYPE]
    found: list[Pointer] = []
    for start in range(0, len(names), _BATCH):
        with translated(f"read the parameters below {path}", client):
            answer = client.get_parameters(Names=names[start : start + _BATCH])
        found += [Pointer(item["Name"], item["Value"], DATA_TYPE) for item in answer["Parameters"]]
    return found
