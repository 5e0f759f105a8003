"""Real systemd hosts and an emulated AWS, for the demo, the tests and the benchmarks alike.

with Lab.up("name", hosts=4) as lab:
    lab.hosts[0].exec(["systemctl", "status"])
    subprocess.run(["ansible-playbook", ...], env={**os.environ, **lab.environ})
"""

from __future__ import annotations

from .lab import Lab, LabHost
from .machine import LabError

__all__ = ["Lab", "LabError", "LabHost"]
