# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of images later: lifecycle policies when they run, and StartResourceStateUpdate.

A deleted image stays to be seen as DELETED. moto has no deprecation of AMIs, so DEPRECATE changes the image alone.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.fakes.contract import RefusalError

from . import arns
from .named import refuse
from .region import UNFINISHED, Parameters, Region

_DAYS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}
_KEPT_ON_HAND = frozenset({"AVAILABLE", "DEPRECATED", "DISABLED"})
_STATUS = {"DELETE": "DELETED", "DEPRECATE": "DEPRECATED", "DISABLE": "DISABLED"}


class Act(NamedTuple):
    """What a policy did."""

    policy: str
    action: str
    image: str


def run(region: Region) -> Iterator[Act]:
    for policy in region.state.of("lifecycle-policy").values():
        if policy["status"] == "ENABLED" and policy["resourceType"] == "AMI_IMAGE":
            policy["dateLastRun"] = region.clock.now()
            for detail in policy["policyDetails"]:
                yield from _apply(region, policy, detail)


def _apply(region: Region, policy: dict[str, Any], detail: dict[str, Any]) -> Iterator[Act]:
    action = detail["action"]
    exclusions = detail.get("exclusionRules", {})
    for image in _affected(region, policy, detail):
        included = {key for key, value in action.get("includeResources", {}).items() if value}
        _change(region, image, _STATUS[action["type"]], included, exclusions.get("amis", {}))
        yield Act(policy["name"], action["type"], image["arn"])


def _affected(region: Region, policy: dict[str, Any], detail: dict[str, Any]) -> list[dict[str, Any]]:
    excluded = detail.get("exclusionRules", {}).get("tagMap", {})
    images = [
        image
        for image in region.state.of("image").values()
        if image["state"]["status"] in _KEPT_ON_HAND
        and _selected(policy["resourceSelection"], image)
        and not _shares_a_tag(excluded, image.get("tags", {}))
    ]
    images.sort(key=lambda image: (image["dateCreated"], arns.Arn.parse(image["arn"]).nodes), reverse=True)
    rule, status = detail["filter"], _STATUS[detail["action"]["type"]]
    if rule["type"] == "COUNT":
        found = images[rule["value"] :]
    else:
        age = datetime.timedelta(days=rule["value"] * _DAYS[rule["unit"]])
        found = [
            image for image in images[rule.get("retainAtLeast", 0) :] if region.clock.now() - _created(image) >= age
        ]
    return [image for image in found if image["state"]["status"] != status]


def _selected(selection: dict[str, Any], image: dict[str, Any]) -> bool:
    if "tagMap" in selection:
        return bool(selection["tagMap"].items() <= image.get("tags", {}).items())
    of_image = image["imageRecipe"]["version"].split(".")
    return any(
        arns.slug(recipe["name"]) == arns.slug(image["name"])
        and all(node in {"x", its} for node, its in zip(recipe["semanticVersion"].split("."), of_image, strict=True))
        for recipe in selection["recipes"]
    )


def _shares_a_tag(these: dict[str, str], those: dict[str, str]) -> bool:
    return bool(these.items() & those.items())


