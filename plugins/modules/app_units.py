#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_units
version_added: 0.3.0
short_description: Make, configure and run the systemd units of a server role's apps
description:
  - V(installed) makes a unit for each app that has a C(service), with a socket unit where it has C(sockets), and has
    all units of the apps start with the machine. Nothing is started, restarted or stopped.
  - Before a file is written, systemd reads the units, and judges them. A unit that it does not accept, one with a
    directive that it would ignore, and one whose exposure is above the app's C(max_exposure) is refused.
  - V(configured) tells the apps which env they are in, as the environment variable C(DTK_ENV). Nothing is restarted.
  - V(running) restarts what runs by an older file than the one on the disk, starts what does not run, and waits until
    the app is healthy. An app without a release is left alone, and its sockets do not listen.
author:
  - Deploy Toolkit authors (@sysops)
notes:
  - Needs Python 3.9 or newer and systemd 250 or newer on the host, and no packages.
  - Each restart takes the app's lock on the host, as M(sysops.dtk.release) does, so that the two never overlap.
  - A socket unit that this module made is removed when its app has no sockets any more. The units of an app that has
    left the server role stay; such a server is best replaced.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  state:
    description: What to do, see the description.
    type: str
    choices: [installed, configured, running]
    required: true
  server_role:
    description: The server role, C(dtk_server_role) of the estate.
    type: dict
    required: true
  apps:
    description: Its apps, C(dtk_apps) of the estate.
    type: dict
    required: true
  env:
    description: With O(state=configured), the env that the host is in. Where it is empty, the apps are told none.
    type: str
    default: ""
  credentials_socket:
    description:
      - With O(state=installed), the Unix socket from which systemd gets the secrets of the apps when it starts them.
      - Where it is empty, no unit gets any.
    type: str
    default: ""
  lock_timeout:
    description: Seconds to wait for another process that works on the same app.
    type: float
    default: 30
seealso:
  - plugin: sysops.dtk.server_role
    plugin_type: filter
  - module: sysops.dtk.release
"""

EXAMPLES = r"""
- name: Make the units of the apps
  sysops.dtk.app_units:
    state: installed
    server_role: "{{ dtk_server_role }}"
    apps: "{{ dtk_apps }}"

- name: Have them run
  sysops.dtk.app_units:
    state: running
    server_role: "{{ dtk_server_role }}"
    apps: "{{ dtk_apps }}"
"""

RETURN = r"""
written:
  description: Files that were written.
  returned: always
  type: list
  elements: str
  sample: [/etc/systemd/system/api.service]
removed:
  description: Files that were removed.
  returned: always
  type: list
  elements: str
  sample: []
enabled:
  description: Units that start with the machine from now on.
  returned: always
  type: list
  elements: str
  sample: [api.service]
restarted:
  description: Units that were started or restarted.
  returned: always
  type: list
  elements: str
  sample: [api.service]
waiting:
  description: Units of apps that have no release on this host yet.
  returned: always
  type: list
  elements: str
  sample: []
exposure:
  description:
    - With O(state=installed), what C(systemd-analyze security) says of each service, from 0 to 10. Less is better.
    - A service that comes with a package is told, too, and never refused.
  returned: always
  type: dict
  sample: {api.service: 1.2}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sysops.dtk.plugins.module_utils import app_units


def main() -> None:
    module = AnsibleModule(argument_spec=app_units.OPTIONS, supports_check_mode=True)
    answer = app_units.answer(module.params, module.check_mode)
    for text in answer.pop("warnings"):
        module.warn(text)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
