# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: image_plan
version_added: 0.3.0
short_description: What a server role says of its golden AMI
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Turns C(image) of a server role into options for M(sysops.dtk.image_bundle) and M(sysops.dtk.image_pipeline).
  - A server role without a base image or an instance profile is an error.
positional: _input, estate
options:
  _input:
    description: The server role, C(dtk_server_role) of the estate.
    type: dict
    required: true
  estate:
    description: The folder that holds the roles and tests which the server role names.
    type: path
    default: .
"""

EXAMPLES = r"""
- name: What the image is made of
  ansible.builtin.debug:
    msg: "{{ dtk_server_role | sysops.dtk.image_plan(inventory_dir) }}"
"""

RETURN = r"""
_value:
  description: Options by their names in the modules. What is not declared is null.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import fleet


def image_plan(server_role: Mapping[str, Any], estate: str = ".") -> dict[str, Any]:
    try:
        return fleet.image_plan(server_role, estate)
    except fleet.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"image_plan": image_plan}
