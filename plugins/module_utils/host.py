# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules may use of the on-host code: options in, plain results out, HostError for every trouble.

Imports stand in the functions that need them: hundreds of hosts may share the CPU that a module's start costs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ._host import hooks, probe
from ._host.activate import ActivationError, ActivationResult, ActivationSpec, Order, activate, is_staged, revert
from ._host.errors import HostError, LockError, StageError, StateError
from ._host.layout import Layout
from ._host.lock import app_lock, is_alive
from ._host.state import State, link_version, load

__all__ = [
    "APP_OPTIONS",
    "HEALTH_OPTIONS",
    "RELEASE_OPTIONS",
    "HostError",
    "activation_result",
    "answer",
    "call",
    "converge",
    "describe_failure",
    "inspect",
    "order_of",
    "program",
]

Options = Mapping[str, Any]

# Argument specs that modules share; their documentation is the fragment `host`.
APP_OPTIONS: dict[str, Any] = {"app": {"type": "str", "required": True}, "root": {"type": "path", "default": "/srv"}}
_HTTP: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "body": {"type": "str"},
    "headers": {"type": "dict"},
    "validate_certs": {"type": "bool", "default": True},
}
_TCP: dict[str, Any] = {"host": {"type": "str", "default": "127.0.0.1"}, "port": {"type": "int", "required": True}}
_COMMAND: dict[str, Any] = {"argv": {"type": "list", "elements": "str", "required": True}}
HEALTH_OPTIONS: dict[str, Any] = {
    "http": {"type": "dict", "options": _HTTP},
    "tcp": {"type": "dict", "options": _TCP},
    "command": {"type": "dict", "options": _COMMAND},
    "successes": {"type": "int", "default": 3},
    "interval": {"type": "float", "default": 0.5},
    "timeout": {"type": "float", "default": 2},
    "deadline": {"type": "float", "default": 30},
}


_HOOK: dict[str, Any] = {
    "command": {"type": "list", "elements": "str", "required": True},
    "timeout": {"type": "float", "default": 60},
}
_HOOKS: dict[str, Any] = {"type": "list", "elements": "dict", "default": [], "options": _HOOK}
RELEASE_OPTIONS: dict[str, Any] = {
    **APP_OPTIONS,
    "version": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["staged", "active", "reverted", "absent"], "default": "active"},
    "source": {"type": "str", "no_log": True},
    "manifest": {"type": "dict"},
    "limits": {"type": "dict", "options": {"entries": {"type": "int"}, "unpacked_size": {"type": "int"}}},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "keep": {"type": "int", "default": 5},
    "keep_failed": {"type": "int", "default": 2},
    "unit": {"type": "str"},
    "activation": {"type": "str", "choices": ["restart", "reload", "none"], "default": "restart"},
    "unit_timeout": {"type": "float", "default": 60},
    "health": {"type": "dict", "options": HEALTH_OPTIONS},
    "hooks": {"type": "dict", "options": {"pre": _HOOKS, "post": _HOOKS}},
    "fence": {"type": "int", "default": 0},
    "deploy": {"type": "str"},
    "by": {"type": "str"},
    "stable": {"type": "str"},
    "lock_timeout": {"type": "float", "default": 30},
    "dead_man": {"type": "bool", "default": True},
    "region": {"type": "str"},
    "endpoint_url": {"type": "str"},
    "profile": {"type": "str"},
}


def program() -> str:
    """Path at which this very code lies on a host that has been activated with it."""
    from ._host.runtime import location, read_sources

    return location(read_sources())


def call() -> int:
    """The program on the host: a request on stdin, its answer on stdout. Returns the exit code."""
    import json
    import sys

    request = json.load(sys.stdin)
    sys.stdout.write(json.dumps(_answer_of(request)) + "\n")
    return 0


def _answer_of(request: Mapping[str, Any]) -> dict[str, Any]:
    if request.get("module") == "app_config":
        from . import app_config

        return app_config.answer(request["options"], request["check"], request["diff"])
    return answer(request["options"], request["check"])


def answer(options: Options, check: bool) -> dict[str, Any]:
    """As `converge`, with trouble as an answer of its own."""
    try:
        return converge(options, check)
    except HostError as exc:
        return {"failed": True, "msg": str(exc), **describe_failure(exc, options)}


