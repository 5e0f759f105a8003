#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
version_added: 0.3.0
short_description: Which golden images there are, and which one a parameter names
description:
  - Tells pipelines and images of EC2 Image Builder with status, versions and AMIs.
  - At least one of O(name), O(arn) and O(parameter) is needed. What several of them find is put together.
  - What is not there is no error; the lists are empty then.
author:
  - Deploy Toolkit authors (@sysops)
options:
  name:
    description: Name of a pipeline. It is told together with all images that were built of recipes of this name.
    type: str
  arn:
    description:
      - ARN of a pipeline, which is as its name; of an image recipe with its version, for all builds of it; or of an
        image, for one build, for all builds of a version, or for the newest available one that a wildcard like C(x.x.x)
        means.
    type: str
  parameter:
    description: Name of a parameter in Parameter Store that holds the id of an AMI. The image that it is of is told.
    type: str
notes:
  - "It needs the following IAM actions: C(imagebuilder:) C(GetImagePipeline), C(ListImages), C(ListImageBuildVersions),
    C(GetImage); with O(parameter) also C(ssm:GetParameter) and C(ec2:DescribeImages). C(sts:GetCallerIdentity) is
    used, for which no permission is needed."
  - The image of an AMI is known by the tag C(Ec2ImageBuilderArn), which Image Builder puts onto each AMI.
seealso:
  - module: sysops.dtk.image_build
  - module: sysops.dtk.image_promote
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
- name: Everything about the images of web
  sysops.dtk.image_info:
    name: web
  register: web

- name: Name the newest one that can be used
  ansible.builtin.debug:
    msg: "{{ web.images | selectattr('status', 'equalto', 'AVAILABLE') | map(attribute='image_id') | first }}"

- name: What do servers of the role web start from in prod?
  sysops.dtk.image_info:
    parameter: /dtk/prod/web/ami/current
"""

RETURN = r"""
pipelines:
  description: The pipelines, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    arn:
      description: Its ARN.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image-pipeline/web
    name:
      description: Its name.
      type: str
      sample: web
    enabled:
      description: Whether its schedule is followed.
      type: bool
      sample: true
    recipe_arn:
      description: The recipe that it builds.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image-recipe/web/1.401938482.911373929
    infrastructure_arn:
      description: Its infrastructure configuration.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:infrastructure-configuration/web
    distribution_arn:
      description: Its distribution configuration, null without one.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:distribution-configuration/web
    schedule:
      description: When it builds by itself, null for never.
      type: str
      sample: cron(0 4 ? * MON *)
    created:
      description: When it was made, as AWS writes it.
      type: str
      sample: "2026-04-01T04:00:00.000Z"
    updated:
      description: When it was changed.
      type: str
      sample: "2026-04-01T04:00:00.000Z"
    last_run:
      description: When its schedule last started a build, empty for never.
      type: str
      sample: ""
    last_status:
      description: What became of it, empty if that is not told.
      type: str
      sample: ""
    tags:
      description: Its tags.
      type: dict
      sample: {"dtk:pipeline": web}
images:
  description: The images, newest first, each as RV(sysops.dtk.image_build#module:image).
  returned: success
  type: list
  elements: dict
  sample:
    - arn: arn:aws:imagebuilder:eu-west-1:111111111111:image/web/1.401938482.911373929/1
      name: web
      version: 1.401938482.911373929
      build: 1
      status: AVAILABLE
      reason: ""
      created: "2026-04-01T04:00:00.000Z"
      image_id: ami-0123456789abcdef0
      amis:
        - region: eu-west-1
          account: "111111111111"
          image_id: ami-0123456789abcdef0
          name: web 2026-04-01T04-00-00.000Z
      recipe_arn: arn:aws:imagebuilder:eu-west-1:111111111111:image-recipe/web/1.401938482.911373929
      tags: {"dtk:pipeline": web}
image_id:
  description: The AMI that O(parameter) names, null without the option or the parameter.
  returned: success
  type: str
  sample: ami-0123456789abcdef0
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, image_facts


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=image_facts.INFO_OPTIONS,
        required_one_of=[("name", "arn", "parameter")],
        supports_check_mode=True,
    )
    answer = image_facts.answer_info(
        module.params, lambda service: clients.client(module, service), clients.now, module.check_mode
    )
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
