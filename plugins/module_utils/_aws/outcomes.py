# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of AWS about one thing that a caller may choose to live with."""

from __future__ import annotations

from .errors import AwsError

DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


class MissingError(AwsError):
    """There is no such thing, or no such version of it."""


class DeniedError(AwsError):
    """It may or may not be there: these credentials may not read it."""


class DeletedError(AwsError):
    """It was there and waits for its end; until then it can be restored."""
