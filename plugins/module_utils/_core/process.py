# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which process holds a claim, and whether it is provably gone.

A process is written as `<machine>/<pid>/<start>`. The machine part is the kernel's boot id together with the process
namespace: two containers on one machine share the boot id but not their process numbers.
"""

from __future__ import annotations

import os
from pathlib import Path

_CONTROLLERS = frozenset({"ansible-playbook", "ansible"})
_DEAD_STATES = frozenset("ZXx")


def controlling_process(pid: int | None = None) -> str | None:
    """The ansible process at the top of the chain that started `pid`, or None when there is none."""
    found = None
    for ancestor in _ancestors(os.getpid() if pid is None else pid):
        if _is_controller(ancestor):
            found = ancestor
        elif found is not None:
            break
    return None if found is None else describe(found)


def describe(pid: int) -> str | None:
    """`pid` in the form that a claim carries."""
    machine, stat = _machine(), _stat(pid)
    return f"{machine}/{pid}/{stat[19]}" if machine and stat else None


def is_dead(process: str | None) -> bool:
    """True only if the process ran on this very machine and is certainly over."""
    machine, _slash, tail = (process or "").partition("/")
    pid, _slash, start = tail.partition("/")
    if not (machine and machine == _machine() and pid.isdigit() and int(pid) > 0):
        return False
    if not _exists(int(pid)):
        return True
    stat = _stat(int(pid))
    return bool(stat) and (stat[19] != start or stat[0] in _DEAD_STATES)


def _exists(pid: int) -> bool:
    """By signal 0 and not by /proc, which may hide the processes of other users."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _machine() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the command, which may itself hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _ancestors(pid: int) -> list[int]:
    chain: list[int] = []
    while pid > 0 and pid not in chain:
        chain.append(pid)
        stat = _stat(pid)
        pid = int(stat[1]) if stat else 0
    return chain


def _is_controller(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:3]
    except OSError:
        return False
    return any(os.path.basename(word.decode("utf-8", "replace")) in _CONTROLLERS for word in words)
