# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: server_role_accounts
version_added: 0.3.0
short_description: Accounts and folders of a server role's apps
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Tells which users, groups and folders the apps of a server role have on a host.
options:
  _input:
    description: The apps as P(sysops.dtk.server_role#filter) has completed them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Whom the apps run as
  ansible.builtin.debug:
    msg: "{{ (dtk_server_role | sysops.dtk.server_role(dtk_apps)).dtk_apps | sysops.dtk.server_role_accounts }}"
"""

RETURN = r"""
_value:
  description:
    - C(group_names) are names.
    - C(users) have C(name), C(group), C(home) and C(ours), which is false for one that may come with the package of
      the app's unit.
    - C(folders) have C(path), C(owner), C(group) and C(mode). C(writable), further folders that an app may write to,
      have C(path), C(owner) and C(group), and are to be made only where they are missing.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import server_roles


def server_role_accounts(apps: Mapping[str, Any]) -> dict[str, list[Any]]:
    return server_roles.accounts(apps)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"server_role_accounts": server_role_accounts}
