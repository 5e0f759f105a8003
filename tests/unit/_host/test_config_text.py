# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings as text: what other programs read is what was given, and what they could not read is refused."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils._host import config_text
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

CANARY = "CANARYc0ffee"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
TREES = st.dictionaries(TEXTS, VALUES, max_size=4)
# What an environment can hold.
ENV_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]) | st.sampled_from("\n\t"))


@given(TREES)
def test_json_and_yml_tell_the_very_tree(tree: dict[str, Any]) -> None:
    config_text.check_tree(tree)
    assert json.loads(config_text.render(tree, "json")) == tree
    found = yaml.safe_load(config_text.render(tree, "yml"))
    # json tells 1 from 1.0 and from true, which == does not.
    assert json.dumps(found, sort_keys=True) == json.dumps(tree, sort_keys=True)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), ENV_TEXTS, max_size=5))
def test_a_shell_reads_every_value_as_it_is(tree: dict[str, str]) -> None:
    tree = {f"x{key}": value for key, value in tree.items()}
    text = config_text.render(tree, "env")
    script = "".join(f'printf "%s\\0" "$X{key[1:].upper()}"\n' for key in tree)
    done = subprocess.run(["/bin/sh", "-c", text + script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == list(tree.values())


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", 'A="plain"'),
        ("", 'A=""'),
        (None, 'A=""'),
        (True, 'A="true"'),
        (5432, 'A="5432"'),
        (0.5, 'A="0.5"'),
        (["a", "b"], r'A="[\"a\", \"b\"]"'),
        ({}, 'A="{}"'),
        ("$HOME `id` \"x\" \\ 'y'", r'A="\$HOME \`id\` \"x\" \\ ' + "'y'" + '"'),
        ("two\nlines", 'A="two\nlines"'),
        ("ünï 🐧", 'A="ünï 🐧"'),
    ],
)
def test_a_value_in_an_environment_file(value: Any, line: str) -> None:
    assert config_text.render({"a": value}, "env") == line + "\n"


@pytest.mark.parametrize(
    ("tree", "how", "names"),
    [
        ({"db": {"host": 1}}, {}, ["DB_HOST"]),
        ({"db": {"host": 1}}, {"prefix": "hello_"}, ["HELLO_DB_HOST"]),
        ({"db": {"host": 1}}, {"separator": "__"}, ["DB__HOST"]),
        ({"log-level": 1, "a.b": 2}, {}, ["A_B", "LOG_LEVEL"]),
        ({"b": {}, "a": {"c": 1}}, {}, ["A_C", "B"]),
        ({"db_host": 1, "db": {"host": 2}}, {"separator": "__"}, ["DB_HOST", "DB__HOST"]),
    ],
)
def test_names_in_an_environment_file(tree: dict[str, Any], how: dict[str, str], names: list[str]) -> None:
    assert [line.partition("=")[0] for line in config_text.render(tree, "env", **how).splitlines()] == names


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"db": {"host": CANARY}, "db_host": CANARY}, "db.host and db_host would both be the .* DB_HOST"),
        ({"a": CANARY, "A": CANARY}, "a and A would both be"),
        ({"2fast": CANARY}, "2fast cannot be the environment variable '2FAST'"),
        ({"ü": CANARY}, "only A-Z, 0-9 and _ are allowed"),
        ({"a": f"{CANARY}\0"}, "the value of A holds a control character"),
        ({"a": f"{CANARY}\r\n"}, "the value of A holds a control character"),
        ({"a": f"{CANARY}\ufffe"}, "the value of A holds a control character"),
        ({"a": CANARY * 20000}, "the value of A is longer than 128 KiB"),
    ],
)
def test_what_no_environment_can_hold_is_refused(tree: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        config_text.render(tree, "env")
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (CANARY, "config is text; give a dictionary"),
        ([CANARY], "config is a list; give a dictionary"),
        (None, "config is null; give a dictionary"),
        ({"db": {1: CANARY}}, "the key 1 below db is a number, not text; quote it"),
        ({True: CANARY}, "the key True is a bool, not text"),
        ({"db": {"ratio": float("nan")}}, "db.ratio is a number, or holds something, that JSON cannot tell"),
        ({"a": [float("inf")]}, "a is a list, or holds something"),
        ({"a": {CANARY}}, "a is a set"),
        ({"a": f"{CANARY}\ud800"}, "'a' holds text that is not valid Unicode"),
    ],
)
def test_what_is_no_tree_of_settings_is_refused(tree: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        config_text.check_tree(tree)
    assert CANARY not in str(raised.value)


def test_yml_reads_well() -> None:
    tree = {"db": {"host": "a b", "ports": [1, 2]}, "on": None, "empty": {}, "x": [{"rate": 1e20}]}
    lines = ["db:", '  host: "a b"', "  ports:", "    - 1", "    - 2", "empty: {}", '"on": null', "x:", "  -"]
    assert config_text.render(tree, "yml").splitlines() == [*lines, "    rate: 1.0e+20"]


@pytest.mark.parametrize(
    ("key", "secure", "hidden"),
    [
        ("db.password", (), True),
        ("DB.Password_file", (), True),
        ("api_TOKEN", (), True),
        ("tokens.first", (), True),
        ("greeting", (), False),
        ("greeting", ("greeting",), True),
        ("db.host", ("db",), True),
        ("dbx.host", ("db",), False),
    ],
)
def test_which_keys_are_sensitive(key: str, secure: tuple[str, ...], hidden: bool) -> None:
    assert config_text.is_sensitive(key.split("."), config_text.SENSITIVE, secure) is hidden


def test_changes_are_names() -> None:
    before = config_text.leaves({"a": 1, "b": {"c": 1, "d": True}})
    after = config_text.leaves({"a": 1, "b": {"c": 2, "d": 1}, "e": {}})
    assert config_text.changes(before, after) == {"added": ["e"], "changed": ["b.c", "b.d"], "removed": []}
    assert config_text.changes(after, before)["removed"] == ["e"]


def test_a_diff_says_that_a_sensitive_value_changed_and_never_which_it_was() -> None:
    before = config_text.leaves({"password": CANARY, "same_token": CANARY, "x": 1})
    after = config_text.leaves({"password": f"{CANARY}2", "same_token": CANARY, "x": 2, "new_key": CANARY})
    hidden = {path for side in (before, after) for path in side if path != ("x",)}
    assert config_text.shown(before, after, hidden, after=False).splitlines() == [
        "password: (sensitive)",
        "same_token: (sensitive)",
        "x: 1",
    ]
    assert config_text.shown(after, before, hidden, after=True).splitlines() == [
        "new_key: (sensitive)",
        "password: (sensitive, changed)",
        "same_token: (sensitive)",
        "x: 2",
    ]
