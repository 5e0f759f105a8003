# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: server_role
version_added: 0.3.0
short_description: A server role, checked and completed
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Checks the variables C(dtk_server_role) and C(dtk_apps) of a server role, and fills in every default.
  - What is wrong ends in one error that has all of it, each with the path, the value and the remedy.
  - C(docs/server_role.md) has every key.
positional: _input, apps
options:
  _input:
    description: The variable C(dtk_server_role).
    type: dict
    required: true
  apps:
    description: The variable C(dtk_apps).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What this server is
  ansible.builtin.debug:
    msg: "{{ dtk_server_role | sysops.dtk.server_role(dtk_apps) }}"
"""

RETURN = r"""
_value:
  description:
    - The same two variables, C(dtk_server_role) and C(dtk_apps), completed and in a fixed order.
    - A key that has no default and was not given is not there.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import server_roles


def server_role(role: Any, apps: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return server_roles.resolve(role, apps)
    except server_roles.ServerRoleError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"server_role": server_role}
