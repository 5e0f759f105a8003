# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_change import (
    DELETE_BATCH,
    SECURE,
    Change,
    Current,
    Delete,
    Put,
    apply,
    exact,
    leaves,
    merge,
    remove,
    remove_all,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_tree import Parameter, flatten, nest, overlay
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import ConfigTreeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = "/dtk/prod/api/config"
unhurried = settings(deadline=None, max_examples=150)

# Few keys, so that trees meet in the same places with other values, types and shapes.
keys = st.sampled_from(["a", "b", "a.int"])
scalars = st.sampled_from([None, True, 0, 1, 1.0, "", "x", "1", "{{ x }}", "a,b"])
values = st.recursive(
    scalars | st.lists(scalars, max_size=3),
    lambda below: st.dictionaries(keys | st.just("b c"), below, min_size=1, max_size=3) | st.just({}),
    max_leaves=8,
)
trees = st.dictionaries(keys, values, min_size=2, max_size=3)


@st.composite
def stored(draw: st.DrawFn) -> list[Parameter]:
    """What somebody may have written: any spelling that nest() reads, and what is left of a broken-off change."""
    tree = draw(trees)
    folders = {place[:depth] for place, _value in leaves(tree) for depth in range(1, len(place))}
    whole = draw(st.sets(st.sampled_from(sorted(folders)))) if folders else set()
    parameters = flatten(tree, ROOT, whole)
    if draw(st.booleans()):
        change = exact(Current(parameters, ROOT), draw(trees))
        done = draw(st.integers(0, len(change.steps)))
        parameters = apply(parameters, change.steps[:done])
    return parameters


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def read(parameters: Sequence[Parameter]) -> Mapping[str, Any] | None:
    try:
        return nest(parameters, ROOT)
    except ConfigTreeError:
        return None


@unhurried
@given(stored(), trees)
@example([Parameter(f"{ROOT}/a", "x", "StringList", 3)], {"a": "x"})
@example([Parameter(f"{ROOT}/a.json", '{"b c":1}')], {"a": {"b": 2}})
def test_an_exact_change_gives_exactly_the_tree_and_is_done_once(before: list[Parameter], tree: dict[str, Any]) -> None:
    before = apply([], [Put(p) for p in (Parameter(p.name, p.value, p.type) for p in before)])
    after = apply(before, exact(Current(before, ROOT), tree).steps)
    assert same(nest(after, ROOT), tree)
    assert exact(Current(after, ROOT), tree) == Change()


@unhurried
@given(stored(), trees)
def test_a_merge_changes_what_is_given_and_nothing_else(before: list[Parameter], tree: dict[str, Any]) -> None:
    known = read(before)
    after = apply(before, merge(Current(before, ROOT), tree).steps)
    assert merge(Current(after, ROOT), tree) == Change()
    if known is not None:
        assert same(nest(after, ROOT), overlay(known, tree))
    others = [one.name for one in Current(before, ROOT).all if one.place[0] not in tree]
    assert set(others) <= {parameter.name for parameter in after}


@unhurried
@given(stored(), trees)
def test_a_reader_never_misses_a_setting_that_is_there_before_and_after(
    before: list[Parameter], tree: dict[str, Any]
) -> None:
    """Between two steps a reader gets each setting as it was or as it will be, or is refused; none is gone."""
    first = read(before)
    steps = exact(Current(before, ROOT), tree).steps
    last = dict(leaves(tree))
    for done in range(len(steps) + 1):
        between = read(apply(before, steps[:done]))
        if first is None or between is None:
            continue
        old, now = dict(leaves(first)), dict(leaves(between))
        assert old.keys() & last.keys() <= now.keys()
        for place, value in now.items():
            assert any(same(value, tree[place]) for tree in (old, last) if place in tree)


@unhurried
@given(stored(), trees, st.data())
def test_a_change_that_broke_off_is_completed_by_the_same_call(
    before: list[Parameter], tree: dict[str, Any], data: st.DataObject
) -> None:
    steps = exact(Current(before, ROOT), tree).steps
    broken = apply(before, steps[: data.draw(st.integers(0, len(steps)))])
    again = exact(Current(broken, ROOT), tree).steps
    assert len(again) <= len(steps)
    assert same(nest(apply(broken, again), ROOT), tree)


