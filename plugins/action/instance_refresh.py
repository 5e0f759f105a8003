# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of module instance_refresh, which tells how far a refresh is while it waits."""

from __future__ import annotations

from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import clients, instance_refreshes
from ansible_collections.sysops.dtk.plugins.plugin_utils.following import FollowingAction, tell


def _answer(options: dict[str, Any], client: clients.Client, clock: clients.Clock, check: bool) -> dict[str, Any]:
    return instance_refreshes.answer(options, client, clock, check, lambda text: tell(options["name"], text))


class ActionModule(FollowingAction):
    options = instance_refreshes.OPTIONS
    answer = staticmethod(_answer)
    asked_once = ("preferences", "desired_configuration", "image_id", "instance_refresh_id")
    told_once = ("started", "attached", "changed", "text", "replacing", "launch_template")

    def waits(self, given: dict[str, Any]) -> bool:
        return given.get("state") == "started"

    def begun(self, result: dict[str, Any]) -> dict[str, Any]:
        refresh = result["instance_refresh"]
        return {"instance_refresh_id": refresh["instance_refresh_id"]} if refresh else {}
