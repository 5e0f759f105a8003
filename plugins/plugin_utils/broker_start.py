# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts the broker of a run. Apart from broker.py, since every worker compiles what it imports, and one starts."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import subprocess
import sys
from pathlib import Path

_START_SECONDS = 60
# Nothing of the current folder or of PYTHON* variables is imported, but all that can be imported here.
_PROGRAM = """
import json, sys, types
setup = json.loads(sys.stdin.readline())
sys.path[:] = setup["path"]
package = sys.modules["dtk"] = types.ModuleType("dtk")
package.__path__ = [setup["plugins"]]
from dtk.plugin_utils.broker_server import main
main(setup)
"""


def start(folder: str) -> None:
    """Start the broker, and return when it listens."""
    owner, pidfd = the_run()
    setup = {
        "path": [entry for entry in sys.path if entry],
        "plugins": str(Path(__file__).resolve().parents[1]),
        "folder": folder,
        "owner": owner,
        "pidfd": pidfd,
    }
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # out of reach of a Ctrl-C and of what ends the worker that starts it
            pass_fds=() if pidfd is None else (pidfd,),
        )
    finally:
        if pidfd is not None:
            os.close(pidfd)
    with process.stdin as setup_pipe, process.stdout as output, process.stderr as errors:
        setup_pipe.write(json.dumps(setup).encode() + b"\n")
        setup_pipe.flush()
        # It closes its end when it is ready, and also when it fails.
        # Not select(), which ends at descriptor 1023.
        ready = select.poll()
        ready.register(output, select.POLLIN)
        if ready.poll(_START_SECONDS * 1000) and output.read() == b"ready":
            return
        process.kill()
        raise OSError((errors.read().decode(errors="replace").strip().splitlines() or ["it did not answer"])[-1])


def the_run() -> tuple[int, int | None]:
    """The process of Ansible that made the temporary folder, and a descriptor that tells of its end."""
    # Lookups are also evaluated in the parent itself, in the name of a task for example.
    is_worker = type(multiprocessing.current_process()).__name__ == "WorkerProcess"
    owner = os.getppid() if is_worker else os.getpid()
    try:
        pidfd = os.pidfd_open(owner)
    except (AttributeError, OSError):
        pidfd = None  # not Linux, or an old one
    if is_worker and os.getppid() != owner:
        raise OSError("the run has ended")
    return owner, pidfd
