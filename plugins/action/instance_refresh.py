# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of module instance_refresh, which tells how far a refresh is while it waits.

Where the module has to run, it is called again and again for a short while, since it is silent until it ends.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display
from ansible_collections.sysops.dtk.plugins.module_utils import clients, instance_refreshes
from ansible_collections.sysops.dtk.plugins.plugin_utils.worker import WorkerAction

display = Display()

# Of one call of the module: as long as may pass until a transition is told.
_SECONDS = 30
_ASKED_ONCE = ("preferences", "desired_configuration", "image_id", "instance_refresh_id")


def _answer(options: dict[str, Any], client: clients.Client, clock: clients.Clock, check: bool) -> dict[str, Any]:
    return instance_refreshes.answer(options, client, clock, check, lambda text: _tell(options["name"], text))


def _tell(name: str, text: str) -> None:
    display.display(f"{name} {text}")


class ActionModule(WorkerAction):
    options = instance_refreshes.OPTIONS
    answer = staticmethod(_answer)

    def _by_module(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        given = self._task.args
        silent = self._task.async_val or self._task.check_mode or given.get("state") != "started"
        if silent or not boolean(given.get("wait", True)):
            return super()._by_module(task_vars)
        until = time.monotonic() + int(given.get("wait_timeout", self.options["wait_timeout"]["default"]))
        begun = self._ask({**given, "wait": False}, task_vars)
        if begun.get("failed") or not begun["instance_refresh"]:
            return begun
        return self._follow(begun, until, task_vars)

    def _follow(self, begun: dict[str, Any], until: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in self._task.args.items() if key not in _ASKED_ONCE}
        given["instance_refresh_id"] = begun["instance_refresh"]["instance_refresh_id"]
        progress: list[str] = []
        while True:
            left = max(0, int(until - time.monotonic()))
            result = self._ask({**given, "wait": True, "wait_timeout": min(_SECONDS, left)}, task_vars)
            for text in result.get("progress", ()):
                if progress[-1:] != [text]:
                    progress.append(text)
                    _tell(str(given.get("name") or given.get("group_name")), text)
            if not result.get("timed_out") or left <= _SECONDS:
                same = ("started", "attached", "changed", "text", "replacing", "launch_template")
                return {**result, **{key: begun[key] for key in same}, "progress": progress}

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return self._execute_module(module_args=arguments, task_vars=task_vars)
