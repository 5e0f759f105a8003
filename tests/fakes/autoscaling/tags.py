# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .region import Region, invalid
from .state import Group, Parameters

_TYPE = "auto-scaling-group"
_MOST = 50
_FILTERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "auto-scaling-group": lambda tag: tag["ResourceId"],
    "key": lambda tag: tag["Key"],
    "value": lambda tag: tag["Value"],
    "propagate-at-launch": lambda tag: str(tag["PropagateAtLaunch"]).lower(),
}


def described(name: str, tag: Parameters) -> dict[str, Any]:
    if tag["Key"].startswith("aws:"):
        raise invalid(f"The tag key {tag['Key']} is reserved.")
    return {
        "ResourceId": name,
        "ResourceType": _TYPE,
        "Key": tag["Key"],
        "Value": tag.get("Value", ""),
        "PropagateAtLaunch": tag.get("PropagateAtLaunch", False),
    }


def pass_filters(group: Group, filters: Sequence[Parameters]) -> bool:
    """As DescribeAutoScalingGroups has them: tag-key, tag-value, and tag:KEY."""
    return all(_passes(group, one.get("Name", ""), one.get("Values", [])) for one in filters)


def _passes(group: Group, name: str, values: list[str]) -> bool:
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(tag["Value"] in values for tag in group.tags.values())
    if name.startswith("tag:"):
        tag = group.tags.get(name.removeprefix("tag:"))
        return tag is not None and tag["Value"] in values
    raise invalid(f"Filter name {name} is not valid. The valid ones are tag-key, tag-value and tag:<key>.")


def _group_of(region: Region, tag: Parameters) -> Group:
    if tag.get("ResourceType") != _TYPE:
        raise invalid(f"The resource type of the tag {tag['Key']} must be {_TYPE}.")
    return region.group(tag.get("ResourceId", ""))


def _put(region: Region, parameters: Parameters) -> Parameters:
    changed = [(_group_of(region, tag), tag) for tag in parameters["Tags"]]
    for group, tag in changed:
        if tag["Key"] not in group.tags and len(group.tags) >= _MOST:
            raise invalid(f"Auto Scaling group {group.name} has {_MOST} tags already.")
        group.tags[tag["Key"]] = described(group.name, tag)
    region.touch()
    return {}


def _delete(region: Region, parameters: Parameters) -> Parameters:
    for tag in parameters["Tags"]:
        _group_of(region, tag).tags.pop(tag["Key"], None)
    region.touch()
    return {}


def _describe(region: Region, parameters: Parameters) -> Parameters:
    found = [tag for group in region.state.groups.values() for _, tag in sorted(group.tags.items())]
    for one in parameters.get("Filters", []):
        name = one.get("Name", "")
        if name not in _FILTERS:
            raise invalid(f"Filter type {name} is not correct. Allowed filter types are: {', '.join(_FILTERS)}")
        found = [tag for tag in found if _FILTERS[name](tag) in one.get("Values", [])]
    return region.page("DescribeTags", "Tags", found, parameters, size=50, most=100)


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "CreateOrUpdateTags": _put,
    "DeleteTags": _delete,
    "DescribeTags": _describe,
}
