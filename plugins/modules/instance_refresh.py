#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance_refresh
version_added: 0.4.0
short_description: Replace the instances of an Auto Scaling group, wait for it, and return if it goes wrong
description:
  - Starts an instance refresh and waits until it is over. Then it looks at what the group and its instances really run.
    A refresh that failed, was cancelled or was rolled back is an error, with the reason and the instances.
  - The options have the names that they have in M(amazon.aws.autoscaling_instance_refresh). To these it adds what is
    needed to roll back, that is O(desired_configuration), alarms, checkpoints, baking and O(preferences.auto_rollback);
    and waiting.
  - If the same is being done already, whoever started it, this waits for it. If another refresh is under way, it is an
    error that says which.
  - With O(preferences.skip_matching), nothing is started if all instances, and the group, are as they should be.
  - On the controller, each transition is printed as soon as it is seen, like C(web InProgress 33 %, 2 instances left).
author:
  - Deploy Toolkit authors (@sysops)
options:
  name:
    description: Name of the Auto Scaling group.
    type: str
    required: true
    aliases: [group_name]
  state:
    description:
      - V(started) makes sure that the instances are replaced.
      - V(cancelled) ends the refresh that is under way. What is new stays.
      - V(rolled_back) replaces what is new by what there was before. It needs a refresh that is under way and was
        started with a desired configuration.
    type: str
    choices: [started, cancelled, rolled_back]
    required: true
  strategy:
    description: The strategy of the refresh.
    type: str
    choices: [Rolling]
    default: Rolling
  desired_configuration:
    description:
      - What the instances shall start from. It becomes that of the group when the refresh has succeeded, and not
        before. Without it the instances are replaced by what the group says.
      - A group with a mixed instances policy keeps it but for the launch template.
    type: dict
    suboptions:
      launch_template:
        description: The launch template.
        type: dict
        required: true
        suboptions:
          launch_template_id:
            description: Its id. Either this or its name is needed.
            type: str
          launch_template_name:
            description: Its name.
            type: str
          version:
            description: The number of its version. V($Latest) and V($Default) are refused, since they may move.
            type: str
            required: true
  image_id:
    description:
      - An AMI instead of O(desired_configuration). The version of the group's launch template is taken that is its
        newest one but for the image; if there is none, it is made.
    type: str
  instance_refresh_id:
    description: Wait for this refresh, and start none.
    type: str
  preferences:
    description: How it goes on. What is not given is as AWS has it.
    type: dict
    suboptions:
      min_healthy_percentage:
        description: Per cent of the group that are in service at any moment.
        type: int
      max_healthy_percentage:
        description: Per cent up to which new instances come before old ones go. It needs the minimum, too.
        type: int
      instance_warmup:
        description: Seconds until a new instance counts.
        type: int
      skip_matching:
        description: Leave instances alone that are as they should be.
        type: bool
      auto_rollback:
        description: Return to what there was when the refresh fails or an alarm rings.
        type: bool
      alarm_specification:
        description: Alarms that make the refresh fail. They have to be there, and none may ring before it starts.
        type: dict
        suboptions:
          alarms:
            description: Their names, ten at most.
            type: list
            elements: str
            required: true
      bake_time:
        description: Seconds for which it is watched when all instances are new.
        type: int
      checkpoint_percentages:
        description: Where it pauses, in ascending order. If the last is below 100, it ends there.
        type: list
        elements: int
      checkpoints:
        description:
          - Where it pauses, as numbers of new instances or as percentages such as V(50%). They become
            O(preferences.checkpoint_percentages) of what is replaced, and it goes on to the end.
        type: list
        elements: raw
      checkpoint_delay:
        description: Seconds of each pause. AWS makes it an hour if it is not given.
        type: int
      scale_in_protected_instances:
        description: What becomes of instances that are protected from scale-in.
        type: str
        choices: [Refresh, Ignore, Wait]
      standby_instances:
        description: What becomes of instances in Standby.
        type: str
        choices: [Terminate, Ignore, Wait]
  claim:
    description:
      - A claim of M(sysops.dtk.deploy_claim) that is renewed while this waits. If it is lost, this ends with an error,
        and the refresh goes on.
    type: dict
    suboptions:
      apps:
        description: Names of the apps.
        type: list
        elements: str
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
        description: Id of the claim.
        type: str
        required: true
      lease:
        description: Seconds of its lease.
        type: int
        default: 900
  wait:
    description: Whether to wait until it is over.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait at most. When they are over it is an error, but the refresh goes on, and running this again
        waits on.
    type: int
    default: 7200
  delay:
    description: Seconds between two looks.
    type: float
    default: 15
