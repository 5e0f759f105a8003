# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A contract fake of what load balancers know about targets; docs of its parts are in their modules."""

from __future__ import annotations

from .service import SERVICE, Options, TargetHealth
from .state import Check

__all__ = ["SERVICE", "Check", "Options", "TargetHealth"]
