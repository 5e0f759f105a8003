# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Automation Controller should hold, made from an estate."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.awx.awx.plugins.module_utils.controller_api import ControllerAPIModule
from ansible_collections.sysops.dtk.plugins.module_utils import controllers
from ansible_collections.sysops.dtk.plugins.module_utils._core import controller_kinds as kinds
from ansible_collections.sysops.dtk.plugins.module_utils._core.strategies import PRESETS

from tests.unit.controller.estate import OBJECTS, ROWS, arguments, buttons, settings
from tests.unit.controller.options import OPTIONS

MANY = [
    {"env": f"env{env}", "role": f"role{role}", "apps": [f"app{role}a", f"app{role}b"], "image": True, "fleet": False}
    for env in range(6)
    for role in range(3)
]


def made(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    return controllers.content(controllers.make_files(**arguments(**changes)))


def by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def holders(whole: dict[str, Any], role: str, name: str) -> set[str]:
    """The teams that have a role in a template or workflow."""
    return {
        team
        for item in whole["controller_roles"]
        if item["role"] == role and name in [*item.get("job_templates", ()), *item.get("workflows", ())]
        for team in item["teams"]
    }


def test_the_same_estate_makes_the_same_content() -> None:
    assert json.dumps(made()) == json.dumps(made())


def test_every_key_is_an_option_of_the_module() -> None:
    """So that infra.aap_configuration, which hands these options on, can apply it unchanged."""
    assert ControllerAPIModule  # the collection is the one that is tested with
    for variable, items in made().items():
        what = kinds.KINDS.get(variable, kinds.GRANTS)
        for item in items:
            assert set(item) <= OPTIONS[what.module], variable


def test_names_are_there_once() -> None:
    for variable, items in made().items():
        if variable != kinds.ROLES:
            names = [item["name"] for item in items]
            assert len(names) == len(set(names)), variable


def test_what_is_referred_to_is_declared() -> None:
    whole = made()
    known = {variable: {item["name"] for item in items if "name" in item} for variable, items in whole.items()}
    known[kinds.TYPES] = {*known[kinds.TYPES], "Machine"}
    known[kinds.TEMPLATES] = known[kinds.TEMPLATES] | known[kinds.WORKFLOWS]
    for variable, items in whole.items():
        what = kinds.KINDS.get(variable, kinds.GRANTS)
        for item in items:
            for name, target in what.refs.items():
                assert item.get(name) in {None, "", *known[target]}, (variable, item["name"], name)
            for name, target in what.lists.items():
                assert set(item.get(name) or ()) <= known.get(target, set()), (variable, item["name"], name)
    for item in whole[kinds.ROLES]:
        assert set(item["teams"]) <= known[kinds.TEAMS]


def test_developers_execute_but_in_production_where_they_ask() -> None:
    whole = made()
    assert holders(whole, "execute", "Deploy shop to beta") == {"Developers", "SysOps"}
    assert holders(whole, "execute", "Deploy shop to prod") == {"SysOps"}
    assert holders(whole, "execute", "Roll back shop in prod") == {"SysOps"}
    assert holders(whole, "execute", "Status of prod") == {"Developers", "SysOps"}
    assert holders(whole, "execute", "Promote shop to prod") == {"Developers", "SysOps"}
    assert holders(whole, "approval", "Promote shop to prod") == {"SysOps"}
    edits = {(team, item["role"]) for item in whole["controller_roles"] for team in item["teams"]}
    assert {team for team, role in edits if role not in ("execute", "read", "approval")} == {"Controller admins"}


def test_nobody_types_what_the_survey_does_not_ask() -> None:
    whole = made()
    for item in [*whole["controller_templates"], *whole["controller_workflows"]]:
        assert item["ask_variables_on_launch"] is False
        fixed = set(item.get("extra_vars", ()))
        assert not fixed & {question["variable"] for question in (item.get("survey_spec") or {"spec": []})["spec"]}


def test_surveys_offer_what_there_is() -> None:
    whole = by_name(made()["controller_templates"])
    asked = {question["variable"]: question for question in whole["Deploy shop to beta"]["survey_spec"]["spec"]}
    assert (asked["version"]["type"], asked["version"]["choices"]) == ("multiplechoice", ["1.1.0", "1.0.0"])
    assert asked["preset"]["choices"] == list(PRESETS)
    assert whole["Deploy shop to prod"]["extra_vars"] == {
        "dtk_bucket": "releases-prod",
        "dtk_controller_url": "https://controller.example.com",
        "env": "prod",
        "app": "shop",
    }
    compare = {question["variable"]: question for question in whole["Compare settings of prod"]["survey_spec"]["spec"]}
    assert (compare["app"]["choices"], compare["from"]["choices"]) == (["shop"], ["beta"])


def test_a_survey_asks_for_text_where_nothing_is_published() -> None:
    template = by_name(made(published={})["controller_templates"])["Deploy shop to beta"]
    assert template["survey_spec"]["spec"][0]["type"] == "text"


def test_a_new_release_changes_only_surveys_of_its_app() -> None:
    before, after = made(), made(published={"beta": {"shop": ["1.2.0", "1.1.0"]}, "prod": {"shop": ["1.0.0"]}})
    changed = [
        item["name"]
        for variable in after
        for item, old in zip(after[variable], before[variable], strict=True)
        if item != old
    ]
    assert changed == ["Deploy shop to beta", "Plan shop in beta", "Roll back shop in beta"]


def test_any_number_of_envs_and_apps() -> None:
    envs = {f"env{number}": {"production": number == 0} for number in range(6)}
    whole = made(rows=MANY, settings=settings(envs=envs, roles=["role0", "role1", "role2"]), published={})
    names = by_name(whole["controller_templates"])
    assert len([name for name in names if name.startswith("Deploy ")]) == 6 * 6
    assert len([name for name in names if name.startswith("Status of")]) == 6
    assert not [name for name in names if name.startswith(("Fleet of", "Roll image"))]  # no server role has a fleet
    assert [item["name"] for item in whole["controller_workflows"]] == [
        f"Promote app{role}{letter} to env0" for role in range(3) for letter in "ab"
    ]


def test_a_button_of_the_estate_is_one_more_entry() -> None:
    own = {"title": "Publish {app}", "playbook": "publish_nightly", "per": "app", "only": "other", "needs": ["app"]}
    template = by_name(made(buttons={**buttons(), "nightly": own})["controller_templates"])["Publish shop"]
    assert (template["playbook"], template["survey_enabled"]) == ("playbooks/publish_nightly.yml", False)


def test_files_hold_what_is_released_together() -> None:
    files = controllers.make_files(**arguments())
    assert [name for name in files if not name.startswith("button_")] == ["shared", "env_beta", "env_prod", "estate"]
    assert {name.removeprefix("button_") for name in files if name.startswith("button_")} == set(buttons())
    assert set(files["button_deploy"]) == {"controller_templates", "controller_roles"}
    assert set(files["button_promote_release"]) == {"controller_workflows", "controller_roles"}


def test_our_mark_is_on_everything_that_can_carry_one() -> None:
    for variable, items in made().items():
        for item in items if variable in kinds.KINDS else ():
            mark = kinds.KINDS[variable].mark
            assert mark == "none" or "[dtk]" in item["description"]
            assert mark != "label" or "dtk" in item["labels"]


def test_status_may_be_sliced() -> None:
    template = by_name(made(settings=settings(slices={"status": 4}))["controller_templates"])["Status of prod"]
    assert template["job_slice_count"] == 4


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a["settings"].pop("organization"), "dtk_controller.organization is missing"),
        (lambda a: a["settings"]["envs"].update(Prod={}), "dtk_controller.envs has the name 'Prod'"),
        (
            lambda a: a["settings"]["envs"]["beta"].update(roles=["ap"]),
            "has ap; dtk_controller.roles lacks it; did you",
        ),
        (
            lambda a: a["settings"].update(slices={"deploy": 2}),
            "none would see the failures of the others; leave it out",
        ),
        (lambda a: a["settings"].update(slices={"statos": 2}), "is no button; did you mean status?"),
        (lambda a: a["settings"].update(notify=["mail"]), "mail, which controller_notifications does not declare"),
        (
            lambda a: a["settings"].update(
                schedules=[{"button": "status", "env": "gone", "rrule": "DTSTART:1 RRULE:2"}]
            ),
            "dtk_controller.schedules[0] is where no button status is",
        ),
        (lambda a: a["buttons"]["deploy"]["asks"].append({"variable": "x", "question": "?"}), "x, which the playbook"),
        (lambda a: a["buttons"]["deploy"].update(asks=[], reads=[]), "needs has version, which nobody gives"),
        (lambda a: a["buttons"]["deploy"].update(workflow=[{"id": "x"}]), "either a playbook or a workflow"),
        (
            lambda a: a["buttons"]["promote_release"]["workflow"][0].update(success=["x"]),
            "workflow.plan leads to x, which is no node",
        ),
        (
            lambda a: a["buttons"]["promote_release"]["workflow"][0].update(button="status"),
            "workflow.plan.button is status; it must be a button per app.",
        ),
        (lambda a: a["objects"].update(controller_users=[]), "controller_users is no kind of object that is managed"),
        (
            lambda a: a["objects"].update(controller_roles=[{"users": ["eve"], "role": "admin"}]),
            "grants admin to users; grant it to a team",
        ),
    ],
)
def test_bad_input(change: Change, message: str) -> None:
    given = arguments()
    change(given)
    with pytest.raises(controllers.ContentError) as caught:
        controllers.make_files(**given)
    assert message in str(caught.value)


