# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that come in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .errors import AwsError


def pages(
    call: Callable[..., dict[str, Any]], asked: str = "NextToken", given: str = "", **arguments: Any
) -> Iterator[dict[str, Any]]:
    """Every page of an answer. asked: the argument for the next one; given: what names it."""
    while True:
        page = call(**arguments)
        after = page.get(given or asked)
        if not after:
            yield page
            return
        if after == arguments.get(asked):
            raise AwsError("AWS gave the same page twice instead of the next one. Run it again.")
        arguments[asked] = after
        yield page
