# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EC2: which instances, regions and images there are. The client is passed in, plain data comes out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from .errors import translated
from .paging import pages

PAGE = 1000
_FILTER_VALUES = 200

# Our name of what AWS says about an instance.
_PLAIN = (
    ("instance_id", "InstanceId"),
    ("private_ip_address", "PrivateIpAddress"),
    ("public_ip_address", "PublicIpAddress"),
    ("private_dns_name", "PrivateDnsName"),
    ("public_dns_name", "PublicDnsName"),
    ("image_id", "ImageId"),
    ("instance_type", "InstanceType"),
    ("architecture", "Architecture"),
    ("instance_lifecycle", "InstanceLifecycle"),
    ("key_name", "KeyName"),
    ("platform", "Platform"),
    ("subnet_id", "SubnetId"),
    ("vpc_id", "VpcId"),
)
_ACRONYM = re.compile(r"[A-Z]{3,}s$")
_WORD = re.compile(r"([^_])([A-Z][a-z]+)")
_EDGE = re.compile(r"([a-z0-9])([A-Z])")


def instances(
    client: Any, filters: Iterable[Mapping[str, Any]], full: bool = False, seen: dict[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """One dictionary per instance. full: with everything that AWS says about it, which needs botocore's own model.

    seen: of texts that came before, so that the same tag of thousands of instances is in memory once.
    """
    same = {} if seen is None else seen
    region = client.meta.region_name
    wanted = boto_filters(filters)
    with translated(f"list the instances of {region}", client):
        for page in pages(client, "describe_instances", PAGE, Filters=wanted):
            for reservation in page["Reservations"]:
                owner = reservation.get("OwnerId", "")
                for instance in reservation["Instances"]:
                    row = _row(instance, region, owner, same)
                    if full:
                        row["description"] = {**snake(instance), "owner_id": owner}
                    yield row


def instance_ids(client: Any, filters: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of the instances that match."""
    return {row["instance_id"] for row in instances(client, filters)}


def regions(client: Any) -> list[str]:
    """The regions that are enabled for the account."""
    with translated("list the enabled regions", client):
        return sorted(region["RegionName"] for region in client.describe_regions()["Regions"])


def images(client: Any, ids: Iterable[str]) -> dict[str, str]:
    """When each image was made, as AWS writes it. What is not there any more is left out."""
    wanted, found = sorted(ids), {}
    with translated(f"read the images of {client.meta.region_name}", client):
        for start in range(0, len(wanted), _FILTER_VALUES):
            # By filter: asked by id, AWS fails for all of them if one was deregistered.
            chosen = boto_filters([{"image-id": wanted[start : start + _FILTER_VALUES]}])
            for page in pages(client, "describe_images", PAGE, Filters=chosen, IncludeDeprecated=True):
                found.update((image["ImageId"], image["CreationDate"]) for image in page["Images"])
    return found


def image(client: Any, image_id: str) -> dict[str, Any] | None:
    """State, name and tags of one image, None if it is not there, or not for this account."""
    with translated(f"read the image {image_id} in {client.meta.region_name}", client):
        # Deprecated ones, too: instances start from them.
        answer = client.describe_images(Filters=boto_filters([{"image-id": image_id}]), IncludeDeprecated=True)
    found = next(iter(answer["Images"]), None)
    if found is None:
        return None
    return {
        "image_id": found["ImageId"],
        "state": found.get("State", ""),
        "name": found.get("Name", ""),
        "owner": found.get("OwnerId", ""),
        "tags": _tags(found.get("Tags", ()), {}),
    }


def tag(client: Any, resource: str, tags: Mapping[str, str]) -> None:
    """Add tags, or change them."""
    with translated(f"tag {resource} in {client.meta.region_name}", client):
        client.create_tags(Resources=[resource], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def untag(client: Any, resource: str, tags: Mapping[str, str]) -> None:
    """Remove tags that have these values."""
    with translated(f"remove tags of {resource} in {client.meta.region_name}", client):
        client.delete_tags(Resources=[resource], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def boto_filters(filters: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """[{"tag:a": "x", "tag:b": ["y", 1]}] -> what EC2 takes."""
    return [
        {"Name": name, "Values": [_text(item) for item in (value if isinstance(value, (list, tuple)) else [value])]}
        for chosen in filters
        for name, value in chosen.items()
    ]


def snake(value: Any) -> Any:
    """Keys in snake_case and dates as text, tags aside, which are a dictionary with the keys that users gave them."""
    if isinstance(value, dict):
        return {
            _snake_name(key): _tags(item, {}) if key == "Tags" and isinstance(item, list) else snake(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [snake(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _row(instance: dict[str, Any], region: str, owner: str, same: dict[str, str]) -> dict[str, Any]:
    row = {ours: same.setdefault(value, value) for ours, theirs in _PLAIN if (value := instance.get(theirs))}
    zone = instance.get("Placement", {}).get("AvailabilityZone", "")
    launched = instance.get("LaunchTime", "")
    row["region"] = region
    row["availability_zone"] = same.setdefault(zone, zone)
    row["account_id"] = same.setdefault(owner, owner)
    row["launch_time"] = launched.isoformat() if isinstance(launched, datetime) else launched
    row["state"] = same.setdefault(*2 * (instance.get("State", {}).get("Name", ""),))
    row["tags"] = _tags(instance.get("Tags", ()), same)
    return row


def _tags(items: Iterable[Mapping[str, str]], same: dict[str, str]) -> dict[str, str]:
    pairs = ((item["Key"], item.get("Value", "")) for item in items)
    return {same.setdefault(key, key): same.setdefault(value, value) for key, value in pairs}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=4096)
def _snake_name(name: str) -> str:
    """As Ansible's camel_dict_to_snake_dict does it, since users know these names."""
    plural = _ACRONYM.search(name)
    if plural:
        name = f"{name[: plural.start()]}_{plural.group().lower()}"
    return _EDGE.sub(r"\1_\2", _WORD.sub(r"\1_\2", name)).lower()
