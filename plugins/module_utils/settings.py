# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: writing settings to Parameter Store, comparing them, and what they were before."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._aws import ssm_tree, ssm_write
from ._aws.errors import AwsError
from ._core import config_change, config_history, config_tree, config_view
from ._core.config_change import SECURE, Change, Current, Put
from ._core.config_history import Version
from ._core.config_tree import Parameter, Place
from ._core.config_view import Curtain
from ._core.errors import ConfigTreeError, CoreError
from ._core.text import abbreviated, plural
from ._host.errors import HostError
from ._host.manifest import check_app
from .deploys import default_owner

FAILURES = (AwsError, CoreError, HostError)

TIERS = {"standard": "", "advanced": "Advanced", "intelligent": "Intelligent-Tiering"}
_WIDTH = 400  # of a list of names in a sentence
_PATH = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_ENV = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_VALUES = "the values given"
_LONG_ENOUGH = 4  # to be blacked out wherever it appears; a shorter text is in every other word
_CREDENTIALS = ("access_key", "secret_key", "session_token")

# Options of the modules; their documentation stands there and in the fragment sysops.dtk.settings.
_PLACE: dict[str, Any] = {
    "path": {"type": "str"},
    "app": {"type": "str"},
    "env": {"type": "str"},
    "scope": {"type": "str", "choices": ["app", "env", "shared"]},
}
_STATE_OF: dict[str, Any] = {"label": {"type": "str"}, "at": {"type": "str"}}
_COMMON: dict[str, Any] = {
    **_PLACE,
    "scope": {"type": "str", "choices": ["app", "env", "shared"], "default": "app"},
    "prefix": {"type": "str", "default": "/dtk"},
    "sensitive": {"type": "list", "elements": "str", "default": list(config_view.SENSITIVE)},
}
_SIDE: dict[str, Any] = {**_PLACE, **_STATE_OF, "values": {"type": "dict", "no_log": True}}
SET_OPTIONS: dict[str, Any] = {
    **_COMMON,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    # Not logged. hide_values() then takes care that the result is not blacked out wherever it has a "1" or a "true".
    "values": {"type": "dict", "no_log": True},
    "copy_from": {"type": "dict", "options": {**_PLACE, **_STATE_OF}},
    "only": {"type": "list", "elements": "str", "default": ["*"]},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "keys": {"type": "list", "elements": "str", "no_log": False},
    "purge": {"type": "bool", "default": False},
    "secure": {"type": "bool", "default": False},
    "kms_key": {"type": "str", "no_log": False},
    "tier": {"type": "str", "choices": list(TIERS), "default": "standard"},
    "by": {"type": "str"},
    "why": {"type": "str", "default": ""},
    "rate": {"type": "float", "default": ssm_write.WRITES},
}
DIFF_OPTIONS: dict[str, Any] = {
    **_COMMON,
    "before": {"type": "dict", "options": _SIDE},
    "after": {"type": "dict", "options": _SIDE},
    "secure": {"type": "bool", "default": False},
}
HISTORY_OPTIONS: dict[str, Any] = {
    **_COMMON,
    "only": {"type": "list", "elements": "str", "default": ["*"]},
    "since": {"type": "str"},
    "at": {"type": "str"},
    "limit": {"type": "int", "default": 50},
}


class SettingsError(CoreError):
    """Settings that cannot be written as asked."""


class HalfwayError(SettingsError):
    """Some of the settings are written, others are not."""

    def __init__(self, text: str, progress: Progress, pending: Sequence[str]) -> None:
        super().__init__(text)
        self.told = {**vars(progress), "pending": list(pending)}


@dataclass(frozen=True)
class Copied:
    """What is brought in from elsewhere."""

    tree: Mapping[str, Any] = field(default_factory=dict, repr=False)
    objects: Collection[Place] = ()
    secrets: Sequence[Parameter] = ()
    skipped: list[str] = field(default_factory=list)  # names of SecureStrings
    warnings: list[str] = field(default_factory=list)


@dataclass
class Progress:
    """How far a change has come."""

    written: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


Client = Callable[[str], Any]
Clock = Callable[[], datetime]


def answer_set(options: dict[str, Any], client: Client, clock: Clock, check: bool) -> dict[str, Any]:
    """The result of module config_set."""
    try:
        return _set(options, client, clock, check)
    except HalfwayError as exc:
        changed = bool(exc.told["written"] or exc.told["deleted"])
        return {"failed": True, "msg": str(exc), "changed": changed, **exc.told}
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}


