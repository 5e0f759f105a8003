# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of Image Builder that make one golden image, as they should be.

They are one graph: the pipeline needs the recipe and both configurations, the recipe needs the component. What cannot
be changed, component and recipe, has a version that follows from its content, so that other content is another
resource and the same content is the same one, whoever makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import image_names, image_spec
from .image_names import COMPONENT, DISTRIBUTION, INFRASTRUCTURE, LIFECYCLE, PIPELINE, RECIPE, Home

# Kinds that are replaced by another version and never updated.
IMMUTABLE = frozenset({COMPONENT, RECIPE})
_FORMAT = 1  # of a content; another one makes other versions of everything
_WHEN = {"always": "EXPRESSION_MATCH_ONLY", "changes": "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"}

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One resource. The document holds every member that is ours; None means that it is not to be set."""

    kind: str
    name: str
    version: str
    arn: str
    document: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> dict[str, Any]:
        """What creates it."""
        request = {"name": self.name, **given(self.document), "tags": dict(self.tags)}
        if self.version:
            request["semanticVersion"] = self.version
        return request


@dataclass(frozen=True)
class Graph:
    """What one description of an image asks for, in the order in which it can be made."""

    nodes: tuple[Node, ...]
    content_sha256: str
    image_arn: str

    def node(self, kind: str) -> Node | None:
        return next((node for node in self.nodes if node.kind == kind), None)

    @property
    def version(self) -> str:
        return image_names.version_of(self.content_sha256)


def content(options: Options, parent: str) -> dict[str, Any]:
    """Everything that an image is made of. Where and how it is built, and who may use it, is no part of it."""
    return {
        "format": _FORMAT,
        "component": options["component"]["data"],
        "parameters": image_names.parameters(options["component"]["parameters"]),
        "components": [_component_in_recipe(one["arn"], one["parameters"]) for one in options["components"]],
        "bundle": (options["bundle"] or {}).get("sha256"),
        "parent": parent,
        "block_devices": [_block_device(device) for device in options["block_devices"]],
        "working_directory": options["working_directory"] or None,
        "user_data": options["user_data"] or None,
    }


def desired(options: Options, home: Home, parent: str) -> Graph:
    """The graph of these options, which were checked. parent: the id of the AMI that the image is made from."""
    name, sha256 = options["name"], image_names.digest(content(options, parent))
    version = image_names.version_of(sha256)
    tags = image_names.tag_map(options["tags"], {image_names.OWNER_TAG: name})
    component_version = image_names.version_of(image_names.digest(options["component"]["data"]))
    arns = {
        kind: home.arn(kind, name, {COMPONENT: component_version, RECIPE: version}.get(kind, ""))
        for kind in image_names.KINDS
    }
    documents = {
        COMPONENT: _component(options),
        RECIPE: _recipe(options, arns[COMPONENT], parent, sha256),
        INFRASTRUCTURE: _infrastructure(options),
        DISTRIBUTION: _distribution(options, home.region),
        PIPELINE: _pipeline(options, arns, tags),
        LIFECYCLE: _lifecycle(options) if options["lifecycle"] else None,
    }
    bundle = {image_names.BUNDLE_TAG: options["bundle"]["sha256"]} if options["bundle"] else {}
    own_tags = {RECIPE: {image_names.CONTENT_TAG: sha256, **bundle}}
    versions = {COMPONENT: component_version, RECIPE: version}
    nodes = tuple(
        Node(kind, name, versions.get(kind, ""), arns[kind], document, {**tags, **own_tags.get(kind, {})})
        for kind, document in documents.items()
        if document is not None
    )
    return Graph(nodes, sha256, home.arn(image_names.IMAGE, name, version))


def given(value: Any) -> Any:
    """Without what is not set: Image Builder refuses empty lists and maps."""
    if isinstance(value, Mapping):
        members = ((key, given(item)) for key, item in value.items())
        return {key: item for key, item in members if item not in (None, [], {})}
    if isinstance(value, (list, tuple)):
        return [given(item) for item in value]
    return value


def _component(options: Options) -> dict[str, Any]:
    return {
        "description": options["component"]["description"] or _description(options["name"]),
        "platform": "Linux",
        "data": options["component"]["data"],
    }


def _description(name: str) -> str:
    return f"Golden image {name}"


def _component_in_recipe(arn: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"componentArn": arn, "parameters": image_names.parameters(parameters)}


def _recipe(options: Options, component_arn: str, parent: str, sha256: str) -> dict[str, Any]:
    # The version of the component, not its build: whatever build it is, its text is what the version says.
    own = _component_in_recipe(component_arn, options["component"]["parameters"])
    further = [_component_in_recipe(one["arn"], one["parameters"]) for one in options["components"]]
    return {
        "description": f"{_description(options['name'])}, content {sha256[:12]}",
        "parentImage": parent,
        "components": [own, *further],
        "blockDeviceMappings": [_block_device(device) for device in options["block_devices"]],
        "workingDirectory": options["working_directory"] or None,
        "additionalInstanceConfiguration": {"userDataOverride": image_spec.encoded(options["user_data"]) or None},
    }


def _block_device(device: Options) -> dict[str, Any]:
    ebs = device["ebs"]
    return given(
        {
            "deviceName": device["device_name"],
            "ebs": {
                "volumeSize": ebs["volume_size"],
                "volumeType": ebs["volume_type"],
                "iops": ebs["iops"],
                "throughput": ebs["throughput"],
                "encrypted": True if ebs["kms_key"] else ebs["encrypted"],
                "kmsKeyId": ebs["kms_key"] or None,
                "snapshotId": ebs["snapshot_id"] or None,
                "deleteOnTermination": ebs["delete_on_termination"],
            },
        }
    )


def _infrastructure(options: Options) -> dict[str, Any]:
    wanted = options["infrastructure"]
    logs = wanted["logs"] or {}
    bucket = {"s3BucketName": logs["bucket"], "s3KeyPrefix": logs["prefix"] or None} if logs else None
    return {
        "description": f"{_description(options['name'])}: where it is built",
        "instanceProfileName": wanted["instance_profile"],
        "instanceTypes": wanted["instance_types"],
        "subnetId": wanted["subnet"] or None,
        "securityGroupIds": wanted["security_groups"],
        "keyPair": wanted["key_pair"] or None,
        "terminateInstanceOnFailure": wanted["terminate_on_failure"],
        "logging": {"s3Logs": bucket},
        "snsTopicArn": wanted["sns_topic"] or None,
        "resourceTags": image_names.tag_map(wanted["resource_tags"]),
        "instanceMetadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": wanted["hop_limit"]},
    }


def _distribution(options: Options, region: str) -> dict[str, Any]:
    places = options["distribution"] or [{"region": region}]
    return {
        "description": f"{_description(options['name'])}: where it goes",
        "distributions": [_place(options, place) for place in image_names.sorted_by(places, "region")],
    }


def _place(options: Options, place: Options) -> dict[str, Any]:
    return {
        "region": place["region"],
        "amiDistributionConfiguration": {
            "name": image_spec.full_ami_name(place.get("ami_name") or options["name"]),
            "description": _description(options["name"]),
            "targetAccountIds": sorted(place.get("accounts") or ()),
            "kmsKeyId": place.get("kms_key") or None,
            "launchPermission": _launch_permission(place.get("launch_permission") or {}),
            "amiTags": image_names.tag_map(options["ami_tags"], place.get("ami_tags")),
        },
        "launchTemplateConfigurations": [
            {
                "launchTemplateId": one["id"],
                "accountId": one["account"] or None,
                "setDefaultVersion": one["set_default"],
            }
            for one in image_names.sorted_by(place.get("launch_templates") or (), "id", "account")
        ],
        "ssmParameterConfigurations": [
            {"parameterName": one["name"], "amiAccountId": one["account"] or None, "dataType": one["data_type"]}
            for one in image_names.sorted_by(place.get("ssm_parameters") or (), "name", "account")
        ],
    }


def _launch_permission(wanted: Options) -> dict[str, Any]:
    """Without userGroups, whose only use is to make an AMI public: if somebody did that by hand, it is undone."""
    return {
        "userIds": sorted(wanted.get("accounts") or ()),
        "organizationArns": sorted(wanted.get("organizations") or ()),
        "organizationalUnitArns": sorted(wanted.get("organizational_units") or ()),
    }


def _pipeline(options: Options, arns: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "description": _description(options["name"]),
        "imageRecipeArn": arns[RECIPE],
        "containerRecipeArn": None,
        "infrastructureConfigurationArn": arns[INFRASTRUCTURE],
        "distributionConfigurationArn": arns[DISTRIBUTION],
        "imageTestsConfiguration": {
            "imageTestsEnabled": options["tests"]["enabled"],
            "timeoutMinutes": options["tests"]["minutes"],
        },
        "schedule": _schedule(options["schedule"]) if options["schedule"] else None,
        "status": "ENABLED" if options["enabled"] else "DISABLED",
        "executionRole": options["execution_role"] or None,
        # So that the lifecycle policy finds what a schedule builds, too.
        "imageTags": dict(tags),
    }


def _schedule(wanted: Options) -> dict[str, Any]:
    cron = wanted["cron"].strip()
    return {
        "scheduleExpression": cron if cron.startswith(("cron(", "rate(")) else f"cron({cron})",
        "timezone": wanted["timezone"],
        "pipelineExecutionStartCondition": _WHEN[wanted["when"]],
    }


def _lifecycle(options: Options) -> dict[str, Any]:
    wanted, days = options["lifecycle"], options["lifecycle"]["unused_days"]
    by_count = {"type": "COUNT", "value": wanted["keep"]}
    by_age = {"type": "AGE", "value": days, "unit": "DAYS", "retainAtLeast": wanted["keep"]}
    keep_tags = image_names.tag_map(wanted["keep_tags"])
    launched = {"value": days, "unit": "DAYS"} if days else None
    return {
        "description": f"{_description(options['name'])}: which images are deleted",
        "status": "ENABLED",
        "executionRole": wanted["role"],
        "resourceType": "AMI_IMAGE",
        "policyDetails": [
            {
                "action": {"type": "DELETE", "includeResources": {"amis": True, "snapshots": True}},
                "filter": by_age if days else by_count,
                "exclusionRules": {"tagMap": keep_tags, "amis": {"tagMap": keep_tags, "lastLaunched": launched}},
            }
        ],
        # By tag: a policy that names a version of a recipe would leave the images of all others.
        "resourceSelection": {"tagMap": {image_names.OWNER_TAG: options["name"]}},
    }
