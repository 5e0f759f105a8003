# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of module image_build, which tells how far a build is while it waits."""

from __future__ import annotations

from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import clients, image_builds
from ansible_collections.sysops.dtk.plugins.plugin_utils.following import FollowingAction, tell


def _answer(options: dict[str, Any], client: clients.Client, clock: clients.Clock, check: bool) -> dict[str, Any]:
    return image_builds.answer_build(options, client, clock, check, lambda text: tell(options["name"], text))


class ActionModule(FollowingAction):
    options = image_builds.BUILD_OPTIONS
    answer = staticmethod(_answer)
    asked_once = ("recipe_arn", "rebuild", "tags")
    told_once = ("started", "attached", "changed")

    def waits(self, given: dict[str, Any]) -> bool:
        return given.get("state") != "cancelled"

    def begun(self, result: dict[str, Any]) -> dict[str, Any]:
        return {"image_arn": result["image"]["arn"]} if result["started"] or result["attached"] else {}
