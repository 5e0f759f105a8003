# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of module app_config: checks settings against their schema, and hands them over unseen.

The settings go by stdin to the program that an earlier activation left on the host, or as one piece of text to the
module. Of a dictionary, Ansible would mask each value wherever it stands, and a setting `a` would leave no result
readable.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.sysops.dtk.plugins.module_utils import app_config
from ansible_collections.sysops.dtk.plugins.plugin_utils.on_host import OnHostAction

# Nothing is printed here, and what Ansible masks may hold no date.
_OPTIONS = {**app_config.OPTIONS, "config": {"type": "raw"}}


class ActionModule(OnHostAction):
    """Runs module app_config."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(
            argument_spec=_OPTIONS,
            mutually_exclusive=[("config", "paths")],
            required_if=[("state", wanted, ("config", "paths"), True) for wanted in ("written", "active")],
        )
        try:
            handed = self._handed_over(options)
        except (app_config.HostError, AnsibleError) as exc:
            return {**result, "failed": True, "msg": str(exc)}
        return {**result, **self._answer(task_vars or {}, options, handed)}

    def _handed_over(self, options: dict[str, Any]) -> dict[str, Any]:
        """What replaces options on the way to the host. Settings of a push are checked here, once and for all."""
        schema = self._schema(options["schema"])
        if options["config"] is None:
            return {"schema": schema}
        app_config.check_keys(options["config"])
        config = _plain(options["config"], "config")
        app_config.check_settings(config, schema)
        return {"schema": None, "config": config}

    def _answer(self, task_vars: dict[str, Any], options: dict[str, Any], handed: dict[str, Any]) -> dict[str, Any]:
        if not options["paths"]:
            request = {"module": "app_config", "options": {**options, **handed}, "diff": self._task.diff}
            answer = self._ask_program(task_vars, request)
            if answer is not None:
                return answer
        elif options["python"]:
            task_vars = {**task_vars, "ansible_python_interpreter": options["python"]}
        arguments = {**self._task.args, **handed}
        if "config" in handed:
            arguments["config"] = json.dumps(handed["config"])
        arguments = {name: value for name, value in arguments.items() if value is not None}
        return self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val)

    def _schema(self, given: Any) -> Any:
        """The schema itself where a file of the controller is named."""
        if isinstance(given, str):
            given = self._loader.load_from_file(self._find_needle("files", given))
        return None if given is None else _plain(given, "schema")


def _plain(value: Any, option: str) -> Any:
    """As JSON has it: without the marks of Ansible, a date as text."""
    try:
        return json.loads(json.dumps(value, default=_text))
    except (TypeError, ValueError) as exc:
        # Python names the type, never the value.
        raise AnsibleError(f"{option} holds something that JSON cannot tell ({exc}); give plain values") from None


def _text(value: Any) -> str:
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if hasattr(value, "vault"):  # a vaulted value, before ansible-core 2.19
        return str(value)
    raise TypeError(f"a {type(value).__name__}")
