# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: strategy
version_added: 0.4.0
short_description: What an app declares for its deploys, changed by a strategy
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Puts the waves, the budget and the bake time of a named strategy in place of what the app declares.
  - The toolkit has the strategies V(as declared), V(careful), V(halves) and V(all at once).
positional: _input, name, own
options:
  _input:
    description: C(dtk_apps.<app>.deploy) of the estate.
    type: dict
    required: true
  name:
    description: Name of the strategy. Nothing changes nothing.
    type: str
    required: true
  own:
    description: The variable C(dtk_strategies) of the estate, which adds to those of the toolkit or changes them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: A deploy that takes its time
  ansible.builtin.debug:
    msg: "{{ dtk_apps.hello.deploy | sysops.dtk.strategy('careful') }}"
"""

RETURN = r"""
_value:
  description: The same keys.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import controllers


def strategy(declared: Mapping[str, Any], name: str, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    try:
        return controllers.strategy(declared, name, own or {})
    except controllers.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"strategy": strategy}
