# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: status_verdict
version_added: 0.4.0
short_description: Whether a fleet is well after a deploy
author:
  - Deploy Toolkit authors (@sysops)
description:
  - It is when every host is healthy and serves what the deploy log says is stable.
positional: _input, targets, log, expected
options:
  _input:
    description: The variable C(hostvars); each target has C(dtk_host_status), the result of M(sysops.dtk.release_info).
    type: dict
    required: true
  targets:
    description: The hosts, as P(sysops.dtk.app_hosts#filter) gives them.
    type: list
    elements: dict
    required: true
  log:
    description: The result of M(sysops.dtk.deploy_log_info).
    type: dict
    required: true
  expected:
    description: The release that should be stable. Nothing means whichever is.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Be sure of the fleet
  ansible.builtin.assert:
    that: (hostvars | sysops.dtk.status_verdict(dtk_targets, dtk_log)).good
"""

RETURN = r"""
_value:
  description: C(good), and C(text) with all reasons why it is not.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import fleet


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_verdict": fleet.status_verdict}
