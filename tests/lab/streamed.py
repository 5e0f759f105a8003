# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands whose output is needed while they run."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

TICK_SECONDS = 0.2


def stream(
    argv: Sequence[str],
    said: Callable[[str, str], None],
    tick: Callable[[], None],
    *,
    timeout: float | None = None,
    stdin: Path | None = None,
) -> int:
    """The exit code. `said` gets each line, after Stdout or Stderr; `tick` is called every moment, and may raise.

    TimeoutError when the command took too long. Whatever is raised, the command was ended before.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        process = subprocess.Popen(
            argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        stack.callback(_end, process)
        for line in _lines(process):
            if line:
                said(*line)
            tick()
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"it took longer than {timeout:g} s")
        return process.wait()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, str] | None]:
    """Each line and where it came from, None while there is none; until the process has ended and all is read."""
    lines: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
    pipes = {"Stdout": process.stdout, "Stderr": process.stderr}
    for channel, pipe in pipes.items():
        threading.Thread(target=_read, args=(channel, pipe, lines), daemon=True).start()
    unread = len(pipes)
    while unread:
        try:
            line = lines.get(timeout=TICK_SECONDS)
        except queue.Empty:
            if process.poll() is not None:  # what it left running may hold a pipe open, and says no more to us
                return
            yield None
        else:
            unread -= line is None
            yield line
    while process.poll() is None:
        yield None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TICK_SECONDS)


def _read(channel: str, pipe: IO[bytes], lines: queue.SimpleQueue[tuple[str, str] | None]) -> None:
    with pipe:
        for line in pipe:
            lines.put((channel, line.decode(errors="replace").rstrip("\r\n")))
    lines.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # of sudo: it ends with what it runs
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
