# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the settings as they are to the settings as they should be: what to write, what to delete, in which order.

Parameter Store changes one parameter at a time. A setting that gets another type gets another name, so for a moment
there are two of it or none. The plan chooses two: nest() refuses them, so a reader keeps what it had, while a setting
that is missing would be taken for one that nobody made. So what replaces something is written first, and what it
replaces is deleted right after it. A name is never deleted to be written again with another type of parameter.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Union

from .config_tree import Parameter, Place, flatten, in_json, overlay, parts_below, place_of, typed
from .errors import ConfigTreeError
from .text import abbreviated

SECURE = "SecureString"
DELETE_BATCH = 10  # names in one call
MAX_BYTES = {"standard": 4096, "advanced": 8192, "intelligent": 8192}  # of a value, by tier
MAX_STANDARD = 10_000  # parameters of an account in a region
_WIDTH = 400  # of a list of names in a sentence
_OWN = re.compile(r".*/(deploy/[0-9]{4,}|ami/(candidate|current))")  # what the toolkit itself keeps


class _Hidden:
    """Stands for a value that is not known: a SecureString's, or one that is not what its suffix promises."""

    def __repr__(self) -> str:
        return "********"


HIDDEN = _Hidden()


@dataclass(frozen=True)
class Found:
    """A parameter and what it means."""

    parameter: Parameter
    place: Place
    value: Any = field(repr=False)

    @property
    def name(self) -> str:
        return self.parameter.name

    @property
    def secure(self) -> bool:
        return self.parameter.type == SECURE


@dataclass(frozen=True)
class Put:
    """Write one parameter. Its version is the one that it replaces, 0 if it must be new."""

    parameter: Parameter


@dataclass(frozen=True)
class Delete:
    """Delete parameters in one call."""

    names: tuple[str, ...]


Step = Union[Put, Delete]


@dataclass(frozen=True)
class Change:
    """What has to be done, in this order."""

    steps: tuple[Step, ...] = ()
    spared: tuple[str, ...] = ()  # SecureStrings that would have gone, had they not been out of bounds

    @property
    def puts(self) -> list[Parameter]:
        return [step.parameter for step in self.steps if isinstance(step, Put)]

    @property
    def deletes(self) -> list[str]:
        return [name for step in self.steps if isinstance(step, Delete) for name in step.names]


class Current:
    """The settings below a root as they are, also if nest() could not read them.

    secure: whether the values of SecureStrings are known and may be changed.
    """

    def __init__(self, parameters: Iterable[Parameter], root: str, secure: bool = False) -> None:
        self.root = root.rstrip("/")
        self.secure = secure
        self.all = tuple(self._found(parameter) for parameter in sorted(parameters, key=lambda one: one.name))
        self.by_name = {one.name: one for one in self.all}
        self._below: dict[Place, list[Found]] = {}
        for one in self.all:
            for depth in range(1, len(one.place) + 1):
                self._below.setdefault(one.place[:depth], []).append(one)

    def at(self, place: Place) -> list[Found]:
        """The parameters that are this very setting: more than one if a change of type was broken off."""
        return [one for one in self._below.get(place, ()) if one.place == place]

    def below(self, place: Place) -> list[Found]:
        """The parameters that are this setting or lie in it."""
        return self._below.get(place, [])

    def around(self, place: Place) -> list[Found]:
        """What cannot stand beside a setting at this place, or is it: at it, above it, below it."""
        above = [one for depth in range(1, len(place)) for one in self.at(place[:depth])]
        return [*above, *self.below(place)]

    def tree(self) -> dict[str, Any]:
        """What can be read of it, without the text of a SecureString; of two that clash the folder counts."""
        tree: dict[str, Any] = {}
        for one in self.all:
            if one.value is not HIDDEN and (not one.secure or isinstance(one.value, Mapping)):
                _insert(tree, one.place, one.value)
        return tree

    def objects(self, new: Iterable[Place] = ()) -> set[Place]:
        """The folders that are kept as one JSON value, and stay so; `new` ones unless they are folders already."""
        known = {one.place for one in self.all if isinstance(one.value, Mapping) and one.value}
        return known | {place for place in new if not self.below(place)}

    def _found(self, parameter: Parameter) -> Found:
        leaf = parts_below(parameter.name, self.root)[-1]
        value: Any = HIDDEN
        if self.secure or parameter.type != SECURE:
            try:
                value = typed(leaf, parameter)[1]
            except ConfigTreeError:
                value = HIDDEN
        return Found(parameter, place_of(parameter, self.root), value)


def merge(
    current: Current,
    values: Mapping[str, Any],
    secrets: Sequence[Parameter] = (),
    objects: Iterable[Place] = (),
) -> Change:
    """Bring these settings in and leave all others as they are.

    secrets: SecureStrings to bring in as well. objects: new folders that are to be one JSON value each.
    """
    merged = flatten(overlay(current.tree(), values), current.root, current.objects(objects))
    touched = _Touched(place for place, _value in leaves(values))
    wanted = [parameter for parameter in merged if touched(place_of(parameter, current.root))]
    return _plan(current, [*wanted, *secrets], lambda _one: False)


