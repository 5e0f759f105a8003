# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: stragglers
version_added: 0.4.0
short_description: Which hosts are not yet where a deploy brought the others
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Compares the hosts as they are now with what the deploy has done. Left out are hosts that it has activated, those
    that tell by the tag C(dtk:app:<app>) that they serve the release, those that are leaving, those in a warm pool, and
    those that were tried twice.
positional: _input, rows, plan, tried
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  rows:
    description: What P(sysops.dtk.app_hosts#filter) gave, of an inventory that was read after the deploy was recorded.
    type: list
    elements: dict
    required: true
  plan:
    description: RV(sysops.dtk.deploy_plan#module:plan).
    type: dict
    required: true
  tried:
    description: The hosts that this run has tried to bring along, each as often as it has.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Who is late
  ansible.builtin.debug:
    msg: "{{ hostvars | sysops.dtk.stragglers(rows, planned.plan) | map(attribute='name') }}"
  vars:
    rows: "{{ hostvars | sysops.dtk.app_hosts(groups, 'prod', 'hello') }}"
"""

RETURN = r"""
_value:
  description:
    - One item per host with C(name), C(state), C(message), and C(place), which is an item of
      O(sysops.dtk.targets#module:hosts).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import fleet


def stragglers(
    hostvars: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    plan: Mapping[str, Any],
    tried: Sequence[str] = (),
) -> list[dict[str, Any]]:
    try:
        return fleet.stragglers(hostvars, rows, plan, tried)
    except fleet.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stragglers": stragglers}
