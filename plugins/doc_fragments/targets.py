# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that look at hosts behind load balancers."""

    DOCUMENTATION = r"""
options:
  target_groups:
    description:
      - The target groups, each a name, an ARN, or a dictionary with C(name) (a name or ARN) and C(port).
      - C(port) is that of the hosts, where it is not the one of the target group.
      - A name is looked for in every region that has hosts. An ARN says its region.
      - The items of RV(sysops.dtk.deploy_plan#module:plan.balance.target_groups) are accepted, too. Nothing is looked
        up for these.
    type: list
    elements: raw
    required: true
  hosts:
    description: The hosts, all of them at once. There is one call for each target group, however many hosts there are.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host in the inventory.
        type: str
        required: true
      instance_id:
        description: Its instance id. Target groups of type C(instance) know it by this.
        type: str
      address:
        description: Its private address. Target groups of type C(ip) know it by this.
        type: str
      region:
        description: Its region. A target group of another one is not concerned with it. The default is any.
        type: str
      account_id:
        description: Its account. A target group of another one is not concerned with it. The default is any.
        type: str
      asg:
        description:
          - Its Auto Scaling group. The host then counts as in service while its lifecycle state there is C(InService).
          - A host without one always counts as in service.
        type: str
  env:
    description: What C({env}) in the name of a target group stands for.
    type: str
notes:
  - The actions C(elasticloadbalancing:DescribeTargetGroups), C(elasticloadbalancing:DescribeTargetGroupAttributes),
    C(elasticloadbalancing:DescribeTargetHealth) and C(autoscaling:DescribeAutoScalingGroups) must be allowed.
"""