def exact(
    current: Current,
    values: Mapping[str, Any],
    secrets: Sequence[Parameter] = (),
    objects: Iterable[Place] = (),
    within: Callable[[Place], bool] = lambda _place: True,
) -> Change:
    """Make the settings exactly these. within: what is outside of it stays as it is."""
    wanted = flatten(values, current.root, current.objects(objects))
    return _plan(current, [*wanted, *secrets], lambda one: within(one.place))


def remove(current: Current, keys: Sequence[str]) -> Change:
    """Delete settings or folders, named like db/port; also out of an object that is kept as one JSON value."""
    doomed: set[str] = set()
    objects: dict[Place, Any] = {}
    for key in keys:
        place = tuple(key.strip("/").split("/"))
        doomed.update(one.name for one in current.below(place))
        doomed.update(one.name for one in current.all if one.name == f"{current.root}/{key.strip('/')}")
        for one in current.around(place):
            if len(one.place) < len(place) and isinstance(one.value, Mapping):
                objects[one.place] = _without(objects.get(one.place, one.value), place[len(one.place) :])
    tree: dict[str, Any] = {}
    for place, value in objects.items():
        if not any(one.name in doomed for one in current.at(place)):
            _insert(tree, place, value)
    wanted = flatten(tree, current.root, set(objects))
    return _plan(current, wanted, lambda one: one.name in doomed)


def remove_all(current: Current) -> Change:
    """Delete the whole tree."""
    return _plan(current, [], lambda _one: True)


def apply(parameters: Iterable[Parameter], steps: Iterable[Step]) -> list[Parameter]:
    """The parameters after these steps, by the rules of Parameter Store."""
    kept = {parameter.name: parameter for parameter in parameters}
    for step in steps:
        if isinstance(step, Put):
            old = kept.get(step.parameter.name)
            if (old.version if old else 0) != step.parameter.version or (old and old.type != step.parameter.type):
                raise ConfigTreeError(f"{step.parameter.name} cannot be written over what is there.")
            kept[step.parameter.name] = replace(step.parameter, version=step.parameter.version + 1)
        else:
            for name in step.names:
                del kept[name]
    return sorted(kept.values(), key=lambda one: one.name)


def check_limits(change: Change, there: int, tier: str) -> None:
    """Before anything is written, for otherwise half of it would be. there: parameters that are there now."""
    sizes = [(put.name, len(put.value.encode("utf-8"))) for put in change.puts]
    over = [f"{name} ({size} bytes)" for name, size in sizes if size > MAX_BYTES[tier]]
    if over:
        remedy = "give tier: advanced, which takes 8192 and costs money, or split it up"
        raise ConfigTreeError(
            f"Parameter Store takes {MAX_BYTES[tier]} bytes a value in tier {tier}; more have "
            f"{abbreviated(over, _WIDTH)}. Nothing was written: {remedy if tier == 'standard' else 'split it up'}."
        )
    count = there + sum(put.version == 0 for put in change.puts)
    if tier == "standard" and count > MAX_STANDARD:
        raise ConfigTreeError(
            f"There would be {count} settings here, and an account may have {MAX_STANDARD} standard parameters in a "
            "region. Nothing was written: keep lists and objects as JSON values, or give tier: advanced."
        )


def matcher(only: Sequence[str], exclude: Sequence[str] = ()) -> Callable[[Place], bool]:
    """Whether a setting, or a folder that it is in, matches a pattern of `only` and none of `exclude`."""

    def matches(place: Place, patterns: Iterable[str]) -> bool:
        names = ["/".join(place[:depth]) for depth in range(1, len(place) + 1)]
        return any(fnmatch.fnmatchcase(name, pattern.strip("/")) for name in names for pattern in patterns)

    return lambda place: matches(place, only) and not matches(place, exclude)


def meets(place: Place, others: Iterable[Place]) -> bool:
    """Whether a place is one of the others, above one or below one."""
    return any(place[: len(other)] == other[: len(place)] for other in others)


