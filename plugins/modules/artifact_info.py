#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_info
version_added: 0.4.0
short_description: List the published releases of apps
description:
  - Says which releases were published last. What counts is the manifest, which M(sysops.dtk.artifact) writes last.
author:
  - Deploy Toolkit authors (@sysops)
options:
  apps:
    description: Names of the apps.
    type: list
    elements: str
    required: true
  bucket:
    description: The S3 bucket of the releases.
    type: str
    required: true
  count:
    description: How many releases of each app are listed at most.
    type: int
    default: 15
extends_documentation_fragment:
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
- name: What could be deployed
  sysops.dtk.artifact_info:
    apps: [hello]
    bucket: my-releases
  register: published
"""

RETURN = r"""
versions:
  description: Versions by app, the newest first. An app without a release has an empty list.
  returned: success
  type: dict
  sample: {"hello": ["1.0.1", "1.0.0"]}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import artifacts, clients


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "required": True},
            "bucket": {"type": "str", "required": True},
            "count": {"type": "int", "default": 15},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        found = artifacts.versions(clients.client(module, "s3"), given["bucket"], given["apps"], given["count"])
    except artifacts.FAILURES as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, versions=found)


if __name__ == "__main__":
    main()
