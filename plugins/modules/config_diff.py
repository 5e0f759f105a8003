#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_diff
version_added: 0.2.0
short_description: Compare two trees of settings in Parameter Store
description:
  - Compares the settings of two envs, apps or paths, of one at two times, or of one with a tree that is given.
  - What is compared are settings and their types, not the names of parameters. A list that is kept as a StringList is
    the same as one that is kept as JSON.
author:
  - Deploy Toolkit authors (@sysops)
options:
  before:
    description: The one side. What is not given here is as in the options of the module.
    type: dict
    suboptions: &side
      app:
        description: Name of the app.
        type: str
      env:
        description: Name of the env.
        type: str
      scope:
        description: The layer of settings.
        type: str
        choices: [app, env, shared]
      path:
        description: The path in Parameter Store.
        type: str
      label:
        description: Take the versions with this label, and nothing that has no such version.
        type: str
      at:
        description:
          - Take the settings as they were then, for instance V(2026-01-31T12:00:00Z), or V(2h) for two hours ago.
          - Parameters that were deleted since then have no history in Parameter Store and are missing.
        type: str
      values:
        description: Not what Parameter Store has, but this tree.
        type: dict
  after:
    description: The other side. What is not given here is as in the options of the module.
    type: dict
    suboptions: *side
  secure:
    description:
      - Whether SecureStrings are decrypted to be compared. Their values are not shown.
      - If not, those that are on both sides are not compared and are named in RV(settings) as C(unknown).
    type: bool
    default: false
notes:
  - It needs the action C(ssm:GetParametersByPath) on both paths, for O(before.at) C(ssm:GetParameterHistory), and with
    O(secure) C(kms:Decrypt).
extends_documentation_fragment:
  - sysops.dtk.settings
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads; the difference is the result.
    support: none
seealso:
  - module: sysops.dtk.config_set
  - module: sysops.dtk.config_history
"""

EXAMPLES = r"""
- name: What is other in prod than in staging
  sysops.dtk.config_diff:
    app: api
    before:
      env: staging
    after:
      env: prod
  register: difference

- name: Show it
  ansible.builtin.debug:
    msg: "{{ difference.text }}"

- name: What has changed since yesterday
  sysops.dtk.config_diff:
    app: api
    env: prod
    before:
      at: 1d

- name: Fail if prod is not what the repository says
  sysops.dtk.config_diff:
    app: api
    env: prod
    after:
      values: "{{ lookup('ansible.builtin.file', 'settings/api.yml') | from_yaml }}"
  register: drift
  failed_when: drift.differs
"""

RETURN = r"""
differs:
  description: Whether anything is other.
  returned: success
  type: bool
  sample: true
before:
  description: What the one side is.
  returned: success
  type: str
  sample: /dtk/staging/api/config
after:
  description: What the other side is.
  returned: success
  type: str
  sample: /dtk/prod/api/config
settings:
  description: Which settings are added, removed, changed and not compared, and how many are the same. Sensitive values
    are masked.
  returned: success
  type: dict
  sample:
    added: {"db/replica": "db-2.prod.example"}
    removed: {}
    changed: {"workers": {"before": 2, "after": 8}}
    unknown: []
    same: 12
text:
  description: The difference as a table to be read by people.
  returned: success
  type: list
  elements: str
  sample: ["+  db/replica  db-2.prod.example", "~  workers     2 -> 8"]
"""

from ansible.module_utils.common.warnings import warn
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, settings


def main() -> None:
    module = AnsibleAWSModule(argument_spec=settings.DIFF_OPTIONS, supports_check_mode=True)
    options = settings.take_options(module, "before", "after")
    answer = settings.answer_diff(
        options, lambda service: clients.client(module, service), clients.now, module.check_mode
    )
    for warning in answer.pop("warnings", []):
        warn(warning)  # that of AnsibleAWSModule would bring a deprecation along
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
