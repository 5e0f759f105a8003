# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that are about no object: who am I, are you there, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dateutil import rrule

from . import seeds, tables
from .bulk import Bulk
from .fields import InvalidError
from .refusals import RefusalError
from .rules import rule_set
from .schema import Route
from .store import Row
from .world import World

Answer = tuple[int, Any, str | None]
_BULK = ("host_create", "host_delete", "job_launch")
_PREVIEWED = 10  # serializers: SchedulePreview shows so many


class Singles:
    """All of them, by path."""

    def __init__(self, world: World) -> None:
        self._world = world
        bulk = Bulk(world)
        self._by_template: dict[str, Callable[[Any, Row | None, Route], Answer]] = {
            "/api/": self._root,
            "/api/{version}/": self._version,
            "/api/{version}/ping/": self._ping,
            "/api/{version}/config/": self._config,
            "/api/{version}/me/": self._me,
            "/api/{version}/auth/": lambda *_: (200, {}, None),
            "/api/{version}/settings/": self._categories,
            "/api/{version}/settings/{category_slug}/": self._settings,
            "/api/{version}/schedules/preview/": self._preview,
            "/api/{version}/bulk/": lambda *_: (200, {name: f"/api/v2/bulk/{name}/" for name in _BULK}, None),
            "/api/{version}/bulk/host_create/": bulk.create_hosts,
            "/api/{version}/bulk/host_delete/": bulk.delete_hosts,
            "/api/{version}/bulk/job_launch/": bulk.launch,
        }

    def find(self, route: Route) -> Callable[[Any, Row | None, Route], Answer] | None:
        found = self._by_template.get(route.template)
        served = len(route.parts) == 1 and route.parts[0] in {*self._world.schema.kinds, *tables.UNIONS}
        if not found and not served and "{id}" not in route.template:
            raise RefusalError.unserved(route.template)
        return found

    def _root(self, *_: Any) -> Answer:
        root = {
            "description": "AWX REST API",
            "current_version": "/api/v2/",
            "available_versions": {"v2": "/api/v2/"},
            "oauth2": "/api/o/",
            "custom_logo": "",
            "custom_login_info": "",
            "login_redirect_override": "",
        }
        return 200, root, None

    def _version(self, *_: Any) -> Answer:
        kinds = [*self._world.schema.kinds, *tables.UNIONS, "ping", "config", "me", "settings"]
        return 200, {kind: f"/api/v2/{kind}/" for kind in sorted(kinds)}, None

    def _ping(self, *_: Any) -> Answer:
        store = self._world.store
        instances = [
            {"node": row["hostname"], "node_type": row["node_type"], "capacity": 59} for row in store.all("instances")
        ]
        groups = [
            {"name": row.name, "capacity": 59, "instances": [one["hostname"] for one in store.linked(row, "instances")]}
            for row in store.all("instance_groups")
        ]
        ping = {"ha": False, "version": seeds.VERSION, "active_node": seeds.NODE}
        return 200, ping | {"instances": instances, "instance_groups": groups}, None

    def _config(self, request: Any, _user: Row | None, _route: Route) -> Answer:
        if request.method != "GET":
            raise RefusalError(501, {"detail": "This Controller has no subscription to attach."})
        config = {
            "time_zone": "UTC",
            "version": seeds.VERSION,
            "eula": "",
            "analytics_status": "off",
            "license_info": {"license_type": "open", "valid_key": True, "subscription_name": "OPEN"},
        }
        return 200, config, None

    def _me(self, request: Any, user: Row | None, _route: Route) -> Answer:
        frame, _ = self._world.lister.page(request.path, [user], [])
        return 200, frame | {"results": [self._world.presenter.show(user, user)]}, "[User]"

    # --- settings ---

    def _categories(self, request: Any, _user: Row | None, _route: Route) -> Answer:
        category = {"url": "/api/v2/settings/all/", "slug": "all", "name": "All"}
        frame, _ = self._world.lister.page(request.path, [category], [])
        return 200, frame | {"results": [category]}, "[SettingCategory]"

    def _settings(self, request: Any, user: Row | None, route: Route) -> Answer:
        world = self._world
        if route.parameters["category_slug"] != "all":
            raise RefusalError(501, {"detail": "This Controller serves its settings as a whole: settings/all/."})
        if not user["is_superuser"] and not (request.method == "GET" and user["is_system_auditor"]):
            raise RefusalError.forbidden()
        if request.method == "DELETE":
            world.settings |= seeds.settings(world.schema)
            return 204, None, None
        if request.method in {"PUT", "PATCH"}:
            values = world.read("SettingSingleton", "settings", request.body, partial=True)
            world.settings |= {
                name: world.store.vault.seal(value) if seeds.is_secret_setting(name) else value
                for name, value in values.items()
                if value != tables.ENCRYPTED
            }
        return 200, seeds.shown_settings(world.settings), "SettingSingleton"

    def _preview(self, request: Any, _user: Row | None, _route: Route) -> Answer:
        text = (request.body or {}).get("rrule")
        if not text:
            raise InvalidError({"rrule": ["This field is required."]})
        times: rrule.rruleset = rule_set(text)
        found = [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time, _ in zip(times, range(_PREVIEWED), strict=False)]
        return 200, {"local": found, "utc": found}, None
