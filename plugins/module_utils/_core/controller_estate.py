# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An estate as its Automation Controller sees it: settings, envs, server roles, apps, and where each button stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]
Content = dict[str, list[Item]]


@dataclass(frozen=True)
class Place:
    """Where a button stands: in which env, for which app or server role."""

    env: str = ""
    app: str = ""
    role: str = ""

    def title(self, text: str) -> str:
        return text.format(env=self.env, app=self.app, role=self.role)


@dataclass(frozen=True)
class Estate:
    """rows: one for each server role in each env, {env, role, apps, image, fleet}. published: env to app to versions
    (the newest first). strategies: their names.
    """

    settings: Item
    rows: Sequence[Mapping[str, Any]]
    buttons: Mapping[str, Item]
    published: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    strategies: Sequence[str] = ()

    @property
    def envs(self) -> Mapping[str, Item]:
        return self.settings["envs"]

    def roles(self, env: str, having: str | None) -> list[str]:
        return sorted({row["role"] for row in self.rows if row["env"] == env and (not having or row.get(having))})

    def apps(self, env: str) -> list[str]:
        return sorted({app for row in self.rows if row["env"] == env for app in row["apps"]})

    def label(self) -> str:
        return self.settings["label"]

    def marked(self, text: str = "") -> str:
        """A description by which one sees that an object is ours."""
        return f"{text} [{self.label()}]".strip()


def places_of(estate: Estate, button: Item) -> list[Place]:
    if button["per"] == "estate":
        return [Place()]
    return [place for env in estate.envs if _is_in(estate, button, env) for place in _places_in(estate, button, env)]


def _is_in(estate: Estate, button: Item, env: str) -> bool:
    production = estate.envs[env]["production"]
    return {"all": True, "production": production, "other": not production}[button["only"]]


def _places_in(estate: Estate, button: Item, env: str) -> list[Place]:
    if button["per"] == "app":
        return [Place(env, app=app) for app in estate.apps(env)]
    roles = estate.roles(env, button.get("having"))
    if button["per"] == "role":
        return [Place(env, role=role) for role in roles]
    return [Place(env)] if roles else []


def place_of(item: Mapping[str, Any]) -> Place:
    return Place(item.get("env", ""), item.get("app", ""), item.get("role", ""))


def place_variables(button: Item) -> tuple[str, ...]:
    return {"app": ("env", "app"), "role": ("env", "role"), "env": ("env",), "estate": ()}[button["per"]]


def aws_name(estate: Estate, env: str) -> str:
    return f"AWS {estate.settings['organization']} {env}"


def inventory_name(estate: Estate, env: str) -> str:
    return f"{estate.settings['organization']} {env}"


def without_nothing(**given: Any) -> Item:
    return {key: value for key, value in given.items() if value is not None}
