# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: server_role_packages
version_added: 0.3.0
short_description: The packages of a server role, as one family of distributions calls them
author:
  - Deploy Toolkit authors (@sysops)
description:
  - The names of C(packages), or of C(runtime.packages), each once and in the order of the server role.
  - A package that has names by family and none for this one is an error.
positional: _input, family, runtime
options:
  _input:
    description: The variable C(dtk_server_role).
    type: dict
    required: true
  family:
    description: The family of distributions.
    type: str
    choices: [debian, amazon]
    required: true
  runtime:
    description: Whether to give C(runtime.packages), what the apps run on, and not C(packages).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What Debian calls them
  ansible.builtin.debug:
    msg: "{{ dtk_server_role | sysops.dtk.server_role_packages('debian') }}"
"""

RETURN = r"""
_value:
  description: Names of packages.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import server_roles


def server_role_packages(role: Mapping[str, Any], family: str, runtime: bool = False) -> list[str]:
    try:
        return server_roles.packages(role, family, runtime)
    except server_roles.ServerRoleError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"server_role_packages": server_role_packages}
