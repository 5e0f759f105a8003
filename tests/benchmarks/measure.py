# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one contestant and measure it: wall time, CPU and memory of its process tree, CPU of the whole machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer

SUPERVISOR = Path(__file__).with_name("supervise.py")


@dataclass(frozen=True)
class Usage:
    """What one run cost. `error` is empty for a run that counts."""

    wall_s: float
    cpu_s: float
    machine_cpu_s: float
    error: str = ""

    def failed(self, error: str) -> Usage:
        return replace(self, error=error)


@dataclass(frozen=True)
class TreeUsage:
    """What a program and all of its descendants cost, daemons included; memory is that of the largest of them."""

    wall_s: float
    user_s: float
    system_s: float
    peak_mb: float
    error: str = ""

    def failed(self, error: str) -> TreeUsage:
        return self if self.error else replace(self, error=error)


def machine_cpu_seconds() -> float:
    """CPU seconds spent by everything on this machine since boot: controller, hosts and file server together."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def run(argv: list[str], environ: dict[str, str], log: Path, timeout_s: float) -> Usage:
    """Run to the end or to the timeout. CPU is user + system of the process and all children it waited for."""
    log.parent.mkdir(parents=True, exist_ok=True)
    machine_before, started = machine_cpu_seconds(), time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            argv, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = Timer(timeout_s, os.killpg, (process.pid, signal.SIGKILL))
    deadline.start()
    try:
        _pid, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        deadline.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(
        wall_s=time.monotonic() - started,
        cpu_s=usage.ru_utime + usage.ru_stime,
        machine_cpu_s=machine_cpu_seconds() - machine_before,
        error=_error(process.returncode, log, timeout_s),
    )


def run_tree(argv: list[str], environ: dict[str, str], log: Path, timeout_s: float) -> TreeUsage:
    """Run to the end or to the timeout, under a supervisor of its own. A process that stays behind is an error."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, log.open("w", encoding="utf-8") as out:
        report = Path(folder) / "usage.json"
        supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(report), str(timeout_s)]
        subprocess.run(
            [*supervisor, *argv],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=True,
        )
        found = json.loads(report.read_text(encoding="utf-8"))
    error = _error(found.pop("code"), log, timeout_s)
    left_behind = found.pop("left_behind")
    usage = TreeUsage(**found, error=error)
    return usage.failed(f"left processes behind: {left_behind}") if left_behind else usage


def _error(code: int, log: Path, timeout_s: float) -> str:
    if code == 0:
        return ""
    if code == -signal.SIGKILL:
        return f"killed, most likely by the timeout of {timeout_s:.0f} s; see {log}"
    return f"exit code {code}; see {log}"
