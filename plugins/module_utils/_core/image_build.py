# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds of an image: whether one is needed, how far one is, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import image_names
from .image_names import OWNER_TAG, REBUILD_TAG
from .text import abbreviated

AVAILABLE, FAILED = "AVAILABLE", "FAILED"
UNDER_WAY = frozenset({"PENDING", "CREATING", "BUILDING", "TESTING", "DISTRIBUTING", "INTEGRATING"})
# The kind of workflow that runs in a status.
_WORKFLOW_IN = {"BUILDING": "BUILD", "TESTING": "TEST", "DISTRIBUTING": "DISTRIBUTION", "INTEGRATING": "DISTRIBUTION"}
_RUNNING = "RUNNING"
_WIDTH = 200
_INSTANCE = re.compile(r"\bi-[0-9a-f]{8,17}\b")

Place = tuple[str, str]  # region and account


@dataclass(frozen=True)
class Build:
    """One build of a version of an image, as a list tells of it."""

    arn: str
    status: str
    tags: Mapping[str, str]
    places: frozenset[Place]  # where it has an AMI

    @property
    def number(self) -> int:
        known = image_names.parsed(self.arn)
        return known.build if known else 0


@dataclass(frozen=True)
class Choice:
    """done: this build is what is wanted. attach: it is under way. start: there is none, so another is needed."""

    what: str
    build: Build | None = None
    missing: tuple[Place, ...] = ()  # why an available build is not enough


def build_of(record: Mapping[str, Any], account: str) -> Build:
    """From a record of Image Builder."""
    return Build(
        arn=record["arn"],
        status=record.get("state", {}).get("status", ""),
        tags=record.get("tags", {}),
        places=frozenset((ami["region"], ami["account"]) for ami in amis(record, account)),
    )


def amis(record: Mapping[str, Any], account: str) -> list[dict[str, Any]]:
    """The AMIs of an image, in the order of regions and accounts. account: whose they are if that is not said."""
    found = [
        {
            "region": ami.get("region", ""),
            "account": ami.get("accountId") or account,
            "image_id": ami["image"],
            "name": ami.get("name", ""),
        }
        for ami in record.get("outputResources", {}).get("amis", ())
        if ami.get("image") and ami.get("state", {}).get("status", AVAILABLE) not in {FAILED, "CANCELLED", "DELETED"}
    ]
    return sorted(found, key=lambda ami: (ami["region"], ami["account"], ami["name"]))


def wanted_places(distribution: Mapping[str, Any] | None, region: str, account: str) -> frozenset[Place]:
    """Where a distribution configuration brings an AMI to; without one, where it is built."""
    places = set()
    for one in (distribution or {}).get("distributions", ()):
        targets = one.get("amiDistributionConfiguration", {}).get("targetAccountIds") or [account]
        places |= {(one["region"], target) for target in targets}
    return frozenset(places or {(region, account)})


def choose(builds: Iterable[Build], wanted: Iterable[Place], purpose: str) -> Choice:
    """What a run has to do. purpose: only builds that were started for it count."""
    newest_first = sorted(builds, key=lambda build: build.number, reverse=True)
    chosen = [build for build in newest_first if not purpose or build.tags.get(REBUILD_TAG) == purpose]
    places = frozenset(wanted)
    for build in chosen:
        if build.status == AVAILABLE and places <= build.places:
            return Choice("done", build)
    for build in chosen:
        if build.status in UNDER_WAY:
            return Choice("attach", build)
    incomplete = next((build for build in chosen if build.status == AVAILABLE), None)
    return Choice("start", missing=tuple(sorted(places - incomplete.places)) if incomplete else ())


