# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of modules that talk to AWS from the controller: in Ansible's own worker process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible_collections.sysops.dtk.plugins.module_utils import clients

try:
    # Here, since Ansible loads this file once in the parent of its workers: none of them has to do it again.
    import botocore.session
except ImportError:
    botocore = None

# Only the modules of amazon.aws know these.
FOREIGN_VARIABLES = ("ANSIBLE_DEBUG_BOTOCORE_LOGS", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_URL")

Answer = Callable[[dict[str, Any], clients.Client, clients.Clock, bool], dict[str, Any]]


class WorkerAction(ActionBase):
    """Answers in the worker if the module would do the same on this machine, with this Python and this environment.

    To pack a module with amazon.aws, start another Python and compile it all there takes longer than its calls.
    """

    _supports_async = True
    options: ClassVar[dict[str, Any]]
    answer: ClassVar[Answer]  # of the facade that the module asks, too

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        if not self._is_the_same_here(task_vars or {}):
            return {**result, **self._by_module(task_vars or {})}
        _validation, options = self.validate_argument_spec(argument_spec=self.options)
        return {**result, **self.answer(options, clients.each_once(), clients.now, self._task.check_mode)}

    def _by_module(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        return self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)

    def _is_the_same_here(self, task_vars: dict[str, Any]) -> bool:
        python = self._templar.template(task_vars.get("ansible_python_interpreter", ""))
        return (
            self._connection.transport.rpartition(".")[2] == "local"
            and not self._connection.become
            and not self._task.async_val
            and not any(self._task.environment or [])
            and python == sys.executable
            and set(self._task.args) <= set(self.options)  # region, profile and their like are the module's
            and not any(name in os.environ for name in FOREIGN_VARIABLES)
            and botocore is not None
        )