notes:
  - "It needs the following IAM actions: C(autoscaling:DescribeAutoScalingGroups), C(autoscaling:DescribeWarmPool),
    C(autoscaling:DescribeInstanceRefreshes), C(autoscaling:DescribeScalingActivities),
    C(autoscaling:StartInstanceRefresh), C(autoscaling:CancelInstanceRefresh),
    C(autoscaling:RollbackInstanceRefresh), C(ec2:DescribeLaunchTemplateVersions), C(ec2:DescribeImages),
    C(ec2:DescribeInstances), C(ec2:RunInstances) and C(iam:PassRole) for what the launch template names; with
    O(image_id) C(ec2:CreateLaunchTemplateVersion), with alarms C(cloudwatch:DescribeAlarms), with O(claim) what
    M(sysops.dtk.deploy_claim) needs."
  - Everything that can be known to be wrong beforehand ends before anything changes. For instance an image or a version
    that is not there, an alarm that rings, or a rollback that AWS could not do.
  - Why an instance did not come into service is what it wrote into its tag C(dtk:boot), or what Auto Scaling says of
    it.
seealso:
  - module: amazon.aws.autoscaling_instance_refresh
  - module: sysops.dtk.image_promote
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Looks at everything, says what would be replaced, and changes nothing.
    support: full
  diff_mode:
    description: There is no text to compare.
    support: none
"""

EXAMPLES = r"""
- name: Roll out an image, one instance first, and return if an alarm rings
  sysops.dtk.instance_refresh:
    name: dtk-prod-web
    state: started
    image_id: ami-0123456789abcdef0
    preferences:
      skip_matching: true
      auto_rollback: true
      min_healthy_percentage: 90
      checkpoints: [1, "100%"]
      checkpoint_delay: 300
      bake_time: 300
      alarm_specification:
        alarms: [dtk-prod-web-errors]

- name: Go to a version of the launch template
  sysops.dtk.instance_refresh:
    name: dtk-prod-web
    state: started
    desired_configuration:
      launch_template:
        launch_template_name: dtk-prod-web
        version: 7
    preferences:
      auto_rollback: true

- name: Return to what there was before
  sysops.dtk.instance_refresh:
    name: dtk-prod-web
    state: rolled_back
"""

RETURN = r"""
instance_refresh:
  description: The refresh as it was seen last, null if there is none.
  returned: success, and after a failure if there is a refresh
  type: dict
  contains:
    instance_refresh_id:
      description: Its id.
      type: str
      sample: 08b91cf7-8fa6-48af-b6a6-d227f40f1b9b
    status:
      description: What AWS calls its state.
      type: str
      sample: Successful
    under_way:
      description: Whether it is not over yet.
      type: bool
      sample: false
    status_reason:
      description: Why it has this state, empty if that is not told.
      type: str
      sample: ""
    rollback_reason:
      description: Why it was rolled back, empty if it was not.
      type: str
      sample: ""
    percentage_complete:
      description: How far it is.
      type: int
      sample: 100
    instances_to_update:
      description: So many instances are left.
      type: int
      sample: 0
    start_time:
      description: When it began.
      type: str
      sample: "2026-01-31T12:00:00Z"
    end_time:
      description: When it was over, null before.
      type: str
      sample: "2026-01-31T12:20:00Z"
    launch_template_version:
      description: The version that it goes to, null if it is that of the group.
      type: str
      sample: "7"
launch_template:
  description: What was asked for, null without O(desired_configuration) and O(image_id). Its C(version) is null in
    check mode if it would be made.
  returned: success, and after a failure if there is a refresh
  type: dict
  sample: {"id": "lt-0123456789abcdef0", "name": "dtk-prod-web", "version": 7, "image_id": "ami-0123456789abcdef0"}
replacing:
  description: Ids of the instances that were to be replaced when it was started by this run; in check mode those that
    would be.
  returned: success, and after a failure if there is a refresh
  type: list
  elements: str
  sample: ["i-0123456789abcdef0"]
text:
  description: What is, or would be, done, as lines of text.
  returned: success, and after a failure if there is a refresh
  type: list
  elements: str
progress:
  description: The transitions that were seen.
  returned: success, and after a failure if there is a refresh
  type: list
  elements: str
  sample: ["Pending 0 %", "InProgress 0 %, 3 instances left", "Successful 100 %"]
started:
  description: Whether this run started it.
  returned: success, and after a failure if there is a refresh
  type: bool
  sample: true
attached:
  description: Whether it was under way already.
  returned: success, and after a failure if there is a refresh
  type: bool
  sample: false
timed_out:
  description: That O(wait_timeout) was over before the refresh.
  returned: when it is so
  type: bool
  sample: true
"""

from ansible.module_utils.common.warnings import warn
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, instance_refreshes


def main() -> None:
    module = AnsibleAWSModule(argument_spec=instance_refreshes.OPTIONS, supports_check_mode=True)
    answer = instance_refreshes.answer(module.params, clients.of(module), clients.now, module.check_mode)
    for warning in answer.pop("warnings", []):
        warn(warning)  # that of AnsibleAWSModule would bring a deprecation along
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
