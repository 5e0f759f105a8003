# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: deploy_states
version_added: 0.1.0
short_description: How far each host of a deploy got
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Reads the results that role C(release), or role C(app_config) for a change of settings, registered on each host.
  - These are C(release_stage), C(release_activate) and C(release_revert), or the same with C(app_config_) in front.
  - The results of M(sysops.dtk.targets) are looked at as well, where the playbook registered them as C(dtk_drained) and
    C(dtk_returned). A host that is late in one of these has failed.
  - A host that has left the inventory, or that is among the departed, is V(gone).
positional: _input, hosts, action, departed
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: The names of the hosts of the deploy.
    type: list
    elements: str
    required: true
  action:
    description: What the deploy does, as RV(sysops.dtk.deploy_plan#module:plan.action) told.
    type: str
    choices: [deploy, rollback, config]
    default: deploy
  departed:
    description: What M(sysops.dtk.departed_info) told, host to reason.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Look at every host
  ansible.builtin.debug:
    msg: "{{ hostvars | sysops.dtk.deploy_states(planned.plan.hosts) }}"
"""

RETURN = r"""
_value:
  description:
    - Host to a dictionary with C(state), C(message), C(current), C(reverted), C(moves) and C(refused).
    - C(state) is one of V(pending), V(staged), V(stage_failed), V(active), V(failed), V(unreachable), V(gone).
    - C(moves) says whether activation will change what the host serves, C(refused) whether it has the new release and
      its load balancers do not find it healthy.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import fleet


def deploy_states(
    hostvars: Mapping[str, Any],
    hosts: Iterable[str],
    action: str = "deploy",
    departed: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    try:
        return fleet.deploy_states(hostvars, hosts, action, departed)
    except fleet.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"deploy_states": deploy_states}
