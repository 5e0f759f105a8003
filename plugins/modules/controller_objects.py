#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_objects
version_added: 0.4.0
short_description: Bring an Automation Controller to what it should hold
description:
  - Reads an Automation Controller or AWX, compares it with what it should hold, and calls the modules of C(awx.awx) for
    every object that is missing or differs; objects that do not need each other side by side.
  - What is as declared is not written, approval nodes and secrets included, so that a second run changes nothing.
  - Objects carry a mark, a label or C([label]) in their description. A name that an object without it has taken is an
    error, and nothing without it is ever deleted.
  - It runs on the controller node of Ansible. No value of an object gets into its output.
author:
  - Deploy Toolkit authors (@sysops)
options:
  state:
    description:
      - V(present) creates what is missing and changes what differs.
      - V(compared) only tells.
      - V(pruned) deletes what carries the mark and is not declared any more.
    type: str
    choices: [compared, present, pruned]
    default: present
  content:
    description: What it should hold, C(controller_*) variables as C(infra.aap_configuration) reads them.
    type: dict
    required: true
  label:
    description: What marks our objects.
    type: str
    default: dtk
  adopt:
    description: Whether objects without the mark are taken over where their names are declared.
    type: bool
    default: false
  rotate:
    description: Whether secrets of credentials are written again; nobody can see whether they differ.
    type: bool
    default: false
  parallel:
    description: How many modules run side by side.
    type: int
    default: 8
  collection:
    description: Where the modules are, V(awx.awx) or V(ansible.controller).
    type: str
    default: awx.awx
  controller_host:
    description: Where the Controller is. The environment variable E(CONTROLLER_HOST) is the default.
    type: str
    default: ""
  controller_token:
    description: A token of its API. The environment variable E(CONTROLLER_OAUTH_TOKEN) is the default.
    type: str
    default: ""
  controller_username:
    description: A user, where there is no token. The environment variable E(CONTROLLER_USERNAME) is the default.
    type: str
    default: ""
  controller_password:
    description: The user's password. The environment variable E(CONTROLLER_PASSWORD) is the default.
    type: str
    default: ""
  validate_certs:
    description: Whether its certificate must be good.
    type: bool
    default: true
  request_timeout:
    description: Seconds that it may take to answer.
    type: float
    default: 30
attributes:
  check_mode:
    description: Tells what would be changed.
    support: full
  diff_mode:
    description: It names the fields that differ, and no values.
    support: none
"""

EXAMPLES = r"""
- name: What is other than declared
  sysops.dtk.controller_objects:
    controller_host: https://controller.example.com
    state: compared
    content:
      controller_projects:
        - {name: Estate, organization: Shop, scm_type: git, scm_url: "https://git.example.com/estate.git"}
  register: drift
"""

RETURN = r"""
missing:
  description: Objects that were not there, by kind and name.
  returned: success
  type: list
  elements: str
  sample: ["job template Deploy hello to beta"]
other:
  description: Objects that differed.
  returned: success
  type: list
  elements: str
  sample: []
extra:
  description: Objects that carry the mark and are not declared; empty with O(state=present).
  returned: success
  type: list
  elements: str
  sample: []
foreign:
  description: Objects that have a declared name and lack the mark.
  returned: success
  type: list
  elements: str
  sample: []
same:
  description: How many were as declared.
  returned: success
  type: int
  sample: 67
text:
  description: All of it, in lines.
  returned: success
  type: list
  elements: str
  sample: ["other: job template Deploy hello to beta (survey)", "as declared: 66"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sysops.dtk.plugins.module_utils import controllers


def main() -> None:
    module = AnsibleModule(argument_spec=controllers.OPTIONS, supports_check_mode=True)
    module.fail_json(msg="sysops.dtk.controller_objects runs in Ansible itself: call it by its full name in a task.")


if __name__ == "__main__":
    main()
