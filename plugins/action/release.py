# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of module release: see plugin_utils.on_host."""

from __future__ import annotations

from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import host
from ansible_collections.sysops.dtk.plugins.plugin_utils.on_host import OnHostAction


class ActionModule(OnHostAction):
    """Runs module release."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=host.RELEASE_OPTIONS)
        answer = self._ask_program(task_vars or {}, {"options": options})
        if answer is None:
            answer = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        return {**result, **answer}
