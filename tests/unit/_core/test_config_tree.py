# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_tree import (
    MAX_DEPTH,
    MAX_LEVELS,
    MAX_NAME,
    Parameter,
    flatten,
    nest,
    overlay,
    place_of,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import ConfigTreeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = "/dtk/prod/api/config"
unhurried = settings(deadline=None)
NAMES = re.compile(r"(/[A-Za-z0-9_.-]+)+")

# Keys that look like types, like each other, and like nothing that a name could be.
keys = st.sampled_from(
    ["a", "b", "a.int", "a.json", ".json", "int", "port", "port.int", "..", "-", "A"]
) | st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True)
wild_keys = keys | st.text(max_size=6) | st.sampled_from(["*/5 * * * *", "10.0.0.0/8", "{{ x }}", "", "a b", "\ud800"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.sampled_from(
        ["", "{{ lookup('pipe', 'id') }}", "{{{{", "{", "a,b", ",", "\ud800", "\x00", "true", "1", " ", "é"]
    )
)
values = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(wild_keys, below, max_size=4),
    max_leaves=12,
)
trees = st.dictionaries(keys, values, max_size=5)


def same(one: Any, other: Any) -> bool:
    """Equal in type as well: 1 is not True, and -0.0 is not 0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@unhurried
@given(trees)
@example({"a": {"b c": 1, "d": {"e": []}}, "e": {}, "f": [[]], "g.int": "x", "h": ["a", "b"], "i": ["a,b"]})
@example({"a": 1, "a.int": {"b": 2}, "a.json": ["x"]})
def test_every_tree_comes_back(tree: dict[str, Any]) -> None:
    assert same(nest(flatten(tree, ROOT), ROOT), tree)


@unhurried
@given(trees)
def test_whatever_is_written_parameter_store_takes(tree: dict[str, Any]) -> None:
    written = flatten(tree, ROOT)
    assert len({parameter.name for parameter in written}) == len(written)
    assert len({place_of(parameter, ROOT) for parameter in written}) == len(written)
    for parameter in written:
        assert NAMES.fullmatch(parameter.name) and parameter.name.count("/") <= MAX_LEVELS
        assert parameter.value and "{{" not in parameter.value
        parameter.value.encode("utf-8")


@unhurried
@given(st.integers(min_value=1, max_value=3 * MAX_LEVELS))
def test_a_deep_tree_ends_in_json(depth: int) -> None:
    tree: dict[str, Any] = {"x": "end"}
    for _ in range(depth):
        tree = {"x": tree}
    (written,) = flatten(tree, ROOT)
    assert written.name.count("/") <= MAX_LEVELS
    assert nest([written], ROOT) == tree


def test_a_long_path_ends_in_json() -> None:
    tree = {"a" * 400: {"b" * 400: {"c" * 400: 1, "d": 2}}}
    (written,) = flatten(tree, ROOT)
    assert written.name.endswith("b" * 400 + ".json") and len(written.name) <= MAX_NAME
    assert nest([written], ROOT) == tree


@unhurried
@given(trees)
def test_a_folder_may_be_kept_whole(tree: dict[str, Any]) -> None:
    folders = {(key,) for key, value in tree.items() if isinstance(value, Mapping)}
    written = flatten(tree, ROOT, whole=folders)
    assert same(nest(written, ROOT), tree)
    assert {place_of(parameter, ROOT) for parameter in written} == {(key,) for key in tree}


@pytest.mark.parametrize(
    ("value", "name", "text", "kind"),
    [
        ("x", "k", "x", "String"),
        ("two\nlines", "k", "two\nlines", "String"),
        ("", "k.json", '""', "String"),
        ("{{ x }}", "k.json", '"{\\u007b x }}"', "String"),
        ("\ud800", "k.json", '"\\ud800"', "String"),
        ("\x1b[2J", "k.json", '"\\u001b[2J"', "String"),
        (True, "k.bool", "true", "String"),
        (0, "k.int", "0", "String"),
        (1.5, "k.float", "1.5", "String"),
        (None, "k.json", "null", "String"),
        (["a", "b"], "k", "a,b", "StringList"),
        (("a",), "k", "a", "StringList"),
        (["a,b"], "k.json", '["a,b"]', "String"),
        ([1], "k.json", "[1]", "String"),
        ([], "k.json", "[]", "String"),
        ({}, "k.json", "{}", "String"),
        ({"a": 1}, "k/a.int", "1", "String"),
        ({"a b": 1}, "k.json", '{"a b":1}', "String"),
    ],
)
def test_how_a_value_is_kept(value: Any, name: str, text: str, kind: str) -> None:
    assert flatten({"k": value}, "/r/") == [Parameter(f"/r/{name}", text, kind)]


@pytest.mark.parametrize("key", ["a.int", "a.bool", "a.float", "a.json", "a.json.json"])
@pytest.mark.parametrize("value", ["x", ["x"], 1, {"x": 1}])
def test_a_key_that_ends_like_a_type(key: str, value: Any) -> None:
    assert nest(flatten({key: value}, "/r"), "/r") == {key: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.int", "1_000"),
        ("a.int", "1.0"),
        ("a.int", "\u0663"),
        ("a.int", ""),
        ("a.int", "9" * 5000),
        ("a.float", "nan"),
        ("a.float", "-inf"),
        ("a.float", "1e999"),
        ("a.float", "1_0.5"),
        ("a.bool", "yes"),
        ("a.json", "{"),
        ("a.json", "NaN"),
        ("a.json", '{"x": [Infinity]}'),
        ("a.json", "1e999"),
        ("a.json", "[" * 5000),
        ("a.json", "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)),
    ],
)
def test_a_value_that_is_not_what_its_suffix_says(name: str, text: str) -> None:
    with pytest.raises(ConfigTreeError) as caught:
        nest([Parameter(f"/r/{name}", text)], "/r")
    assert f"/r/{name} is no " in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("a.int", " -7\n", -7),
        ("a.int", "+7", 7),
        ("a.bool", "False\n", False),
        ("a.float", "1e3", 1000.0),
        ("a.json", ' {"b": 1} ', {"b": 1}),
    ],
)
def test_what_people_type_by_hand(name: str, text: str, value: Any) -> None:
    assert same(nest([Parameter(f"/r/{name}", text)], "/r"), {"a": value})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a.int"], "/r/a and /r/a.int are the same setting. Delete one of the two, or wait for who is"),
        (["a", "a/b"], "/r/a is a value and /r/a/b lies below it"),
        (["a/b", "a.int"], "/r/a.int is a value and /r/a/b lies below it"),
        (["a.json", "a/b/c"], "/r/a.json is a value and /r/a/b/c lies below it"),
        (["a/b/c", "a/b"], "/r/a/b is a value and /r/a/b/c lies below it"),
    ],
)
def test_two_parameters_that_cannot_both_be(names: list[str], message: str) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(ConfigTreeError, match=re.escape(message)):
            nest([Parameter(f"/r/{name}", "1") for name in order], "/r")


def test_names_that_look_like_conflicts_and_are_none() -> None:
    found = [
        Parameter("/r/a", "x"),
        Parameter("/r/a.int/b", "y"),
        Parameter("/r/ab", "z"),
        Parameter("/r/a.json", "p,q", "StringList"),
    ]
    assert nest(found, "/r") == {"a": "x", "a.int": {"b": "y"}, "ab": "z", "a.json": ["p", "q"]}


@pytest.mark.parametrize(("name", "root"), [("/a/bc/d", "/a/b"), ("/a/b", "/a/b"), ("/a/b/", "/a/b"), ("x", "/")])
def test_a_name_outside_of_the_root(name: str, root: str) -> None:
    with pytest.raises(ConfigTreeError, match="does not lie below"):
        nest([Parameter(name, "x")], root)


SECRET = "hunter2-do-not-tell"


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"": SECRET}, "cannot be the name of a setting"),
        ({"a b": SECRET}, "/r/a b cannot be the name"),
        ({"a/b": SECRET}, "/r/a/b cannot be the name"),
        ({"a\nb\x1b[2J": SECRET}, r"/r/a\nb\x1b[2J cannot be the name"),
        ({"a" * 5000: SECRET}, "is too long|…"),
        ({True: SECRET}, "The key /r/True is not text but bool. Quote it."),
        ({"a": {8080: SECRET}}, "The key /r/a/8080 is not text but int. Quote it."),
        ({"a": [{None: SECRET}]}, "is not text but NoneType"),
        ({"a": SECRET.encode()}, "/r/a holds a value of type bytes that no setting can be"),
        ({"a": [float("nan"), SECRET]}, "/r/a holds a value of type list that no setting can be"),
        ({"a": float("inf")}, "/r/a holds a value of type float that no setting can be"),
        ({"a": {1, 2}}, "/r/a holds a value of type set that no setting can be"),
        ({"a": 10**6000}, "/r/a holds a value of type int that no setting can be"),
    ],
)
def test_what_cannot_be_kept_is_named_but_not_shown(tree: dict[Any, Any], words: str) -> None:
    with pytest.raises(ConfigTreeError) as caught:
        flatten(tree, "/r")
    text = str(caught.value)
    assert any(part in text for part in words.split("|")), text
    assert SECRET not in text and "\n" not in text and len(text) < 600


def test_a_list_that_holds_itself() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ConfigTreeError, match="holds a value of type list that no setting can be"):
        flatten({"a": endless}, "/r")


def test_a_value_is_not_in_the_representation() -> None:
    assert SECRET not in repr(Parameter("/r/a", SECRET))


@unhurried
@given(st.lists(trees, max_size=4))
def test_the_last_layer_wins(layers: list[dict[str, Any]]) -> None:
    merged = overlay(*layers)
    assert set(merged) == {key for layer in layers for key in layer}
    if layers:
        assert same(overlay(merged, layers[-1]), merged)
        assert same(overlay(*layers[:-1], {}, layers[-1]), merged)


def test_only_folders_are_merged() -> None:
    assert overlay({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}}, {"a": {}}) == {"a": {"b": 1, "c": [2]}}
    assert overlay({"a": {"b": 1}}, {"a": "text"}) == {"a": "text"}
    assert overlay({"a": "text"}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_layers_are_not_changed() -> None:
    first = {"a": {"b": 1}}
    overlay(first, {"a": {"c": 2}})
    assert first == {"a": {"b": 1}}


def test_a_reader_may_make_something_else_of_the_values() -> None:
    found = [Parameter("/r/a.int", "1"), Parameter("/r/b", "x,y", "StringList")]
    assert nest(found, "/r", typed=lambda leaf, parameter: (leaf, parameter.value)) == {"a.int": "1", "b": "x,y"}
