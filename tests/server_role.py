# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.server_role: write what is made from the keys of a server role and its fleet, the JSON Schema and the
tables of docs/server_role.md and docs/fleet.md. A unit test tells when that is needed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "schemas" / "server_role.schema.json"
PAGE = ROOT / "docs" / "server_role.md"
FLEET_PAGE = ROOT / "docs" / "fleet.md"
_COLLECTIONS = ROOT / ".cache" / "collections"
_ROLE, _APP = "dtk_server_role", "dtk_apps.<app>"
# Which keys stand in which table: the first that a path begins with.
_TABLES = {
    "image": f"{_ROLE}.image.",
    "role": f"{_ROLE}.",
    "service": f"{_APP}.service.",
    "app": f"{_APP}.",
}
# Tables of their own, or a sentence, say more than a row for each.
_LEFT_OUT = (
    f"{_APP}.service.sandbox.",
    f"{_APP}.service.limits.",
    f"{_ROLE}.packages[].",
    f"{_ROLE}.runtime.packages[].",
)


def schema() -> str:
    """The JSON Schema as its file should be."""
    from ansible_collections.sysops.dtk.plugins.module_utils import fleets

    return json.dumps(fleets.schema(), indent=1, ensure_ascii=False) + "\n"


def page(text: str) -> str:
    """The page with its tables as they should be; what is between the marks is replaced."""
    return _filled(text, {**_tables(), "sandbox": _sandbox()})


def fleet_page(text: str) -> str:
    """The same of the page of fleets."""
    from ansible_collections.sysops.dtk.plugins.module_utils._core import fleet_keys, shape

    rows = [_row(path.removeprefix("."), key, "")[:-1] for path, key in shape.rows(fleet_keys.ONE_ENV, "")]
    return _filled(text, {"fleet": _markdown(("key", "it is", "default", "what for"), rows)})


def _filled(text: str, tables: dict[str, str]) -> str:
    for name, table in tables.items():
        mark = re.compile(rf"(<!-- keys: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = mark.subn(lambda found, table=table: f"{found[1]}{table}{found[2]}", text)
        if count != 1:
            raise ValueError(f"the page has {count} places for the table {name}")
    return text


def _tables() -> dict[str, str]:
    from ansible_collections.sysops.dtk.plugins.module_utils._core import server_role_keys, shape

    rows: dict[str, list[tuple[str, ...]]] = {name: [] for name in _TABLES}
    readers: dict[str, str] = {}
    for dotted, key in shape.rows(server_role_keys.DOCUMENT, ""):
        path = dotted.removeprefix(".")
        readers[path] = key.reader or next(_above(path, readers), "")
        name = next((name for name, begin in _TABLES.items() if path.startswith(begin)), None)
        if name and not path.startswith(_LEFT_OUT):
            rows[name].append(_row(path.removeprefix(_TABLES[name]), key, readers[path]))
    return {name: _markdown(("key", "it is", "default", "what for", "read by"), found) for name, found in rows.items()}


def _above(path: str, readers: dict[str, str]) -> Iterator[str]:
    """Who reads what lies above, the nearest first."""
    while path:
        path = path.rpartition(".")[0].removesuffix("[]")
        if path in readers:
            yield readers[path]


def _row(path: str, key: Any, reader: str) -> tuple[str, ...]:
    from ansible_collections.sysops.dtk.plugins.module_utils._core import shape

    default = "**required**" if key.required else "" if key.default is shape.NONE else f"`{_yaml(key.default)}`"
    return f"`{path}`", _plain(_short(key.shape.word)), default, _plain(key.about), reader


def _plain(text: str) -> str:
    """As Markdown shows it: what looks like a tag of HTML would vanish, and what looks like emphasis its stars."""
    return re.sub(r"([<*])", r"\\\1", text)


def _short(word: str) -> str:
    """What a value must be, in few words: a table shows the keys of a mapping in rows of their own."""
    for pattern, short in (
        (r"a mapping with the keys of [a-z ._]+", "mapping"),
        (r"a mapping whose values are (.+)", r"mapping of names to \1"),
        (r"a list(?:, each item| that is not empty:) ", "list: "),
        (r" without blanks, quotes, colons, % and .", ""),
        (r"^(an?|the) ", ""),
    ):
        word = re.sub(pattern, short, word)
    return word


def _sandbox() -> str:
    from ansible_collections.sysops.dtk.plugins.module_utils._core import sandbox

    rows = [(f"`{name}`", f"`{value}`") for name, value in sandbox.directives({}, metadata=False)]
    return _markdown(("directive", "value"), rows)


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(cells[0]), *lines[1:]]) + "\n"


def main() -> None:
    sys.path.insert(0, str(_COLLECTIONS))
    SCHEMA.write_text(schema(), encoding="utf-8")
    for path, made in ((PAGE, page), (FLEET_PAGE, fleet_page)):
        if path.exists():
            path.write_text(made(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
