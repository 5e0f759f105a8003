# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an app's configuration: options in, a plain result out, in which no sensitive value ever stands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import host
from ._host import config_files, config_text, systemd
from ._host import probe as probes
from ._host.activate import ActivationError, ActivationSpec, activate, check_fence, put_in_place, require_host, revert
from ._host.config_files import ConfigLayout, File, Version
from ._host.config_schema import validate
from ._host.config_switch import Files, has_release, refuse_open_release
from ._host.config_text import FORMATS, SENSITIVE
from ._host.errors import ConfigError, HostError
from ._host.lock import app_lock
from ._host.state import State, load

__all__ = ["OPTIONS", "HostError", "answer", "check_keys", "check_settings", "converge", "failure"]

Options = Mapping[str, Any]

OPTIONS: dict[str, Any] = {
    **host.APP_OPTIONS,
    "state": {"type": "str", "choices": ["written", "active", "reverted"], "default": "active"},
    "config": {"type": "raw", "no_log": True},  # of type dict, a result would show it: only its text is masked
    "paths": {"type": "list", "elements": "str"},
    "format": {"type": "list", "elements": "str", "choices": list(FORMATS), "default": ["json"]},
    "path": {"type": "path"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw", "default": "0640"},
    "env_prefix": {"type": "str", "default": ""},
    "env_separator": {"type": "str", "choices": ["_", "__"], "default": "_"},
    "schema": {"type": "raw"},
    "sensitive": {"type": "list", "elements": "str", "default": list(SENSITIVE)},
    "secure": {"type": "list", "elements": "str", "default": []},
    "unit": {"type": "str"},
    "activation": {"type": "str", "choices": ["restart", "reload", "none"], "default": "restart"},
    "unit_timeout": {"type": "float", "default": 60},
    "health": {"type": "dict", "options": host.HEALTH_OPTIONS},
    "fence": {"type": "int", "default": 0},
    "deploy": {"type": "str"},
    "by": {"type": "str"},
    "lock_timeout": {"type": "float", "default": 30},
    "dead_man": {"type": "bool", "default": True},
    "python": {"type": "path"},
    "region": {"type": "str"},
    "endpoint_url": {"type": "str"},
    "profile": {"type": "str"},
}


def answer(options: Options, check: bool, diff: bool = False) -> dict[str, Any]:
    """Bring the files to the wanted state; the module's result, in trouble too."""
    try:
        return converge(options, check, diff)
    except HostError as exc:
        return failure(exc, options)


def failure(error: Exception, options: Options) -> dict[str, Any]:
    """The result that goes with an error: how the host was left, as far as it can be read."""
    told = {"failed": True, "msg": str(error)}
    if isinstance(error, ActivationError):
        return {**told, **host.activation_result(error.result)}
    try:
        state = load(ConfigLayout(options["app"], options["root"]))
    except HostError:
        state = State(options["app"])
    return {**told, **_of_state(state), "phase": None, "reverted": None, "revert_error": None}


def check_keys(config: Any) -> None:
    """Raise ConfigError where a key is no text, of which JSON would silently make text."""
    if isinstance(config, Mapping):
        config_text.leaves(config)


def check_settings(config: Any, schema: Any) -> None:
    """Raise ConfigError unless these settings can be written and keep to the schema, if there is one."""
    config_text.check_tree(config)
    if schema is not None:
        validate(config, schema)


# --- the three states -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What a run needs to know, read from the options once."""

    options: Options
    layout: ConfigLayout
    spec: ActivationSpec
    note: str | None
    check: bool

    @property
    def order(self) -> Any:
        return host.order_of(self.options, self.check)

    @property
    def alone(self) -> bool:
        return self.note is not None


def converge(options: Options, check: bool, diff: bool = False) -> dict[str, Any]:
    """As `answer`, but raises HostError."""
    layout = ConfigLayout(options["app"], options["root"])
    note = None if has_release(layout) else _NO_RELEASE.format(app=layout.app)
    task = _Task(options, layout, _spec(options, alone=note is not None), note, check)
    if options["state"] == "reverted":
        before, after, done = _reverted(task)
    else:
        options = {**options, "config": _tree(options.get("config"))}
        check_settings(options["config"], options.get("schema"))
        after = _wanted(options)
        before = _known(layout, config_files.on_disk([item.path for item in after.files]))
        if before.id != after.id:
            config_files.check_writable(after.files, layout.releases)
        done = (_foreseen if check else _written if options["state"] == "written" else _active)(task, before, after)
    result = {"app": layout.app, **done, "note": note, **_told(options, before, after)}
    if diff:
        result["diff"] = _diff(options, before, after)
    return result


def _written(task: _Task, before: Version, after: Version) -> dict[str, Any]:
    done = put_in_place(task.layout, after.id, task.spec, task.order, Files(after, alone=True))
    return _finished(task, done)


def _active(task: _Task, before: Version, after: Version) -> dict[str, Any]:
    done = activate(task.layout, after.id, task.spec, task.order, Files(after, task.alone))
    return _finished(task, done)


def _reverted(task: _Task) -> tuple[Version, Version, dict[str, Any]]:
    """The files before and after, and the result. In check mode the state tells what would come."""
    layout = task.layout
    state = load(layout)
    found = state.transaction
    name = found.to_version if found else state.current
    if name is None or not os.path.isfile(layout.marker(name)):
        done = revert(layout, None, task.spec, task.order, switch=Files(alone=task.alone))
        return Version(()), Version(()), _finished(task, done)
    paths = config_files.paths_of(layout, name)
    before = _known(layout, config_files.on_disk(paths))
    done = revert(layout, None, task.spec, task.order, switch=Files(alone=task.alone))
    foreseen = task.check and done.outcome == "reverted"
    after = config_files.kept(layout, done.state.current) if foreseen else config_files.on_disk(paths)
    return before, _known(layout, after), _finished(task, done)


def _foreseen(task: _Task, before: Version, after: Version) -> dict[str, Any]:
    state = load(task.layout)
    check_fence(state, task.order.fence)
    if task.options["state"] == "written":
        outcome = "unchanged" if before.id == after.id else "written"
    else:
        require_host(task.spec)
        if not task.alone:
            refuse_open_release(task.layout)
        outcome = "unchanged" if _is_loaded(task, state, before, after) else "active"
    return {**_blank(state), "outcome": outcome, "changed": outcome != "unchanged"}


def _is_loaded(task: _Task, state: State, before: Version, after: Version) -> bool:
    if state.transaction or not before.id == after.id == state.current == state.last_good:
        return False
    return not task.spec.acts or systemd.runs(task.spec.unit or "")


def _finished(task: _Task, done: Any) -> dict[str, Any]:
    result = host.activation_result(done)
    if done.changed and not task.check:
        try:
            with app_lock(task.layout, task.order.lock_timeout):
                config_files.tidy(task.layout, load(task.layout).in_use())
        except (HostError, OSError) as exc:
            result["warnings"] = [*result["warnings"], f"old copies of the configuration were not removed: {exc}"]
    return result


# --- options ------------------------------------------------------------------------------------------------------

_NO_RELEASE = "{app} has no release on this host yet: the files are written, and no unit is touched"


def _spec(options: Options, alone: bool) -> ActivationSpec:
    spec = ActivationSpec(
        unit=options.get("unit") or None,
        mode=options["activation"],
        health=probes.from_dict(options.get("health")),
        dead_man=options["dead_man"],
        unit_timeout=float(options["unit_timeout"]),
    )
    return replace(spec, unit=None, health=None, dead_man=False) if alone else spec


def _tree(config: Any) -> Any:
    """A module gets it as one piece of text."""
    import json

    try:
        return json.loads(config) if isinstance(config, str) else config
    except ValueError:
        return config


def _wanted(options: Options) -> Version:
    tree = options["config"]
    uid, gid, mode = _uid(options.get("owner")), _gid(options.get("group"), options["app"]), _mode(options["mode"])
    files = []
    for kind, path in _paths(options).items():
        text = config_text.render(tree, kind, options["env_prefix"], options["env_separator"])
        files.append(File(path, text.encode(), uid, gid, mode))
    return Version(tuple(files), tree, _hidden(tree, options))


def _hidden(tree: Mapping[str, Any], options: Options) -> tuple[str, ...]:
    """Keys that are sensitive now, and stay so for those who compare with these settings later."""
    secure = tuple(options.get("secure") or ())
    hidden = (path for path in config_text.leaves(tree) if config_text.is_sensitive(path, options["sensitive"], secure))
    return tuple(sorted({*secure, *map(config_text.dotted, hidden)}))


def _paths(options: Options) -> dict[str, str]:
    kinds = list(dict.fromkeys(options["format"]))
    unknown = [kind for kind in kinds if kind not in FORMATS]
    if unknown or not kinds:
        raise ConfigError(f"format is {', '.join(unknown) or 'empty'}; use one or several of {', '.join(FORMATS)}")
    pattern = options.get("path") or f"/etc/{options['app']}/config.{{format}}"
    if len(kinds) > 1 and "{format}" not in pattern:
        raise ConfigError(f"path {pattern} is one file for {len(kinds)} formats; write {{format}} where they differ")
    if not os.path.isabs(pattern) or pattern.endswith("/"):
        raise ConfigError(f"path {pattern!r} is no absolute path of a file; give one such as /etc/hello/config.json")
    return {kind: os.path.normpath(pattern.replace("{format}", kind)) for kind in kinds}


def _uid(name: str | None) -> int:
    import pwd

    if name is None:
        return os.geteuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigError(f"the user {name} does not exist on this host; create it first, or correct owner") from None


def _gid(name: str | None, app: str) -> int:
    import grp

    try:
        return grp.getgrnam(name or app).gr_gid
    except KeyError:
        if name is None:
            return os.getegid()
        raise ConfigError(f"the group {name} does not exist on this host; create it first, or correct group") from None


def _mode(value: Any) -> int:
    """YAML makes a number of an unquoted 0640, and an unquoted 640 is another number."""
    try:
        mode = value if isinstance(value, int) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0o400 <= mode <= 0o777 or not mode & 0o400:
        raise ConfigError(f"mode {value!r} is no mode that its owner can read; give it quoted, such as '0640'")
    return mode


# --- results ------------------------------------------------------------------------------------------------------


def _of_state(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("current", "previous", "last_good", "fence")}


def _blank(state: State) -> dict[str, Any]:
    nothing = {"phase": None, "reverted": None, "revert_error": None, "health": None, "seconds": {}, "warnings": []}
    return {**_of_state(state), **nothing}


def _known(layout: ConfigLayout, version: Version) -> Version:
    """With the settings that it tells, where they can be known: from our copy, or from a file of JSON."""
    import json

    if os.path.isfile(layout.marker(version.id)):
        kept = config_files.kept(layout, version.id)
        if kept.tree is not None:
            return replace(version, tree=kept.tree, secure=kept.secure)
    if all(item.data is None for item in version.files):
        return replace(version, tree={})
    for item in version.files:
        try:
            tree = json.loads(item.data or b"")
        except ValueError:
            continue
        if isinstance(tree, dict):
            return replace(version, tree=tree)
    return version


def _told(options: Options, before: Version, after: Version) -> dict[str, Any]:
    were = {item.path: item.identity() for item in before.files}
    files = [
        {"path": item.path, "sha256": item.sha256, "changed": were.get(item.path) != item.identity()}
        for item in after.files
    ]
    if before.tree is None or after.tree is None:
        changes = None if before.id != after.id else {"added": [], "changed": [], "removed": []}
    else:
        changes = config_text.changes(config_text.leaves(before.tree), config_text.leaves(after.tree))
    return {"files": files, "changes": changes}


def _diff(options: Options, before: Version, after: Version) -> dict[str, str]:
    sides = [config_text.leaves(version.tree or {}) for version in (before, after)]
    secure = {*before.secure, *after.secure}
    patterns = options["sensitive"]
    hidden = {path for side in sides for path in side if config_text.is_sensitive(path, patterns, secure)}
    texts = (config_text.shown(sides[0], sides[1], hidden, False), config_text.shown(sides[1], sides[0], hidden, True))
    names = ", ".join(item.path for item in after.files)
    return {
        "before_header": names,
        "after_header": names,
        "before": _heads(before) + texts[0],
        "after": _heads(after) + texts[1],
    }


def _heads(version: Version) -> str:
    lines = []
    for item in version.files:
        what = "absent" if item.data is None else f"owner {item.uid}, group {item.gid}, mode {item.mode:04o}"
        foreign = "" if version.tree is not None else ", not written by this toolkit"
        lines.append(f"# {item.path}: {what}{foreign}\n")
    return "".join(lines)
