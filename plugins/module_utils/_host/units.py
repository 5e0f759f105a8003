# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unit files on a host: examined before they are installed, enabled, and running units that have not read theirs yet.

Nothing here knows what an app is; `install` and what belongs to it start and stop nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import files, systemd
from .errors import UnitError

_ANALYZE_TIMEOUT_S = 60.0
_OVERALL = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")
_WORST = 5
_WHEN = re.compile(r"\w+ (\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)(?:\.(\d+))? UTC")
# The kernel stamps a file with the time of its last tick, which may be some milliseconds ago.
_TICK_S = 0.02
_PROPERTIES = (
    "Id,LoadState,ActiveState,FragmentPath,DropInPaths,NeedDaemonReload,ExecMainStartTimestamp,ActiveEnterTimestamp"
)


@dataclass(frozen=True)
class Exposure:
    """How much a service could do to its host, from 0 to 10, and the directives that cost most of it."""

    score: float
    costliest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Running:
    """A unit as systemd has it. since: seconds of the clock at which its program, or it itself, was started, or 0."""

    name: str
    load: str
    active: str
    paths: tuple[str, ...]
    outdated: bool  # systemd itself has not read the files
    since: float

    @property
    def runs(self) -> bool:
        """Whether it is started, or on its way there."""
        return self.active not in ("", "inactive", "failed")

    @property
    def stale(self) -> bool:
        """Whether it runs by files that are not those on the disk."""
        return self.runs and (self.outdated or any(_changed(path) + _TICK_S > self.since for path in self.paths))


def examine(texts: Mapping[str, str], most: Mapping[str, float]) -> dict[str, Exposure]:
    """Have systemd read unit files that are not installed yet; raises UnitError with what it does not like.

    Returns the exposure of each service. most: up to which nobody wants to know where it comes from.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="dtk-units-") as folder:
        paths = {name: os.path.join(folder, name) for name in texts}
        for name, text in texts.items():
            with open(paths[name], "w", encoding="utf-8") as stream:
                stream.write(text)
        _verify(folder, paths)
        return {name: exposure(paths[name], most[name]) for name in paths if name.endswith(".service")}


def exposure(path: str, most: float = 10.0) -> Exposure:
    """What `systemd-analyze security` says of a service's file; raises UnitError."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    code, output = systemd.run([*command, path], _ANALYZE_TIMEOUT_S)
    found = _OVERALL.search(output)
    if code != 0 or not found:
        raise UnitError(f"cannot tell how exposed {path} is: {' '.join(output.split())[-300:]}; look at the unit file")
    score = float(found[1])
    if score <= most:
        return Exposure(score)
    _code, report = systemd.run([*command, "--json=short", path], _ANALYZE_TIMEOUT_S)
    return Exposure(score, _costliest(report))


def find(unit: str) -> str | None:
    """The file of a unit that is installed, or None."""
    names = (unit, re.sub(r"@[^@]*(?=\.[a-z]+$)", "@", unit))  # an instance has the file of its template
    paths = (os.path.join(folder, name) for folder in systemd.UNIT_PATHS for name in names)
    return next((path for path in paths if os.path.exists(path)), None)


