#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: departed_info
version_added: 0.4.0
short_description: Which hosts have been taken away meanwhile
description:
  - Tells which hosts do not answer because there is nothing left to answer. Their instance is terminated, or about to
    be, or Auto Scaling is taking it out of its group.
  - A stopped instance has not departed, and neither has one in Standby.
author:
  - Deploy Toolkit authors (@sysops)
options:
  hosts:
    description: The hosts to ask about. One without an instance id never departs.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host in the inventory.
        type: str
        required: true
      instance_id:
        description: Its instance id.
        type: str
      region:
        description: Its region. The default is that of the module.
        type: str
      asg:
        description: Its Auto Scaling group.
        type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
notes:
  - The actions C(ec2:DescribeInstances) and C(autoscaling:DescribeAutoScalingGroups) must be allowed.
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: Ask whether they are still there
  sysops.dtk.departed_info:
    hosts:
      - {name: web-1, instance_id: i-0123456789abcdef0, asg: web}
  register: found

- name: Name those that are not
  ansible.builtin.debug:
    msg: "{{ found.departed }}"
"""

RETURN = r"""
departed:
  description: Hosts that have been taken away, each with the reason.
  returned: success
  type: dict
  sample: {"web-1": "terminated"}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, departures


def main() -> None:
    module = AnsibleAWSModule(argument_spec=departures.OPTIONS, supports_check_mode=True)
    answer = departures.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