def answer_diff(options: dict[str, Any], client: Client, clock: Clock, _check: bool) -> dict[str, Any]:
    """The result of module config_diff."""
    curtain = Curtain(options["sensitive"])
    try:
        names, sides, warnings = [], [], []
        for side in ("before", "after"):
            name, parameters, root, told = _side(options, options[side] or {}, client, clock)
            names.append(name)
            sides.append(config_view.leaves_of(Current(parameters, root, options["secure"])))
            warnings += told
        if names[0] == names[1] != _VALUES:
            raise SettingsError(
                f"before and after are both {names[0]}. Give one of them another env, app, path, label, time or values."
            )
        difference = config_view.compare(*sides)
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}
    return {
        "changed": False,
        "differs": bool(difference),
        "before": names[0],
        "after": names[1],
        "settings": config_view.as_dicts(difference, curtain),
        "text": [f"before: {names[0]}", f"after:  {names[1]}", *config_view.as_text(difference, curtain)],
        "warnings": warnings,
    }


def answer_history(options: dict[str, Any], client: Client, clock: Clock, _check: bool) -> dict[str, Any]:
    """The result of module config_history."""
    curtain = Curtain(options["sensitive"])
    try:
        root, now = path_of(options), clock()
        since = config_history.moment(options["since"], now) if options["since"] else None
        versions = _versions(client("ssm"), root, config_change.matcher(options["only"]))
        # Without a time this is all there is, even if the clock of AWS is ahead of ours.
        when = config_history.moment(options["at"], now) if options["at"] else max([now, *(one.at for one in versions)])
        parameters, lost = config_history.as_of(versions, when)
        told = config_history.entries(
            [one for one in versions if one.at <= when], root, curtain, since=since, limit=options["limit"]
        )
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc)}
    then = config_view.leaves_of(Current(parameters, root))
    settings = {config_view.path(place): curtain.shown(place, leaf) for place, leaf in sorted(then.items())}
    return {
        "changed": False,
        "path": root,
        "at": config_history.stamp(when),
        "history": told,
        "settings": settings,
        "text": config_history.as_text(told) or [f"No setting below {root} was written in this time."],
        "warnings": _lost(lost, when),
    }


def take_options(module: Any, *sides: str) -> dict[str, Any]:
    """The options of an AnsibleAWSModule; what it shows of them from now on is masked.

    sides: the options that hold `values`, "" for the module itself. Ansible logs none of them, but for that it would
    black out each of their texts and numbers wherever it is in the result, be it a "1" or a "true".
    """
    curtain = Curtain(module.params["sensitive"])
    options = dict(module.params)
    secret: set[str] = set()
    open_ones: set[str] = set()
    for side in sides:
        holder = module.params[side] if side else module.params
        if not holder or not holder["values"]:
            continue
        values = holder["values"]
        if side:
            options[side] = dict(holder)
        for place, value in config_change.leaves(values):
            for text in _texts(value):
                (secret if curtain.hides(place) and len(text) >= _LONG_ENOUGH else open_ones).add(text)
        holder["values"] = curtain.shown((), config_view.Leaf(values))
    credentials = {module.params[name] for name in _CREDENTIALS if module.params.get(name)}
    # An AnsibleAWSModule holds the module of Ansible, which alone knows what to black out.
    getattr(module, "_module", module).no_log_values -= open_ones - secret - credentials
    return options


def path_of(options: Mapping[str, Any]) -> str:
    """Where the settings lie: the option path, or what prefix, scope, env and app name by convention."""
    if options.get("path"):
        return _checked_path(options["path"], "path")
    scope, prefix = options.get("scope") or "app", _checked_path(options["prefix"], "prefix")
    needed = {"app": ("env", "app"), "env": ("env",), "shared": ()}[scope]
    for name in needed:
        if not options.get(name):
            raise SettingsError(f"{name} is not given. Settings of scope {scope} need it; or give path.")
    if scope == "shared":
        return f"{prefix}/_shared"
    env = options["env"]
    if not _ENV.fullmatch(env):
        raise SettingsError(
            f"The env {env!r} is not allowed. Use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter."
        )
    return f"{prefix}/{env}/_shared" if scope == "env" else f"{prefix}/{env}/{check_app(options['app'])}/config"


