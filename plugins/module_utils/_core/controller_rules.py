# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the settings and buttons of an Automation Controller, beyond what their keys may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import controller_kinds as kinds
from .controller_estate import Estate, Item, place_of, place_variables, places_of
from .shape import near


def wrong(estate: Estate, objects: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrong_envs(estate)
    yield from _wrong_buttons(estate)
    yield from _wrong_slices(estate)
    yield from _wrong_names(estate, objects)
    yield from _wrong_schedules(estate)


def _wrong_envs(estate: Estate) -> Iterator[str]:
    known = estate.settings["roles"]
    for env, item in estate.envs.items():
        for role in item.get("roles", ()):
            if role not in known:
                yield f"dtk_controller.envs.{env}.roles has {role}; dtk_controller.roles lacks it; {near(role, known)}"


def _wrong_buttons(estate: Estate) -> Iterator[str]:
    for name, button in estate.buttons.items():
        path = f"buttons.{name}"
        if bool(button.get("playbook")) == bool(button["workflow"]):
            yield f"{path} must have either a playbook or a workflow."
        asked = {question["variable"] for question in button["asks"]}
        read = {*button["needs"], *button["reads"]}
        for variable in sorted(asked - read) if button.get("playbook") else ():
            yield f"{path}.asks has {variable}, which the playbook does not read; name it in needs or reads."
        given = asked | set(button["fixed"]) | set(place_variables(button))
        for variable in sorted(set(button["needs"]) - given) if button.get("playbook") else ():
            yield f"{path}.needs has {variable}, which nobody gives; add a question to asks, or a value to fixed."
        yield from _wrong_nodes(estate, name, button)


def _wrong_nodes(estate: Estate, name: str, button: Item) -> Iterator[str]:
    ids = [node["id"] for node in button["workflow"]]
    for node in button["workflow"]:
        path = f"buttons.{name}.workflow.{node['id']}"
        pressed = node.get("button")
        if bool(pressed) == bool(node.get("approval")):
            yield f"{path} must have either a button or an approval."
        if pressed and (pressed not in estate.buttons or estate.buttons[pressed]["per"] != button["per"]):
            yield f"{path}.button is {pressed}; it must be a button per {button['per']}."
        for target in (*node["success"], *node["failure"], *node["always"]):
            if target not in ids:
                yield f"{path} leads to {target}, which is no node; {near(target, ids)}"


def _wrong_slices(estate: Estate) -> Iterator[str]:
    for name, count in estate.settings["slices"].items():
        path = f"dtk_controller.slices.{name}"
        if name not in estate.buttons:
            yield f"{path} is no button; {near(name, list(estate.buttons))}"
        elif count > 1 and estate.buttons[name]["slices"] == "refused":
            yield (
                f"{path} is {count}, but each slice would make a plan of its own, and none would see the failures of "
                "the others; leave it out."
            )


def _wrong_names(estate: Estate, objects: Mapping[str, Any]) -> Iterator[str]:
    for variable, items in objects.items():
        if variable not in kinds.VARIABLES:
            yield f"{variable} is no kind of object that is managed here; {near(variable, kinds.VARIABLES)}"
        for item in items if variable == kinds.ROLES else ():
            if item.get("user") or item.get("users"):
                yield f"{variable} grants {item.get('role')} to users; grant it to a team, and manage who is in that."
    told = [item["name"] for item in objects.get(kinds.NOTIFICATIONS, ())]
    for name in estate.settings["notify"]:
        if name not in told:
            yield f"dtk_controller.notify has {name}, which controller_notifications does not declare."


def _wrong_schedules(estate: Estate) -> Iterator[str]:
    for index, item in enumerate(estate.settings["schedules"]):
        path = f"dtk_controller.schedules[{index}]"
        button = estate.buttons.get(item["button"])
        if button is None:
            yield f"{path}.button is {item['button']}; {near(item['button'], list(estate.buttons))}"
        elif place_of(item) not in places_of(estate, button):
            yield f"{path} is where no button {item['button']} is; there is one per {button['per']} ({button['only']})."
