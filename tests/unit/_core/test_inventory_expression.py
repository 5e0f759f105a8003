# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plain expression must mean exactly what Ansible's templar makes of it, or be left to it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory import EXPRESSION_NAMES
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory_expression import (
    NotPlainError,
    UndefinedPathError,
    compiled,
)
from hypothesis import example, given
from hypothesis import strategies as st

UNDEFINED = object()
VARIABLES: dict[str, Any] = {
    "tags": {"Name": "web", "dtk:env": "prod", "Empty": "", "nested": {"deep": "x"}, "template": "{{ 1 + 1 }}"},
    "placement": {"availability_zone": "eu-west-1a", "region": "eu-west-1"},
    "instance_id": "i-1",
    "dtk_image_age_days": 0,
    "dtk_pending": False,
    "dtk_target_health": [{"state": "healthy"}],
    "state": {"name": None},
}


def ours(expression: str) -> Any:
    """The value, UNDEFINED, or None twice: (False, None) for what is left to Jinja."""
    evaluate = compiled(expression, EXPRESSION_NAMES)
    if evaluate is None:
        return False, None
    try:
        return True, evaluate(VARIABLES)
    except UndefinedPathError:
        return True, UNDEFINED
    except NotPlainError:
        return False, None


def theirs(expression: str) -> Any:
    try:
        return Templar(loader=DataLoader(), variables=VARIABLES).evaluate_expression(trust_as_template(expression))
    except AnsibleError:
        return UNDEFINED


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("instance_id", "i-1"),
        ("tags", VARIABLES["tags"]),
        ("tags.Name", "web"),
        ("tags['dtk:env']", "prod"),
        ('tags["dtk:env"]', "prod"),
        (" placement.availability_zone ", "eu-west-1a"),
        ("tags.nested['deep']", "x"),
        ("tags['template']", "{{ 1 + 1 }}"),
        ("dtk_image_age_days", 0),
        ("dtk_pending", False),
        ("state.name", None),
        ("tags['None'] | default('nobody')", "nobody"),
        ("tags['Empty'] | default('nobody')", ""),
        ("tags['Empty'] | default('nobody', true)", "nobody"),
        ("tags['Empty']|default('nobody',True)", "nobody"),
        ("state.name | default('x', true)", "x"),
        ('tags.Name | default("")', "web"),
        ("public_ip_address | default('')", ""),
        ("tags.a.b.c | default('x')", "x"),
        ("instance_id.nope | default('x')", "x"),
        ("tags.Name ~ '-' ~ tags['dtk:env']", "web-prod"),
        ("'a'~tags.Name | default('x')~\"b\"", "awebb"),
        ("tags.None_ | default('x') ~ tags.template", "x{{ 1 + 1 }}"),
        ("tags.Name ~ tags.None_", UNDEFINED),
        ("public_ip_address", UNDEFINED),
        ("tags.None_", UNDEFINED),
        ("instance_id.nope", UNDEFINED),
        ("dtk_target_health.nope", UNDEFINED),
    ],
)
def test_plain_expressions_mean_the_same_as_to_jinja(expression: str, value: Any) -> None:
    assert ours(expression) == (True, value)
    assert theirs(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "tags.items",  # a method
        "tags['keys']",
        "instance_id.upper",
        "lookup",  # a function
        "now",
        "inventory_hostname",  # a variable that is not ours
        "tags.Name | lower",
        "tags.Name | d('x')",
        "tags.Name ~ 'x' | upper",
        "tags.Name ~ 7",
        "tags.Name ~ inventory_hostname",
        "tags.Name ~ tags.items",
        "'{{ x }}' ~ tags.Name",
        "tags.Name ~",
        "tags[instance_id]",
        "tags['a' 'b']",
        "tags['a\\'b']",
        "dtk_target_health[0].state",
        "tags.Name | default('{{ x }}')",
        "tags.Name | default(instance_id)",
        "tags.Name | default(7)",
        "tags.Name | default('x', false)",
        "tags.Name == 'web'",
        "not tags.Name",
        "'web'",
        "7",
        "",
        "tags.",
        "tags.Name\nfoo",
        "{{ tags.Name }}",
    ],
)
def test_everything_else_is_left_to_jinja(expression: str) -> None:
    assert ours(expression) == (False, None)


def test_what_is_no_text_is_joined_by_jinja() -> None:
    assert ours("tags.Name ~ dtk_image_age_days") == (False, None)
    assert theirs("tags.Name ~ dtk_image_age_days") == "web0"


@pytest.mark.parametrize("value", [None, 7, True, ["tags"], {"a": "tags"}])
def test_what_is_no_text_is_left_to_jinja(value: Any) -> None:
    assert compiled(value, EXPRESSION_NAMES) is None


_NAMES = st.sampled_from([*VARIABLES, "public_ip_address", "vpc_id"])
_KEY = st.sampled_from(
    ["Name", "dtk:env", "Empty", "nested", "deep", "name", "region", "items", "copy", "x y", "0", "é"]
)
_STEP = st.one_of(
    _KEY.map(lambda key: f"['{key}']"), _KEY.map(lambda key: f'["{key}"]'), _KEY.map(lambda key: f".{key}")
)
_DEFAULT = st.sampled_from(["", " | default('x')", "|default('')", ' | default("x", true)', " | default( 'x' , True )"])
_PATHS = st.builds("{}{}{}".format, _NAMES, st.lists(_STEP, max_size=3).map("".join), _DEFAULT)
_EXPRESSIONS = st.one_of(_PATHS, st.lists(st.one_of(_PATHS, st.just("' - '")), min_size=2, max_size=3).map("~".join))


@given(_EXPRESSIONS)
@example("tags.nested.items | default('x')")
def test_whatever_is_evaluated_here_is_what_jinja_makes_of_it(expression: str) -> None:
    plain, value = ours(expression)
    if plain:
        assert theirs(expression) == value
        assert type(theirs(expression)) in (type(value), object) or isinstance(theirs(expression), type(value))
