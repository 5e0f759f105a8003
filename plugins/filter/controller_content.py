# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: controller_content
version_added: 0.4.0
short_description: What an Automation Controller should hold for an estate
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Makes organization, teams, inventories, job templates, surveys, workflows, schedules and grants for every env,
    server role and app of an estate.
  - The result is data in the C(controller_*) variables that C(infra.aap_configuration) reads.
  - What is wrong ends in one error that has all of it.
positional: _input, estate, buttons, published, objects, strategies
options:
  _input:
    description: The variable C(dtk_controller) of the estate.
    type: dict
    required: true
  estate:
    description: >-
      One entry for each server role in each env, with C(env), C(role), its C(apps), and whether it has an C(image) and
      a C(fleet).
    type: list
    elements: dict
    required: true
  buttons:
    description: The buttons, by name.
    type: dict
    required: true
  published:
    description: Published versions, newest first, by env and app.
    type: dict
    default: {}
  objects:
    description: What the estate declares itself, such as C(controller_credentials).
    type: dict
    default: {}
  strategies:
    description: The variable C(dtk_strategies) of the estate.
    type: dict
    default: {}
  files:
    description:
      - Whether the result is the text of files, divided by what is released together.
      - What the estate declares itself is in none of them, since it has secrets.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Names of all job templates
  ansible.builtin.debug:
    msg: "{{ (dtk_controller | sysops.dtk.controller_content(estate, buttons)).controller_templates }}"
"""

RETURN = r"""
_value:
  description: Variable to objects, or with O(files) the name of a file to its text.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import controllers


def controller_content(
    settings: Any,
    estate: Sequence[Mapping[str, Any]],
    buttons: Any,
    published: Mapping[str, Any] | None = None,
    objects: Mapping[str, Any] | None = None,
    strategies: Mapping[str, Any] | None = None,
    files: bool = False,
) -> dict[str, Any]:
    try:
        made = controllers.make_files(settings, estate, buttons, published, objects, strategies)
    except controllers.CoreError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    if files:
        return {name: controllers.to_yaml(data) for name, data in made.items() if name != controllers.OWN}
    return controllers.content(made)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"controller_content": controller_content}
