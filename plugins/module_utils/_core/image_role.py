# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server role says of its golden AMI, as the options of the modules that make it."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Any

from .errors import CoreError

_REMEDIES = {
    "base": "name the image to begin with, as an AMI id, or as ssm:<parameter> for the newest of its kind",
    "instance_profile": "name the instance profile of build instances; it must be able to read the bucket of bundles",
}
_INFRASTRUCTURE = ("instance_profile", "instance_types", "subnet", "security_groups", "sns_topic")


class ImageRoleError(CoreError):
    """A server role that declares no image, or half of one."""


def image_plan(server_role: Mapping[str, Any], estate: str = ".") -> dict[str, Any]:
    """Options for image_bundle and image_pipeline, of a resolved server role. None is left to the modules' defaults."""
    name, image = server_role["name"], server_role.get("image") or {}
    for key, remedy in _REMEDIES.items():
        if not image.get(key):
            raise ImageRoleError(f"dtk_server_role.image.{key} of the server role {name} is not set: {remedy}.")
    tags = {**(image.get("tags") or {}), "dtk:role": name}
    return {
        "base": image["base"],
        "tags": tags,
        "infrastructure": _infrastructure(image, tags),
        "distribution": [
            {"region": region, **(options or {})} for region, options in sorted((image.get("regions") or {}).items())
        ]
        or None,
        "block_devices": _block_devices(image),
        "tests": {"enabled": True, "minutes": image.get("test_minutes", 60)},
        "schedule": {"cron": image["schedule"]} if image.get("schedule") else None,
        "lifecycle": _lifecycle(image),
        "roles": {role: _below(estate, os.path.join("roles", role)) for role in image.get("roles") or []},
        "test_playbooks": [_below(estate, path) for path in image.get("tests") or []],
        "vars": dict(image.get("vars") or {}),
    }


def _infrastructure(image: Mapping[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    given = {key: image[key] for key in _INFRASTRUCTURE if image.get(key)}
    logs = {"logs": {"bucket": image["logs_bucket"]}} if image.get("logs_bucket") else {}
    return {**given, **logs, "resource_tags": tags}


def _block_devices(image: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The root volume, encrypted; without a size or a key of its own it stays as the base image has it."""
    if not (image.get("volume_size") or image.get("volume_kms_key")):
        return None
    ebs = {"encrypted": True, "volume_type": "gp3", "delete_on_termination": True}
    if image.get("volume_size"):
        ebs["volume_size"] = image["volume_size"]
    if image.get("volume_kms_key"):
        ebs["kms_key"] = image["volume_kms_key"]
    return [{"device_name": image.get("root_device", "/dev/xvda"), "ebs": ebs}]


def _lifecycle(image: Mapping[str, Any]) -> dict[str, Any] | None:
    if not image.get("lifecycle_role"):
        return None
    return {"role": image["lifecycle_role"], "keep": image.get("keep", 5)}


def _below(estate: str, path: str) -> str:
    return os.path.normpath(os.path.join(estate, path))