def test_all_problems_at_once() -> None:
    with pytest.raises(controllers.ContentError, match="dtk_controller has 2 problems"):
        controllers.make_files(**arguments(settings=settings(slices={"deploy": 2, "rollback": 3})))


def test_strategies() -> None:
    declared = {"waves": [1], "budget": 1, "per_az": True}
    assert controllers.strategy(declared, "", {}) == declared
    assert controllers.strategy(declared, "as declared", {}) == declared
    assert controllers.strategy(declared, "halves", {}) == {
        **declared,
        "waves": ["50%", "100%"],
        "budget": 0,
        "bake": 0,
    }
    assert controllers.strategy(declared, "own", {"own": {"bake": 9}})["bake"] == 9
    with pytest.raises(controllers.CoreError, match="did you mean halves"):
        controllers.strategy(declared, "halvs", {})
    with pytest.raises(controllers.CoreError, match=r"dtk_strategies.own.wave is no key"):
        controllers.strategy(declared, "own", {"own": {"wave": 9}})


def test_what_the_estate_declares_is_left_as_it_is_but_for_the_mark() -> None:
    before = json.dumps(OBJECTS)
    whole = by_name(made()["controller_credentials"])
    assert (whole["ssh"]["inputs"], whole["ssh"]["update_secrets"]) == (
        OBJECTS["controller_credentials"][0]["inputs"],
        False,
    )
    assert json.dumps(OBJECTS) == before
    assert [row["env"] for row in ROWS] == ["beta", "prod"]
