# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Component documents, as far as the service reads them before any host does."""

from __future__ import annotations

from typing import Any

import yaml

from tests.fakes.contract import RefusalError

# https://docs.aws.amazon.com/imagebuilder/latest/userguide/toe-action-modules.html
ACTIONS = frozenset(
    {
        "AppendFile",
        "Assert",
        "CopyFile",
        "CopyFolder",
        "CreateFile",
        "CreateFolder",
        "CreateSymlink",
        "DeleteFile",
        "DeleteFolder",
        "ExecuteBash",
        "ExecuteBinary",
        "ExecuteDocument",
        "ExecutePowerShell",
        "InstallMSI",
        "ListFiles",
        "MoveFile",
        "MoveFolder",
        "ReadFile",
        "Reboot",
        "S3Download",
        "S3Upload",
        "SetFileEncoding",
        "SetFileOwner",
        "SetFilePermissions",
        "SetFolderOwner",
        "SetFolderPermissions",
        "SetRegistry",
        "UninstallMSI",
        "UpdateOS",
        "WebDownload",
    }
)
PHASES = frozenset({"build", "validate", "test", "container-host-test"})


def read(text: str) -> dict[str, Any]:
    """The document, if the service would take it."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _refusal(f"must be a YAML document: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise _refusal("must be a YAML document with a schemaVersion and phases.")
    if str(document.get("schemaVersion")) != "1.0":
        raise _refusal(f"has the unknown schemaVersion {document.get('schemaVersion')!r}.")
    _check_phases(document.get("phases"))
    for parameter in parameters(document):
        if "name" not in parameter or "type" not in parameter:
            raise _refusal("has a parameter without a name or a type.")
    return document


def kind(document: dict[str, Any]) -> str:
    return "TEST" if [phase["name"] for phase in document["phases"]] == ["test"] else "BUILD"


def parameters(document: dict[str, Any]) -> list[dict[str, Any]]:
    """`parameters` of the document: each entry is one name with its details."""
    entries = document.get("parameters") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _refusal("has parameters that are no list.")
    found = []
    for entry in entries:
        details = [{"name": name, **(body or {})} for name, body in entry.items() if name != "name"]
        found += details if "name" not in entry else [entry]
    return found


def shown(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The same as GetComponent shows them."""
    return [
        {
            "name": one["name"],
            "type": one["type"].capitalize(),
            **({"defaultValue": [str(one["default"])]} if "default" in one else {}),
            **({"description": one["description"]} if one.get("description") else {}),
        }
        for one in parameters(document)
    ]


def first_step(document: dict[str, Any], phases: frozenset[str]) -> tuple[str, dict[str, Any]] | None:
    """Name of the phase and step, of the first step in one of these phases."""
    for phase in document["phases"]:
        if phase["name"] in phases:
            return phase["name"], phase["steps"][0]
    return None


def _check_phases(phases: Any) -> None:
    if not isinstance(phases, list) or not phases:
        raise _refusal("has no phases.")
    names = [phase.get("name") if isinstance(phase, dict) else None for phase in phases]
    if len(set(names)) != len(names) or not PHASES.issuperset(names):
        raise _refusal(f"has the phases {names}; known are {', '.join(sorted(PHASES))}, each at most once.")
    for phase in phases:
        _check_steps(phase["name"], phase.get("steps"))


def _check_steps(phase: str, steps: Any) -> None:
    if not isinstance(steps, list) or not steps:
        raise _refusal(f"has no steps in the phase '{phase}'.")
    names = set()
    for step in steps:
        name, action = (step.get("name"), step.get("action")) if isinstance(step, dict) else (None, None)
        if not name or name in names:
            raise _refusal(f"has steps without a name of their own in the phase '{phase}'.")
        if action not in ACTIONS:
            raise _refusal(f"has the unknown action '{action}' in the step '{name}' of the phase '{phase}'.")
        names.add(name)


def _refusal(why: str) -> RefusalError:
    return RefusalError(
        "InvalidRequestException", f"The value supplied for parameter 'data' is not valid. 'data' {why}"
    )
