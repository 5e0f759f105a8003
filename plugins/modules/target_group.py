#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_group
version_added: 0.4.0
short_description: A target group of load balancers, for instances
description:
  - Makes a target group as declared, or deletes it. Who is in it is none of its business.
  - Options are called as in M(community.aws.elb_target_group), which has neither check mode nor a diff.
author:
  - Deploy Toolkit authors (@sysops)
options:
  name:
    description: Its name, 32 letters, digits and hyphens at most.
    type: str
    required: true
  state:
    description: V(absent) deletes it. That is refused as long as a listener forwards to it.
    type: str
    choices: [present, absent]
    default: present
  protocol:
    description: What the load balancer speaks to the instances. Needed with O(state=present), and cannot be changed.
    type: str
    choices: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP]
  port:
    description: The port of the instances. Needed with O(state=present), and cannot be changed.
    type: int
  vpc_id:
    description: The VPC. Needed with O(state=present), and cannot be changed.
    type: str
  health_check_protocol:
    description: How instances are asked.
    type: str
    choices: [HTTP, HTTPS, TCP]
  health_check_path:
    description: What they are asked for.
    type: str
  health_check_interval:
    description: Seconds between two questions.
    type: int
  health_check_timeout:
    description: Seconds that an answer may take.
    type: int
  healthy_threshold_count:
    description: Good answers in a row after which an instance is healthy.
    type: int
  unhealthy_threshold_count:
    description: Bad ones after which it is not.
    type: int
  deregistration_delay_timeout:
    description: Seconds that connections get when an instance leaves.
    type: int
  tags:
    description: All its tags.
    type: dict
    default: {}
notes:
  - "It needs these IAM actions: C(elasticloadbalancing:) C(DescribeTargetGroups), C(DescribeTargetGroupAttributes),
    C(DescribeTags), C(CreateTargetGroup), C(ModifyTargetGroup), C(ModifyTargetGroupAttributes), C(AddTags),
    C(RemoveTags), C(DeleteTargetGroup)."
seealso:
  - module: community.aws.elb_target_group
  - module: sysops.dtk.autoscaling_group
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: It changes nothing, and tells what it would.
    support: full
  diff_mode:
    description: It tells what it changes.
    support: full
"""

EXAMPLES = r"""
- name: Where the load balancer finds the shop
  sysops.dtk.target_group:
    name: dtk-prod-shop
    protocol: HTTP
    port: 8080
    vpc_id: vpc-0123456789abcdef0
    health_check_path: /health
    health_check_interval: 5
    health_check_timeout: 4
    deregistration_delay_timeout: 30
  register: shop
"""

RETURN = r"""
target_group_arn:
  description: Its ARN; null if it is not there.
  returned: success
  type: str
  sample: arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/dtk-prod-shop/50dc6c495c0c9188
target_group_name:
  description: Its name.
  returned: success
  type: str
  sample: dtk-prod-shop
calls:
  description: The calls that changed something, or would, in their order.
  returned: success
  type: list
  elements: str
  sample: [create_target_group, modify_target_group_attributes]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, target_groups


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=target_groups.OPTIONS, required_if=target_groups.REQUIRED_IF, supports_check_mode=True
    )
    answer = target_groups.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
