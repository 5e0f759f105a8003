# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that come in pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def pages(client: Any, operation: str, size: int, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Every page of an answer, by botocore's paginator of the operation, with so many items on each at most."""
    return iter(client.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": size}))
