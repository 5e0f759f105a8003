# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the commands that an app's owner hangs into an activation. Nothing here outlives its timeout."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import HookError, SpecError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GRACE_S = 2.0
_TAIL = 2000
TRANSACTION_VARIABLE = "DTK_TRANSACTION"


@dataclass(frozen=True)
class Hook:
    """One command, without a shell, and the seconds it may take."""

    command: tuple[str, ...]
    timeout: float = 60.0


@dataclass(frozen=True)
class HookContext:
    """What a hook learns about the activation that it is part of."""

    app: str
    release: str
    previous: str | None
    release_dir: str
    transaction: str


def from_list(name: str, data: Any) -> tuple[Hook, ...]:
    """Check a list of hooks; raises SpecError naming the one that is wrong."""
    if not data:
        return ()
    if not isinstance(data, (list, tuple)):
        raise SpecError(f"hooks.{name} is {data!r}; give a list of mappings with command and timeout")
    return tuple(_hook(f"hooks.{name}[{number}]", item) for number, item in enumerate(data))


def total_timeout(hooks: Sequence[Hook]) -> float:
    """Seconds that these hooks can take at most, one after the other."""
    return sum(hook.timeout + _GRACE_S for hook in hooks)


def run_hooks(phase: str, hooks: Sequence[Hook], context: HookContext) -> None:
    """Run hooks in order; the first that fails ends it with HookError, which quotes the end of its output."""
    for hook in hooks:
        _run_hook(phase, hook, context)


def environment(phase: str, context: HookContext) -> dict[str, str]:
    """The whole environment of a hook: the same from a controller, at boot and in an image build."""
    return {
        "PATH": _PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "DTK_APP": context.app,
        "DTK_RELEASE": context.release,
        "DTK_PREVIOUS": context.previous or "",
        "DTK_PHASE": phase,
        "DTK_RELEASE_DIR": context.release_dir,
        TRANSACTION_VARIABLE: context.transaction,
    }


def run_command(argv: Sequence[str], timeout: float, env: Mapping[str, str], cwd: str) -> tuple[int | None, str]:
    """Run a program in a process group of its own. Returns exit code, or None if it ran out of time, and output tail.

    The output goes to an unnamed file and not through a pipe: a daemon that a command leaves behind would keep a
    pipe open, and us waiting. At the timeout the whole group is ended. Raises OSError if it can't be started.
    """
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.returncode is None:
                _end_group(process)
        return code, _tail(output)


def kill_leftovers(transaction: str) -> int:
    """End what a killed activation's hooks still run, so that a second run never runs beside the first.

    They are found by the id in their environment, which every process that a hook starts inherits.
    """
    import signal

    needle = f"{TRANSACTION_VARIABLE}={transaction}".encode()
    killed = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and needle in _environ(name):
            try:
                os.kill(int(name), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
    return killed


def _environ(pid: str) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return stream.read().split(b"\0")
    except OSError:
        return []


def _run_hook(phase: str, hook: Hook, context: HookContext) -> None:
    shown = " ".join(hook.command)
    try:
        code, tail = run_command(hook.command, hook.timeout, environment(phase, context), context.release_dir)
    except OSError as exc:
        raise HookError(
            f"the {phase} hook {shown!r} cannot be run: {exc.strerror}; it runs in {context.release_dir}, "
            "check its path and that it is executable"
        ) from exc
    if code is None:
        raise HookError(
            f"the {phase} hook {shown!r} was ended after its timeout of {hook.timeout:g} s{_quoted(tail)}; "
            "make it quicker or raise its timeout"
        )
    if code != 0:
        raise HookError(f"the {phase} hook {shown!r} failed with exit code {code}{_quoted(tail)}")


def _quoted(tail: str) -> str:
    return f", its output ends with: {tail}" if tail else ", it printed nothing"


def _end_group(process: Any) -> None:
    import contextlib
    import signal
    import subprocess

    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    # The leader may be gone while its children ignore SIGTERM.
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _tail(output: Any) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL))
    return output.read().decode("utf-8", "replace").strip()


def _hook(where: str, item: Any) -> Hook:
    if not isinstance(item, dict) or set(item) - {"command", "timeout"}:
        raise SpecError(f"{where} is {item!r}; give a mapping with command and timeout")
    command = item.get("command")
    if not isinstance(command, (list, tuple)) or not command or not str(command[0]):
        raise SpecError(f"{where}.command is {command!r}; give a list such as [bin/migrate, --fast]")
    timeout = item.get("timeout")
    try:
        seconds = 60.0 if timeout is None else float(timeout)
    except (TypeError, ValueError) as exc:
        raise SpecError(f"{where}.timeout is {timeout!r}; give a number of seconds above 0") from exc
    if not 0 < seconds < 86400:
        raise SpecError(f"{where}.timeout is {timeout!r}; give a number of seconds above 0 and below a day")
    return Hook(tuple(str(word) for word in command), seconds)
