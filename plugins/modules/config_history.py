#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_history
version_added: 0.2.0
short_description: Tell who changed which settings when
description:
  - Reads the versions that Parameter Store itself keeps of each parameter, so it also tells what was changed by other
    tools. The last 100 versions of each are kept.
  - A parameter that was deleted has no history any more, and what was deleted is not told. AWS CloudTrail has it, as
    the event C(DeleteParameters).
  - Makes one call for each parameter, at most 10 a second.
author:
  - Deploy Toolkit authors (@sysops)
options:
  only:
    description: Patterns like those of the shell. Only settings that match one, or lie in a folder that does, are told.
    type: list
    elements: str
    default: ["*"]
  since:
    description: Tell only what was written since then, like V(2026-01-31T12:00:00Z), or V(2h) for two hours ago.
    type: str
  at:
    description: Tell the history up to then, and the settings as they were then. By default now.
    type: str
  limit:
    description: How many versions are told, newest first.
    type: int
    default: 50
notes:
  - It needs the actions C(ssm:GetParametersByPath) and C(ssm:GetParameterHistory) on the path.
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
    description: It only reads.
    support: none
seealso:
  - module: sysops.dtk.config_set
  - module: sysops.dtk.config_diff
"""

EXAMPLES = r"""
- name: Who changed what this week
  sysops.dtk.config_history:
    app: api
    env: prod
    since: 7d
  register: told

- name: Show it
  ansible.builtin.debug:
    msg: "{{ told.text }}"

- name: What the settings of the database were when the alarm rang
  sysops.dtk.config_history:
    app: api
    env: prod
    only:
      - db
    at: "2026-01-31T03:12:00Z"
"""

RETURN = r"""
path:
  description: Where the settings lie.
  returned: success
  type: str
  sample: /dtk/prod/api/config
at:
  description: The time up to which history is told.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
history:
  description:
    - The versions, newest first. C(by) is the AWS identity that wrote it, C(why) what the writer remarked, C(before)
      the value of the version before.
    - Sensitive values and those of SecureStrings are masked.
  returned: success
  type: list
  elements: dict
  sample:
    - at: "2026-01-31T11:58:12Z"
      before: info
      before_known: true
      by: arn:aws:sts::123456789012:assumed-role/deployer/alice
      labels: []
      name: /dtk/prod/api/config/log_level
      setting: log_level
      type: String
      value: debug
      version: 4
      why: "by alice@laptop: looking for the slow query"
settings:
  description: The settings at that time, by name. Sensitive values are masked.
  returned: success
  type: dict
  sample: {"log_level": "debug", "db/pool_size": 20}
text:
  description: The history as a table to be read by people.
  returned: success
  type: list
  elements: str
  sample: ["2026-01-31T11:58:12Z  log_level  v4  info -> debug  deployer/alice  by alice: a slow query"]
"""

from ansible.module_utils.common.warnings import warn
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, settings


def main() -> None:
    module = AnsibleAWSModule(argument_spec=settings.HISTORY_OPTIONS, supports_check_mode=True)
    answer = settings.answer_history(
        module.params, lambda service: clients.client(module, service), clients.now, module.check_mode
    )
    for warning in answer.pop("warnings", []):
        warn(warning)  # that of AnsibleAWSModule would bring a deprecation along
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
