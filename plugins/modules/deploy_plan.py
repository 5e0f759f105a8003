#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_plan
version_added: 0.1.0
short_description: Plan a deploy and claim it
description:
  - Reads the deploy log and the release, decides hosts, waves and budget, estimates bytes and seconds, and
    claims the deploy in the deploy log.
  - Everything that can be known to be wrong beforehand ends here, before anything changes. For instance no hosts,
    an unknown version, a manifest and an artifact that disagree, a minimum of healthy hosts that cannot be kept,
    or an app that another deploy holds.
  - With O(load_balancer) it also reads the health of the hosts' targets, one call for each target group. Hosts that are
    in service and not in their target groups, as a run that died while they were drained leaves them, are put back as
    the first thing after the claim, and waited for.
  - The claim of another deploy is taken over if its lease has ended, if its process ran on this very machine and is
    gone, or with O(takeover=true).
  - If that was the claim of an image that was being rolled out, and the instance refresh of the hosts' Auto Scaling
    group still goes on, it ends here unless O(takeover=true).
author:
  - Deploy Toolkit authors (@sysops)
options:
  bucket:
    description: The S3 bucket of the releases. Needed unless O(action=config).
    type: str
  action:
    description:
      - Whether the version is new to the hosts, or one that they have had before.
      - V(config) plans a change of the app's settings. The release that is stable stays, and so does its place in the
        deploy log; but the claim is the same, so that a deploy and a change of settings never meet.
    type: str
    choices: [deploy, rollback, config]
    default: deploy
  version:
    description:
      - The release to go to. Needed with O(action=deploy).
      - A rollback without a version goes to the release that was stable before.
    type: str
  hosts:
    description: The hosts, in any order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host in the inventory.
        type: str
        required: true
      az:
        description: Its availability zone.
        type: str
        default: unknown
      instance_id:
        description: Its instance id.
        type: str
      address:
        description: Its private address.
        type: str
      region:
        description: Its region.
        type: str
      account_id:
        description: Its account.
        type: str
      asg:
        description: Its Auto Scaling group. Only in the lifecycle state C(InService) is it meant to be in service.
        type: str
      current:
        description: The release that it serves now, if that is known.
        type: str
      healthy:
        description: Whether it serves now. With O(load_balancer), only if its target groups say so, too.
        type: bool
        default: true
  waves:
    description:
      - The sizes of the waves, each a number of hosts, a percentage of all hosts, rounded up, or V(rest).
      - The last size repeats until no host is left, as with the C(serial) of a play.
      - The default is V([1, "50%", "100%"]) for a deploy and V(["100%"]) for a rollback, or V(["50%", "100%"]) if hosts
        leave their load balancers meanwhile.
    type: list
    elements: raw
  per_az:
    description: Whether a wave stays within one availability zone. Waves are then cut at the borders of the zones.
    type: bool
    default: false
  min_healthy:
    description:
      - Number or percentage, rounded up, of hosts that stay in service at any moment. Hosts that are not healthy
        already count as lost. Bigger waves are split.
    type: raw
  budget:
    description: Number or percentage, rounded down, of hosts that may fail or be unreachable before the deploy halts.
    type: raw
    default: 0
  bake:
    description: Seconds to wait and watch after each wave.
    type: int
    default: 0
  health:
    description: The health check of the app, as M(sysops.dtk.release) takes it; used for the forecast only.
    type: dict
  load_balancer:
    description:
      - The load balancers of the app, C(load_balancer) of its entry in C(dtk_apps). Of these keys count
        C(target_groups), C(drain) and C(wait_timeout).
    type: dict
  activation:
    description: What makes the app's unit use the new release. Only with V(restart) do hosts leave their load balancers
      meanwhile, unless C(drain) in O(load_balancer) says otherwise.
    type: str
    choices: [restart, reload, none]
    default: restart
  alarms:
    description:
      - Names of alarms of CloudWatch in the region of the module; C({env}) stands for the env. The plan names them, and
        the steps of the deploy ask them.
      - An alarm that is not there, or that rings already, ends it here. A rollback asks none, for it may be the remedy.
    type: list
    elements: str
    default: []
  ignore_alarms:
    description: Deploy although one of O(alarms) rings. What rings now is not asked afterwards, and the others are.
    type: bool
    default: false
  lease:
    description:
      - Seconds for which the claim is believed to be alive without being renewed.
      - What two waves may wait for load balancers comes on top.
    type: int
    default: 900
  owner:
    description: Who deploys. The default is the user and the machine that run this.
    type: str
  job_url:
    description: Where the job can be watched; it is told to whoever finds the app held.
    type: str
  takeover:
    description: Take the claim of another deploy, alive or not. The other deploy ends with an error at its next look.
    type: bool
    default: false
  why:
    description: A remark for the plan and the audit trail.
    type: str
    default: ""
  claim:
    description: Whether to claim the deploy. V(false) only plans, as check mode does.
    type: bool
    default: true
