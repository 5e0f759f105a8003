# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The content of an Automation Controller as YAML for Ansible.

What looks like a template belongs to the Controller, and is written as !unsafe: Ansible would fill it in itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = "# Made from the estate by sysops.dtk.controller; infra.aap_configuration reads it, too.\n---\n"
_TEMPLATES = ("{{", "{%", "{#")


def to_yaml(data: Mapping[str, Any]) -> str:
    return _HEAD + "".join(f"{line}\n" for line in _mapping(data, 0))


def _mapping(data: Mapping[str, Any], depth: int) -> Iterator[str]:
    for key, value in data.items():
        yield from _under(f"{' ' * depth}{key}:", value, depth)


def _under(head: str, value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, depth + 2)
    elif isinstance(value, (list, tuple)) and value:
        yield head
        for item in value:
            yield from _item(item, depth + 2)
    else:
        yield f"{head} {_scalar(value)}"


def _item(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        first, *rest = _mapping(value, depth + 2)
        yield f"{' ' * depth}- {first.strip()}"
        yield from rest
    else:
        yield f"{' ' * depth}- {_scalar(value)}"


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"!unsafe {text}" if isinstance(value, str) and any(mark in value for mark in _TEMPLATES) else text
