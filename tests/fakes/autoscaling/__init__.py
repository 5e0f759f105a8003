# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A contract fake of EC2 Auto Scaling with a state machine for instances; docs of its parts are in their modules."""

from __future__ import annotations

from .clock import Clock, ManualClock
from .launcher import Launcher
from .region import Dials
from .service import SERVICE, AutoScaling, Options

__all__ = ["SERVICE", "AutoScaling", "Clock", "Dials", "Launcher", "ManualClock", "Options"]
