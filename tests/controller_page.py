# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.controller_page: write the tables of keys in the README of role controller. A unit test tells when
that is needed."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import server_role

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "roles" / "controller" / "README.md"
_HEAD = ("key", "it is", "default", "what for")


def page(text: str) -> str:
    """The page with its tables as they should be."""
    from ansible_collections.sysops.dtk.plugins.module_utils._core import controller_keys, shape

    tables = {"dtk_controller": controller_keys.SETTINGS, "button": controller_keys.BUTTON}
    filled = {}
    for name, record in tables.items():
        rows = [server_role._row(path.removeprefix("."), key, "")[:-1] for path, key in shape.rows(record, "")]
        filled[name] = server_role._markdown(_HEAD, rows)
    return server_role._filled(text, filled)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / ".cache" / "collections"))
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