def _set(options: dict[str, Any], client: Client, clock: Clock, check: bool) -> dict[str, Any]:
    _check_options(options)
    root, ssm = _writable(path_of(options)), client("ssm")
    parameters = _read(ssm, root, options["secure"])
    current = Current(parameters, root, options["secure"])
    copied = _copied(options, current, ssm, clock)
    change = _change(options, current, copied)
    config_change.check_limits(change, len(parameters), options["tier"])
    # What could not be read before is written anew, so it counts as changed.
    after = Current(config_change.apply(parameters, change.steps), root, options["secure"])
    difference = config_view.compare(config_view.leaves_of(current), config_view.leaves_of(after))
    curtain = Curtain(options["sensitive"])
    progress = Progress(warnings=[*copied.warnings, *_remarks(change, copied.skipped, difference, curtain)])
    if check:
        progress.written, progress.deleted = [put.name for put in change.puts], change.deletes
    else:
        _write(ssm, change, options, progress)
    return {
        "changed": bool(change.steps),
        "path": root,
        "written": progress.written,
        "deleted": progress.deleted,
        "spared": list(change.spared),
        "skipped": copied.skipped,
        "settings": config_view.as_dicts(difference, curtain),
        "text": _summary(root, change, difference, curtain),
        "diff": config_view.as_diff(difference, curtain, root),
        "warnings": progress.warnings,
    }


def _change(options: Mapping[str, Any], current: Current, copied: Copied) -> Change:
    if options["state"] == "absent":
        keys = options["keys"]
        return config_change.remove_all(current) if keys is None else config_change.remove(current, keys)
    values = config_tree.overlay(copied.tree, options["values"] or {})
    if not options["purge"]:
        return config_change.merge(current, values, copied.secrets, copied.objects)
    within = config_change.matcher(options["only"], options["exclude"])
    return config_change.exact(current, values, copied.secrets, copied.objects, within)


def _check_options(options: Mapping[str, Any]) -> None:
    absent, purge = options["state"] == "absent", options["purge"]
    if options["rate"] <= 0:
        raise SettingsError(f"rate is {options['rate']}; it must be more than 0 calls a second.")
    if absent and (options["values"] or options["copy_from"]):
        raise SettingsError("state: absent takes keys, neither values nor copy_from. Leave them out.")
    if absent and options["keys"] is None and not purge:
        raise SettingsError(
            "state: absent without keys would delete the whole tree. Name the keys, or give purge: true if you mean it."
        )
    if absent and options["keys"] is not None and purge:
        raise SettingsError("state: absent takes keys or, for the whole tree, purge: true. Give one of the two.")
    if absent:
        return
    if options["keys"] is not None:
        raise SettingsError("keys are deleted by state: absent only. Give values instead, or that state.")
    if not options["values"] and not options["copy_from"]:
        rest = "; to delete the whole tree, give state: absent and purge: true" if purge else ""
        raise SettingsError(f"There is nothing to write. Give values, copy_from or both{rest}.")


def _copied(options: dict[str, Any], current: Current, ssm: Any, clock: Clock) -> Copied:
    """What copy_from names; nothing without it."""
    if not options["copy_from"]:
        return Copied()
    source = _asked(options, options["copy_from"])
    origin = path_of(source)
    parameters, warnings = _state_of(ssm, origin, source, options["secure"], clock)
    if warnings and options["purge"]:
        raise SettingsError(f"{warnings[0]} purge would delete what is there of it now. Leave purge out.")
    within = config_change.matcher(options["only"], options["exclude"])
    chosen = [one for one in parameters if within(config_tree.place_of(one, origin))]
    if not chosen:
        raise SettingsError(
            f"There is nothing to copy from {_called(origin, source)}. Correct copy_from, only and exclude."
        )
    plain = [one for one in chosen if one.type != SECURE]
    secure = [one for one in chosen if one.type == SECURE]
    own = [place for place, _value in config_change.leaves(options["values"] or {})]
    secrets = [
        Parameter(current.root + one.name[len(origin) :], one.value, SECURE)
        for one in secure
        if options["secure"] and not config_change.meets(config_tree.place_of(one, origin), own)
    ]
    return Copied(
        tree=config_tree.nest(plain, origin),
        objects=Current(plain, origin).objects(),
        secrets=secrets,
        skipped=[] if options["secure"] else [one.name for one in secure],
        warnings=warnings,
    )


