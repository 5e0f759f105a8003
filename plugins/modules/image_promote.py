#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_promote
version_added: 0.3.0
short_description: Say from which golden AMI the instances of a server role start
description:
  - Writes the id of an AMI to the parameter C(<prefix>/<env>/<role>/ami/<pointer>) of Parameter Store, with the data
    type C(aws:ec2:image), so that launch templates can refer to it as C(resolve:ssm:<parameter>).
  - Before anything is written, the AMI is looked at in every region.
  - AWS checks such a parameter after it has answered, and does not write it if it does not like the AMI. So this reads
    until the parameter has its value.
  - An AMI that becomes V(current) gets the tag C(dtk:in-use=true), so that the lifecycle policy of
    M(sysops.dtk.image_pipeline) leaves it alone. The one from before loses the tag, unless another C(…/ami/…) parameter
    below O(prefix) still names it.
author:
  - Deploy Toolkit authors (@sysops)
options:
  role:
    description: Name of the server role.
    type: str
    required: true
  env:
    description: Name of the env, for example V(prod).
    type: str
    required: true
  prefix:
    description: Path in Parameter Store below which everything of the toolkit is kept.
    type: str
    default: /dtk
  to:
    description: The pointer to write. V(candidate) is what is tried next, V(current) what instances start from.
    type: str
    choices: [candidate, current]
    required: true
  image_id:
    description: The AMI in the region of the run. Without it, O(from) says which.
    type: str
  from:
    description:
      - Take the AMI that another pointer of the same server role names, in each region its own.
      - With O(to=current) and without O(image_id), the candidate of the same env is taken.
    type: dict
    suboptions:
      env:
        description: The env. By default O(env).
        type: str
      pointer:
        description: Which of its pointers.
        type: str
        choices: [candidate, current]
        default: candidate
  regions:
    description:
      - The AMI of each region, as a dictionary with names of regions. Where it is null, it is that of O(from).
      - By default the region of the run.
    type: dict
    default: {}
  wait_timeout:
    description: Seconds for which Parameter Store may check the AMI, in each region.
    type: int
    default: 120
notes:
  - "It needs the following IAM actions in each region: C(ssm:GetParameter) and C(ssm:PutParameter) on the parameters,
    C(ec2:DescribeImages); with O(to=current) also C(ec2:CreateTags) and, to take the tag from the AMI before,
    C(ec2:DeleteTags), C(ssm:DescribeParameters) and C(ssm:GetParameters). Without these three it keeps the tag, which
    is told as a warning."
  - An AMI of another account can only be tagged for the own account.
  - A parameter cannot be given the data type C(aws:ec2:image) later on. One that has another is an error.
seealso:
  - module: sysops.dtk.image_build
  - module: sysops.dtk.image_info
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Looks at everything and writes nothing.
    support: full
  diff_mode:
    description: Shows the AMI before and after in each region.
    support: full
"""

EXAMPLES = r"""
- name: Try the new image next
  sysops.dtk.image_promote:
    role: web
    env: prod
    to: candidate
    image_id: "{{ built.image.image_id }}"

- name: Start instances from what was tried
  sysops.dtk.image_promote:
    role: web
    env: prod
    to: current

- name: Use in prod what beta uses, in two regions
  sysops.dtk.image_promote:
    role: web
    env: prod
    to: current
    from: {env: beta, pointer: current}
    regions:
      eu-west-1:
      eu-central-1:
"""

RETURN = r"""
parameter:
  description: Name of the parameter.
  returned: success
  type: str
  sample: /dtk/prod/web/ami/current
image_id:
  description: The AMI that it names now, in the region of the run or, if that is not among them, the first one.
  returned: success
  type: str
  sample: ami-0123456789abcdef0
previous:
  description: The AMI that it named before, null if there was no parameter.
  returned: success
  type: str
  sample: ami-0fedcba9876543210
regions:
  description: The same for each region.
  returned: success
  type: dict
  sample:
    eu-west-1: {parameter: /dtk/prod/web/ami/current, image_id: ami-0123456789abcdef0, previous: ami-0fedcba9876543210}
"""

from ansible.module_utils.common.warnings import warn
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, image_pointers


def main() -> None:
    module = AnsibleAWSModule(argument_spec=image_pointers.PROMOTE_OPTIONS, supports_check_mode=True)
    answer = image_pointers.answer_promote(
        module.params,
        lambda service, region: clients.client(module, service, region),
        clients.now,
        module.check_mode,
    )
    for warning in answer.pop("warnings", []):
        warn(warning)  # that of AnsibleAWSModule would bring a deprecation along
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