@unhurried
@given(stored(), st.lists(st.lists(keys, min_size=1, max_size=3).map("/".join), max_size=3))
def test_what_is_removed_is_gone_and_the_rest_stays(before: list[Parameter], names: list[str]) -> None:
    known = read(before)
    after = apply(before, remove(Current(before, ROOT), names).steps)
    assert remove(Current(after, ROOT), names) == Change()
    if known is None:
        return
    left = {"/".join(place) for place, _value in leaves(nest(after, ROOT))}
    gone = {"/".join(place) for place, _value in leaves(known)} - left
    # A name may be a parameter's, with the type at its end.
    meant = [*names, *(name.removesuffix(".int").removesuffix(".json") for name in names)]
    assert not [one for one in left if f"{one}/".startswith(tuple(f"{name}/" for name in names))]
    assert not [one for one in gone if not f"{one}/".startswith(tuple(f"{name}/" for name in meant))]


@unhurried
@given(stored())
def test_all_of_it_can_go(before: list[Parameter]) -> None:
    change = remove_all(Current(before, ROOT))
    assert apply(before, change.steps) == []
    assert len(change.steps) == -(-len(before) // DELETE_BATCH)


def step_names(change: Change) -> list[str]:
    """+name, or -name for deletions."""
    told = []
    for step in change.steps:
        names = [f"+{step.parameter.name}"] if isinstance(step, Put) else [f"-{name}" for name in step.names]
        told.append(" ".join(names).replace("/r/", ""))
    return told


def now(*parameters: Parameter | str, secure: bool = False) -> Current:
    """'name=value', or parameters."""
    made = [
        Parameter("/r/" + one.partition("=")[0], one.partition("=")[2], version=1) if isinstance(one, str) else one
        for one in parameters
    ]
    return Current(made, "/r", secure)


@pytest.mark.parametrize(
    ("before", "values", "steps"),
    [
        pytest.param([], {"b": 1, "a": "x"}, ["+a", "+b.int"], id="new"),
        pytest.param(["a=x"], {"a": "x"}, [], id="same"),
        pytest.param(["a.int= 07 "], {"a": 7}, [], id="same in another spelling"),
        pytest.param(['a.json=["x"]'], {"a": ["x"]}, [], id="same list as JSON"),
        pytest.param(['a.json=["x"]'], {"a": ["y"]}, ["+a.json"], id="JSON stays JSON"),
        pytest.param(["port=80"], {"port": 80}, ["+port.int", "-port"], id="other type"),
        pytest.param(["port=80", "port.int=80"], {"port": 80}, ["-port"], id="other type, broken off"),
        pytest.param(["port.int=eighty"], {"port": 80}, ["+port.int"], id="bad value"),
        pytest.param(["db=x", "z=1"], {"db": {"a": "1", "b": "2"}}, ["+db/a", "+db/b", "-db"], id="value to folder"),
        pytest.param(["db/a=1", "db/b=2"], {"db": "x"}, ["+db", "-db/a -db/b"], id="folder to value"),
        pytest.param(["o.json={}"], {"o": {"a": "1"}}, ["+o/a", "-o.json"], id="empty folder to folder"),
        pytest.param(['o.json={"a":1,"b":2}'], {"o": {"a": 3}}, ["+o.json"], id="an object is merged"),
        pytest.param(["o/a=1"], {"o": {"b c": 1}}, ["+o.json", "-o/a"], id="a folder that becomes an object"),
        pytest.param(["o/a=1"], {"o": {}}, [], id="an empty folder adds nothing"),
    ],
)
def test_the_order_of_a_merge(before: list[str], values: dict[str, Any], steps: list[str]) -> None:
    assert step_names(merge(now(*before), values)) == steps


def test_values_of_a_merged_object() -> None:
    change = merge(now('o.json={"a":1,"b c":2}', "p/x=1"), {"o": {"a": 3}, "p": {"y z": None}})
    assert [(p.name, p.value) for p in change.puts] == [
        ("/r/o.json", '{"a":3,"b c":2}'),
        ("/r/p.json", '{"x":"1","y z":null}'),
    ]


def test_the_type_of_a_parameter_is_never_changed() -> None:
    lists = Parameter("/r/a", "x,y", "StringList", 4)
    to_text = merge(now(lists), {"a": "z"})
    assert [(p.name, p.value, p.type) for p in to_text.puts] == [("/r/a.json", '"z"', "String")]
    assert step_names(to_text) == ["+a.json", "-a"]
    to_list = merge(now("a=x"), {"a": ["x", "y"]})
    assert [(p.name, p.value, p.type) for p in to_list.puts] == [("/r/a.json", '["x","y"]', "String")]
    with pytest.raises(ConfigTreeError, match=r"both /r/a and /r/a\.json are there"):
        merge(now(lists, Parameter("/r/a.json", "x", "StringList")), {"a": "z"})


def test_the_version_that_is_replaced() -> None:
    change = merge(now(Parameter("/r/a", "x", "String", 7)), {"a": "y", "b": "z"})
    assert [(p.name, p.version) for p in change.puts] == [("/r/a", 7), ("/r/b", 0)]


def test_deletions_come_last_and_in_batches() -> None:
    change = exact(now(*[f"k{number:02d}=x" for number in range(23)]), {"new": "x"})
    assert [type(step) for step in change.steps] == [Put, Delete, Delete, Delete]
    assert len(change.deletes) == 23


def test_what_is_out_of_bounds_stays() -> None:
    change = exact(now("db/host=x", "log/level=y", "old=z"), {}, within=lambda place: place[0] != "db")
    assert step_names(change) == ["-log/level -old"]


@pytest.mark.parametrize("name", ["api/deploy/0000000012", "ami/current", "web/ami/candidate"])
def test_the_toolkits_own_state_is_no_setting(name: str) -> None:
    with pytest.raises(ConfigTreeError, match=re.escape(f"/r/{name} is not a setting")):
        remove_all(now(f"{name}=x"))
    with pytest.raises(ConfigTreeError, match="is not a setting"):
        exact(now(f"{name}=x"), {})
    assert merge(now(f"{name}=x"), {"deploy": "a"}).deletes == []


@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        (["db"], ["-db/host -db/port.int"]),
        (["/db/port/"], ["-db/port.int"]),
        (["db/port.int"], ["-db/port.int"]),
        (["d", "db/por", "nothing"], []),
        (["o/a"], ["+o.json"]),
        (["o", "o/a"], ["-o.json"]),
        (["o/a", "o/b c"], ["+o.json"]),
        (["o/x/y"], []),
    ],
)
def test_what_a_key_names(keys: list[str], steps: list[str]) -> None:
    assert step_names(remove(now("db/host=x", "db/port.int=1", 'o.json={"a":1,"b c":2}', "o2=1"), keys)) == steps


