# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host.config_schema import validate
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import ConfigError

CANARY = "CANARYc0ffee"
SCHEMA = {
    "type": "object",
    "required": ["db"],
    "additionalProperties": False,
    "properties": {
        "greeting": {"type": "string", "maxLength": 5},
        "db": {"$ref": "#/$defs/db"},
        "level": {"enum": ["info", "debug"]},
    },
    "$defs": {
        "db": {
            "type": "object",
            "required": ["host", "password"],
            "properties": {"port": {"type": "integer"}, "password": {"type": "string", "pattern": "^x"}},
        }
    },
}
GOOD = {"db": {"host": "a", "password": "xyz", "port": 1}, "greeting": "hi"}


def test_settings_that_keep_to_it() -> None:
    validate(GOOD, SCHEMA)
    validate({}, {})
    validate({}, True)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, "the config: db is required"),
        ({"db": {}}, "db: host, password are required"),
        ({**GOOD, "db": {**GOOD["db"], "port": CANARY}}, 'db.port: the rule type "integer" does not hold'),
        ({**GOOD, "db": {**GOOD["db"], "password": CANARY}}, 'db.password: the rule pattern "^x" does not hold'),
        ({**GOOD, "greeting": CANARY}, "greeting: the rule maxLength 5 does not hold"),
        ({**GOOD, "level": CANARY}, 'level: the rule enum ["info", "debug"] does not hold'),
        ({**GOOD, "colour": CANARY, "size": 1}, "the config: colour, size are not allowed"),
        ({**GOOD, "greeting": 1, "level": 1}, "greeting: .*; level: "),
    ],
)
def test_a_violation_names_the_key_and_the_rule_and_no_value(tree: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        validate(tree, SCHEMA)
    text = str(raised.value)
    assert words in text or re.search(words, text)
    assert CANARY not in text and "\n" not in text and text.endswith("Correct the settings or the schema")


def test_many_violations_are_cut_short() -> None:
    schema = {"additionalProperties": {"type": "integer"}}
    with pytest.raises(ConfigError, match=r"; and 3 more\."):
        validate({f"k{number}": "x" for number in range(8)}, schema)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("text", "schema is a str; give a JSON Schema"),
        ({"type": "strnig"}, "no valid JSON Schema: at type"),
        ({"properties": {"a": {"minimum": "x"}}}, "no valid JSON Schema: at properties.a.minimum"),
        ({"$ref": "https://example.com/schema"}, "refers to 'https://example.com/schema', which lies outside"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "refers to '#/\\$defs/none', which it does not have"),
    ],
)
def test_a_schema_that_cannot_be_used(schema: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        validate(GOOD, schema)


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ConfigError, match=r"jsonschema is missing for .*pip install jsonschema"):
        validate(GOOD, SCHEMA)
