# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory says about an instance: its variables, and what expressions may use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .errors import CoreError

_ADDRESSES = {"private": "private_ip_address", "public": "public_ip_address"}

# A name that amazon.aws.aws_ec2 uses for the same thing is kept; whatever else we add begins with dtk_, so that no
# variable of a user is shadowed.
_VARIABLES = (
    ("instance_id", "instance_id"),
    ("availability_zone", "availability_zone"),
    ("image_id", "image_id"),
    ("instance_type", "instance_type"),
    ("launch_time", "launch_time"),
    ("private_ip_address", "private_ip_address"),
    ("public_ip_address", "public_ip_address"),
    ("private_dns_name", "private_dns_name"),
    ("dtk_region", "region"),
    ("dtk_account_id", "account_id"),
    ("dtk_account", "account"),
    ("dtk_state", "state"),
    ("dtk_target_health", "targets"),
    ("dtk_description", "description"),
)
_MEMBER_VARIABLES = (
    ("dtk_lifecycle_state", "lifecycle_state"),
    ("dtk_health", "health"),
    ("dtk_launch_template", "template"),
    ("dtk_launch_template_version", "template_version"),
)
_GROUP_TAG = "aws:autoscaling:groupName"
_ONLY_IN_EXPRESSIONS = (
    "public_dns_name",
    "architecture",
    "instance_lifecycle",
    "key_name",
    "platform",
    "subnet_id",
    "vpc_id",
)
# What an expression may name, and what is undefined if a host lacks it.
EXPRESSION_NAMES = frozenset(
    {name for name, _key in (*_VARIABLES, *_MEMBER_VARIABLES)}
    | set(_ONLY_IN_EXPRESSIONS)
    | {
        "dtk_env",
        "dtk_role",
        "dtk_pending",
        "dtk_protected_from_scale_in",
        "dtk_image_age_days",
        "ansible_host",
        "dtk_asg",
    }
    | {"ec2_tags", "tags", "placement", "state", "owner_id"}
)


class InventoryError(CoreError):
    """Options that cannot be met, or instances that cannot be hosts as asked."""


def host_variables(row: Mapping[str, Any], tag_env: str, tag_role: str, now: datetime) -> dict[str, Any]:
    """The variables of one host. `row` is an instance as the facade `instances` gives it."""
    tags, member = row["tags"], row.get("member") or {}
    found = {name: row[key] for name, key in _VARIABLES if row.get(key)}
    found["ec2_tags"] = tags
    if tags.get(tag_env):
        found["dtk_env"] = tags[tag_env]
    if tags.get(tag_role):
        found["dtk_role"] = tags[tag_role]
    if row.get("image_created"):
        found["dtk_image_age_days"] = age_days(row["image_created"], now)
    if scaling_group(row):
        found["dtk_asg"] = scaling_group(row)
    if member:
        found.update((name, member[key]) for name, key in _MEMBER_VARIABLES if member.get(key))
        found["dtk_protected_from_scale_in"] = member["protected"]
    found["dtk_pending"] = is_pending(row)
    return found


def connection_variables(row: Mapping[str, Any], connection: str, ssm_plugin: str) -> dict[str, str]:
    """How Ansible reaches the host."""
    if connection == "ssm":
        return {
            "ansible_host": row["instance_id"],
            "ansible_connection": ssm_plugin,
            "ansible_aws_ssm_instance_id": row["instance_id"],
            "ansible_aws_ssm_region": row["region"],
        }
    address = row.get(_ADDRESSES.get(connection, ""))
    return {"ansible_host": address} if address else {}


def expression_variables(row: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """What compose, groups and keyed_groups may use: the host's variables, and the names of amazon.aws.aws_ec2."""
    more = {name: row[name] for name in _ONLY_IN_EXPRESSIONS if row.get(name)}
    placement = {"availability_zone": row["availability_zone"], "region": row["region"]}
    description = row.get("description") or {}
    return {
        **more,
        **description,
        **variables,
        "tags": row["tags"],
        "owner_id": row["account_id"],
        "state": description.get("state") or {"name": row["state"]},
        "placement": {**description.get("placement", {}), **placement},
    }


def scaling_group(row: Mapping[str, Any]) -> str:
    """The Auto Scaling group. Where Auto Scaling does not say, by a tag that nobody but AWS can set."""
    return (row.get("member") or {}).get("group") or row["tags"].get(_GROUP_TAG, "")


def is_pending(row: Mapping[str, Any]) -> bool:
    """True as long as the instance is on its way into service."""
    lifecycle = (row.get("member") or {}).get("lifecycle_state", "")
    return row["state"] == "pending" or lifecycle.startswith(("Pending", "Warmed:Pending"))


def age_days(created: str, now: datetime) -> int:
    """Whole days since a time as AWS writes it: 2026-01-31T09:30:00.000Z."""
    # Cut to seconds: only newer Pythons read the Z and fractions of any length.
    then = datetime.fromisoformat(created[:19]).replace(tzinfo=now.tzinfo)
    return max(0, (now - then).days)
