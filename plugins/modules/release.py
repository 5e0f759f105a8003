#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
version_added: 0.1.0
short_description: Stage, activate, revert or remove one release of an app on a host
description:
  - Brings one release of one app on this host to the wanted state, as a transaction.
  - V(staged) fetches, verifies and unpacks the release beside the one that is served. Nothing that runs is touched.
  - V(active) switches to a staged release, restarts or reloads its unit and waits until it is healthy. On any failure
    it switches back, restarts and probes again, and reports both.
  - V(reverted) undoes what one deploy did to this host, without a download.
  - V(absent) removes a release that nothing needs.
  - A host that is killed at any instant is on one release, whole. A dead-man switch returns it to the release before,
    unless the activation was finished, and running the same task again repairs what is left.
author:
  - Deploy Toolkit authors (@sysops)
notes:
  - Needs Python 3.9 or newer on the host and nothing else, but for boto3 where O(source) is an C(s3://) URI.
  - Hooks run as the user of the task, in the folder of the release, with only C(PATH), C(HOME), C(LANG), C(DTK_APP),
    C(DTK_RELEASE), C(DTK_PREVIOUS), C(DTK_PHASE), C(DTK_RELEASE_DIR) and C(DTK_TRANSACTION) in their environment.
  - When the process that activates is killed, what its hooks still run is ended by the next run or by the dead-man
    switch, before anything else is done.
extends_documentation_fragment:
  - sysops.dtk.host
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  version:
    description: The release, for example V(1.4.2).
    type: str
    required: true
  state:
    description: What to make of the release, see the description.
    type: str
    choices: [staged, active, reverted, absent]
    default: active
  source:
    description:
      - Where the host fetches the artifact, an C(https://) URL, C(s3://bucket/key) or a path on the host.
      - Needed where the release is not on the host yet. A presigned URL is a secret, so the value is never shown.
    type: str
  manifest:
    description:
      - The release's manifest as it was published.
      - Needed where the release is not on the host yet. With O(state=active) it makes the module stage first.
    type: dict
  limits:
    description: What a release may unpack to.
    type: dict
    suboptions:
      entries:
        description: Files, folders and links. 200000 if not given.
        type: int
      unpacked_size:
        description: Bytes of all files. 8 GiB if not given.
        type: int
  owner:
    description: User who owns the release's files. The user who runs the task if not given.
    type: str
  group:
    description: Group that owns the release's files.
    type: str
  keep:
    description: Good releases to keep, those in use counted. Older ones are removed after an activation.
    type: int
    default: 5
  keep_failed:
    description: Failed releases to keep for a look at them.
    type: int
    default: 2
  unit:
    description: Systemd unit that runs the app, with its suffix. Without one nothing is restarted.
    type: str
  activation:
    description:
      - What makes the unit use the new release.
      - A unit that does not run is started by V(reload) too.
    type: str
    choices: [restart, reload, none]
    default: restart
  unit_timeout:
    description: Seconds that one restart or reload may take.
    type: float
    default: 60
  hooks:
    description: Commands around the switch. The first that fails makes the activation fail.
    type: dict
    suboptions:
      pre:
        description: Before the switch, while the release before is served.
        type: list
        elements: dict
        default: []
        suboptions: &hook
          command:
            description: The program and its arguments, without a shell. A relative path begins in the release's folder.
            type: list
            elements: str
            required: true
          timeout:
            description: Seconds after which it is ended, with all that it started.
            type: float
            default: 60
      post:
        description: After the release was found healthy.
        type: list
        elements: dict
        default: []
        suboptions: *hook
  fence:
    description:
      - Number of the deploy log slot that allows this. A host that has seen a higher one refuses.
      - V(0) stands for no fence.
    type: int
    default: 0
  deploy:
    description: Id of the deploy. O(state=reverted) undoes what this deploy did.
    type: str
  by:
    description: Who deploys, for the state file.
    type: str
  stable:
    description:
      - With O(state=reverted), the release that the whole fleet ran before the deploy.
      - A host that an earlier, unfinished deploy has moved to O(version) already then returns to it as well.
    type: str
  lock_timeout:
    description: Seconds to wait for another process that works on the same app.
    type: float
    default: 30
  dead_man:
    description:
      - Whether systemd is told to return to the release before should this activation be killed.
      - Where systemd does not run, in an image build for example, set this to V(false) and O(activation=none).
    type: bool
    default: true
  region:
    description: AWS region of an C(s3://) source.
    type: str
  endpoint_url:
    description: AWS endpoint of an C(s3://) source.
    type: str
  profile:
    description: AWS profile of an C(s3://) source.
    type: str
seealso:
  - module: sysops.dtk.release_info
"""

EXAMPLES = r"""
- name: Put the release beside the live one
  sysops.dtk.release:
    app: hello
    version: 1.0.1
    state: staged
    manifest: "{{ manifest }}"
    source: "{{ presigned_url }}"
    owner: hello
    group: hello

- name: Switch to it and prove it healthy
  sysops.dtk.release:
    app: hello
    version: 1.0.1
    state: active
    unit: hello.service
    activation: reload
    health:
      http:
        url: http://127.0.0.1:8080/health
        body: '"release": "{version}"'
      interval: 0.2
    hooks:
      pre:
        - command: [bin/migrate]
          timeout: 120
    deploy: "{{ deploy_id }}"

- name: Undo what this deploy did
  sysops.dtk.release:
    app: hello
    version: 1.0.1
    state: reverted
    unit: hello.service
    activation: reload
    deploy: "{{ deploy_id }}"
"""

RETURN = r"""
app:
  description: Name of the app.
  returned: success
  type: str
  sample: hello
version:
  description: The release that was asked for.
  returned: success
  type: str
  sample: 1.0.1
outcome:
  description: What was done, V(staged), V(active), V(reverted), V(absent), V(unchanged) or V(failed).
  returned: success, or when an activation failed
  type: str
  sample: active
current:
  description: The release that is served now.
  returned: always
  type: str
  sample: 1.0.1
previous:
  description: The release that was served before.
  returned: always
  type: str
  sample: 1.0.0
last_good:
  description: The release that was found healthy last.
  returned: always
  type: str
  sample: 1.0.1
fence:
  description: The highest deploy log slot that has acted on this host.
  returned: always
  type: int
  sample: 12
path:
  description: Folder of the release.
  returned: success
  type: str
  sample: /srv/hello/releases/1.0.1
bytes_fetched:
  description: Bytes that were read from the source.
  returned: success
  type: int
  sample: 5242880
seconds:
  description: Seconds per phase.
  returned: success, or when an activation failed
  type: dict
  sample: {restarted: 0.21, probing: 0.45}
pruned:
  description: Releases that were removed.
  returned: success
  type: list
  elements: str
  sample: [0.9.0]
phase:
  description:
    - The last phase that the activation entered, V(begin), V(pre), V(armed), V(switched), V(restarted), V(probing),
      V(post), V(committed) or V(reverting). Null if none was begun.
  returned: for O(state=active) and O(state=reverted)
  type: str
  sample: committed
reverted:
  description: Whether this host is back on the release before. Null if nothing had to be undone.
  returned: for O(state=active) and O(state=reverted)
  type: bool
  sample: true
revert_error:
  description: Why it is not.
  returned: for O(state=active) and O(state=reverted)
  type: str
  sample: null
health:
  description: The probes.
  returned: for O(state=active) and O(state=reverted), null if there were none
  type: dict
  contains:
    tries:
      description: Number of questions.
      type: int
    last:
      description: The last answer.
      type: str
  sample: {tries: 4, last: "status 200: ok"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sysops.dtk.plugins.module_utils import host


def main() -> None:
    module = AnsibleModule(argument_spec=host.RELEASE_OPTIONS, supports_check_mode=True)
    answer = host.answer(module.params, module.check_mode)
    for text in answer.pop("warnings", []):
        module.warn(text)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