SECRET = Parameter("/r/db/password", "ciphertext", SECURE, 3)


def test_secure_strings_are_out_of_bounds() -> None:
    current = now(SECRET, "db/host=x")
    for tree in ({"db": {"password": "new"}}, {"db": {"password": {"a": "b"}}}, {"db": "x"}):
        for change in (merge, exact):
            with pytest.raises(ConfigTreeError, match="/r/db/password is a SecureString, which stays as it is"):
                change(current, tree)
    assert exact(current, {}) == Change((Delete(("/r/db/host",)),), ("/r/db/password",))
    assert remove_all(current).spared == ("/r/db/password",)
    assert remove(current, ["db"]) == Change((Delete(("/r/db/host",)),), ("/r/db/password",))
    assert merge(current, {"db": {"host": "y"}}).spared == ()


def test_secure_strings_stay_secure_if_they_may_change() -> None:
    current = now(SECRET, secure=True)
    assert merge(current, {"db": {"password": "ciphertext"}}) == Change()
    for value, name in (("new", "password"), (["a", "b"], "password.json"), (5, "password.int")):
        (put,) = merge(current, {"db": {"password": value}}).puts
        assert (put.name, put.type) == (f"/r/db/{name}", SECURE)
    assert exact(current, {}).deletes == ["/r/db/password"]


def test_a_merge_never_writes_a_secret_into_plain_text() -> None:
    current = now(SECRET, "db/host=x", secure=True)
    with pytest.raises(ConfigTreeError, match="the SecureString /r/db/password would have to go"):
        merge(current, {"db": {"a b": "x"}})
    secure_object = now(Parameter("/r/o.json", '{"a":"1"}', SECURE, 1), secure=True)
    (put,) = merge(secure_object, {"o": {"b": "2"}}).puts
    assert (put.name, put.value, put.type) == ("/r/o.json", '{"a":"1","b":"2"}', SECURE)


def test_secrets_that_are_brought_in() -> None:
    secret = Parameter("/r/db/password", "s", SECURE)
    assert merge(now(secure=True), {}, [secret]).puts == [secret]
    (put,) = merge(now("db/password=s", secure=True), {}, [secret]).puts
    assert (put.name, put.type, put.value) == ("/r/db/password.json", SECURE, '"s"')


def test_new_objects_stay_objects_unless_there_is_a_folder() -> None:
    tree = {"o": {"a": "1"}}
    assert [p.name for p in merge(now(), tree, objects={("o",)}).puts] == ["/r/o.json"]
    assert [p.name for p in merge(now("o/b=2"), tree, objects={("o",)}).puts] == ["/r/o/a"]


def test_no_value_is_in_a_representation() -> None:
    current = now(SECRET, "a=hunter2", secure=True)
    assert "ciphertext" not in repr(current.all) and "hunter2" not in repr(
        merge(current, {"a": "hunter3", "b": "hunter2"})
    )
    assert "hunter3" not in repr(merge(current, {"a": "hunter3"}))
