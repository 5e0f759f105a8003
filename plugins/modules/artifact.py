#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact
version_added: 0.1.0
short_description: Publish a release to S3, once
description:
  - Checks an archive as a host would, uploads it, and writes the manifest that describes it beside it.
  - A version is written once. The same bytes again change nothing, other bytes are an error.
  - An upload that died half-way is completed by running it again.
author:
  - Deploy Toolkit authors (@sysops)
options:
  app:
    description: Name of the app.
    type: str
    required: true
  version:
    description: The version to publish. Quote it, since YAML makes a number of V(1.10).
    type: str
    required: true
  src:
    description: Path of the archive; its name ends with C(.tar.gz), C(.tar.xz) or C(.tar.zst).
    type: path
    required: true
  bucket:
    description: The S3 bucket of the releases.
    type: str
    required: true
  source_revision:
    description: Where the release comes from, for instance a commit id. It is kept in the manifest.
    type: str
  limits:
    description: What an archive may hold at most.
    type: dict
    default: {}
    suboptions:
      entries:
        description: Number of files, folders and links.
        type: int
        default: 200000
      unpacked_size:
        description: Bytes of all files.
        type: int
        default: 8589934592
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Checks everything and uploads nothing.
    support: full
  diff_mode:
    description: Shows the manifest that is written.
    support: full
"""

EXAMPLES = r"""
- name: Publish a release
  sysops.dtk.artifact:
    app: hello
    version: "1.0.1"
    src: dist/hello-1.0.1.tar.gz
    bucket: my-releases
    source_revision: 3f2a9c1
"""

RETURN = r"""
manifest:
  description: What the release is.
  returned: success
  type: dict
  sample: {"app": "hello", "version": "1.0.1", "format": "tar.gz", "size": 12345, "files": 3}
uri:
  description: Where the archive is.
  returned: success
  type: str
  sample: s3://my-releases/hello/1.0.1.tar.gz
manifest_uri:
  description: Where the manifest is.
  returned: success
  type: str
  sample: s3://my-releases/hello/1.0.1.json
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import artifacts, clients


def main() -> None:
    limits = {
        "entries": {"type": "int", "default": 200000},
        "unpacked_size": {"type": "int", "default": 8589934592},
    }
    module = AnsibleAWSModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "src": {"type": "path", "required": True},
            "bucket": {"type": "str", "required": True},
            "source_revision": {"type": "str"},
            "limits": {"type": "dict", "default": {}, "options": limits},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        result = artifacts.publish(
            clients.client(module, "s3"),
            given["bucket"],
            given["app"],
            given["version"],
            given["src"],
            now=clients.now(),
            limits=given["limits"],
            source_revision=given["source_revision"],
            check=module.check_mode,
        )
    except artifacts.FAILURES as exc:
        module.fail_json(msg=str(exc))
    after = result["manifest"]
    module.exit_json(**result, diff={"before": {} if result["changed"] else after, "after": after})


if __name__ == "__main__":
    main()
