#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
version_added: 0.1.0
short_description: Tell which release of an app a host serves, and how it is
description:
  - Reads the state of an app on this host. Nothing is changed and no lock is taken, so it answers during a deploy.
author:
  - Deploy Toolkit authors (@sysops)
extends_documentation_fragment:
  - sysops.dtk.host
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    platforms: posix
options:
  health:
    description:
      - How to know that the app is healthy. It is asked once, within O(health.timeout).
      - Give exactly one of O(health.http), O(health.tcp) and O(health.command).
  unit:
    description: Systemd unit that runs the app, with its suffix.
    type: str
seealso:
  - module: sysops.dtk.release
"""

EXAMPLES = r"""
- name: Ask the host
  sysops.dtk.release_info:
    app: hello
    unit: hello.service
    health:
      http:
        url: http://127.0.0.1:8080/health
        body: '"release": "{version}"'
  register: hello
"""

RETURN = r"""
exists:
  description: Whether the app has a folder on this host.
  returned: always
  type: bool
  sample: true
current:
  description: The release that is served, null if there is none.
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
activated_at:
  description: When the current release was activated, UTC.
  returned: always
  type: str
  sample: "2026-11-22T20:48:59Z"
activated_by:
  description: Who did.
  returned: always
  type: str
  sample: alice@build-1
deploy:
  description: Id of the deploy that did.
  returned: always
  type: str
  sample: 01JD8
releases:
  description: The complete releases on this host, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    version:
      description: The release.
      type: str
    failed:
      description: Whether its last activation here failed.
      type: bool
    staged_at:
      description: When it was staged, UTC.
      type: str
  sample: [{version: 1.0.1, failed: false, staged_at: "2026-11-22T20:48:59.123456Z"}]
transaction:
  description: The activation that is open, null if there is none.
  returned: always
  type: dict
  contains:
    id:
      description: Its id.
      type: str
    from:
      description: The release to go back to.
      type: str
    to:
      description: The release to activate.
      type: str
    phase:
      description: The phase that was entered last.
      type: str
    started_at:
      description: When it began, UTC.
      type: str
    dead:
      description: Whether its process is gone. The dead-man switch or the next run then repairs the host.
      type: bool
  sample: null
unit_state:
  description: State of the unit as systemd says it, null if no unit was named or systemd does not run.
  returned: always
  type: str
  sample: active
health:
  description: The answer to one probe, null if O(health) was not given.
  returned: always
  type: dict
  contains:
    ok:
      description: Whether it is healthy.
      type: bool
    detail:
      description: The answer.
      type: str
  sample: {ok: true, detail: "status 200: ok"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sysops.dtk.plugins.module_utils import host


def main() -> None:
    options = {**host.APP_OPTIONS, "health": {"type": "dict", "options": host.HEALTH_OPTIONS}, "unit": {"type": "str"}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    try:
        result = host.inspect(module.params)
    except host.HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
