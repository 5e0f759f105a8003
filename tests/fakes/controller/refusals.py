# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that a Controller refuses."""

from __future__ import annotations

from typing import Any


class RefusalError(Exception):
    """A status and what is said with it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body

    @classmethod
    def forbidden(cls, why: str = "You do not have permission to perform this action.") -> RefusalError:
        return cls(403, {"detail": why})

    @classmethod
    def invalid(cls, **why: Any) -> RefusalError:
        return cls(400, why)

    @classmethod
    def unserved(cls, template: str) -> RefusalError:
        """Of the real one's schema, and nothing that anybody here needs."""
        return cls(501, {"detail": f"This Controller does not serve {template}."})