extends_documentation_fragment:
  - sysops.dtk.deploy_log
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Plans by the same code and claims nothing.
    support: full
  diff_mode:
    description: Shows the state of the deploy log before and after.
    support: full
"""

EXAMPLES = r"""
- name: Plan and claim
  sysops.dtk.deploy_plan:
    app: hello
    env: prod
    bucket: my-releases
    version: "1.0.1"
    hosts:
      - {name: web-1, az: eu-west-1a}
      - {name: web-2, az: eu-west-1b}
    waves: [1, "50%", "100%"]
    min_healthy: "50%"
  register: planned

- name: Show it
  ansible.builtin.debug:
    msg: "{{ planned.text }}"
"""

RETURN = r"""
plan:
  description: What the rest of the deploy obeys.
  returned: success
  type: dict
  contains:
    id:
      description: Id of the deploy.
      type: str
      sample: 20260131-120000-3f2a9c
    app:
      description: Name of the app.
      type: str
    env:
      description: Name of the env.
      type: str
    action:
      description: Either V(deploy) or V(rollback).
      type: str
    version:
      description: The release to go to.
      type: str
    manifest:
      description: The manifest of the release.
      type: dict
    artifact:
      description: The bucket, key and uri of the artifact.
      type: dict
    hosts:
      description: Names of the hosts in the order of the waves.
      type: list
      elements: str
    waves:
      description: Sizes of the waves; they add up to the number of hosts.
      type: list
      elements: int
      sample: [1, 2, 1]
    budget:
      description: How many hosts may fail or be unreachable.
      type: int
    bake:
      description: Seconds to wait after each wave.
      type: int
    balance:
      description:
        - What the steps of the deploy need to know about load balancers.
        - These are C(target_groups) and C(hosts) for M(sysops.dtk.targets), C(drain), and C(wait_timeout).
      type: dict
    alarms:
      description: The alarms that the steps of the deploy ask.
      type: list
      elements: str
    fence:
      description: Number of our entry in the deploy log, which hosts compare. Not written if nothing is claimed.
      type: int
    claimed:
      description: Whether the deploy was claimed.
      type: bool
    owner:
      description: Who deploys.
      type: str
    job_url:
      description: Where the job can be watched.
      type: str
    lease:
      description: Seconds of the lease, those for load balancers included.
      type: int
    lease_until:
      description: When the lease ends unless it is renewed.
      type: str
    stable:
      description: The stable release before this deploy.
      type: str
    previous:
      description: The releases that could be rolled back to before this deploy.
      type: list
      elements: str
    forecast:
      description: Estimated bytes and seconds.
      type: dict
    warnings:
      description: What a careful reader should know.
      type: list
      elements: str
text:
  description: The plan as lines of text.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, plans


def main() -> None:
    module = AnsibleAWSModule(argument_spec=plans.OPTIONS, supports_check_mode=True)
    answer = plans.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
