# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.template import trust_as_template
from ansible_collections.sysops.dtk.plugins.plugin_utils import read_ahead

NAME = "sysops.dtk.secret"


def found(variables: dict[str, Any]) -> list[list[str]]:
    return [call.terms for call in read_ahead.calls(NAME, variables)]


def trusted(variables: Any) -> Any:
    """As Ansible reads group variables from a file."""
    if isinstance(variables, dict):
        return {name: trusted(value) for name, value in variables.items()}
    if isinstance(variables, list):
        return [trusted(value) for value in variables]
    return trust_as_template(variables) if isinstance(variables, str) else variables


@pytest.mark.parametrize(
    ("template", "terms"),
    [
        ("{{ lookup('sysops.dtk.secret', 'a') }}", [["a"]]),
        ("{{ query('sysops.dtk.secret', 'a', \"b\") | first }}", [["a", "b"]]),
        (
            "x {{ q('sysops.dtk.secret', 'a') }} y {{ lookup('sysops.dtk.secret', 'b').c | d('d') }}",
            [["a"], ["b"]],
        ),
        ("{{ lookup('sysops.dtk.secret', 'a' ~ '/b') }}", [["a/b"]]),
        ("{{ lookup('sysops.dtk.secret', env ~ '/db') }}", [["prod/db"]]),
        ("{{ lookup('sysops.dtk.secret', path + '/db') }}", [["dtk/prod/db"]]),
        ("{{ lookup('sysops.dtk.secret', prefix | default('/dtk') ~ '/db') }}", [["/dtk/db"]]),
        ("{{ lookup('sysops.dtk.secret', env | default('/dtk')) }}", [["prod"]]),
        # What only evaluating could tell
        ("{{ lookup('sysops.dtk.secret', unknown) }}", []),
        ("{{ lookup('sysops.dtk.secret', env | upper) }}", []),
        ("{{ lookup('sysops.dtk.secret', *names) }}", []),
        ("{{ lookup('sysops.dtk.secret', 'a', **options) }}", []),
        ("{{ lookup('sysops.dtk.secret', 'a', region=env) }}", []),
        ("{{ lookup('sysops.dtk.secret', number) }}", []),
        ("{{ lookup('sysops.dtk.secret', circular) }}", []),
        # Another lookup, and no call at all
        ("{{ lookup('sysops.dtk.secrets', 'a') }}", []),
        ("{{ lookup('env', 'sysops.dtk.secret') }}", []),
        ("sysops.dtk.secret", []),
        ("{{ lookup('sysops.dtk.secret', 'a' }}", []),
    ],
)
def test_calls_in_a_template(template: str, terms: list[list[str]]) -> None:
    around = {"env": "prod", "path": "dtk/{{ env }}", "number": 7, "circular": "{{ circular }}"}
    assert found(trusted({**around, "it": template})) == terms


def test_options_of_calls() -> None:
    variables = trusted({"it": "{{ lookup('sysops.dtk.secret', 'a', region='eu-west-2', key=['b', 'c']) }}"})
    (call,) = read_ahead.calls(NAME, variables)
    assert call.options == {"region": "eu-west-2", "key": ["b", "c"]}


def test_templates_in_lists_and_dictionaries_count() -> None:
    template = "{{ lookup('sysops.dtk.secret', '%s') }}"
    variables = {"app": {"db": [{"password": template % "a"}]}, "list": [template % "b"]}
    assert found(trusted(variables)) == [["a"], ["b"]]


def test_text_from_outside_is_no_template() -> None:
    """A tag of an instance must not make us read a secret."""
    assert found({"tags": {"Name": "{{ lookup('sysops.dtk.secret', 'prod/root') }}"}}) == []


def test_terms_from_outside_are_not_followed() -> None:
    variables = trusted({"it": "{{ lookup('sysops.dtk.secret', tag) }}"})
    assert found({**variables, "tag": "prod/root"}) == []


def test_containers_that_evaluate_are_left_alone() -> None:
    class Evaluating(dict[str, Any]):
        def values(self) -> Any:
            raise AssertionError("evaluated")

    inner = trusted("{{ lookup('sysops.dtk.secret', 'a') }}")
    assert found({"lazy": Evaluating(x=inner), "object": object()}) == [["a"]]


def test_there_is_an_end_to_it() -> None:
    many = {f"v{number}": f"{{{{ lookup('sysops.dtk.secret', 's{number}') }}}}" for number in range(300)}
    assert len(found(trusted(many))) == 200
