# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few things that an activation asks of systemd. Each costs a child process, so there are few."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import SpecError, UnitError

_RUNTIME = "/run/systemd/system"
_PROPERTIES = (
    "LoadState,ActiveState,SubState,Result,Type,NRestarts,ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic"
)
CONTROL_TIMEOUT_S = 30.0
_NAME = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.(service|socket|target|timer|path|mount)")
UNIT_PATHS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


@dataclass(frozen=True)
class Unit:
    """State of a unit. active_since, program_since: seconds of the monotonic clock, or 0, at which it became active
    last, and at which its main program was started last.
    """

    name: str
    load: str
    active: str
    sub: str
    result: str
    kind: str
    restarts: int
    active_since: float
    program_since: float

    def describe(self) -> str:
        """What `systemctl status` says in its second line, more or less."""
        result = "" if self.result in ("", "success") else f", result {self.result}"
        return f"{self.active} ({self.sub}{result}, restarted by itself {self.restarts} times)"


def is_there() -> bool:
    """Whether systemd runs on this host."""
    return os.path.isdir(_RUNTIME)


def require(purpose: str) -> None:
    """Raise UnitError where systemd does not run, naming what it is needed for."""
    if not is_there():
        raise UnitError(
            f"systemd does not run on this host ({_RUNTIME} is missing), but {purpose} needs it; "
            "in an image build or a container use activation=none and dead_man=false"
        )


def check_name(unit: str) -> None:
    """Raise SpecError unless this can be the name of a unit."""
    if not _NAME.fullmatch(unit):
        raise SpecError(f"{unit!r} is no name of a unit; give one with its suffix, such as hello.service")


def require_unit(unit: str) -> None:
    """Raise UnitError if there is no such unit: known from its file as a rule, so that no process is needed."""
    template = re.sub(r"@[^@]*(?=\.[a-z]+$)", "@", unit)
    if any(os.path.exists(os.path.join(folder, name)) for folder in UNIT_PATHS for name in (unit, template)):
        return
    found = show(unit)
    if found.load != "loaded":
        raise UnitError(f"the unit {unit} is {found.load} on this host; install its unit file first")


def show(unit: str) -> Unit:
    """Ask for the state of a unit; one that does not exist has load "not-found". Raises UnitError on other trouble."""
    code, output = run(["systemctl", "show", f"--property={_PROPERTIES}", "--", unit], CONTROL_TIMEOUT_S)
    if code != 0:
        raise UnitError(f"cannot ask systemd about {unit}: {_flat(output)}; check the unit's name")
    values = dict(line.partition("=")[::2] for line in output.splitlines())
    return Unit(
        name=unit,
        load=values.get("LoadState", ""),
        active=values.get("ActiveState", ""),
        sub=values.get("SubState", ""),
        result=values.get("Result", ""),
        kind=values.get("Type", ""),
        restarts=_number(values.get("NRestarts", "")),
        active_since=_number(values.get("ActiveEnterTimestampMonotonic", "")) / 1e6,
        program_since=_number(values.get("ExecMainStartTimestampMonotonic", "")) / 1e6,
    )


def trouble(unit: Unit, since: float) -> str | None:
    """Why a unit that was started before `since` (monotonic) does not run as it should; None if it does.

    A unit with Type=simple counts as started before its program has done anything, and with Restart= it is started
    again and again. So being active is not enough: it must not have become active once more by itself.
    """
    if unit.load not in ("loaded", ""):
        return f"unit {unit.name} is {unit.load}"
    if unit.kind == "oneshot" and unit.active == "inactive" and unit.result == "success":
        return None
    if unit.active not in ("active", "reloading"):
        return f"unit {unit.name} is {unit.describe()}"
    if unit.active_since > since:
        return f"unit {unit.name} died and was started again by systemd: {unit.describe()}"
    return None


def runs(unit: str) -> bool:
    """Whether a unit is started, or on its way there."""
    return show(unit).active not in ("inactive", "failed")


def restart(unit: str, timeout: float) -> None:
    """Restart a unit, or start it if it does not run; raises UnitError."""
    _act("restart", unit, timeout)


def reload(unit: str, timeout: float) -> None:
    """Reload a unit, or start it if it does not run; raises UnitError."""
    code, output = run(["systemctl", "reload", "--", unit], timeout)
    if code == 0:
        return
    if show(unit).active in ("inactive", "failed"):
        _act("start", unit, timeout)
        return
    raise UnitError(f"systemctl reload {unit} failed: {_flat(output)}; {_remedy(unit)}")


def stop(unit: str, timeout: float) -> None:
    """Stop a unit; raises UnitError."""
    code, output = run(["systemctl", "stop", "--", unit], timeout)
    if code != 0 and show(unit).active not in ("inactive", "failed"):
        raise UnitError(f"systemctl stop {unit} failed: {_flat(output)}; {_remedy(unit)}")


def arm(name: str, delay: float, description: str, argv: Sequence[str]) -> None:
    """Start a program after `delay` seconds, independently of this process; raises UnitError."""
    command = [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={name}",
        f"--description={description}",
        f"--on-active={delay:g}s",
        "--timer-property=AccuracySec=1s",
        "--",
        *argv,
    ]
    code, output = run(command, CONTROL_TIMEOUT_S)
    if code != 0:
        raise UnitError(f"cannot arm the dead-man switch {name}: {_flat(output)}; nothing was changed")


def disarm(name: str) -> None:
    """Take an armed program away, running or not. One that is gone is fine: it acts on its own transaction only."""
    run(["systemctl", "stop", "--", f"{name}.timer", f"{name}.service"], CONTROL_TIMEOUT_S)


def _act(verb: str, unit: str, timeout: float) -> None:
    command = ["systemctl", verb, "--", unit]
    began = time.monotonic()
    code, output = run(command, timeout)
    # A release that crashed again and again, this one or the one before, has used up the unit's start limit: systemd
    # does not even try. The unit's result is no sure sign of it, for it may keep telling of the crash before.
    if code != 0 and show(unit).program_since < began:
        run(["systemctl", "reset-failed", "--", unit], CONTROL_TIMEOUT_S)
        code, output = run(command, timeout)
    if code != 0:
        raise UnitError(f"systemctl {verb} {unit} failed: {_flat(output)}; {_remedy(unit)}")


def _remedy(unit: str) -> str:
    return f"see 'journalctl -u {unit}' on the host"


def _flat(output: str) -> str:
    return " ".join(output.split()) or "it printed nothing"


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def run(argv: Sequence[str], timeout: float) -> tuple[int, str]:
    """Exit code and output, errors included, of a program that is asked in English; raises UnitError."""
    import subprocess

    try:
        # A child that is killed at the timeout leaves its job to systemd, where the next order replaces it.
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise UnitError(
            f"'{' '.join(argv[:2])}' of {argv[-1]} took longer than {timeout:g} s; {_remedy(argv[-1])}, "
            "or raise unit_timeout"
        ) from exc
    except OSError as exc:
        raise UnitError(f"cannot run {argv[0]}: {exc.strerror}; this needs a host with systemd") from exc
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()
