#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alarms_info
version_added: 0.4.0
short_description: Whether alarms of CloudWatch ring, now or within a while
description:
  - Asks for the state of all alarms with one call.
  - With O(watch) it looks on for so long, and ends at once when an alarm rings.
  - An alarm that rings is no failure of this module. RV(stops) says so.
author:
  - Deploy Toolkit authors (@sysops)
options:
  names:
    description: Names of metric alarms and composite alarms in the region of the module.
    type: list
    elements: str
    required: true
  env:
    description: What C({env}) in O(names) stands for.
    type: str
  watch:
    description: Seconds for which to look on. Nothing is waited for in check mode.
    type: float
    default: 0
  delay:
    description: Seconds between two looks.
    type: float
    default: 15
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
notes:
  - The action C(cloudwatch:DescribeAlarms) must be allowed.
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It only reads.
    support: none
"""

EXAMPLES = r"""
- name: Look at the alarms for five minutes
  sysops.dtk.alarms_info:
    names: [dtk-prod-web-errors]
    watch: 300
  register: found

- name: Stop when one rings
  ansible.builtin.fail:
    msg: "{{ found.text }}"
  when: found.stops
"""

RETURN = r"""
alarms:
  description: Name to state and reason, without the alarms that are not there.
  returned: success
  type: dict
  sample: {"dtk-prod-web-errors": {"state": "OK", "reason": "Threshold Crossed: 1 datapoint was not greater than 5."}}
ringing:
  description: Those in the state C(ALARM).
  returned: success
  type: list
  elements: str
  sample: []
silent:
  description: Those in the state C(INSUFFICIENT_DATA).
  returned: success
  type: list
  elements: str
  sample: []
missing:
  description: Those that are not there.
  returned: success
  type: list
  elements: str
  sample: []
stops:
  description: Whether a deploy has to stop, since one rings or is not there.
  returned: always
  type: bool
  sample: false
text:
  description: One line for each alarm that is not C(OK).
  returned: always
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import alarms, clients


def main() -> None:
    module = AnsibleAWSModule(argument_spec=alarms.OPTIONS, supports_check_mode=True)
    answer = alarms.answer(module.params, clients.of(module), clients.now, module.check_mode)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
