#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: autoscaling_group
version_added: 0.4.0
short_description: An Auto Scaling group with its hooks, scaling policies and warm pool
description:
  - Makes an Auto Scaling group as declared, or removes it with all its instances.
  - Options that M(amazon.aws.autoscaling_group) and its neighbours have are called as there. This module differs where
    a fleet needs it. Lifecycle hooks are in the very call that makes the group, so no instance starts before them.
    Check mode tells what would change in a group that is there, too. It knows the default warmup and warm pools.
  - The number of instances and the version of the launch template are set when the group is made, and never again. The
    one belongs to scaling; the other is moved by instance refreshes, M(amazon.aws.autoscaling_instance_refresh).
  - What is declared is all there is, but for lifecycle hooks of other names, and scaling policies whose name does not
    begin with C(dtk-). Those stay.
author:
  - Deploy Toolkit authors (@sysops)
options:
  name:
    description: Name of the group.
    type: str
    required: true
  state:
    description:
      - V(absent) lets all instances go, with their hooks and the connections behind load balancers, deletes the group
        and waits until EC2 has ended the instances.
    type: str
    choices: [present, absent]
    default: present
  launch_template:
    description: What to start. Needed to make the group, of no effect on one that is there.
    type: dict
    suboptions:
      launch_template_id:
        description: Its id.
        type: str
      launch_template_name:
        description: Its name, if no id is given.
        type: str
      version:
        description: The number of the version. C($Latest) and C($Default) are refused.
        type: str
  min_size:
    description: Instances that there are at least. Needed with O(state=present).
    type: int
  max_size:
    description: Instances that there are at most. Needed with O(state=present).
    type: int
  desired_capacity:
    description: Instances to begin with, O(min_size) if not given. Of no effect on a group that is there.
    type: int
  vpc_zone_identifier:
    description: The subnets. Needed with O(state=present).
    type: list
    elements: str
  target_group_arns:
    description: Target groups of load balancers that instances go into.
    type: list
    elements: str
    default: []
  health_check_type:
    description: Whether load balancers are asked about the health of instances, too.
    type: str
    choices: [EC2, ELB]
    default: EC2
  health_check_period:
    description: Seconds for which an instance that has gone into service is not asked.
    type: int
    default: 300
  default_instance_warmup:
    description: Seconds until a new instance counts for scaling policies and refreshes.
    type: int
  lifecycle_hooks:
    description: Lifecycle hooks.
    type: list
    elements: dict
    default: []
    suboptions:
      lifecycle_hook_name:
        description: Its name.
        type: str
        required: true
      transition:
        description: When it holds an instance.
        type: str
        choices: ['autoscaling:EC2_INSTANCE_LAUNCHING', 'autoscaling:EC2_INSTANCE_TERMINATING']
        default: autoscaling:EC2_INSTANCE_LAUNCHING
      heartbeat_timeout:
        description: Seconds in which the instance must be heard of.
        type: int
        default: 300
      default_result:
        description: What becomes of one that is not.
        type: str
        choices: [ABANDON, CONTINUE]
        default: ABANDON
  scaling_policies:
    description: Scaling policies that hold a metric at a target.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name. One that begins with C(dtk-) is deleted once it is not listed any more.
        type: str
        required: true
      target_tracking_config:
        description: What is held where.
        type: dict
        required: true
        suboptions:
          predefined_metric_spec:
            description: The metric.
            type: dict
            required: true
            suboptions:
              predefined_metric_type:
                description: Its name.
                type: str
                required: true
                choices:
                  - ASGAverageCPUUtilization
                  - ASGAverageNetworkIn
                  - ASGAverageNetworkOut
                  - ALBRequestCountPerTarget
              resource_label:
                description: Load balancer and target group, with C(ALBRequestCountPerTarget).
                type: str
          target_value:
            description: The target.
            type: float
            required: true
          disable_scale_in:
            description: Whether it only ever adds instances.
            type: bool
            default: false
  warm_pool:
    description: Instances that are prepared beforehand. Without it there is no warm pool.
    type: dict
    suboptions:
      min_size:
        description: Instances that are always ready.
        type: int
        default: 0
      max_group_prepared_capacity:
        description: Instances in the pool and in the group together, up to O(max_size) if not given.
        type: int
      pool_state:
        description: How they wait.
        type: str
        choices: [Stopped, Running, Hibernated]
        default: Stopped
      reuse_on_scale_in:
        description: Whether an instance that is not needed any more goes back there.
        type: bool
        default: false
  tags:
    description: Tags of the group. Instances have theirs from the launch template.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds in which the group must be gone, with O(state=absent).
    type: int
    default: 900
  delay:
    description: Seconds between two looks at it meanwhile.
    type: float
    default: 5
notes:
  - "It needs these IAM actions: C(autoscaling:) C(DescribeAutoScalingGroups), C(DescribeLifecycleHooks),
    C(DescribePolicies), C(CreateAutoScalingGroup), C(UpdateAutoScalingGroup), C(PutLifecycleHook),
    C(PutScalingPolicy), C(DeletePolicy), C(AttachLoadBalancerTargetGroups), C(DetachLoadBalancerTargetGroups),
    C(CreateOrUpdateTags), C(DeleteTags), C(PutWarmPool), C(DeleteWarmPool); to make a group C(ec2:RunInstances) and
    C(iam:PassRole), since AWS tries its launch template; to remove one C(autoscaling:DeleteAutoScalingGroup) and
    C(ec2:DescribeInstances)."
seealso:
  - module: amazon.aws.autoscaling_group
  - module: sysops.dtk.fleet_info
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
- name: A group whose instances wait until they have their releases
  sysops.dtk.autoscaling_group:
    name: web
    launch_template:
      launch_template_name: web
      version: "1"
    min_size: 2
    max_size: 6
    vpc_zone_identifier: [subnet-0aa11bb22cc33dd44, subnet-0bb11bb22cc33dd44]
    default_instance_warmup: 60
    lifecycle_hooks:
      - lifecycle_hook_name: dtk-converge
    scaling_policies:
      - name: dtk-scaling
        target_tracking_config:
          predefined_metric_spec:
            predefined_metric_type: ASGAverageCPUUtilization
          target_value: 60

- name: No group any more
  sysops.dtk.autoscaling_group:
    name: web
    state: absent
"""

RETURN = r"""
group:
  description: The group as it is now, null if there is none. In check mode, as it was.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    arn:
      description: Its ARN.
      type: str
    desired_capacity:
      description: Instances that it wants.
      type: int
    availability_zones:
      description: Its availability zones.
      type: list
      elements: str
    launch_template:
      description: C(id) and C(version) of what it starts.
      type: dict
    instances:
      description: Ids of its instances.
      type: list
      elements: str
  sample:
    name: web
    arn: arn:aws:autoscaling:eu-west-1:111111111111:autoScalingGroup:0f0f:autoScalingGroupName/web
    desired_capacity: 2
    availability_zones: [eu-west-1a, eu-west-1b]
    launch_template: {id: lt-0123456789abcdef0, version: "1"}
    instances: [i-0123456789abcdef0]
calls:
  description: The calls that changed something, or would, in their order.
  returned: success
  type: list
  elements: str
  sample: [create_auto_scaling_group]
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, scaling_groups


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=scaling_groups.OPTIONS, required_if=scaling_groups.REQUIRED_IF, supports_check_mode=True
    )
    answer = scaling_groups.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
