# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images and pipelines as results show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import image_build, image_names


def image(record: Mapping[str, Any], region: str, account: str) -> dict[str, Any]:
    """One build of an image. region and account: whose AMI is the image's own id."""
    arn = image_names.parsed(record["arn"])
    amis = image_build.amis(record, account)
    here = next((ami for ami in amis if (ami["region"], ami["account"]) == (region, account)), None)
    here = here or next((ami for ami in amis if ami["region"] == region), None)
    tags = dict(record.get("tags") or {})
    state = record.get("state", {})
    return {
        "arn": record["arn"],
        "name": record.get("name", arn.name if arn else ""),
        "version": arn.version if arn else "",
        "build": arn.build if arn else 0,
        "status": state.get("status", ""),
        "reason": state.get("reason", ""),
        "created": str(record.get("dateCreated", "")),
        "image_id": here["image_id"] if here else None,
        "amis": amis,
        "recipe_arn": (record.get("imageRecipe") or {}).get("arn") or _recipe_arn(record["arn"]),
        "tags": tags,
    }


def newest_first(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(images, key=lambda one: (one["created"], one["arn"]), reverse=True)


def pipeline(document: Mapping[str, Any]) -> dict[str, Any]:
    """One pipeline."""
    schedule = document.get("schedule") or {}
    return {
        "arn": document["arn"],
        "name": document.get("name", ""),
        "enabled": document.get("status", "ENABLED") == "ENABLED",
        "recipe_arn": document.get("imageRecipeArn"),
        "infrastructure_arn": document.get("infrastructureConfigurationArn"),
        "distribution_arn": document.get("distributionConfigurationArn"),
        "schedule": schedule.get("scheduleExpression"),
        "created": str(document.get("dateCreated", "")),
        "updated": str(document.get("dateUpdated", "")),
        "last_run": str(document.get("dateLastRun", "")),
        "last_status": document.get("lastRunStatus", ""),
        "tags": dict(document.get("tags") or {}),
    }


def _recipe_arn(image_arn: str) -> str:
    return image_names.without_build(image_arn).replace(":image/", ":image-recipe/", 1)
