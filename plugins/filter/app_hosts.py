# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: app_hosts
version_added: 0.1.0
short_description: The hosts that have an app in an env
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Picks the hosts of the group C(env_<env>) whose variable C(dtk_apps) contains the app.
  - An env or app that does not exist, or has no hosts, is an error that says what there is instead.
positional: _input, groups, env, app, settled
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  groups:
    description: The variable C(groups).
    type: dict
    required: true
  env:
    description: Name of the env.
    type: str
    required: true
  app:
    description: Name of the app.
    type: str
    required: true
  settled:
    description:
      - Leave hosts out that are on their way into service, or out of it. These are instances in the state C(pending),
        and those in a lifecycle state of Auto Scaling that begins with C(Pending), C(Warmed), C(Terminating) or
        C(Terminated).
      - If no other host is left, this is an error.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Who has hello in prod
  ansible.builtin.debug:
    msg: "{{ hostvars | sysops.dtk.app_hosts(groups, 'prod', 'hello') | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description:
    - One item per host with C(name), C(az), C(spec) and, where the inventory knows them, C(instance_id), C(address),
      C(region), C(account_id), C(asg) and C(lifecycle_state).
    - C(spec) is what C(dtk_apps) of the host says about the app.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import fleet


def app_hosts(
    hostvars: Mapping[str, Any], groups: Mapping[str, Any], env: str, app: str, settled: bool = False
) -> list[dict[str, Any]]:
    try:
        return fleet.app_hosts(hostvars, groups, env, app, settled)
    except fleet.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"app_hosts": app_hosts}
