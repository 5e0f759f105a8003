#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_info
version_added: 0.4.0
short_description: What there is of a fleet, whether it serves, and what it would be made of
description:
  - Reads the Auto Scaling group of a server role in an env, its instances with what they say of their boot, its launch
    template, target groups and alarms, and the AMI that instances start from.
  - With O(fleet) it also tells what the declared fleet stands on and is not there, and the options of the modules that
    make it as declared.
  - What is not there is no error.
author:
  - Deploy Toolkit authors (@sysops)
options:
  env:
    description: The env.
    type: str
    required: true
  role:
    description: The server role.
    type: str
    required: true
  prefix:
    description: Path in Parameter Store below which everything of the toolkit is kept.
    type: str
    default: /dtk
  fleet:
    description: The declared fleet, as P(sysops.dtk.fleet#filter) gives it.
    type: dict
notes:
  - "It needs these IAM actions: C(autoscaling:) C(DescribeAutoScalingGroups), C(DescribeLifecycleHooks),
    C(DescribePolicies), C(DescribeScalingActivities), C(DescribeWarmPool); C(ec2:) C(DescribeImages),
    C(DescribeInstances), C(DescribeLaunchTemplateVersions), C(DescribeSecurityGroups), C(DescribeSubnets),
    C(DescribeVpcs); C(elasticloadbalancing:) C(DescribeTargetGroups), C(DescribeTags), C(DescribeTargetHealth);
    C(cloudwatch:DescribeAlarms); C(iam:GetRole); C(ssm:GetParameter)."
seealso:
  - module: sysops.dtk.autoscaling_group
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Wait until the fleet serves
  sysops.dtk.fleet_info:
    env: prod
    role: web
  register: found
  until: found.settled
  retries: 60
  delay: 10

- name: Say what there is
  ansible.builtin.debug:
    msg: "{{ found.lines }}"
"""

RETURN = r"""
name:
  description: How everything of the fleet is called.
  returned: success
  type: str
  sample: dtk-prod-web
settled:
  description: Whether as many instances serve as the group wants, and its load balancers call them healthy.
  returned: success
  type: bool
  sample: false
waiting:
  description: Why it does not serve as it should, in a few lines; empty if it does.
  returned: success
  type: list
  elements: str
  sample:
    - 1 of 2 instances are in service.
    - "i-0123456789abcdef0 is Pending:Wait and healthy; its dtk:boot says: nothing yet."
lines:
  description: What there is, for people.
  returned: success
  type: list
  elements: str
  sample: ["FLEET dtk-prod-web: 2 wanted, 2 to 6"]
problems:
  description: What the declared fleet stands on and is not there, one sentence each, with its remedy.
  returned: success
  type: list
  elements: str
  sample: []
plan:
  description: Options of the modules that make the declared fleet; null without O(fleet), or with problems.
  returned: success
  type: dict
group:
  description: The Auto Scaling group, null without one.
  returned: success
  type: dict
  sample: {name: dtk-prod-web, min: 2, max: 6, desired: 2, version: "1", instances: []}
template:
  description: The newest version of the launch template, null without one.
  returned: success
  type: dict
  sample: {id: lt-0123456789abcdef0, version: "1", description: "", image_id: ami-0123456789abcdef0}
iam_role:
  description: The role of the instances, with its C(arn) and C(boundary); null if it is not there.
  returned: success
  type: dict
  sample: {arn: "arn:aws:iam::111111111111:role/dtk-prod-web", boundary: ""}
image:
  description: The AMI that C(<prefix>/<env>/<role>/ami/current) names, null if there is none.
  returned: success
  type: dict
  sample: {image_id: ami-0123456789abcdef0, name: web 1, state: available, root_device: /dev/xvda, size: 8}
image_id:
  description: Its id, empty without the parameter.
  returned: success
  type: str
  sample: ami-0123456789abcdef0
parameter:
  description: That parameter.
  returned: success
  type: str
  sample: /dtk/prod/web/ami/current
target_groups:
  description: Target groups that the fleet has made or that its apps name, with the health of their targets.
  returned: success
  type: list
  elements: dict
  sample: []
alarms:
  description: The fleet's alarms, and how they stand.
  returned: success
  type: dict
  sample: {dtk-prod-web-status_check: OK}
instances:
  description: Instances by their id, those included that ended not long ago.
  returned: success
  type: dict
  sample: {}
activities:
  description: What Auto Scaling did and tried, the newest first.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, fleet_surveys


def main() -> None:
    module = AnsibleAWSModule(argument_spec=fleet_surveys.OPTIONS, supports_check_mode=True)
    answer = fleet_surveys.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
