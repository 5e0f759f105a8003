# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of modules that run on a host: the program that an earlier activation left there, options on stdin.

Before its own first line a module compiles thousands of lines of Ansible on the host, and as many of ours: more work
than unpacking and switching a release. Where this very code lies on the host, compiled, it is run as it is. Everywhere
else the module does the same.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sysops.dtk.plugins.module_utils import host

PROGRAM = host.program()  # read once, in the parent of all workers
PYTHON = "/usr/bin/python3"
NOT_FOUND = 127  # what a shell says about a program that is not there, Python included


class OnHostAction(ActionBase):
    """Asks the program on the host, if there is one."""

    _supports_async = True

    def _ask_program(self, task_vars: dict[str, Any], request: dict[str, Any]) -> dict[str, Any] | None:
        """Its answer, or None if the module has to do it."""
        if not self._is_pipelining_enabled("new") or self._task.async_val:
            return None
        return self._ask(self._python(task_vars), {**request, "check": self._task.check_mode})

    def _python(self, task_vars: dict[str, Any]) -> str:
        named = str(self._templar.template(task_vars.get("ansible_python_interpreter", "")))
        return named if named.startswith("/") else PYTHON

    def _ask(self, python: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The program's answer, or None if the host has no such program of the very user who would run it.

        The request goes by stdin, which no log and no list of processes shows: it may hold a presigned URL, or
        settings. A program that was killed has failed, as a module has; it is not run once more.
        """
        script = f"test -O {PROGRAM} || exit {NOT_FOUND}; exec {shlex.quote(python)} -I {PROGRAM} call"
        environment = self._compute_environment_string()
        done = self._low_level_execute_command(
            f"{environment} /bin/sh -c {shlex.quote(script)}".strip(), in_data=json.dumps(request).encode()
        )
        if done["rc"] == NOT_FOUND:
            return None
        try:
            return json.loads(done["stdout"].strip().rpartition("\n")[2])
        except ValueError:
            said = " ".join(f"{done['stdout']} {done['stderr']}".split())[-1000:]
            return {"failed": True, "msg": f"{PROGRAM} ended without an answer, exit code {done['rc']}: {said}"}
