# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of modules that start something in AWS and wait for it: they tell meanwhile how far it is.

Where the module has to run, it is called again and again for a short while, since it is silent until it ends.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display

from .worker import WorkerAction

display = Display()

# Of one call of the module: as long as may pass until a transition is told.
_SECONDS = 30


def tell(name: str, text: str) -> None:
    display.display(f"{name} {text}")


class FollowingAction(WorkerAction):
    """Follows what one call of the module has begun by further calls of it."""

    asked_once: ClassVar[tuple[str, ...]]  # options of the first call alone
    told_once: ClassVar[tuple[str, ...]]  # results that only the first call knows

    def waits(self, given: dict[str, Any]) -> bool:
        """Whether what is asked for takes its time at all."""
        raise NotImplementedError

    def begun(self, result: dict[str, Any]) -> dict[str, Any]:
        """Options that name what the first call has begun; none if it has begun nothing."""
        raise NotImplementedError

    def _by_module(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        given = self._task.args
        silent = self._task.async_val or self._task.check_mode or not self.waits(given)
        if silent or not boolean(given.get("wait", True)):
            return super()._by_module(task_vars)
        until = time.monotonic() + int(given.get("wait_timeout", self.options["wait_timeout"]["default"]))
        first = self._ask({**given, "wait": False}, task_vars)
        followed = {} if first.get("failed") else self.begun(first)
        return self._follow(first, followed, until, task_vars) if followed else first

    def _follow(
        self, first: dict[str, Any], followed: dict[str, Any], until: float, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        given = {key: value for key, value in self._task.args.items() if key not in self.asked_once} | followed
        progress: list[str] = []
        while True:
            left = max(0, int(until - time.monotonic()))
            result = self._ask({**given, "wait": True, "wait_timeout": min(_SECONDS, left)}, task_vars)
            for text in result.get("progress", ()):
                if progress[-1:] != [text]:
                    progress.append(text)
                    tell(str(given.get("name") or given.get("group_name")), text)
            if not result.get("timed_out") or left <= _SECONDS:
                return {**result, **{key: first[key] for key in self.told_once}, "progress": progress}

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return self._execute_module(module_args=arguments, task_vars=task_vars)
