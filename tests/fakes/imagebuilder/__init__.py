# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A contract fake of EC2 Image Builder; docs of its parts are in their modules."""

from __future__ import annotations

from .service import SERVICE, ImageBuilder
from .simulated import Simulated

__all__ = ["SERVICE", "ImageBuilder", "Simulated"]
