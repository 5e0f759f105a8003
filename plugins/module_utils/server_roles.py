# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: server roles as data, for the filters."""

from __future__ import annotations

from ._core.app_accounts import accounts
from ._core.server_role import ServerRoleError, check, packages, resolve, schema

__all__ = ["ServerRoleError", "accounts", "check", "packages", "resolve", "schema"]