def _write(ssm: Any, change: Change, options: Mapping[str, Any], progress: Progress) -> None:
    ssm_write.paced(ssm, options["rate"], "PutParameter", "DeleteParameters")
    remark = _remark(options)
    for index, step in enumerate(change.steps):
        try:
            if isinstance(step, Put):
                progress.warnings += _put(ssm, step.parameter, options, remark)
                progress.written.append(step.parameter.name)
            else:
                ssm_write.delete(ssm, step.names)
                progress.deleted += step.names
        except FAILURES as exc:
            raise _halfway(str(exc), progress, Change(change.steps[index:])) from exc


def _put(ssm: Any, parameter: Parameter, options: Mapping[str, Any], remark: str) -> list[str]:
    """Write one parameter; warnings if somebody else wrote it since it was read."""
    old, key = parameter.version, ""
    if parameter.type == SECURE:
        key = options["kms_key"] or (ssm_write.key_of(ssm, parameter.name) if old else "")
    try:
        new = ssm_write.put(
            ssm,
            parameter.name,
            parameter.value,
            parameter.type,
            overwrite=bool(old),
            description=remark,
            tier=TIERS[options["tier"]],
            key=key,
        )
    except ssm_write.ExistsError:
        # Perhaps by us: an earlier try was written, but its answer was lost on the way.
        theirs = ssm_tree.one(ssm, parameter.name, decrypt=parameter.type == SECURE)
        if theirs and (theirs["value"], theirs["type"]) == (parameter.value, parameter.type):
            return []
        raise SettingsError(
            f"{parameter.name} was written by somebody else in the meantime. Nothing of it was changed."
        ) from None
    return [] if new == old + 1 else _told_of_others(ssm, parameter, new)


def _told_of_others(ssm: Any, parameter: Parameter, new: int) -> list[str]:
    """Who wrote between our reading and our writing. Versions of our own value are our own tries."""
    try:
        between = [Version(**one) for one in ssm_write.history(ssm, parameter.name)]
    except AwsError as exc:
        return [f"{parameter.name} was changed by somebody else in the meantime, and replaced now. {exc}"]
    others = [
        f"by {config_history.who(one.by) or 'somebody'} at {config_history.stamp(one.at)}"
        for one in between
        if parameter.version < one.version < new and (one.value != parameter.value or one.type == SECURE)
    ]
    if others:
        return [f"{parameter.name} was written {' and '.join(others)}, after it was read and before it was replaced."]
    gone = new <= parameter.version
    return [f"{parameter.name} was deleted by somebody else in the meantime, and is written anew."] if gone else []


def _halfway(text: str, progress: Progress, rest: Change) -> HalfwayError:
    pending = [*(put.name for put in rest.puts), *rest.deletes]
    told = [text]
    if progress.written:
        told.append(f"Written before that: {abbreviated(progress.written, _WIDTH)}.")
    if progress.deleted:
        told.append(f"Deleted before that: {abbreviated(progress.deleted, _WIDTH)}.")
    if rest.puts:
        told.append(f"Not written: {abbreviated([put.name for put in rest.puts], _WIDTH)}.")
    if rest.deletes:
        told.append(f"Not deleted: {abbreviated(rest.deletes, _WIDTH)}.")
    told.append("Run it again: it goes on with what is missing.")
    return HalfwayError(" ".join(told), progress, pending)


def _remarks(change: Change, skipped: Sequence[str], difference: config_view.Difference, curtain: Curtain) -> list[str]:
    told = []
    if skipped:
        told.append(
            f"{_counted(skipped)} not copied: {abbreviated(skipped, _WIDTH)}. Keep secrets in Secrets Manager, or give "
            "secure: true to copy them as SecureStrings."
        )
    if change.spared:
        told.append(
            f"{_counted(change.spared)} left where they are: {abbreviated(change.spared, _WIDTH)}. Give secure: true "
            "to delete them too."
        )
    named = config_view.credentials(difference, curtain)
    if named:
        told.append(
            f"{abbreviated(named, _WIDTH)}: this looks like a secret, and settings are plain text. Keep it in Secrets "
            "Manager and read it by the lookup sysops.dtk.secret."
        )
    secure = [put.name for put in change.puts if put.type == SECURE]
    if secure:
        told.append(
            f"{_counted(secure)} written: {abbreviated(secure, _WIDTH)}. Secrets Manager is the better place: it "
            "rotates them and tells who reads them."
        )
    return told


