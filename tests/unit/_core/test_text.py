# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.text import (
    abbreviated,
    human_bytes,
    human_seconds,
    plural,
    table,
)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (12_345_678, "12.3 MB"), (5e15, "5000.0 TB")]
)
def test_bytes(count: float, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.2, "1 s"), (59.4, "59 s"), (60, "1 min"), (75, "1 min 15 s"), (3700, "1 h 1 min")],
)
def test_seconds(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


def test_plural() -> None:
    assert (plural(1, "host"), plural(0, "host")) == ("1 host", "0 hosts")


def test_abbreviated() -> None:
    assert abbreviated(["aa", "bb", "cc"], 99) == "aa, bb, cc"
    assert abbreviated(["aa", "bb", "cc"], 9) == "aa … +2"
    assert abbreviated(["a" * 50, "b"], 9) == "a" * 50 + " … +1"
    assert abbreviated([], 9) == ""


def test_table() -> None:
    assert table([("a", "bb"), ("ccc", "d")], right=frozenset({0})) == ["  a  bb", "ccc  d"]