def token(recipe_arn: str, builds: Iterable[Build], purpose: str, salt: str = "") -> str:
    """The same for whoever wants the next build of a recipe, so that two who ask at once get one and the same.

    The newest number and not how many there are: old builds are deleted, and the number of all would come again.
    """
    newest = max((build.number for build in builds), default=0)
    told = json.dumps([recipe_arn, newest, purpose, salt], separators=(",", ":"))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def request(
    pipeline: Mapping[str, Any], recipe_arn: str, name: str, tags: Mapping[str, Any], purpose: str
) -> dict[str, Any]:
    """What builds an image as the pipeline would, but of this very recipe, whatever the pipeline points to by then."""
    logs = pipeline.get("loggingConfiguration", {}).get("imageLogGroupName")
    same = (
        "infrastructureConfigurationArn",
        "distributionConfigurationArn",
        "imageTestsConfiguration",
        "enhancedImageMetadataEnabled",
        "imageScanningConfiguration",
        "workflows",
        "executionRole",
    )
    wanted = {key: pipeline[key] for key in same if pipeline.get(key) not in (None, [], {}, "")}
    wanted["imageRecipeArn"] = recipe_arn
    own = {OWNER_TAG: name, **({REBUILD_TAG: purpose} if purpose else {})}
    wanted["tags"] = image_names.tag_map(tags, own)
    if logs:
        wanted["loggingConfiguration"] = {"logGroupName": logs}
    return wanted


def progress(status: str, workflows: Iterable[Mapping[str, Any]], steps: Iterable[Mapping[str, Any]]) -> str:
    """`BUILDING ApplyBuildComponents 3/9`, or only the status if nothing more is known."""
    running = current_workflow(workflows)
    # Status and steps are read one after the other.
    if running is None or running.get("type") != _WORKFLOW_IN.get(status):
        return status
    step = next((one for one in steps if one.get("status") == _RUNNING), None)
    counted = ("totalStepsSucceeded", "totalStepsFailed", "totalStepsSkipped")
    done, total = sum(running.get(key) or 0 for key in counted), running.get("totalStepCount") or 0
    words = [status, *([step["name"]] if step else []), *([f"{done}/{total}"] if total else [])]
    return " ".join(words)


def current_workflow(workflows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((one for one in workflows if one.get("status") == _RUNNING), None)


def failed_workflow(workflows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    ended = ("FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETED")
    return next((one for one in workflows if one.get("status") in ended), None)


def failed_step(steps: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((one for one in steps if one.get("status") == FAILED), None)


def instance_of(steps: Iterable[Mapping[str, Any]]) -> str:
    """The instance that a workflow started, if one of its steps tells; empty otherwise."""
    for step in steps:
        found = _INSTANCE.search(f"{step.get('outputs', '')} {step.get('inputs', '')}")
        if found:
            return found.group()
    return ""


def failure(
    record: Mapping[str, Any],
    step: Mapping[str, Any] | None,
    instance: str,
    log: Sequence[str],
    remark: str,
) -> str:
    """Why there is no image, in one message. remark: why there is no log, or where it is."""
    status = record.get("state", {}).get("status", "gone")
    sentences = [f"The build {record['arn']} is {status}{_reason(record)}."]
    context = record.get("state", {}).get("failureContext") or {}
    component = context.get("componentFailure") or {}
    name = (step or {}).get("name") or context.get("failedStep")
    if name:
        sentences.append(f"Step {name} failed{_colon((step or {}).get('message'))}.")
    if component.get("stepName"):
        where = f"{component.get('phaseName', '')}.{component['stepName']}".strip(".")
        sentences.append(f"In the component, {where} failed{_colon(component.get('errorMessage'))}.")
    for one in (context.get("distributionFailure") or {}).get("regionFailures", ()):
        where = " ".join(filter(None, (one.get("region"), one.get("targetAccountId"))))
        sentences.append(f"In {where}{_colon(one.get('errorMessage')) or ' it failed'}.")
    if instance:
        sentences.append(f"It was built on {instance}.")
    sentences.append("Running this again starts a new build.")
    sentences.append(remark)
    return "\n".join([" ".join(filter(None, sentences)), *log])


def incomplete(record: Mapping[str, Any], missing: Iterable[Place]) -> str:
    """An image that is available, but not everywhere."""
    places = abbreviated([f"{region} in account {account}" for region, account in sorted(missing)], _WIDTH)
    return (
        f"The build {record['arn']} is available, but it has no AMI for {places}. Check there the KMS key, the role "
        "EC2ImageBuilderDistributionCrossAccountRole and quotas; running this again builds it again."
    )


def _reason(record: Mapping[str, Any]) -> str:
    return _colon(record.get("state", {}).get("reason"))


def _colon(text: Any) -> str:
    cleaned = " ".join(str(text or "").split()).rstrip(".")
    return f": {cleaned}" if cleaned else ""