def converge(options: Options, check: bool) -> dict[str, Any]:
    """Bring the release named in the options to the wanted state; returns the module's result. Raises HostError."""
    layout = Layout(options["app"], options["root"])
    path = layout.release(options["version"])
    before = _snapshot(layout)
    acts = {"staged": _staged, "active": _active, "reverted": _reverted, "absent": _absent}
    result = {**_blank(layout, options), "path": path, **acts[options["state"]](layout, options, check)}
    after = _foreseen(layout, options, before, result) if check else _snapshot(layout)
    return {**result, "diff": {"before": before, "after": after}}


def describe_failure(error: HostError, options: Options) -> dict[str, Any]:
    """The result that goes with an error: how the host was left, as far as it can be read."""
    if isinstance(error, ActivationError):
        return activation_result(error.result)
    state = link = None
    try:
        layout = Layout(options["app"], options["root"])
        state, link = load(layout), link_version(layout)
    except HostError:
        pass
    known = _of_state(state) if state else {}
    return {**known, "current": link or known.get("current"), "phase": None, "reverted": None, "revert_error": None}


def inspect(options: Options) -> dict[str, Any]:
    """What an app is on this host; nothing is changed. Raises HostError."""
    from ._host.stage import installed

    layout = Layout(options["app"], options["root"])
    health = probe.from_dict(options.get("health"))
    state = load(layout)
    served = link_version(layout)
    return {
        "exists": os.path.isdir(layout.home),
        **_of_state(state),
        "current": served,
        "activated_at": state.activated_at,
        "activated_by": state.activated_by,
        "deploy": state.deploy,
        "releases": [
            {"version": version, "failed": version in state.failed, "staged_at": marker.staged_at}
            for version, marker in installed(layout).items()
        ],
        "transaction": _transaction(state),
        "unit_state": _unit_state(options.get("unit")),
        "health": _health(health, served),
    }


# --- the four states ----------------------------------------------------------------------------------------------


def _staged(layout: Layout, options: Options, check: bool) -> dict[str, Any]:
    fetched = _stage_if_missing(layout, options, check)
    outcome = "staged" if fetched["changed"] else "unchanged"
    return {**_of_state(load(layout)), **fetched, "outcome": outcome}


def _active(layout: Layout, options: Options, check: bool) -> dict[str, Any]:
    spec, order = _spec(options), order_of(options, check)
    fetched = _stage_if_missing(layout, options, check) if options.get("manifest") else {}
    done = activation_result(activate(layout, options["version"], spec, order))
    seconds = {**fetched.get("seconds", {}), **done["seconds"]}
    changed = done["changed"] or fetched.get("changed", False)
    result = {**fetched, **done, "seconds": seconds, "changed": changed}
    if done["outcome"] == "active" and not check:
        pruned, warnings = _prune(layout, options)
        result.update(pruned=pruned, warnings=[*done["warnings"], *warnings])
    return result


def _reverted(layout: Layout, options: Options, check: bool) -> dict[str, Any]:
    spec, order = _spec(options), order_of(options, check)
    return activation_result(revert(layout, options["version"], spec, order, stable=options.get("stable")))


def _absent(layout: Layout, options: Options, check: bool) -> dict[str, Any]:
    from ._host.stage import absent

    changed = absent(layout, options["version"], check=check, lock_timeout_s=options["lock_timeout"])
    return {**_of_state(load(layout)), "changed": changed, "outcome": "absent" if changed else "unchanged"}


def _stage_if_missing(layout: Layout, options: Options, check: bool) -> dict[str, Any]:
    from ._host import manifest as manifests
    from ._host.archive import Limits
    from ._host.fetch import FetchOptions
    from ._host.stage import stage

    version = options["version"]
    if not options.get("manifest"):
        if is_staged(layout, version):
            return {"changed": False}
        raise StageError(f"release {version} of {layout.app} is not on this host; give its manifest and its source")
    manifest = manifests.from_dict(options["manifest"])
    if manifest.version != version:
        raise StageError(f"the manifest is of version {manifest.version}, not {version}; pass the one of {version}")
    if not options.get("source") and not is_staged(layout, version):
        raise StageError(f"release {version} of {layout.app} is not on this host; give the source of its artifact")
    limits = {name: value for name, value in (options.get("limits") or {}).items() if value is not None}
    done = stage(
        layout,
        manifest,
        options.get("source") or "",
        limits=Limits(**limits),
        owner=options.get("owner"),
        group=options.get("group"),
        check=check,
        options=FetchOptions(
            region=options.get("region"), endpoint_url=options.get("endpoint_url"), profile=options.get("profile")
        ),
        lock_timeout_s=options["lock_timeout"],
    )
    return {"changed": done.changed, "bytes_fetched": done.bytes_fetched, "seconds": done.seconds}


