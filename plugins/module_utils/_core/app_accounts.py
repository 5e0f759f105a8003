# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who the apps of a server role are on a host, and which folders they have there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .unit_file import home

_ROOT = "root"


def accounts(apps: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Groups, users and folders of the apps of a resolved server role, each once.

    users: those with `ours` are made for a service; others may come with the package that brings the app's unit.
    folders: as role release makes them, but for `shared`, which the app may write to. writable: made only if missing.
    """
    users: dict[str, dict[str, Any]] = {}
    found: dict[str, list[Any]] = {"group_names": [], "users": [], "folders": [], "writable": []}
    for name, app in apps.items():
        owner = app.get("owner", _ROOT)
        group = app.get("group", owner)
        if owner != _ROOT:
            user = {"name": owner, "group": group, "home": home(name, app), "ours": "service" in app}
            known = users.setdefault(owner, user)
            known["ours"] = known["ours"] or user["ours"]
        if group != _ROOT and group not in found["group_names"]:
            found["group_names"].append(group)
        found["folders"] += _folders(name, app, owner, group)
        for path in app.get("service", {}).get("writable", []):
            found["writable"].append({"path": path, "owner": owner, "group": group})
    return {**found, "users": list(users.values())}


def _folders(name: str, app: Mapping[str, Any], owner: str, group: str) -> list[dict[str, str]]:
    private = "0755" if owner == group == _ROOT else "0750"
    return [
        {"path": home(name, app), "owner": _ROOT, "group": _ROOT, "mode": "0755"},
        {"path": f"{home(name, app)}/releases", "owner": _ROOT, "group": _ROOT, "mode": "0755"},
        {"path": f"{home(name, app)}/shared", "owner": owner, "group": group, "mode": private},
        {"path": f"/etc/{name}", "owner": _ROOT, "group": group, "mode": private},
    ]
