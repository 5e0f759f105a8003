# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Buttons of an Automation Controller: job templates with surveys, workflows, schedules, and who may press them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import controller_kinds as kinds
from .controller_estate import (
    Content,
    Estate,
    Item,
    Place,
    aws_name,
    inventory_name,
    place_of,
    places_of,
    without_nothing,
)

_TYPES = {"textarea": "textarea", "integer": "integer", "text": "text"}
_LONGEST = 1024


def button(estate: Estate, name: str, button: Item) -> Content:
    places = places_of(estate, button)
    if not places:
        return {}
    variable = kinds.WORKFLOWS if button["workflow"] else kinds.TEMPLATES
    make = _workflow if button["workflow"] else _template
    found: Content = {variable: [make(estate, name, button, place) for place in places]}
    schedules = [*_declared_schedules(estate, name, button), *_own_schedule(estate, button)]
    if schedules:
        found[kinds.SCHEDULES] = schedules
    grants = list(_grants(estate, button, places))
    if grants:
        found[kinds.ROLES] = grants
    return found


def _template(estate: Estate, name: str, button: Item, place: Place) -> Item:
    settings = estate.settings
    env = estate.envs.get(place.env, {})
    folder = settings["project"]["playbooks"].strip("/")
    survey = _survey(estate, button, place)
    credentials = [*settings["credentials"], *env.get("credentials", ())]
    if env.get("aws"):
        credentials.append(aws_name(estate, place.env))
    if button["per"] == "estate":
        credentials = [*settings["credentials"], *settings["versions"]["credentials"]]
    return without_nothing(
        name=place.title(button["title"]),
        description=estate.marked(button["about"]),
        organization=settings["organization"],
        project=settings["project"]["name"],
        playbook=f"{folder}/{button['playbook']}.yml".lstrip("/"),
        job_type="check" if button["check"] else "run",
        inventory=inventory_name(estate, place.env or next(iter(estate.envs))),
        execution_environment=settings["execution_environment"]["name"],
        credentials=sorted(set(credentials)),
        instance_groups=env.get("instance_groups") or settings["instance_groups"] or None,
        labels=[estate.label()],
        extra_vars=_extra_vars(estate, button, place),
        ask_variables_on_launch=False,
        survey_enabled=bool(survey),
        survey_spec=survey,
        diff_mode=button["diff"],
        become_enabled=False,
        # A second one begins, and is told who holds the app; in the Controller's queue it would wait for hours unseen.
        allow_simultaneous=True,
        job_slice_count=settings["slices"].get(name, 1),
        webhook_service=settings.get("webhook") if button["every"] else None,
        notification_templates_error=list(settings["notify"]),
        notification_templates_success=list(settings["notify"]) if button["tells"] else [],
    )


def _extra_vars(estate: Estate, button: Item, place: Place) -> Item:
    fixed = {key: value for key, value in (("env", place.env), ("app", place.app), ("role", place.role)) if value}
    url = {"dtk_controller_url": estate.settings["url"].rstrip("/")} if estate.settings["url"] else {}
    return {**estate.envs.get(place.env, {}).get("extra_vars", {}), **url, **button["fixed"], **fixed}


def _survey(estate: Estate, button: Item, place: Place) -> Item | None:
    questions = [_question(estate, button, place, question) for question in button["asks"]]
    if not questions:
        return None
    return {"name": place.title(button["title"]), "description": button["about"], "spec": questions}


def _question(estate: Estate, button: Item, place: Place, question: Item) -> Item:
    choices = _choices(estate, button, place, question)
    kind = "multiplechoice" if choices else _TYPES.get(question["type"], "text")
    default: Any = question["default"]
    if kind == "integer" and default:
        default = int(default)
    return {
        "question_name": question["question"],
        "question_description": question["about"],
        "variable": question["variable"],
        "type": kind,
        "required": question["required"],
        "default": default,
        "min": 0,
        "max": 86400 if kind == "integer" else _LONGEST,
        "choices": choices,
    }


