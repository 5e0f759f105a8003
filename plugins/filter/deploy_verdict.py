# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: deploy_verdict
version_added: 0.1.0
short_description: Whether a deploy goes on or halts
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Counts the states of all hosts against the budget. Failed and unreachable hosts count, hosts that are gone do not.
positional: _input, budget, total
options:
  _input:
    description: What P(sysops.dtk.deploy_states#filter) gave.
    type: dict
    required: true
  budget:
    description: How many hosts may fail or be unreachable, as a number or a percentage that is rounded down.
    type: raw
    default: 0
  total:
    description: How many hosts the deploy has; the default is the number of states.
    type: int
"""

EXAMPLES = r"""
- name: Decide
  ansible.builtin.debug:
    msg: "{{ {'web-1': 'active', 'web-2': 'failed'} | sysops.dtk.deploy_verdict(1, 4) }}"
"""

RETURN = r"""
_value:
  description:
    - C(halt) says whether to stop.
    - C(active), C(staged), C(pending), C(failed), C(unreachable) and C(gone) list the hosts, C(refused) those of the
      failed ones that have the new release although their load balancers do not want them.
    - C(text) says it in words, one line per host that is failed or unreachable.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import fleet


def deploy_verdict(states: Mapping[str, Any], budget: int | str = 0, total: int | str | None = None) -> dict[str, Any]:
    try:
        return fleet.deploy_verdict(states, budget, total)
    except fleet.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"deploy_verdict": deploy_verdict}
