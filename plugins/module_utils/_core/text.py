# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small helpers for text that people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def human_bytes(count: float) -> str:
    """12_345_678 -> '12.3 MB'."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_seconds(seconds: float) -> str:
    """75 -> '1 min 15 s'."""
    whole = max(1, round(seconds)) if seconds else 0
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plural(count: int, noun: str) -> str:
    """2, 'host' -> '2 hosts'."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def abbreviated(names: Sequence[str], width: int) -> str:
    """As many names as fit, then how many more there are."""
    for shown in range(len(names), 0, -1):
        rest = len(names) - shown
        text = ", ".join(names[:shown]) + (f" … +{rest}" if rest else "")
        if len(text) <= width or shown == 1:
            return text
    return ""


def table(rows: Iterable[Sequence[str]], indent: str = "", right: frozenset[int] = frozenset()) -> list[str]:
    """Aligned columns; the columns in `right` are aligned to the right."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = enumerate(zip(row, widths, strict=True))
        parts = [text.rjust(width) if index in right else text.ljust(width) for index, (text, width) in padded]
        lines.append((indent + "  ".join(parts)).rstrip())
    return lines
