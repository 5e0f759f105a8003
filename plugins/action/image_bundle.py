# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only Ansible itself knows where a collection is that this run uses: tells the module, which does the rest."""

from __future__ import annotations

import importlib
from typing import Any

from ansible.plugins.action import ActionBase

DEFAULT = ("sysops.dtk", "ansible.posix", "amazon.aws")


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        wanted = self._task.args.get("collections") or dict.fromkeys(DEFAULT)
        arguments = {
            **self._task.args,
            "collections": {name: folder or folder_of(name) for name, folder in wanted.items()},
        }
        return {**result, **self._execute_module(module_args=arguments, task_vars=task_vars)}


def folder_of(collection: str) -> str:
    """Where the collection is that this run uses; empty if it is not installed, which the module explains."""
    try:
        return str(importlib.import_module(f"ansible_collections.{collection}").__path__[0])
    except ImportError:
        return ""