def _prune(layout: Layout, options: Options) -> tuple[list[str], list[str]]:
    from ._host.prune import prune

    try:
        with app_lock(layout, options["lock_timeout"]):
            return prune(layout, load(layout), options["keep"], options["keep_failed"])
    except (LockError, StateError) as exc:
        return [], [f"old releases were not removed: {exc}"]


# --- options ------------------------------------------------------------------------------------------------------


def _spec(options: Options) -> ActivationSpec:
    given = options.get("hooks") or {}
    return ActivationSpec(
        unit=options.get("unit") or None,
        mode=options["activation"],
        health=probe.from_dict(options.get("health")),
        pre=hooks.from_list("pre", given.get("pre")),
        post=hooks.from_list("post", given.get("post")),
        dead_man=options["dead_man"],
        unit_timeout=float(options["unit_timeout"]),
    )


def order_of(options: Options, check: bool) -> Order:
    """Who wants it, from the options that modules share."""
    return Order(
        fence=options.get("fence") or 0,
        deploy=options.get("deploy") or None,
        by=options.get("by") or None,
        lock_timeout=options["lock_timeout"],
        check=check,
    )


# --- results ------------------------------------------------------------------------------------------------------


def _blank(layout: Layout, options: Options) -> dict[str, Any]:
    return {
        "app": layout.app,
        "version": options["version"],
        "bytes_fetched": 0,
        "seconds": {},
        "pruned": [],
        "warnings": [],
    }


def _of_state(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("current", "previous", "last_good", "fence")}


def activation_result(done: ActivationResult) -> dict[str, Any]:
    """An activation as a module tells it."""
    return {
        **_of_state(done.state),
        "outcome": done.outcome,
        "changed": done.changed,
        "phase": done.phase,
        "reverted": done.reverted,
        "revert_error": done.revert_error,
        "health": {"tries": done.health.tries, "last": done.health.last} if done.health else None,
        "seconds": done.seconds,
        "warnings": list(done.warnings),
    }


def _snapshot(layout: Layout) -> dict[str, Any]:
    """What a diff shows: the release that is served, and the complete ones."""
    try:
        names = os.listdir(layout.releases)
    except OSError:
        names = []
    try:
        current = link_version(layout)
    except StateError:
        current = None
    return {"current": current, "releases": sorted(name for name in names if not name.startswith("."))}


def _foreseen(layout: Layout, options: Options, before: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What `_snapshot` would say had it not been check mode."""
    version, wanted = options["version"], options["state"]
    releases = set(before["releases"])
    if wanted == "absent":
        releases.discard(version)
    elif wanted in ("staged", "active"):
        releases.add(version)
    if result["outcome"] in ("active", "reverted"):
        return {"current": result["current"], "releases": sorted(releases - _doomed(layout, options, result))}
    return {"current": before["current"], "releases": sorted(releases)}


def _doomed(layout: Layout, options: Options, result: dict[str, Any]) -> set[str]:
    from dataclasses import replace

    from ._host.prune import prune_plan
    from ._host.stage import installed

    if result["outcome"] != "active":
        return set()
    state = replace(load(layout), current=result["current"], previous=result["previous"], last_good=result["last_good"])
    present = [version for version in installed(layout) if version != options["version"]] + [options["version"]]
    return set(prune_plan(state, present, options["keep"], options["keep_failed"]))


def _transaction(state: State) -> dict[str, Any] | None:
    found = state.transaction
    if found is None:
        return None
    return {
        "id": found.id,
        "from": found.from_version,
        "to": found.to_version,
        "phase": found.phase,
        "started_at": found.started_at,
        "dead": not is_alive(found.pid, found.pid_start),
    }


def _unit_state(unit: str | None) -> str | None:
    from ._host import systemd

    if not unit:
        return None
    try:
        systemd.check_name(unit)
        return systemd.show(unit).active or None
    except HostError:
        return None


def _health(health: probe.Health | None, served: str | None) -> dict[str, Any] | None:
    if health is None:
        return None
    if served is None:
        return {"ok": False, "detail": "no release is active"}
    answer = probe.ask(health, served)
    return {"ok": answer.ok, "detail": answer.detail}
