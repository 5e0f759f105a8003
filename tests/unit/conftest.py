# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the repository importable as ansible_collections.sysops.dtk, also when pytest runs without make."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import hypothesis

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache" / "collections"


def link_collection() -> None:
    link = COLLECTIONS / "ansible_collections" / "sysops" / "dtk"
    link.parent.mkdir(parents=True, exist_ok=True)
    # Several pytest workers start at once; the first one makes the link.
    with contextlib.suppress(FileExistsError):
        link.symlink_to(ROOT, target_is_directory=True)


link_collection()
if str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")
