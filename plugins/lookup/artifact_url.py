# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: artifact_url
version_added: 0.1.0
short_description: A link by which a host without AWS credentials can fetch an artifact for a while
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Presigns the link on the controller, with the credentials and the region of its environment. No call is made.
  - Whoever has the link may fetch the artifact. Use it in a task with C(no_log) only.
notes:
  - A module could do the same, and would start a Python of its own and import all of boto3 for it.
options:
  _terms:
    description: Artifacts, each a dictionary with C(bucket) and C(key) as M(sysops.dtk.deploy_plan) returns it.
    type: list
    elements: dict
    required: true
  expiry:
    description:
      - Seconds for which the link is good.
      - Links made with the credentials of a role end with these credentials, if that is sooner.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Let the hosts read the artifact for an hour
  ansible.builtin.set_fact:
    link: "{{ lookup('sysops.dtk.artifact_url', planned.plan.artifact) }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The links.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.sysops.dtk.plugins.module_utils import artifacts


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [artifacts.presigned(term["bucket"], term["key"], self.get_option("expiry")) for term in terms]
        except artifacts.FAILURES as exc:
            raise AnsibleLookupError(str(exc)) from exc
