#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_set
version_added: 0.2.0
short_description: Write, copy and delete the settings of an app or an env in Parameter Store
description:
  - Brings a tree of settings into AWS Systems Manager Parameter Store. Only what differs is written.
  - Everything is checked before the first write, that is names, types and sizes. Writing itself is no transaction,
    since Parameter Store writes one parameter at a time. A run that fails half-way says what is written and what is
    not, and the same task goes on from there.
  - A setting that changes its type changes the name of its parameter, for instance from C(port) to C(port.int). The new
    one is written first and the old one is deleted right after it. Readers that look in between find the setting twice
    and are refused, so they keep what they had. A setting is never missing in between.
  - A parameter that somebody else wrote between reading and writing is told as a warning, with who wrote it. A new one
    is never written over one that appeared in between.
author:
  - Deploy Toolkit authors (@sysops)
options:
  state:
    description:
      - V(present) merges O(values) and what O(copy_from) names into what is there. Lists are replaced, not merged.
      - V(absent) deletes what O(keys) names.
    type: str
    choices: [present, absent]
    default: present
  values:
    description:
      - The settings as a nested tree. Types are kept; a null is a value like others.
      - With O(copy_from) too, these win over what is copied.
    type: dict
  copy_from:
    description:
      - Copy the settings of another env, app or path, or those of an earlier time. What is not given here is as in the
        options of the module.
      - To bring back what was there, give O(copy_from.at) alone.
    type: dict
    suboptions:
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
          - Parameters that were deleted since then have no history in Parameter Store and are not brought back.
        type: str
  only:
    description:
      - Patterns like those of the shell. Only settings that match one, or lie in a folder that does, are copied by
        O(copy_from) and deleted by O(purge).
    type: list
    elements: str
    default: ["*"]
  exclude:
    description: Patterns of what is neither copied by O(copy_from) nor deleted by O(purge).
    type: list
    elements: str
    default: []
  keys:
    description:
      - Settings or folders to delete, like V(db/port). One that is not there is no error.
      - Needs O(state=absent).
    type: list
    elements: str
  purge:
    description:
      - With O(state=present), delete every setting that is not given, so that the tree is exactly this.
      - With O(state=absent) and without O(keys), delete the whole tree. It is not done without this.
    type: bool
    default: false
  secure:
    description:
      - Whether SecureStrings may be read, copied, changed and deleted. They stay SecureStrings.
      - If not, those that would be copied or deleted are left alone and named in a warning; to give O(values) for one
        is an error. Nothing is decrypted then, so the right to do so is not needed.
    type: bool
    default: false
  kms_key:
    description: The KMS key of SecureStrings that are written. By default an existing one keeps its key and a new one
      gets the account's C(aws/ssm).
    type: str
  tier:
    description:
      - Tier of the parameters that are written. V(standard) takes 4096 bytes a value, the others 8192, at a price.
      - With V(standard) no tier is named, so AWS takes the account's default, which is the standard tier.
    type: str
    choices: [standard, advanced, intelligent]
    default: standard
  by:
    description:
      - Who changes the settings, for the history. By default the user and host that run this. It may be empty.
      - Parameter Store itself notes the AWS identity too.
    type: str
  why:
    description: Why the settings are changed, for the history. It becomes the description of each parameter written.
    type: str
    default: ""
  rate:
    description: Writes a second at most. An account may make 3 by default, unless its higher throughput is switched on.
    type: float
    default: 3
notes:
  - It needs the actions C(ssm:GetParametersByPath), C(ssm:PutParameter) and C(ssm:DeleteParameters) on the path, and
    C(ssm:GetParameterHistory) to go back in time and to say who wrote in between.
  - With O(secure), also C(ssm:DescribeParameters), C(ssm:GetParameter), C(kms:Decrypt) and C(kms:Encrypt).
extends_documentation_fragment:
  - sysops.dtk.settings
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Reads and checks everything and writes nothing.
    support: full
  diff_mode:
    description: Shows the settings that change, without values that are sensitive.
    support: full
seealso:
  - module: sysops.dtk.config_diff
  - module: sysops.dtk.config_history
"""

EXAMPLES = r"""
- name: Change two settings of an app
  sysops.dtk.config_set:
    app: api
    env: prod
    values:
      log_level: debug
      db:
        pool_size: 20
    why: looking for the slow query

- name: Make the settings exactly those of a file
  sysops.dtk.config_set:
    app: api
    env: prod
    values: "{{ lookup('ansible.builtin.file', 'settings/api.yml') | from_yaml }}"
    purge: true

- name: Copy staging to prod, but for what belongs to the env
  sysops.dtk.config_set:
    app: api
    env: prod
    copy_from:
      env: staging
    exclude:
      - db/host
      - "*_url"
    values:
      workers: 8

- name: Bring back what was there two hours ago
  sysops.dtk.config_set:
    app: api
    env: prod
    copy_from:
      at: 2h
    purge: true

- name: Delete a setting and a folder
  sysops.dtk.config_set:
    app: api
    env: prod
    state: absent
    keys:
      - log_level
      - features/beta

- name: Delete all settings of an app in a staging that ends
  sysops.dtk.config_set:
    app: api
    env: stg-alice
    state: absent
    purge: true
    secure: true
"""

RETURN = r"""
path:
  description: Where the settings lie.
  returned: success
  type: str
  sample: /dtk/prod/api/config
text:
  description: The change as a table to be read by people, without sensitive values.
  returned: success
  type: list
  elements: str
  sample: ["/dtk/prod/api/config", "~  log_level  info -> debug", "0 added, 1 changed, 0 removed, 4 settings the same"]
settings:
  description: Which settings are added, removed and changed, and how many stay. Sensitive values are masked.
  returned: success
  type: dict
  sample: {"added": {}, "removed": {}, "changed": {"log_level": {"before": "info", "after": "debug"}}, "same": 4}
written:
  description: Names of the parameters that are written, in this order. In check mode those that would be.
  returned: always, unless nothing could be begun
  type: list
  elements: str
  sample: ["/dtk/prod/api/config/log_level"]
deleted:
  description: Names of the parameters that are deleted.
  returned: always, unless nothing could be begun
  type: list
  elements: str
  sample: []
pending:
  description: Names of the parameters that are still to be written or deleted.
  returned: when it failed half-way
  type: list
  elements: str
  sample: ["/dtk/prod/api/config/db/pool_size.int"]
skipped:
  description: Names of the SecureStrings that were not copied.
  returned: success
  type: list
  elements: str
  sample: []
spared:
  description: Names of the SecureStrings that were not deleted.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.common.warnings import warn
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, settings


def main() -> None:
    module = AnsibleAWSModule(argument_spec=settings.SET_OPTIONS, supports_check_mode=True)
    options = settings.take_options(module, "")
    answer = settings.answer_set(
        options, lambda service: clients.client(module, service), clients.now, module.check_mode
    )
    for warning in answer.pop("warnings", []):
        warn(warning)  # that of AnsibleAWSModule would bring a deprecation along
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
