# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import config_view
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_change import SECURE, Current
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_tree import Parameter, flatten
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_view import MASK, OTHER, Curtain, Difference
from hypothesis import given, settings
from hypothesis import strategies as st

unhurried = settings(deadline=None)


def difference(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    sides = [config_view.leaves_of(Current(flatten(tree, "/r"), "/r")) for tree in (before, after)]
    return config_view.compare(*sides)


@pytest.mark.parametrize(
    ("place", "hidden"),
    [
        (("db", "password"), True),
        (("db", "Password_2"), True),
        (("secrets", "a"), True),
        (("API_KEY",), True),
        (("db", "pass"), False),
        (("host",), False),
    ],
)
def test_what_is_hidden(place: tuple[str, ...], hidden: bool) -> None:
    assert Curtain().hides(place) is hidden
    assert not Curtain([]).hides(place)


def test_a_difference_as_text() -> None:
    found = difference(
        {"a": 1, "b": "x", "password": "p1", "same": [], "old": {"x": None}},
        {"a": "1", "b": "x", "password": "p2", "same": [], "new": "true"},
    )
    assert config_view.as_text(found, Curtain()) == [
        '~  a         1 -> "1"',
        '+  new       "true"',
        "-  old/x     null",
        f"~  password  {MASK} -> {OTHER}",
        "1 added, 2 changed, 1 removed, 2 settings the same",
    ]
    assert config_view.credentials(found, Curtain()) == ["password"]


def test_nothing_is_other() -> None:
    same = difference({"a": 1}, {"a": 1})
    assert not same
    assert config_view.as_text(same, Curtain()) == ["0 added, 0 changed, 0 removed, 1 setting the same"]


def test_what_is_not_known_is_not_compared() -> None:
    secret, other = (Parameter("/r/a", text, SECURE) for text in ("one", "two"))
    sides = [config_view.leaves_of(Current([one, Parameter("/r/b.int", "x")], "/r")) for one in (secret, other)]
    found = config_view.compare(*sides)
    assert (bool(found), found.unknown, found.same) == (False, (("a",), ("b",)), 0)
    assert config_view.as_text(found, Curtain())[:2] == ["?  a  not compared", "?  b  not compared"]
    plain = config_view.leaves_of(Current([Parameter("/r/a", "one")], "/r"))
    assert config_view.compare(sides[0], plain).changed.keys() == {("a",)}
    known = config_view.leaves_of(Current([secret], "/r", secure=True))
    assert config_view.compare(known, plain).changed.keys() == {("a",)}


SECRET = "hunter2-do-not-tell"
inner = st.recursive(
    st.just(SECRET) | st.just("x") | st.none(),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["a", "b c", "Token"]), below, max_size=3)
    ),
    max_leaves=6,
)


@unhurried
@given(inner, inner, st.sampled_from(["api_key", "o"]))
def test_a_sensitive_value_is_never_shown(before: Any, after: Any, key: str) -> None:
    wrap = (lambda value: {"key": value}) if key == "o" else (lambda value: value)
    found = difference({key: wrap(before)}, {key: wrap(after)})
    told = [config_view.as_dicts(found, Curtain()), config_view.as_text(found, Curtain())]
    told.append(config_view.as_diff(found, Curtain(), "/r"))
    assert SECRET not in json.dumps(told) and SECRET not in repr(found)
    diff = config_view.as_diff(found, Curtain(), "/r")
    assert bool(found) == (diff["before"] != diff["after"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain text", "plain text"),
        ("", '""'),
        (" x", '" x"'),
        ("7", '"7"'),
        ("1e3", '"1e3"'),
        ("null", '"null"'),
        ("a\nb", '"a\\nb"'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("\u202e", '"\\u202e"'),
        (True, "true"),
        (["a", 1], '["a", 1]'),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_a_value_on_one_line(value: Any, text: str) -> None:
    assert config_view.in_short(value) == text
