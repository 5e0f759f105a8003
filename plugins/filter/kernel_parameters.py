# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kernel_parameters
version_added: 0.3.0
short_description: Kernel parameters as wanted, beside what the kernel says
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Tells which parameters a kernel does not have, which values it cannot take, and which differ.
  - A name that is no kernel parameter is an error.
positional: _input, said
options:
  _input:
    description: Names and values, as in C(dtk_server_role.sysctl).
    type: dict
    required: true
  said:
    description: What grep prints of all lines of those paths, with the names of the files.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Ask the kernel
  ansible.builtin.command:
    argv: "{{ ['grep', '--with-filename', '--no-messages', ''] + (wanted | sysops.dtk.kernel_parameters).paths }}"
  changed_when: false
  register: kernel

- name: Tell what differs
  ansible.builtin.debug:
    msg: "{{ (wanted | sysops.dtk.kernel_parameters(kernel.stdout_lines)).differing }}"
"""

RETURN = r"""
_value:
  description:
    - C(paths) where the parameters are; C(unknown) names that the kernel does not have; C(misfits) with text where it
      has numbers; C(differing) ones that have another value.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.sysops.dtk.plugins.module_utils import kernel_parameters as kernel


def kernel_parameters(wanted: Mapping[str, Any], said: Iterable[str] = ()) -> dict[str, Any]:
    try:
        return kernel.compare(wanted, said)
    except kernel.KernelParameterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"kernel_parameters": kernel_parameters}
