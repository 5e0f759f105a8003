#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
version_added: 0.3.0
short_description: Build a golden image once, and wait for it
description:
  - Makes sure that a version of an image recipe has an available image in all regions and accounts of the pipeline's
    distribution configuration, and waits for it.
  - If there is such an image, nothing is started. If one is being built, this waits for that one, whoever started it.
    Only else a build is started, of exactly this recipe and with the settings of the pipeline.
  - Two controllers that ask at the same time get the same build, and so does a run that is repeated since the answer of
    AWS was lost.
  - On the controller, each transition of the build is printed as soon as it is seen, like
    C(web BUILDING ApplyBuildComponents 3/9).
author:
  - Deploy Toolkit authors (@sysops)
options:
  name:
    description: Name of the pipeline, as M(sysops.dtk.image_pipeline) made it.
    type: str
    required: true
  state:
    description:
      - V(available) makes sure that there is an image.
      - V(cancelled) ends all builds of the recipe that are under way. AMIs that they have made already stay.
    type: str
    choices: [available, cancelled]
    default: available
  recipe_arn:
    description:
      - The recipe and its version, as RV(sysops.dtk.image_pipeline#module:recipe) tells. Give it, and another
        controller that moves the pipeline in the meantime changes nothing of what you get.
      - By default the recipe that the pipeline has now.
    type: str
  image_arn:
    description: Wait for this very build, or cancel it, and start none.
    type: str
  wait:
    description: Whether to wait until the build is over.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait at most. When they are over it is an error, but the build goes on, and running this again waits
        on.
    type: int
    default: 7200
  delay:
    description: Seconds between two looks at the build.
    type: float
    default: 15
  rebuild:
    description:
      - Why to build again although there is an image, for instance V(2026-04 security updates). The same reason builds
        once; another one builds again. It becomes the tag C(dtk:rebuild) of the image.
      - An empty text is as none.
    type: str
  tags:
    description: Tags of the image in Image Builder, if one is built. C(dtk:pipeline) is added.
    type: dict
    default: {}
notes:
  - "It needs the following IAM actions: C(imagebuilder:) C(GetImagePipeline), C(GetDistributionConfiguration),
    C(ListImageBuildVersions), C(GetImage), C(CreateImage), C(TagResource), and C(CancelImageCreation) to cancel;
    C(iam:PassRole) for the pipeline's execution role if it has one. C(sts:GetCallerIdentity) is used, for which no
    permission is needed."
  - C(imagebuilder:ListWorkflowExecutions) and C(imagebuilder:ListWorkflowStepExecutions) tell the steps, and
    C(logs:GetLogEvents) on C(/aws/imagebuilder/*) the end of the log of a build that failed. It works without them.
  - A build counts as done if it is available and has an AMI everywhere. An image that lacks one, for instance since a
    region was added to the distribution, is built again.
  - Of a build that failed, the message has its status, the step that failed with its message, the instance if that is
    known, and the last 20 lines of its log. Running this again starts a new build.
  - Waiting costs one to three calls for each O(delay).
seealso:
  - module: sysops.dtk.image_pipeline
  - module: sysops.dtk.image_promote
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description:
      - Says whether a build would be started or cancelled, and does neither. Nothing is waited for.
      - A pipeline that is not there is no error then, since the task before would have made it.
    support: full
  diff_mode:
    description: There is no text to compare.
    support: none
"""

EXAMPLES = r"""
- name: Have an image of what the pipeline builds
  sysops.dtk.image_build:
    name: web
  register: built

- name: Show its AMI in this region
  ansible.builtin.debug:
    msg: "{{ built.image.image_id }}"

- name: Build it again, once, for the updates of this month
  sysops.dtk.image_build:
    name: web
    rebuild: 2026-04 security updates

- name: Cancel whatever is being built of it
  sysops.dtk.image_build:
    name: web
    state: cancelled
"""

RETURN = r"""
image:
  description: The image. In check mode null if it would be built.
  returned: success, and after a failure if there is a build
  type: dict
  contains:
    arn:
      description: ARN of the build.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image/web/1.401938482.911373929/1
    name:
      description: Name of the image, which is that of its recipe.
      type: str
      sample: web
    version:
      description: Version of the recipe.
      type: str
      sample: 1.401938482.911373929
    build:
      description: Number of the build of this version.
      type: int
      sample: 1
    status:
      description:
        - C(PENDING), C(CREATING), C(BUILDING), C(TESTING), C(DISTRIBUTING), C(INTEGRATING), C(AVAILABLE), C(CANCELLED),
          C(FAILED), C(DEPRECATED), C(DISABLED) or C(DELETED).
      type: str
      sample: AVAILABLE
    reason:
      description: Why it has this status, empty if that is not told.
      type: str
      sample: ""
    created:
      description: When the build began, as AWS writes it.
      type: str
      sample: "2026-04-01T04:00:00.000Z"
    image_id:
      description: Id of the AMI in the region of the run, that of the own account first; null if there is none.
      type: str
      sample: ami-0123456789abcdef0
    amis:
      description: All AMIs of it, in the order of regions and accounts.
      type: list
      elements: dict
      contains:
        region:
          description: The region.
          type: str
          sample: eu-west-1
        account:
          description: The account that owns it.
          type: str
          sample: "111111111111"
        image_id:
          description: Its id.
          type: str
          sample: ami-0123456789abcdef0
        name:
          description: Its name.
          type: str
          sample: web 2026-04-01T04-00-00.000Z
    recipe_arn:
      description: The recipe that it was built from.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image-recipe/web/1.401938482.911373929
    tags:
      description: Tags of the image in Image Builder; its AMIs have others.
      type: dict
      sample: {"dtk:pipeline": web}
progress:
  description: The transitions that were seen.
  returned: success, and after a failure if there is a build
  type: list
  elements: str
  sample:
    - PENDING
    - BUILDING ApplyBuildComponents 3/9
    - TESTING ApplyTestComponents 1/3
    - DISTRIBUTING DistributeOutputAMI 0/1
    - AVAILABLE
started:
  description: Whether this run started the build.
  returned: success, and after a failure if there is a build
  type: bool
  sample: true
attached:
  description: Whether the build was under way already.
  returned: success, and after a failure if there is a build
  type: bool
  sample: false
timed_out:
  description: That O(wait_timeout) was over before the build.
  returned: when it is so
  type: bool
  sample: true
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, image_builds


def main() -> None:
    module = AnsibleAWSModule(argument_spec=image_builds.BUILD_OPTIONS, supports_check_mode=True)
    answer = image_builds.answer_build(
        module.params, lambda service: clients.client(module, service), clients.now, module.check_mode
    )
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
