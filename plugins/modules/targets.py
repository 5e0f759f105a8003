#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: targets
version_added: 0.4.0
short_description: Take hosts out of their load balancers, and put them back
description:
  - Takes many hosts out of many target groups at once, and waits until none of them gets requests any more. Or puts
    them back, and waits until all of them are healthy there.
  - What should be is declared. Each host that is in service belongs into every target group of its region and account,
    so a host that an earlier run took out is put back, too, whoever took it out.
  - A host of an Auto Scaling group which is not in the lifecycle state C(InService), such as one in Standby or on its
    way in or out, is left where Auto Scaling put it.
  - A host that is not where it should be in the end is no failure of the module. RV(late) names it with the reason.
author:
  - Deploy Toolkit authors (@sysops)
options:
  state:
    description:
      - V(drained) takes the hosts out, whatever their lifecycle state is.
      - V(registered) puts those in that are missing.
    type: str
    choices: [drained, registered]
    required: true
  claim:
    description: The deploy for which it is done. Nothing happens unless it still holds the app in the deploy log.
    type: dict
    suboptions:
      app:
        description: Name of the app.
        type: str
        required: true
      env:
        description: Name of the env.
        type: str
        required: true
      prefix:
        description: Path in Parameter Store below which everything of the toolkit is kept.
        type: str
        default: /dtk
      id:
        description: Id of the deploy, as RV(sysops.dtk.deploy_plan#module:plan.id) told.
        type: str
        required: true
  restore:
    description:
      - As what targets were registered before, as RV(deregistered) told.
      - They are registered with the same port again then, be it declared or not. Used with O(state=registered).
    type: dict
    default: {}
  wait:
    description:
      - Whether to wait.
      - A target that leaves is waited for until the deregistration delay of its target group is over, and a minute.
      - A target that comes is waited for during the health check's interval times its threshold and timeout, and one
        minute, or three behind a network load balancer, which needs minutes to register.
    type: bool
    default: true
  wait_for:
    description: Names of the hosts to wait for with O(state=registered). The default is all.
    type: list
    elements: str
  wait_timeout:
    description: Seconds to wait for healthy targets instead.
    type: float
extends_documentation_fragment:
  - sysops.dtk.targets
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
notes:
  - The actions C(elasticloadbalancing:RegisterTargets) and C(elasticloadbalancing:DeregisterTargets) must be allowed,
    and C(ssm:GetParametersByPath) with O(claim).
attributes:
  check_mode:
    description: Says what would change, changes nothing and waits for nothing.
    support: full
  diff_mode:
    description: Shows which hosts stand in each target group before and after.
    support: full
"""

EXAMPLES = r"""
- name: Take two hosts out of the load balancers
  sysops.dtk.targets:
    state: drained
    target_groups: [web-http, web-tcp]
    hosts:
      - {name: web-1, instance_id: i-0123456789abcdef0}
      - {name: web-2, instance_id: i-0123456789abcdef1}
  register: drained

- name: Put them back
  sysops.dtk.targets:
    state: registered
    target_groups: [web-http, {name: web-tcp, port: 9090}]
    hosts:
      - {name: web-1, instance_id: i-0123456789abcdef0}
      - {name: web-2, instance_id: i-0123456789abcdef1}
    restore: "{{ drained.deregistered }}"
  register: returned
  failed_when: returned is failed or returned.late
"""

RETURN = r"""
late:
  description: Hosts that are not where they should be, each with the reason. All of them if the module failed.
  returned: always
  type: dict
  sample: {"web-2": "unhealthy in web-http (Target.Timeout: Request timed out) after 70 s"}
deregistered:
  description: ARN of a target group to the targets that were taken out, each with C(id), C(port) and the like.
  returned: with O(state=drained)
  type: dict
  sample: {}
registered:
  description: ARN of a target group to the targets that were put in, each with C(id), C(port) and the like.
  returned: with O(state=registered)
  type: dict
  sample: {}
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 31.2
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, targets


def main() -> None:
    module = AnsibleAWSModule(argument_spec=targets.OPTIONS, supports_check_mode=True)
    answer = targets.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