def read(path: str) -> str | None:
    """The text of a file; None if it is not there. Raises UnitError."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise UnitError(f"cannot read {path}: {exc.strerror}; make it a file") from exc


def put(path: str, text: str | None) -> None:
    """Make a file be there as a whole, or not be there. Raises UnitError."""
    try:
        if text is None:
            os.unlink(path)
            return
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        files.write_atomic(path, text.encode("utf-8"))
    except OSError as exc:
        raise UnitError(f"cannot write {path}: {exc.strerror}; check the file system") from exc


def not_enabled(units: Sequence[str]) -> list[str]:
    """Those of the units that do not start with the machine yet, and could. Raises UnitError for a masked one."""
    if not units:
        return []
    _code, output = systemd.run(["systemctl", "is-enabled", "--", *units], systemd.CONTROL_TIMEOUT_S)
    states = output.splitlines()
    if len(states) != len(units):
        raise UnitError(f"cannot ask systemd about {', '.join(units)}: {' '.join(states)}; look at their files")
    found = dict(zip(units, states))
    masked = [unit for unit in units if found[unit].startswith("masked")]
    if masked:
        raise UnitError(
            f"the unit {masked[0]} is masked on this host; run 'systemctl unmask {masked[0]}' if it may run"
        )
    return [unit for unit in units if found[unit] in ("disabled", "linked", "linked-runtime", "enabled-runtime")]


def set_enabled(units: Sequence[str], enabled: bool) -> None:
    """Have units start with the machine, or not; they are neither started nor stopped. Raises UnitError."""
    verb = "enable" if enabled else "disable"
    # Without a look at all units: `reread` follows, once.
    code, output = systemd.run(["systemctl", "--no-reload", verb, "--", *units], systemd.CONTROL_TIMEOUT_S)
    if code != 0:
        raise UnitError(f"systemctl {verb} {' '.join(units)} failed: {' '.join(output.split())}; look at their files")


def reread() -> None:
    """Have systemd read all unit files, if it runs: in the build of an image it may not. Raises UnitError."""
    if not systemd.is_there():
        return
    code, output = systemd.run(["systemctl", "daemon-reload"], _ANALYZE_TIMEOUT_S)
    if code != 0:
        raise UnitError(f"systemctl daemon-reload failed: {' '.join(output.split())}; see 'journalctl' on the host")


def look(units: Iterable[str]) -> dict[str, Running]:
    """The units as systemd has them. Raises UnitError."""
    names = list(units)
    command = ["systemctl", "show", "--timestamp=us+utc", f"--property={_PROPERTIES}", "--", *names]
    code, output = systemd.run(command, systemd.CONTROL_TIMEOUT_S)
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in output.split("\n\n")]
    if code != 0 or len(blocks) != len(names):
        raise UnitError(f"cannot ask systemd about {', '.join(names)}: {' '.join(output.split())}; check their names")
    return {name: _running(name, values) for name, values in zip(names, blocks)}


def restart(units: Sequence[str], timeout: float) -> None:
    """Restart units in one transaction, so that systemd finds the order: a socket, and the service behind it."""
    command = ["systemctl", "restart", "--", *units]
    code, output = systemd.run(command, timeout)
    if code != 0:
        # A unit that failed again and again before has used up its starts, and is not even tried.
        systemd.run(["systemctl", "reset-failed", "--", *units], systemd.CONTROL_TIMEOUT_S)
        code, output = systemd.run(command, timeout)
    if code != 0:
        raise UnitError(
            f"systemctl restart {' '.join(units)} failed: {' '.join(output.split())}; "
            f"see 'journalctl -u {units[-1]}' on the host"
        )


# --- what systemd says -----------------------------------------------------------------------------------------------


def _verify(folder: str, paths: Mapping[str, str]) -> None:
    command = ["systemd-analyze", "verify", "--man=no", "--generators=no", "--recursive-errors=no"]
    code, output = systemd.run([*command, *paths.values()], _ANALYZE_TIMEOUT_S)
    # What it would ignore, it only mentions: for us, a directive that does nothing is an error. It speaks of other
    # units of the host, too; those are not ours to judge.
    ours = [line for line in output.splitlines() if line.startswith(folder) or line.partition(":")[0] in paths]
    if code != 0 or ours:
        told = "; ".join(line.replace(folder + os.sep, "") for line in ours or output.splitlines())
        raise UnitError(f"systemd does not accept {', '.join(paths)}: {told}; correct the service in the server role")


def _costliest(report: str) -> tuple[str, ...]:
    """What costs most, by directive: some have a row for each of the things that they could forbid."""
    try:
        rows = json.loads(report)
    except ValueError:
        return ()
    costs: dict[str, float] = {}
    for row in rows:
        directive = row["name"].partition("=")[0]
        costs[directive] = costs.get(directive, 0.0) + float(row["exposure"] or 0)
    ranking = sorted(costs, key=lambda directive: (-costs[directive], directive))
    return tuple(f"{directive} {costs[directive]:.1f}" for directive in ranking[:_WORST] if costs[directive])


def _running(name: str, values: Mapping[str, str]) -> Running:
    paths = [values.get("FragmentPath", ""), *values.get("DropInPaths", "").split()]
    # A reload makes a service active anew, and it still runs by the old file: its program's start is what counts.
    since = values.get("ExecMainStartTimestamp") or values.get("ActiveEnterTimestamp") or ""
    return Running(
        name=name,
        load=values.get("LoadState", ""),
        active=values.get("ActiveState", ""),
        paths=tuple(path for path in paths if path),
        outdated=values.get("NeedDaemonReload") == "yes",
        since=_seconds(since),
    )


def _seconds(stamp: str) -> float:
    from calendar import timegm

    found = _WHEN.fullmatch(stamp)
    if not found:
        return 0.0
    *whole, fraction = found.groups()
    return timegm((*map(int, whole), 0, 0, 0)) + float(f"0.{fraction or 0}")


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0  # it is gone, which systemd knows: NeedDaemonReload
