#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_log_info
version_added: 0.1.0
short_description: Read the deploy log of an app in an env
description:
  - Says which release is stable, which can be rolled back to, whether a deploy holds the app, and what happened before.
author:
  - Deploy Toolkit authors (@sysops)
options:
  history:
    description: How many entries are returned, newest first.
    type: int
    default: 10
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
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: What is stable, and who is deploying
  sysops.dtk.deploy_log_info:
    app: hello
    env: prod
  register: log

- name: Say it
  ansible.builtin.debug:
    msg: "{{ log.stable }}, {{ log.holder | default('held by nobody', true) }}"
"""

RETURN = r"""
n:
  description: Number of the newest entry, V(0) if the log is empty. This is the fence that hosts check.
  returned: success
  type: int
  sample: 7
stable:
  description: The release that every host should serve.
  returned: success
  type: str
  sample: 1.0.1
target:
  description: The deploy under way, if there is one.
  returned: success
  type: dict
  sample: {"id": "20260131-120000-3f2a9c", "release": "1.0.2", "owner": "alice", "lease_until": "2026-01-31T12:15:00Z"}
previous:
  description: The releases that can be rolled back to, newest first.
  returned: success
  type: list
  elements: str
  sample: ["1.0.0"]
held:
  description: Whether a deploy holds the app, be its lease over or not.
  returned: success
  type: bool
  sample: false
expired:
  description: Whether the lease of the holder has ended, so that the next deploy takes over.
  returned: success
  type: bool
  sample: false
dead:
  description:
    - Whether the holder's process ran on this very machine and is gone, so that the next deploy from here takes over.
  returned: success
  type: bool
  sample: false
holder:
  description: Who holds the app, in words; empty if nobody does.
  returned: success
  type: str
  sample: ""
by:
  description: Who wrote the newest entry.
  returned: success
  type: str
  sample: alice
at:
  description: When the newest entry was written.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00Z"
act:
  description: What the newest entry did.
  returned: success
  type: str
  sample: committed
why:
  description: The remark of the newest entry.
  returned: success
  type: str
  sample: ""
id:
  description: Id of the deploy that wrote the newest entry.
  returned: success
  type: str
  sample: 20260131-120000-3f2a9c
history:
  description: The newest entries, newest first.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, deploys


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "env": {"type": "str", "required": True},
            "prefix": {"type": "str", "default": "/dtk"},
            "history": {"type": "int", "default": 10},
            "min_slot": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        result = deploys.describe_log(
            clients.client(module, "ssm"),
            (given["prefix"], given["env"], given["app"]),
            clients.now(),
            given["history"],
            given["min_slot"],
        )
    except deploys.FAILURES as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