def _choices(estate: Estate, button: Item, place: Place, question: Item) -> list[str]:
    """Values to choose from. Where nothing is published yet, the survey asks for text."""
    return {
        "choice": lambda: list(question["choices"]),
        "app": lambda: estate.apps(place.env),
        "role": lambda: estate.roles(place.env, button.get("having")),
        "env": lambda: [env for env in estate.envs if env != place.env],
        "version": lambda: list(estate.published.get(place.env, {}).get(place.app, ())),
        "strategy": lambda: list(estate.strategies),
    }.get(question["type"], list)()


def _workflow(estate: Estate, name: str, button: Item, place: Place) -> Item:
    settings = estate.settings
    survey = _survey(estate, button, place)
    return without_nothing(
        name=place.title(button["title"]),
        description=estate.marked(button["about"]),
        organization=settings["organization"],
        labels=[estate.label()],
        ask_variables_on_launch=False,
        survey_enabled=bool(survey),
        survey_spec=survey,
        allow_simultaneous=True,
        notification_templates_error=list(settings["notify"]),
        notification_templates_success=list(settings["notify"]),
        notification_templates_approvals=list(settings["notify"]),
        workflow_nodes=[_node(estate, place, node) for node in button["workflow"]],
    )


def _node(estate: Estate, place: Place, node: Item) -> Item:
    if node.get("approval"):
        runs = {
            "name": place.title(node["approval"]).partition("?")[0] + "?",
            "description": place.title(node["approval"]),
            "timeout": estate.settings["approval_timeout"],
            "type": "workflow_approval",
        }
    else:
        runs = {
            "name": place.title(estate.buttons[node["button"]]["title"]),
            "organization": {"name": estate.settings["organization"]},
            "type": "job_template",
        }
    related = {
        f"{when}_nodes": [{"identifier": other} for other in node[when]] for when in ("success", "failure", "always")
    }
    return {"identifier": node["id"], "unified_job_template": runs, "related": related}


def _declared_schedules(estate: Estate, name: str, button: Item) -> Iterator[Item]:
    for item in estate.settings["schedules"]:
        if item["button"] == name:
            title = place_of(item).title(button["title"])
            yield _schedule(estate, title, title, item["rrule"], item["answers"])


def _own_schedule(estate: Estate, button: Item) -> Iterator[Item]:
    minutes = estate.settings["versions"]["every"]
    if button["every"] and minutes:
        rule = f"DTSTART:20260101T000000Z RRULE:FREQ=MINUTELY;INTERVAL={minutes}"
        yield _schedule(estate, f"{button['title']} every {minutes} minutes", button["title"], rule, {})


def _schedule(estate: Estate, name: str, template: str, rrule: str, answers: Mapping[str, Any]) -> Item:
    return {
        "name": name,
        "description": estate.marked(),
        "unified_job_template": template,
        "organization": estate.settings["organization"],
        "rrule": rrule,
        "extra_data": dict(answers),
        "enabled": True,
    }


def _grants(estate: Estate, button: Item, places: Sequence[Place]) -> Iterator[Item]:
    """Who may press it, and who answers its questions. Nobody but admins edits."""
    teams = estate.settings["teams"]
    key = "workflows" if button["workflow"] else "job_templates"
    for team in ("developers", "approvers"):
        names = [place.title(button["title"]) for place in places if team in _who(estate, button, place)]
        if names:
            yield _grant(estate, teams[team], "execute", key, names)
    names = [place.title(button["title"]) for place in places]
    # Whoever answers has to see what came before.
    if button["workflow"]:
        yield _grant(estate, teams["approvers"], "approval", key, names)
    unseen = [place.title(button["title"]) for place in places if "approvers" not in _who(estate, button, place)]
    if unseen:
        yield _grant(estate, teams["approvers"], "read", key, unseen)


def _grant(estate: Estate, team: str, role: str, key: str, names: Sequence[str]) -> Item:
    return {"teams": [team], "role": role, key: list(names), "lookup_organization": estate.settings["organization"]}


def _who(estate: Estate, button: Item, place: Place) -> tuple[str, ...]:
    production = estate.envs[place.env]["production"] if place.env else True
    who = button["who"]["production" if production else "other"]
    return {"developers": ("developers", "approvers"), "approvers": ("approvers",)}.get(who, ())
