# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes `schema.json` of a dump of a Controller's own schema (Swagger 2.0, at /api/v2/schema/).

    python -m tests.fakes.controller.reduce dump.json >tests/fakes/controller/schema.json

Words for people are left out, and of paths what nothing of ours comes near. A response is written as `Name` for a
definition, `[Name]` for a page of them, and null where the schema says nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ABOUT = (
    "Paths and definitions of the Automation Controller's API, as AWX 24.6.1 (Apache License 2.0) describes itself at "
    "/api/v2/schema/; reduced by reduce.py."
)
_WORDS = {"title", "description"}
_FOREIGN = (
    "/api/debug/",
    "/api/v2/service-index/",
    "/api/{version}/analytics/",
    "/api/{version}/ad_hoc_command_events/",
)


def reduced(dump: dict[str, Any]) -> Iterator[str]:
    """The lines of `schema.json`: one for each definition and path, so that a diff is readable."""
    paths = {path: methods for path, methods in dump["paths"].items() if not path.startswith(_FOREIGN)}
    # What can neither be sent nor seen is a method that the API does not have.
    yield '{"about": ' + json.dumps(ABOUT) + ","
    yield '"definitions": {'
    yield from _entries({name: _definition(body) for name, body in dump["definitions"].items()})
    yield '}, "paths": {'
    yield from _entries({path: _methods(methods) for path, methods in paths.items()})
    yield "}}"


def _entries(entries: dict[str, Any]) -> Iterator[str]:
    for number, (name, value) in enumerate(sorted(entries.items()), start=1):
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
        yield f"{json.dumps(name)}:{text}" + ("," if number < len(entries) else "")


def _definition(definition: dict[str, Any]) -> dict[str, Any]:
    fields = definition["properties"]
    return {
        "required": sorted(definition.get("required", [])),
        "properties": {
            name: {key: value for key, value in field.items() if key not in _WORDS} for name, field in fields.items()
        },
    }


def _methods(methods: dict[str, Any]) -> dict[str, Any]:
    return {method: [_named(spec["body"]), _answers(spec["responses"])] for method, spec in methods.items()}


def _answers(responses: dict[str, Any]) -> dict[str, str | None]:
    return {status: _named(response) for status, response in responses.items()}


def _named(schema: dict[str, Any] | None) -> str | None:
    if schema is None:
        return None
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    page = schema.get("properties", {}).get("results")
    return f"[{_named(page['items'])}]" if page else None


if __name__ == "__main__":
    print("\n".join(reduced(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
