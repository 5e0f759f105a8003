# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real systemd hosts and an emulated AWS, for the demo, the tests and the benchmarks alike.

with Lab.up("name", hosts=4) as lab:
    lab.hosts[0].exec(["systemctl", "status"])
    subprocess.run(["ansible-playbook", ...], env={**os.environ, **lab.environ})
"""

from __future__ import annotations

from .hosts import LabHost
from .lab import Lab
from .machine import LabError

__all__ = ["Lab", "LabError", "LabHost"]
