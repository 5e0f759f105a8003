# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: the units of a server role's apps on a host, for the module app_units. Options in, a plain result out."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from ._core import unit_file
from ._core.server_role import ServerRoleError, resolve
from ._host import probe, systemd, units
from ._host.activate import ActivationSpec, prove
from ._host.errors import HostError, UnitError
from ._host.layout import Layout
from ._host.lock import app_lock
from ._host.state import link_version

__all__ = ["OPTIONS", "answer"]

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["installed", "configured", "running"], "required": True},
    "server_role": {"type": "dict", "required": True},
    "apps": {"type": "dict", "required": True},
    "env": {"type": "str", "default": ""},
    "credentials_socket": {"type": "str", "default": ""},
    "lock_timeout": {"type": "float", "default": 30},
}
# What stands for a program that comes with a release, while systemd looks at a unit whose release is not there yet.
_STAND_IN = "/bin/true"
_RESTART_TIMEOUT_S = 60.0

Options = Mapping[str, Any]
Apps = Mapping[str, Mapping[str, Any]]


@dataclass
class _Done:
    """What was done, or would be in check mode."""

    changed: bool = False
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    exposure: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)


def answer(options: Options, check: bool) -> dict[str, Any]:
    """Bring the units to the wanted state; the module's result, in trouble too."""
    done = _Done()
    acts = {"installed": _install, "configured": _configure, "running": _run}
    try:
        resolved = resolve(options["server_role"], options["apps"])
        acts[options["state"]](
            resolved["dtk_apps"], {**options, "role": resolved["dtk_server_role"]["name"]}, check, done
        )
    except (ServerRoleError, HostError) as exc:
        return {**vars(done), "failed": True, "msg": str(exc)}
    return {
        **vars(done),
        "changed": bool(done.changed or done.written or done.removed or done.enabled or done.restarted),
    }


# --- install ----------------------------------------------------------------------------------------------------------


def _install(apps: Apps, options: Options, check: bool, done: _Done) -> None:
    socket = options["credentials_socket"]
    texts: dict[str, str] = {}
    for name, app in apps.items():
        texts.update(unit_file.files(name, app, options["role"], socket))
        if app["secrets"] and not socket:
            done.warnings.append(f"{name} has secrets, and its unit gets none of them: there is no credentials_socket")
    _check_programs(apps, check, done)
    _check_foreign_units(apps, check, done)
    _check_exposure(apps, options, done)
    for unit, text in texts.items():
        _put(f"{unit_file.UNIT_FOLDER}/{unit}", text, check, done)
    _remove_sockets(apps, check, done)
    _enable(apps, check, done)
    if not check and (done.written or done.removed or done.enabled):
        units.reread()


def _check_programs(apps: Apps, check: bool, done: _Done) -> None:
    """A program that does not come with the release must be there: systemd tells it at the first start only."""
    for name, app in apps.items():
        for program in unit_file.programs(app):
            if _comes_with_release(name, app, program) or os.access(program, os.X_OK):
                continue
            problem = (
                f"dtk_apps.{name}.service needs {program}, which is no program of this host; add the package that has "
                "it to runtime.packages, or the step that makes it to runtime.toolchain"
            )
            if not check:
                raise UnitError(problem)
            done.warnings.append(f"{problem}, unless they bring it already")  # a check run has installed nothing


def _comes_with_release(name: str, app: Mapping[str, Any], program: str) -> bool:
    return program.startswith(unit_file.home(name, app) + "/")


def _check_foreign_units(apps: Apps, check: bool, done: _Done) -> None:
    for name, app in apps.items():
        unit = app.get("unit")
        if unit is None or "service" in app or units.find(unit):
            continue
        problem = (
            f"dtk_apps.{name}.unit is {unit}, which is no unit of this host; add the package that has it to "
            "runtime.packages, or give the app a service, from which it is made"
        )
        if not check:
            raise UnitError(problem)
        done.warnings.append(f"{problem}, unless it comes with a package already")


def _check_exposure(apps: Apps, options: Options, done: _Done) -> None:
    """Have systemd judge the units before any of them is installed."""
    made = {app["unit"]: (name, app["service"]) for name, app in apps.items() if "service" in app}
    texts: dict[str, str] = {}
    for name, app in apps.items():
        texts.update(unit_file.files(name, app, options["role"], options["credentials_socket"], _there_or_stand_in))
    most = {unit: float(service["max_exposure"]) for unit, (_name, service) in made.items()}
    found = units.examine(texts, most) if texts else {}
    for unit in (app.get("unit", "") for app in apps.values()):
        path = units.find(unit) if unit.endswith(".service") and unit not in made else None
        if path:
            found[unit] = units.exposure(path)
    done.exposure = {unit: found[unit].score for unit in sorted(found)}
    problems = [
        f"{unit} has an exposure of {found[unit].score:g}, and dtk_apps.{name}.service.max_exposure is {most[unit]:g} "
        f"(overrides in sandbox: {', '.join(service['sandbox']) or 'none'}). What costs most: "
        f"{', '.join(found[unit].costliest)}"
        for unit, (name, service) in made.items()
        if found[unit].score > most[unit]
    ]
    if problems:
        raise UnitError(". ".join(problems) + ". Take overrides back, or raise max_exposure")


def _there_or_stand_in(program: str) -> str:
    return program if os.access(program, os.X_OK) else _STAND_IN


