# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

# Holds a link that makes the repository importable as ansible_collections.sysops.dtk, as pytest's settings have it.
sys.path.append(str(Path(__file__).resolve().parents[2] / ".cache" / "collections"))