def _created(image: dict[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(image["dateCreated"])


def _change(region: Region, image: dict[str, Any], status: str, included: set[str], spared: dict[str, Any]) -> str:
    """The new status for an image and for those of its AMIs that no rule spares; the id of the execution."""
    changed = _change_amis(region, image, status, included, spared) if "amis" in included else []
    left = [ami for ami in image["outputResources"]["amis"] if ami not in changed]
    if status == "DELETED":
        image["outputResources"]["amis"] = left
    # An image with an AMI that was spared is not deleted either.
    if status != "DELETED" or "amis" not in included or not left:
        image["state"] = {"status": status}
    identity = f"lce-{uuid.uuid4()}"
    image["lifecycleExecutionId"] = identity
    now = region.clock.now()
    region.state.executions[identity] = {
        "lifecycleExecutionId": identity,
        "resourcesImpactedSummary": {"hasImpactedResources": True},
        "state": {"status": "SUCCESS"},
        "startTime": now,
        "endTime": now,
    }
    return identity


def _change_amis(
    region: Region, image: dict[str, Any], status: str, included: set[str], spared: dict[str, Any]
) -> list[dict[str, Any]]:
    changed = []
    for ami in image["outputResources"]["amis"]:
        ec2 = region.client("ec2", region=ami["region"], account=ami["accountId"])
        found = ec2.describe_images(ImageIds=[ami["image"]])["Images"]
        if found and _is_spared(region, ec2, ami, found[0], spared):
            continue
        if found:
            _change_ami(ec2, found[0], status, included)
        changed.append(ami)
    return changed


def _change_ami(ec2: Any, ami: dict[str, Any], status: str, included: set[str]) -> None:
    if status == "DISABLED":
        ec2.disable_image(ImageId=ami["ImageId"])
    elif status == "AVAILABLE":
        ec2.enable_image(ImageId=ami["ImageId"])
    elif status == "DELETED":
        ec2.deregister_image(ImageId=ami["ImageId"])
        for mapping in ami["BlockDeviceMappings"] if "snapshots" in included else []:
            ec2.delete_snapshot(SnapshotId=mapping["Ebs"]["SnapshotId"])


def _is_spared(region: Region, ec2: Any, ami: dict[str, Any], shown: dict[str, Any], rules: dict[str, Any]) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in shown.get("Tags", [])}
    if ami["region"] in rules.get("regions", []) or _shares_a_tag(rules.get("tagMap", {}), tags):
        return True
    if rules.get("isPublic") and shown.get("Public"):
        return True
    if "sharedAccounts" in rules:
        attribute = ec2.describe_image_attribute(ImageId=ami["image"], Attribute="launchPermission")
        accounts = {one.get("UserId") for one in attribute["LaunchPermissions"]}
        if accounts & set(rules["sharedAccounts"]):
            return True
    return "lastLaunched" in rules and _was_launched(region, ec2, ami["image"], rules["lastLaunched"])


def _was_launched(region: Region, ec2: Any, image: str, rule: dict[str, Any]) -> bool:
    since = region.clock.now() - datetime.timedelta(days=rule["value"] * _DAYS[rule["unit"]])
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "image-id", "Values": [image]}])
    return any(
        instance["LaunchTime"] >= since
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    )


# --- by hand ----------------------------------------------------------------------------------------------------


def start(region: Region, parameters: Parameters) -> Parameters:
    """StartResourceStateUpdate, carried out at once."""
    image = region.exact(parameters["resourceArn"])
    status = parameters.get("state", {}).get("status", "")
    included = {key for key, value in parameters.get("includeResources", {}).items() if value}
    _check(image["state"]["status"], status, included, parameters)
    spared = parameters.get("exclusionRules", {}).get("amis", {})
    identity = _change(region, image, status, included, spared)
    return {"resourceArn": image["arn"]} | ({"lifecycleExecutionId": identity} if included else {})


def _check(old: str, new: str, included: set[str], parameters: Parameters) -> None:
    if old in UNFINISHED or old == "DELETED":
        raise RefusalError("ResourceInUseException", f"The image cannot be updated: it is {old}.")
    if not new:
        refuse("A status is required.")
    if old in {"FAILED", "CANCELLED"} and new != "DELETED":
        refuse(f"An image that is {old} can only become DELETED, not {new}.")
    if ("includeResources" in parameters) != ("executionRole" in parameters):
        refuse("'includeResources' and 'executionRole' are valid only together.")
    if new == "DELETED" and "amis" not in included:
        refuse("To set an image to DELETED, you must include its AMIs.")
    if new != "DELETED" and included - {"amis"}:
        refuse(f"{new} can include AMIs only.")
    if "updateAt" in parameters:
        refuse("The emulated Image Builder updates at once: 'updateAt' is not supported here.")


def get(region: Region, parameters: Parameters) -> Parameters:
    identity = parameters["lifecycleExecutionId"]
    if identity not in region.state.executions:
        refuse(f"The lifecycle execution '{identity}' does not exist.")
    return {"lifecycleExecution": region.state.executions[identity]}


OPERATIONS = {"StartResourceStateUpdate": start, "GetLifecycleExecution": get}
