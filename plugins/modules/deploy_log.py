#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_log
version_added: 0.1.0
short_description: Renew or end the claim of a deploy in the deploy log
description:
  - The deploy log of an app in an env is a list of numbered parameters in AWS Systems Manager Parameter Store,
    each written once. The highest number is the state; writing the next one is compare-and-set.
  - A deploy is claimed by M(sysops.dtk.deploy_plan). This module prolongs that claim, or ends it
    by making the deployed release the stable one, or by giving the claim back.
  - It does so only while the claim is still held by O(id). A deploy that was taken over gets an error
    and changes nothing.
author:
  - Deploy Toolkit authors (@sysops)
options:
  id:
    description: Id of the deploy whose claim it is, as RV(sysops.dtk.deploy_plan#module:plan.id) told.
    type: str
    required: true
  state:
    description:
      - V(renewed) prolongs the lease if less than half of it is left, and otherwise only proves that the claim
        is still ours.
      - V(committed) makes the claimed release the stable one and ends the claim.
      - V(released) ends the claim and leaves the stable release as it is.
    type: str
    choices: [renewed, committed, released]
    required: true
  lease:
    description: Seconds for which a renewed claim is believed to be alive.
    type: int
    default: 900
  why:
    description: A remark for the audit trail, used with O(state=committed) and O(state=released).
    type: str
    default: ""
  keep:
    description: How many entries of the log are kept when a deploy ends. At least 10.
    type: int
    default: 20
  min_slot:
    description: The highest entry that the caller has seen. An older answer of Parameter Store is not accepted.
    type: int
    default: 0
extends_documentation_fragment:
  - sysops.dtk.deploy_log
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows the state of the log before and after.
    support: full
"""

EXAMPLES = r"""
- name: Keep the claim alive before a long wave
  sysops.dtk.deploy_log:
    app: hello
    env: prod
    id: "{{ planned.plan.id }}"
    state: renewed

- name: Record that every host serves the release
  sysops.dtk.deploy_log:
    app: hello
    env: prod
    id: "{{ planned.plan.id }}"
    state: committed
"""

RETURN = r"""
slot:
  description: The newest entry of the log, in check mode the one that would be written.
  returned: success
  type: dict
  sample: {"n": 8, "stable": "1.0.1", "target": null, "previous": ["1.0.0"], "by": "alice", "act": "committed"}
pruned:
  description: The numbers of the entries that were deleted because they are older than the newest O(keep).
  returned: success
  type: list
  elements: int
  sample: []
"""

from ansible.module_utils.common.warnings import warn
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, deploys


def main() -> None:
    module = AnsibleAWSModule(argument_spec=deploys.LOG_OPTIONS, supports_check_mode=True)
    answer = deploys.answer_log(module.params, clients.of(module), clients.now, module.check_mode)
    for warning in answer.pop("warnings", []):
        warn(warning)  # that of AnsibleAWSModule would bring a deprecation along
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
