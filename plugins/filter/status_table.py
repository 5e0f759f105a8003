# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_table
version_added: 0.1.0
short_description: The fleet as one aligned table
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Shows host, zone, release, since when, health and drift of each host, then a summary and what the deploy log says.
  - With O(balance) also how each host stands behind its load balancers, and what is suspended in Auto Scaling.
positional: _input, targets, log, info, balance
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  targets:
    description: What P(sysops.dtk.app_hosts#filter) gave.
    type: list
    elements: dict
    required: true
  log:
    description: The result of M(sysops.dtk.deploy_log_info); without it no drift is known.
    type: dict
  info:
    description: Name of the variable that holds the result of M(sysops.dtk.release_info) on each host.
    type: str
    default: dtk_host_status
  balance:
    description: The result of M(sysops.dtk.targets_info).
    type: dict
"""

EXAMPLES = r"""
- name: Show the fleet
  ansible.builtin.debug:
    msg: "{{ hostvars | sysops.dtk.status_table(targets, log) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import fleet


def status_table(
    hostvars: Mapping[str, Any],
    targets: Sequence[Mapping[str, Any]],
    log: Mapping[str, Any] | None = None,
    info: str = "dtk_host_status",
    balance: Mapping[str, Any] | None = None,
) -> list[str]:
    return fleet.status_table(hostvars, targets, log, info, balance)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_table": status_table}
