#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_bundle
version_added: 0.3.0
short_description: Pack what a machine needs to apply roles to itself into one archive
description:
  - Puts ansible-core and boto3 as wheels, collections, a server role, and the roles and tests of an estate into one
    tar.
  - A machine that has it needs no Galaxy, no package index and no git, neither when an image is built nor when it
    boots.
  - The archive depends on its content only, not on the machine, the time or the order of files. It is kept under its
    SHA-256, so the same content is uploaded once, and whoever knows the hash knows the content.
  - Runs on the controller. The action plugin of the same name finds the folders of the collections.
author:
  - Deploy Toolkit authors (@sysops)
options:
  state:
    description:
      - V(present) makes the bundle.
      - V(pruned) deletes bundles of O(bucket) below O(prefix), all but the newest O(keep) and the one with O(sha256).
    type: str
    choices: [present, pruned]
    default: present
  bucket:
    description: The S3 bucket to put the bundle into. One of O(bucket) and O(dest) is needed.
    type: str
  prefix:
    description: Where in the bucket. The bundle becomes C(<prefix>/<sha256>.tar).
    type: str
    default: bundles
  dest:
    description: A folder on the controller to put the bundle into, as C(bundle-<12 digits of the hash>.tar).
    type: path
  requirements:
    description:
      - A requirements file with a version and the hashes of every package, as made by
        C(pip-compile --generate-hashes).
      - It must name ansible-core, pip itself, and everything that they depend on. Needed to make a bundle.
    type: path
  wheels:
    description:
      - A folder on the controller that holds the wheels of all O(requirements), where there is no package index.
      - Without it pip downloads them, and they are kept in O(cache).
    type: path
  cache:
    description: Folder on the controller that keeps downloaded wheels.
    type: path
    default: ~/.cache/dtk/wheels
  python:
    description: Version of the machine's Python, which wheels are made for. One that ansible-core runs on.
    type: str
    default: "3.11"
  architecture:
    description: Kind of the machine.
    type: str
    choices: [x86_64, arm64]
    default: x86_64
  collections:
    description:
      - Collections to pack, as names and the folders that hold them.
      - Without a folder, the action plugin takes the collection that this very run uses.
    type: dict
    default: {sysops.dtk: null, ansible.posix: null, amazon.aws: null}
  server_role:
    description: The server role, C(dtk_server_role) of an estate. It becomes C(estate/server_role.json), with O(apps).
    type: dict
  apps:
    description: The apps of the server role, C(dtk_apps) of an estate.
    type: dict
    default: {}
  vars:
    description: Further variables for the O(roles) and O(tests), kept in the same file. None may begin with C(dtk_).
    type: dict
    default: {}
  roles:
    description: Further roles to pack, as names and folders.
    type: dict
    default: {}
  tests:
    description: Playbooks to pack, which prove an image.
    type: list
    elements: path
    default: []
  files:
    description: Further files to pack, as names in the bundle and paths on the controller.
    type: dict
    default: {}
  keep:
    description: With O(state=pruned), how many bundles to keep.
    type: int
    default: 5
  sha256:
    description: With O(state=pruned), the hash of the bundle that is in use.
    type: str
notes:
  - It needs C(s3:GetObject), C(s3:ListBucket) and C(s3:PutObject) on the bucket, and C(s3:DeleteObject) to prune.
  - No secret belongs into a bundle. What is packed stays readable for everybody on the machine.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Makes the bundle to know its hash, and neither uploads nor deletes anything. Wheels are downloaded.
    support: full
  diff_mode:
    description: Shows the files of a new bundle, and the keys that are deleted.
    support: full
seealso:
  - module: sysops.dtk.image_pipeline
"""

EXAMPLES = r"""
- name: Put everything that the server role api needs into S3
  sysops.dtk.image_bundle:
    bucket: example-images
    prefix: bundles/api
    requirements: requirements.txt
    server_role: "{{ dtk_server_role }}"
    apps: "{{ dtk_apps }}"
    tests: [tests/api_smoke.yml]
  delegate_to: localhost
  register: bundle

- name: Delete all but the five newest
  sysops.dtk.image_bundle:
    state: pruned
    bucket: example-images
    prefix: bundles/api
    sha256: "{{ bundle.sha256 }}"
  delegate_to: localhost
"""

RETURN = r"""
sha256:
  description: The hash of the archive.
  returned: when a bundle was made
  type: str
  sample: 5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
id:
  description: Its first 12 digits, by which a host calls the runtime that it makes of it.
  returned: when a bundle was made
  type: str
  sample: 5feceb66ffc8
size:
  description: Bytes of the archive.
  returned: when a bundle was made
  type: int
  sample: 35000000
uri:
  description: Where it is in S3.
  returned: with O(bucket)
  type: str
  sample: s3://example-images/bundles/api/5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9.tar
path:
  description: Where it is on the controller.
  returned: with O(dest)
  type: str
  sample: /var/cache/dtk/bundle-5feceb66ffc8.tar
deleted:
  description: Keys that were deleted.
  returned: with O(state=pruned)
  type: list
  elements: str
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import bundles, clients

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "pruned"], "default": "present"},
    "bucket": {"type": "str"},
    "prefix": {"type": "str", "default": "bundles"},
    "dest": {"type": "path"},
    "requirements": {"type": "path"},
    "wheels": {"type": "path"},
    "cache": {"type": "path", "default": "~/.cache/dtk/wheels"},
    "python": {"type": "str", "default": "3.11"},
    "architecture": {"type": "str", "choices": ["x86_64", "arm64"], "default": "x86_64"},
    "collections": {"type": "dict", "default": {"sysops.dtk": None, "ansible.posix": None, "amazon.aws": None}},
    "server_role": {"type": "dict"},
    "apps": {"type": "dict", "default": {}},
    "vars": {"type": "dict", "default": {}},
    "roles": {"type": "dict", "default": {}},
    "tests": {"type": "list", "elements": "path", "default": []},
    "files": {"type": "dict", "default": {}},
    "keep": {"type": "int", "default": 5},
    "sha256": {"type": "str"},
}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=OPTIONS,
        required_one_of=[["bucket", "dest"]],
        mutually_exclusive=[["bucket", "dest"]],
        required_if=[["state", "present", ["requirements"]], ["state", "pruned", ["bucket", "sha256"]]],
        supports_check_mode=True,
    )
    given = module.params
    try:
        if given["state"] == "pruned":
            s3 = clients.client(module, "s3")
            gone = bundles.prune(
                s3, given["bucket"], given["prefix"], given["keep"], given["sha256"], module.check_mode
            )
            result = {"changed": bool(gone), "deleted": gone, "diff": {"before": gone, "after": []}}
        else:
            result = present(module)
    except bundles.FAILURES as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


def present(module: AnsibleAWSModule) -> dict:
    given = module.params
    made = bundles.make(bundles.content_of(given), module.tmpdir)
    if given["dest"]:
        result = bundles.keep(made, given["dest"], module.check_mode)
    else:
        s3 = clients.client(module, "s3")
        result = bundles.upload(s3, made, given["bucket"], given["prefix"], module.check_mode)
    diff = {"before": {} if result["changed"] else made.contents, "after": made.contents}
    return {**result, "sha256": made.sha256, "id": made.id, "size": made.size, "diff": diff}


if __name__ == "__main__":
    main()
