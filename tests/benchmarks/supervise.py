# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one program and say what it and every descendant cost: supervise.py REPORT TIMEOUT PROGRAM [ARGUMENT…]

A process of its own, for two reasons. Linux counts the memory of whoever starts a program as the program's peak, so the
starter must be small. And it adopts processes that outlive their parent, such as daemons, so that their CPU is counted,
too, and nobody escapes; that must not touch the children of anybody else.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
# What outlives the program for longer than this was left behind.
GRACE_SECONDS = 10


class Supervisor:
    def __init__(self) -> None:
        self.user_s = self.system_s = self.peak_mb = 0.0
        self.left_behind: list[str] = []
        self._done = threading.Event()

    def run(self, argv: list[str], timeout_s: float) -> dict[str, object]:
        started = time.monotonic()
        pid = os.posix_spawnp(argv[0], argv, os.environ, setsid=True)
        deadline = threading.Timer(timeout_s, os.killpg, (pid, signal.SIGKILL))
        deadline.start()
        try:
            _pid, status, usage = os.wait4(pid, 0)
        except BaseException:
            os.killpg(pid, signal.SIGKILL)
            raise
        finally:
            deadline.cancel()
        wall_s = time.monotonic() - started
        self._add(usage)
        self._wait_for_adopted()
        return {
            "code": os.waitstatus_to_exitcode(status),
            "wall_s": wall_s,
            "user_s": self.user_s,
            "system_s": self.system_s,
            "peak_mb": self.peak_mb,
            "left_behind": self.left_behind,
        }

    def _add(self, usage: resource.struct_rusage) -> None:
        self.user_s += usage.ru_utime
        self.system_s += usage.ru_stime
        self.peak_mb = max(self.peak_mb, usage.ru_maxrss / 1024)

    def _wait_for_adopted(self) -> None:
        killer = threading.Thread(target=self._end_what_stays)
        killer.start()
        try:
            while True:
                self._add(os.wait4(-1, 0)[2])
        except ChildProcessError:
            pass
        finally:
            self._done.set()
            killer.join()

    def _end_what_stays(self) -> None:
        while not self._done.wait(GRACE_SECONDS):
            for pid in children():
                self.left_behind.append(command_line(pid))
                os.kill(pid, signal.SIGKILL)


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as pids:
        return [int(pid) for pid in pids.read().split()]


def command_line(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as words:
        return words.read().replace("\0", " ").strip()


def adopt_orphans() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a child subreaper")


def main() -> None:
    report, timeout_s, *argv = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    adopt_orphans()
    result = Supervisor().run(argv, float(timeout_s))
    with open(report, "w", encoding="utf-8") as out:
        json.dump(result, out)


if __name__ == "__main__":
    main()
