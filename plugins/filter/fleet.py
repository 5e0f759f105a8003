# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
version_added: 0.4.0
short_description: The fleet of a server role in one env, checked and completed
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Checks the variable C(dtk_fleet) of a server role together with what it is a fleet of, lays what is said for the env
    over the rest, and fills in every default.
  - What is wrong ends in one error that has all of it, each with the path, the value and the remedy.
  - C(docs/fleet.md) has every key.
positional: _input, server_role, apps, env, prefix, bucket
options:
  _input:
    description: The variable C(dtk_fleet).
    type: dict
    required: true
  server_role:
    description: The variable C(dtk_server_role).
    type: dict
    required: true
  apps:
    description: The variable C(dtk_apps).
    type: dict
    required: true
  env:
    description: The env.
    type: str
    required: true
  prefix:
    description: Path in Parameter Store below which everything of the toolkit is kept.
    type: str
    default: /dtk
  bucket:
    description: The S3 bucket of the releases.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: What the fleet of this server role is in prod
  ansible.builtin.debug:
    msg: "{{ dtk_fleet | sysops.dtk.fleet(dtk_server_role, dtk_apps, 'prod') }}"
"""

RETURN = r"""
_value:
  description:
    - The keys of C(dtk_fleet), and what follows from them - C(name), C(apps), C(ports), C(target_groups), C(tags) and
      C(instance_tags).
    - A key that has no default and was not given is not there.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import fleets


def fleet(
    declared: Any, server_role: Any, apps: Any, env: str, prefix: str = "/dtk", bucket: str = ""
) -> dict[str, Any]:
    try:
        return fleets.resolve(declared, server_role, apps, env, prefix, bucket)
    except fleets.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fleet": fleet}
