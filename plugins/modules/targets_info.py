#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: targets_info
version_added: 0.4.0
short_description: How hosts stand behind their load balancers
description:
  - Tells for each host in which target groups it is healthy, and what is wrong where it is not.
  - Names the processes that somebody suspended in the hosts' Auto Scaling groups.
author:
  - Deploy Toolkit authors (@sysops)
options:
  refreshes:
    description:
      - Whether to tell of instance refreshes in the hosts' Auto Scaling groups, too. There is one call for each group,
        and the action C(autoscaling:DescribeInstanceRefreshes) must be allowed.
    type: bool
    default: false
extends_documentation_fragment:
  - sysops.dtk.targets
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: Ask the load balancers
  sysops.dtk.targets_info:
    target_groups: [web-http]
    hosts:
      - {name: web-1, instance_id: i-0123456789abcdef0, asg: web}
  register: found

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ found.hosts['web-1'].trouble | default('nothing', true) }}"
"""

RETURN = r"""
hosts:
  description: Host to how it stands.
  returned: success
  type: dict
  contains:
    states:
      description: Target group to V(healthy), V(unhealthy), V(initial), V(draining) or V(not registered).
      type: dict
    trouble:
      description: What keeps the host from being in service, in words; empty if nothing does.
      type: str
    serves:
      description: Whether it is meant to be in service.
      type: bool
    healthy:
      description: Whether every target group sends requests to it.
      type: bool
    lifecycle_state:
      description: Its lifecycle state in Auto Scaling; empty if it is in no group, or has left it.
      type: str
  sample: {"web-1": {"states": {"web-http": "healthy"}, "trouble": "", "serves": true, "healthy": true,
           "lifecycle_state": "InService"}}
suspended:
  description: Auto Scaling group to the processes that are suspended there.
  returned: success
  type: dict
  sample: {"web": ["AZRebalance"]}
refreshes:
  description: Auto Scaling group to its instance refresh that is under way, in words; empty without O(refreshes).
  returned: success
  type: dict
  sample: {"web": "instance refresh 08b91cf7 to version 7 since 2026-01-31T12:00:00Z, InProgress 33 %"}
target_groups:
  description: The target groups with their settings.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, targets


def main() -> None:
    module = AnsibleAWSModule(argument_spec=targets.INFO_OPTIONS, supports_check_mode=True)
    answer = targets.answer_info(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