def _put(path: str, text: str | None, check: bool, done: _Done) -> None:
    before = units.read(path)
    if before == text:
        return
    done.diff.append({"before_header": path, "after_header": path, "before": before or "", "after": text or ""})
    (done.removed if text is None else done.written).append(path)
    if not check:
        units.put(path, text)


def _remove_sockets(apps: Apps, check: bool, done: _Done) -> None:
    """Of apps that have none any more: the next start would listen on them still. Ours only."""
    for app in apps.values():
        socket = unit_file.former_socket_of(app)
        path = f"{unit_file.UNIT_FOLDER}/{socket}"
        if socket and (units.read(path) or "").startswith(unit_file.HEADER):
            if not check:
                units.set_enabled([socket], False)
            _put(path, None, check, done)


def _enable(apps: Apps, check: bool, done: _Done) -> None:
    wanted = [unit for app in apps.values() for unit in (app.get("unit"), unit_file.socket_of(app)) if unit]
    there = [unit for unit in wanted if units.find(unit)]
    done.enabled = units.not_enabled(there)
    if check:
        done.enabled += [unit for unit in wanted if unit not in there]  # what a run makes, it enables
    elif done.enabled:
        units.set_enabled(done.enabled, True)


# --- configure --------------------------------------------------------------------------------------------------------


def _configure(apps: Apps, options: Options, check: bool, done: _Done) -> None:
    for app in apps.values():
        if "unit" in app:
            _put(*unit_file.env_drop_in(app, options["env"]), check, done)
    if not check and (done.written or done.removed):
        units.reread()


# --- run --------------------------------------------------------------------------------------------------------------


def _run(apps: Apps, options: Options, check: bool, done: _Done) -> None:
    acting = {name: app for name, app in apps.items() if "unit" in app and app["activation"] != "none"}
    if not acting:
        return
    systemd.require("a server role with units")
    served = {name: link_version(Layout(name, app["root"])) for name, app in acting.items()}
    done.waiting = [app["unit"] for name, app in acting.items() if served[name] is None]
    ready = {name: app for name, app in acting.items() if served[name] is not None}
    if not check and any(unit.outdated for unit in _look(ready).values()):
        units.reread()
    problems = []
    for name, app in ready.items():
        try:
            with nullcontext() if check else app_lock(Layout(name, app["root"]), options["lock_timeout"]):
                _run_app(name, app, options, check, done)
        except HostError as exc:
            problems.append(str(exc))  # the others are to run all the same
    if problems:
        raise UnitError(". ".join(problems))


def _run_app(name: str, app: Mapping[str, Any], options: Options, check: bool, done: _Done) -> None:
    """Restart exactly what has not read its file, start what does not run, and prove that the app is well."""
    changed = _would_change(name, app, options) if check else set()
    stale = _to_restart(app, _look({name: app}), changed)
    done.restarted += stale
    if check:
        return
    timeout = float(app.get("unit_timeout", _RESTART_TIMEOUT_S))
    spec = ActivationSpec(unit=app["unit"], health=probe.from_dict(app.get("health")), unit_timeout=timeout)
    gone = unit_file.former_socket_of(app)
    if gone in stale:
        systemd.stop(app["unit"], timeout)
        systemd.stop(gone, timeout)
    if stale:
        units.restart([unit for unit in stale if unit != gone], timeout)
    version = link_version(Layout(name, app["root"])) or ""
    try:
        if stale or not _is_well(spec, version):
            prove(spec, version)
    except HostError as exc:
        after = f"was restarted ({' and '.join(stale)})" if stale else "runs by its own file"
        raise UnitError(f"{name} {version} {after} and is not well: {exc}") from exc


def _is_well(spec: ActivationSpec, version: str) -> bool:
    """One look, as enough for what was left alone."""
    if systemd.trouble(systemd.show(spec.unit or ""), time.monotonic()):
        return False
    return spec.health is None or probe.ask(spec.health, version).ok


def _would_change(name: str, app: Mapping[str, Any], options: Options) -> set[str]:
    """Units whose files a run would have changed before: a check run has left them as they were."""
    texts = unit_file.files(name, app, options["role"], options["credentials_socket"])
    found = {unit for unit, text in texts.items() if units.read(f"{unit_file.UNIT_FOLDER}/{unit}") != text}
    path, text = unit_file.env_drop_in(app, options["env"])
    return found | ({app["unit"]} if units.read(path) != text else set())


def _to_restart(app: Mapping[str, Any], found: Mapping[str, units.Running], changed: Collection[str]) -> list[str]:
    """The app's units that do not run, or run by an old file, in the order of their start."""
    service, socket, gone = app["unit"], unit_file.socket_of(app), unit_file.former_socket_of(app)

    def due(unit: str) -> bool:
        return found[unit].stale or not found[unit].runs or unit in changed

    if gone and found[gone].load == "not-found" and found[gone].runs:
        return [gone, service]
    if socket and due(socket):
        return [socket, service]  # it cannot listen anew while its service runs by what it had
    return [service] if due(service) else []


def _look(apps: Apps) -> dict[str, units.Running]:
    names = [
        unit
        for app in apps.values()
        for unit in (app["unit"], unit_file.socket_of(app), unit_file.former_socket_of(app))
        if unit
    ]
    return units.look(names) if names else {}
