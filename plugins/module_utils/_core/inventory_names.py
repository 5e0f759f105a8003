# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of hosts: from tags and addresses, harmless, and never two instances under one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from .inventory import InventoryError
from .text import abbreviated

ON_DUPLICATE = ("warn", "suffix", "fail")

Name = Callable[[Mapping[str, Any]], str]

_ATTRIBUTES = {
    "architecture": "architecture",
    "availability-zone": "availability_zone",
    "dns-name": "public_dns_name",
    "image-id": "image_id",
    "instance-id": "instance_id",
    "instance-type": "instance_type",
    "ip-address": "public_ip_address",
    "key-name": "key_name",
    "owner-id": "account_id",
    "private-dns-name": "private_dns_name",
    "private-ip-address": "private_ip_address",
    "subnet-id": "subnet_id",
    "vpc-id": "vpc_id",
}
_TAG = "tag:"
# A name becomes part of paths (host_vars/NAME), of patterns (-l NAME) and of command lines (ssh NAME).
_HARMFUL = re.compile(r"[^\w.-]|^[.-]")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_TOLD_WIDTH = 200


def naming(preferences: Sequence[Any]) -> Name:
    """The option hostnames as one function: the first preference that an instance has."""
    choices = [_choice(preference) for preference in preferences]
    return lambda row: next((name for name in (choice(row) for choice in choices) if name), "")


def names_of(
    rows: Sequence[Mapping[str, Any]], naming_of: Name, taken: AbstractSet[str], on_duplicate: str
) -> tuple[list[str], list[str]]:
    """(one name per row, warnings). A name that another instance, a group or the controller has is not used alone.

    taken: names of groups, which a host must not have: Ansible would take one for the other.
    """
    wished = [_HARMFUL.sub("_", naming_of(row) or row["instance_id"]) for row in rows]
    holders: dict[str, list[str]] = {}
    for name, row in zip(wished, rows):
        holders.setdefault(name, []).append(row["instance_id"])
    shared = {name: ids for name, ids in holders.items() if len(ids) > 1}
    if shared and on_duplicate == "fail":
        raise InventoryError(
            f"Several instances have one name: {_told(shared)}. Correct their tags, choose other hostnames, "
            "or let on_duplicate add the instance id."
        )
    reserved = {name: ids for name, ids in holders.items() if name in taken or name in _LOCAL}
    return _apart(rows, wished, {*shared, *reserved}, taken), _warnings(shared, reserved, on_duplicate)


def _apart(
    rows: Sequence[Mapping[str, Any]], wished: Sequence[str], ambiguous: AbstractSet[str], taken: AbstractSet[str]
) -> list[str]:
    used = {*ambiguous, *taken}
    used.update(wished)
    names = []
    for name, row in zip(wished, rows):
        names.append(_unused(f"{name}-{row['instance_id']}", used) if name in ambiguous else name)
        used.add(names[-1])
    return names


def _unused(name: str, used: AbstractSet[str]) -> str:
    """The name; longer if somebody's tag is just this."""
    return name if name not in used else _unused(f"{name}_", used)


def _warnings(shared: Mapping[str, list[str]], reserved: Mapping[str, list[str]], on_duplicate: str) -> list[str]:
    warnings = []
    if shared and on_duplicate == "warn":
        warnings.append(
            f"Several instances have one name: {_told(shared)}. Each is called <name>-<instance id>; "
            "correct their tags, choose other hostnames, or set on_duplicate to suffix if this is meant."
        )
    if reserved:
        warnings.append(
            f"Names of groups or of the controller are no names for hosts: {_told(reserved)}. "
            "Each is called <name>-<instance id>; correct their tags or choose other hostnames."
        )
    return warnings


def _told(holders: Mapping[str, Iterable[str]]) -> str:
    return abbreviated([f"{name} ({', '.join(sorted(holders[name]))})" for name in sorted(holders)], _TOLD_WIDTH)


def _choice(preference: Any) -> Name:
    if isinstance(preference, str):
        return _single(preference)
    if not isinstance(preference, Mapping) or not isinstance(preference.get("name"), str):
        raise InventoryError(f"hostnames has the item {preference!r}. An item is a text, or a dictionary with name.")
    unknown = set(preference) - {"name", "prefix", "separator"}
    if unknown:
        raise InventoryError(
            f"hostnames has an item with {', '.join(sorted(map(str, unknown)))}; it takes name, prefix and separator."
        )
    prefix = str(preference.get("prefix") or "")
    separator = str(preference.get("separator", "_"))
    return _prefixed(_single(preference["name"]), _prefix(prefix), separator) if prefix else _single(preference["name"])


def _prefixed(name: Name, prefix: Name, separator: str) -> Name:
    def choose(row: Mapping[str, Any]) -> str:
        given, before = name(row), prefix(row)
        return f"{before}{separator}{given}" if given and before else given

    return choose


def _prefix(text: str) -> Name:
    """A prefix that is no preference stands for itself."""
    return _single(text) if text in _ATTRIBUTES or text.startswith(_TAG) else lambda _row: text


def _single(preference: str) -> Name:
    if preference in _ATTRIBUTES:
        key = _ATTRIBUTES[preference]
        return lambda row: row.get(key) or ""
    if preference.startswith(_TAG) and len(preference) > len(_TAG) and "|" not in preference:
        wanted = [item.partition("=") for item in preference[len(_TAG) :].split(",")]
        return lambda row: next((name for name in (_tag_name(row["tags"], *item) for item in wanted) if name), "")
    raise InventoryError(
        f"hostnames has {preference!r}, which no instance has. "
        f"Use tag:<key> (no filters), or one of {', '.join(sorted(_ATTRIBUTES))}."
    )


def _tag_name(tags: Mapping[str, str], key: str, equals: str, value: str) -> str:
    """'Name' -> the tag's value; 'Name=web' -> 'Name_web' for instances that have just this."""
    found = tags.get(key, "")
    if not equals:
        return found
    return f"{key}_{value}" if found == value else ""
