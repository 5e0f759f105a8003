#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_claim
version_added: 0.4.0
short_description: Hold the deploy logs of several apps while a new image is rolled out
description:
  - Claims the deploy log of every app in O(apps), in sorted order, so that nobody deploys one of them while the
    instances under them are replaced. The claim names the AMI, and its kind is C(ami).
  - If one app is held by somebody else, those that were claimed already are given back, and the error says who holds
    it.
  - What is stable stays as it is. Instances that start meanwhile come up on the stable releases.
  - The claim of another one is taken over if its lease has ended, if its process ran on this very machine and is gone,
    or with O(takeover=true).
author:
  - Deploy Toolkit authors (@sysops)
options:
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
  state:
    description:
      - V(claimed) claims all of them, or none.
      - V(released) gives all of them back. One that is not held by O(id) any more is no error.
    type: str
    choices: [claimed, released]
    required: true
  image_id:
    description: The AMI that is rolled out. Needed with O(state=claimed).
    type: str
  id:
    description: Id of the claim, as RV(id) told. Needed with O(state=released).
    type: str
  lease:
    description:
      - Seconds for which the claim is believed to be alive without being renewed. M(sysops.dtk.instance_refresh) renews
        it while it waits.
    type: int
    default: 900
  owner:
    description: Who does this. The default is the user and the machine that run it.
    type: str
  job_url:
    description: Where the job can be watched; it is told to whoever finds the app held.
    type: str
  takeover:
    description: Take the claim of another one, alive or not.
    type: bool
    default: false
  why:
    description: A remark for the audit trail.
    type: str
    default: ""
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
notes:
  - "The actions C(ssm:GetParametersByPath), C(ssm:GetParameter), C(ssm:PutParameter) and C(ssm:DeleteParameters) on the
    deploy logs must be allowed."
seealso:
  - module: sysops.dtk.deploy_log
  - module: sysops.dtk.instance_refresh
attributes:
  check_mode:
    description: Says whether all of them could be claimed, and claims nothing.
    support: full
  diff_mode:
    description: There is no text to compare.
    support: none
"""

EXAMPLES = r"""
- name: Let nobody deploy meanwhile
  sysops.dtk.deploy_claim:
    apps: "{{ dtk_apps.keys() | list }}"
    env: prod
    state: claimed
    image_id: ami-0123456789abcdef0
  register: claimed

- name: Give them back
  sysops.dtk.deploy_claim:
    apps: "{{ claimed.apps }}"
    env: prod
    state: released
    id: "{{ claimed.id }}"
"""

RETURN = r"""
id:
  description: Id of the claim.
  returned: success
  type: str
  sample: 20260131-120000-3f2a9c
apps:
  description: The apps that were claimed, or given back.
  returned: success
  type: list
  elements: str
  sample: [api, worker]
lease:
  description: Seconds of the lease.
  returned: with O(state=claimed)
  type: int
  sample: 900
notes:
  description: From whom a claim was taken over; with O(state=released), which were not ours any more.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import claims, clients


def main() -> None:
    module = AnsibleAWSModule(argument_spec=claims.OPTIONS, supports_check_mode=True)
    answer = claims.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
