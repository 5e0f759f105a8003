# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as Ansible reads them."""

from __future__ import annotations

from typing import Any

import yaml

from .store import Row, Store


def script(store: Store, inventory: Row, *, hostvars: bool) -> dict[str, Any]:
    """What an inventory script prints (models: `Inventory.get_script_data`)."""
    hosts = [host for host in store.where("hosts", inventory=inventory.id) if host["enabled"]]
    groups = store.where("groups", inventory=inventory.id)
    grouped = {host.id for group in groups for host in store.linked(group, "hosts")}
    found: dict[str, Any] = {"all": _group(inventory, [host for host in hosts if host.id not in grouped])}
    for group in groups:
        members = [host for host in store.linked(group, "hosts") if host["enabled"]]
        found[group.name] = _group(group, members)
        children = [child.name for child in store.linked(group, "children")]
        if children:
            found[group.name]["children"] = children
    if hostvars:
        found["_meta"] = {"hostvars": {host.name: _variables(host) for host in hosts}}
    return found


def _group(row: Row, hosts: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"hosts": [host.name for host in hosts]} if hosts else {}
    variables = _variables(row)
    return found | ({"vars": variables} if variables else {})


def _variables(row: Row) -> dict[str, Any]:
    return yaml.safe_load(row["variables"] or "{}") or {}
