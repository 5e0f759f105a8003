# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: fleets as data, for the filters."""

from __future__ import annotations

from typing import Any

from ._core.errors import CoreError
from ._core.fleet import FleetError, check, resolve
from ._core.fleet_keys import FLEET
from ._core.server_role import schema as _schema_of_server_role

__all__ = ["CoreError", "FleetError", "check", "resolve", "schema"]


def schema() -> dict[str, Any]:
    """JSON Schema of a server role's file with its fleet, for editors."""
    whole, fleet = _schema_of_server_role(), FLEET.schema()
    # The same again for an env; it is said once.
    (envs,) = (kind for kind in fleet["properties"]["envs"]["anyOf"] if kind.get("type") == "object")
    envs["additionalProperties"] = {"$ref": "#/properties/dtk_fleet"}
    about = "The fleet of the server role: what Auto Scaling starts, and where."
    return {**whole, "properties": {**whole["properties"], "dtk_fleet": {"description": about, **fleet}}}