def leaves(tree: Mapping[str, Any], above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a tree and the keys that lead to it; an empty folder is a value."""
    for key, value in tree.items():
        place = (*above, key)
        if isinstance(value, Mapping) and value:
            yield from leaves(value, place)
        else:
            yield place, value


def equal(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is neither 1.0 nor true."""
    return HIDDEN not in (one, other) and in_json(one, "/") == in_json(other, "/")


class _Touched:
    """Whether a place is one of these, above one of them or below one of them."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = set(places)
        self._above = {place[:depth] for place in self._places for depth in range(1, len(place))}

    def __call__(self, place: Place) -> bool:
        return place in self._above or any(place[:depth] in self._places for depth in range(1, len(place) + 1))


def _plan(current: Current, wanted: Sequence[Parameter], doomed: Callable[[Found], bool]) -> Change:
    chosen = {place_of(want, current.root): _spelling(current, want) for want in wanted}
    kept = {parameter.name for parameter, _same in chosen.values()}
    tasks = []
    for place, (parameter, same) in chosen.items():
        rivals = [one for one in current.around(place) if one.name not in kept]
        _spare_secrets(current, parameter, place, rivals, doomed)
        tasks.append(_Task([] if same else [parameter], {one.name for one in rivals}))
    replaced = {name for task in tasks for name in task.deletes}
    rest = [one for one in current.all if one.name not in kept | replaced and doomed(one)]
    spared = [one.name for one in rest if one.secure and not current.secure]
    gone = [one.name for one in rest if one.name not in spared]
    for name in (*gone, *replaced):
        if _OWN.fullmatch(name):
            raise ConfigTreeError(
                f"{name} is not a setting: the toolkit keeps its own state there. Correct the path; settings of an app "
                "lie in <prefix>/<env>/<app>/config."
            )
    return Change(tuple(_in_order(tasks, gone)), tuple(spared))


def _spelling(current: Current, want: Parameter) -> tuple[Parameter, bool]:
    """The parameter that is to hold a setting, and whether it does so already."""
    folder, _slash, leaf = want.name.rpartition("/")
    key, value = typed(leaf, replace(want, type="String") if want.type == SECURE else want)
    here = current.at(place_of(want, current.root))
    secure = want.type == SECURE or any(one.secure for one in here)
    same = [one for one in here if one.secure == secure and equal(one.value, value)]
    if same:
        return next((one for one in same if one.name == want.name), same[0]).parameter, True
    as_json = Parameter(f"{folder}/{key}.json", in_json(value, want.name))
    options = [as_json] if any(one.name == as_json.name for one in here) else []
    if not (secure and want.type == "StringList"):
        options.append(want)
    for option in (*options, as_json):
        option_type = SECURE if secure else option.type
        taken = current.by_name.get(option.name)
        if taken is None or taken.parameter.type == option_type:
            return replace(option, type=option_type, version=taken.parameter.version if taken else 0), False
    raise ConfigTreeError(
        f"Parameter Store cannot change the type of a parameter, and both {want.name} and {as_json.name} are there "
        "with another one. Delete one of them first."
    )


def _spare_secrets(
    current: Current, parameter: Parameter, place: Place, rivals: Sequence[Found], doomed: Callable[[Found], bool]
) -> None:
    for one in (*rivals, *current.at(place)):
        if one.secure and not current.secure:
            raise ConfigTreeError(
                f"{one.name} is a SecureString, which stays as it is. Leave {'/'.join(place)} out, or give "
                "secure: true."
            )
        if one.secure and one.place != place and not doomed(one):
            raise ConfigTreeError(
                f"To write {parameter.name}, the SecureString {one.name} would have to go. Delete it first with "
                "state: absent, if that is what you want."
            )


@dataclass
class _Task:
    """What is written together, and what it replaces."""

    puts: list[Parameter]
    deletes: set[str]


def _in_order(tasks: Sequence[_Task], gone: Sequence[str]) -> Iterator[Step]:
    yield from (Put(task.puts[0]) for task in tasks if task.puts and not task.deletes)
    for task in _joined([task for task in tasks if task.deletes]):
        yield from (Put(parameter) for parameter in task.puts)
        yield from _deletions(task.deletes)
    yield from _deletions(gone)


def _joined(tasks: Sequence[_Task]) -> list[_Task]:
    """One task of all that replace the same parameter: it goes when the last of them is written."""
    of: dict[str, _Task] = {}
    for task in tasks:
        whole = _Task(list(task.puts), set(task.deletes))
        for other in {id(of[name]): of[name] for name in task.deletes if name in of}.values():
            whole = _Task(other.puts + whole.puts, other.deletes | whole.deletes)
        of.update(dict.fromkeys(whole.deletes, whole))
    return list({id(task): task for task in of.values()}.values())


def _deletions(names: Iterable[str]) -> Iterator[Delete]:
    ordered = sorted(names)
    for start in range(0, len(ordered), DELETE_BATCH):
        yield Delete(tuple(ordered[start : start + DELETE_BATCH]))


def _insert(tree: dict[str, Any], place: Place, value: Any) -> None:
    branch = tree
    for key in place[:-1]:
        if not isinstance(branch.get(key), dict):
            branch[key] = {}
        branch = branch[key]
    known = branch.get(place[-1])
    if isinstance(value, Mapping):
        branch[place[-1]] = overlay(known if isinstance(known, Mapping) else {}, value)
    elif not isinstance(known, Mapping):
        branch[place[-1]] = value


def _without(value: Any, place: Place) -> Any:
    """An object without what lies at a place in it."""
    if not isinstance(value, Mapping) or place[0] not in value:
        return value
    if len(place) == 1:
        return {key: below for key, below in value.items() if key != place[0]}
    return {**value, place[0]: _without(value[place[0]], place[1:])}