def _counted(names: Sequence[str]) -> str:
    return plural(len(names), "SecureString")


def _summary(root: str, change: Change, difference: config_view.Difference, curtain: Curtain) -> list[str]:
    lines = config_view.as_text(difference, curtain)
    if change.steps and not difference:
        lines.append(f"{plural(len(change.puts) + len(change.deletes), 'parameter')} tidied up, no setting changed")
    return [root, *lines]


def _remark(options: Mapping[str, Any]) -> str:
    by = default_owner() if options["by"] is None else options["by"]
    return ": ".join(part for part in (f"by {by}" if by else "", " ".join(options["why"].split())) if part)


def _side(
    options: dict[str, Any], side: Mapping[str, Any], client: Client, clock: Clock
) -> tuple[str, list[Parameter], str, list[str]]:
    """What one side of a comparison is called, its parameters, their root, and warnings."""
    given = _given(side)
    if "values" in given:
        return _VALUES, config_tree.flatten(given["values"], "/values"), "/values", []
    asked = _asked(options, side)
    root = path_of(asked)
    parameters, warnings = _state_of(client("ssm"), root, asked, options["secure"], clock)
    return _called(root, asked), parameters, root, warnings


def _asked(options: Mapping[str, Any], side: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one side: its own, then those of the module."""
    given = _given(side)
    # Whoever names an app or an env here does not mean the path that is given there.
    return {**options, **({"path": None} if {"app", "env", "scope"} & given.keys() else {}), **given}


def _state_of(
    ssm: Any, root: str, asked: Mapping[str, Any], secure: bool, clock: Clock
) -> tuple[list[Parameter], list[str]]:
    """The parameters below a root: now, those with a label, or those of an earlier time; and warnings."""
    label, at = asked.get("label"), asked.get("at")
    if label and at:
        raise SettingsError(f"Both a label ({label}) and a time ({at}) are given for {root}. Give one of them.")
    if not at:
        return _read(ssm, root, secure, label or ""), []
    when = config_history.moment(at, clock())
    parameters, lost = config_history.as_of(_versions(ssm, root, lambda _place: True, secure), when)
    return parameters, _lost(lost, when)


def _read(ssm: Any, root: str, secure: bool, label: str = "") -> list[Parameter]:
    return [Parameter(**item) for item in ssm_tree.below(ssm, root, label, decrypt=secure)]


def _versions(ssm: Any, root: str, within: Callable[[Place], bool], secure: bool = False) -> list[Version]:
    ssm_write.paced(ssm, ssm_write.READS, "GetParameterHistory")
    found: list[Version] = []
    for parameter in _read(ssm, root, secure=False):
        if within(config_tree.place_of(parameter, root)):
            found += [Version(**one) for one in ssm_write.history(ssm, parameter.name, secure)]
    return found


def _lost(names: Sequence[str], when: datetime) -> list[str]:
    if not names:
        return []
    return [
        f"Parameter Store keeps 100 versions of a parameter, and none from {config_history.stamp(when)} or before is "
        f"left of {abbreviated(names, _WIDTH)}."
    ]


def _called(root: str, asked: Mapping[str, Any]) -> str:
    label, at = asked.get("label"), asked.get("at")
    return f"{root} at {at}" if at else f"{root}@{label}" if label else root


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _checked_path(path: str, option: str) -> str:
    if not _PATH.fullmatch(path.rstrip("/")):
        raise SettingsError(f"The {option} {path!r} is not a path in Parameter Store. Use one like /dtk.")
    return path.rstrip("/")


def _writable(root: str) -> str:
    first = root.split("/")[1].casefold()
    if first.startswith(("aws", "ssm")):
        raise ConfigTreeError(f"{root} cannot be written: names that begin with aws or ssm belong to AWS. Use another.")
    return root


def _texts(value: Any) -> set[str]:
    """What Ansible would black out for an option that is not to be logged: every text and number in it."""
    if isinstance(value, Mapping):
        return {text for below in value.values() for text in _texts(below)}
    if isinstance(value, (list, tuple)):
        return {text for below in value for text in _texts(below)}
    return set() if value is None or isinstance(value, bool) else {str(value)}
