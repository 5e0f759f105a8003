# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of a host say ahead of time, as the lookups use it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.template import trust_as_template

from tests.emulation import Emulation
from tests.unit.lookup.harness import SECRET, SSM, Direct, run

pytestmark = pytest.mark.usefixtures("here")


def lookups(plugin: str, *terms: str, options: str = "") -> dict[str, str]:
    return {
        f"v{number}": trust_as_template(f"{{{{ lookup('{plugin}', '{term}'{options}) }}}}")
        for number, term in enumerate(terms)
    }


@pytest.fixture
def settings(cloud: Emulation) -> list[str]:
    names = [f"/p/k{number:02}" for number in range(50)]
    for name in names:
        cloud.client("ssm").put_parameter(Name=name, Value=name, Type="String")
    cloud.reset()
    return names


@pytest.fixture
def secrets(cloud: Emulation) -> list[str]:
    names = [f"p/s{number}" for number in range(10)]
    for name in names:
        cloud.client("secretsmanager").create_secret(Name=name, SecretString=f"value of {name}")
    cloud.reset()
    return names


def test_fifty_settings_are_five_calls(cloud: Emulation, settings: list[str]) -> None:
    variables = lookups(SSM, *settings)
    assert [run(SSM, name, variables=variables) for name in settings] == [[name] for name in settings]
    assert cloud.calls() == {"ssm:GetParameters:eu-west-1": 5}


def test_ten_secrets_are_one_call(cloud: Emulation, secrets: list[str]) -> None:
    variables = lookups(SECRET, *secrets)
    assert [run(SECRET, name, variables=variables) for name in secrets] == [[f"value of {name}"] for name in secrets]
    assert cloud.calls() == {"secretsmanager:BatchGetSecretValue:eu-west-1": 1}


def test_trees_among_them_are_read_too(cloud: Emulation, settings: list[str]) -> None:
    variables = lookups(SSM, settings[0], "/p")
    assert run(SSM, settings[0], variables=variables) == [settings[0]]
    before = cloud.calls()
    (tree,) = run(SSM, "/p", variables=variables)
    assert len(tree) == 50
    assert cloud.calls() == before


def test_layers_are_read_ahead_for_layers(cloud: Emulation, settings: list[str]) -> None:
    variables = {"other": trust_as_template("{{ lookup('sysops.dtk.ssm_config', '/none', '/p') }}")}
    run(SSM, "/p", "/p/", variables=variables, on_missing="skip")
    before = cloud.calls()["ssm:GetParametersByPath:eu-west-1"]
    run(SSM, "/none", "/p")
    assert cloud.calls()["ssm:GetParametersByPath:eu-west-1"] == before


@pytest.mark.parametrize(
    ("options", "mine"),
    [(", region='eu-west-2'", {}), ("", {"region": "eu-west-2"}), ("", {"read_ahead": False})],
)
def test_only_the_same_place_and_if_it_may(
    cloud: Emulation, secrets: list[str], options: str, mine: dict[str, Any], here: Direct
) -> None:
    run(SECRET, secrets[0], variables=lookups(SECRET, *secrets, options=options), on_missing="skip", **mine)
    assert not here.questions[-1].get("hints")
    assert sum(cloud.calls().values()) == 1


def test_what_decides_nothing_about_the_fetch_may_differ(cloud: Emulation, secrets: list[str]) -> None:
    run(SECRET, secrets[0], variables=lookups(SECRET, *secrets, options=", key='k', on_missing='skip'"))
    assert cloud.calls() == {"secretsmanager:BatchGetSecretValue:eu-west-1": 1}


def test_a_version_is_asked_for_alone(cloud: Emulation, secrets: list[str]) -> None:
    variables = lookups(SECRET, *secrets, options=", version_stage='AWSCURRENT'")
    assert run(SECRET, secrets[0], variables=variables, version_stage="AWSCURRENT") == [f"value of {secrets[0]}"]
    assert cloud.calls() == {"secretsmanager:GetSecretValue:eu-west-1": 1}


def test_hints_that_fail_are_forgotten_and_not_tried_again(cloud: Emulation, settings: list[str]) -> None:
    """One name that may not be read makes the whole call fail."""
    variables = lookups(SSM, settings[0], settings[1], "/p/denied", "/p/@@nonsense")
    cloud.fault("ssm:GetParameters", "AccessDeniedException", times=1)
    assert run(SSM, settings[0], variables=variables) == [settings[0]]
    before = cloud.calls()
    assert run(SSM, settings[1], variables=variables) == [settings[1]]
    assert cloud.calls() == before


def test_a_batch_that_fails_costs_what_is_wanted_one_more_call(cloud: Emulation, secrets: list[str]) -> None:
    cloud.fault("secretsmanager:BatchGetSecretValue", "AccessDeniedException")
    variables = lookups(SECRET, *secrets)
    assert run(SECRET, secrets[0], variables=variables) == [f"value of {secrets[0]}"]
    assert run(SECRET, secrets[1], variables=variables) == [f"value of {secrets[1]}"]
    assert cloud.calls() == {
        "secretsmanager:BatchGetSecretValue:eu-west-1": 1,
        "secretsmanager:GetSecretValue:eu-west-1": 2,
    }
