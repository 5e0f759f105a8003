# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: what was built, is being built, or could not be."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from . import arns
from .named import refuse
from .region import UNFINISHED, Parameters, Region, filtered, without_nothing

KIND = "image"
FROM_PIPELINE = (
    "imageRecipeArn",
    "infrastructureConfigurationArn",
    "distributionConfigurationArn",
    "imageTestsConfiguration",
    "enhancedImageMetadataEnabled",
    "imageScanningConfiguration",
    "workflows",
    "executionRole",
)
_SHOWN = (
    "enhancedImageMetadataEnabled",
    "imageScanningConfiguration",
    "workflows",
    "executionRole",
    "loggingConfiguration",
    "tags",
)


def check_references(region: Region, parameters: Parameters) -> None:
    """The recipe, infrastructure and distribution that a pipeline or an image is made of."""
    if "containerRecipeArn" in parameters:
        refuse("The emulated Image Builder makes no containers.")
    if "imageRecipeArn" not in parameters:
        refuse("You must specify exactly one of 'imageRecipeArn' and 'containerRecipeArn'.")
    for key in ("imageRecipeArn", "infrastructureConfigurationArn", "distributionConfigurationArn"):
        if key in parameters:
            region.referred(parameters[key])


def tests_configuration(parameters: Parameters) -> dict[str, Any]:
    return {"imageTestsEnabled": True, "timeoutMinutes": 720} | parameters.get("imageTestsConfiguration", {})


def create(region: Region, parameters: Parameters) -> Parameters:
    if parameters.get("workflows") and "executionRole" not in parameters:
        refuse("An execution role is required to provide workflows.")
    arn = make(region, parameters)
    return {"imageBuildVersionArn": arn, "latestVersionReferences": arns.references(arn)}


def make(region: Region, parameters: Parameters, pipeline: str | None = None) -> str:
    """A new build, which begins at once and goes on by itself."""
    check_references(region, parameters)
    unfinished = [one for one in region.state.of(KIND).values() if one["state"]["status"] in UNFINISHED]
    region.room(KIND, len(unfinished))
    recipe = region.referred(parameters["imageRecipeArn"])
    distribution = parameters.get("distributionConfigurationArn")
    version = region.arn(KIND, recipe["name"], recipe["version"])
    build = region.state.built.get(version, 0) + 1
    region.state.built[version] = build
    arn = f"{version}/{build}"
    region.state.of(KIND)[arn] = without_nothing(
        {key: parameters.get(key) for key in _SHOWN}
        | {
            "arn": arn,
            "type": "AMI",
            "name": recipe["name"],
            "version": f"{recipe['version']}/{build}",
            "platform": recipe["platform"],
            "enhancedImageMetadataEnabled": parameters.get("enhancedImageMetadataEnabled", True),
            "state": {"status": "PENDING"},
            "imageRecipe": copy.deepcopy(recipe),
            "sourcePipelineArn": pipeline,
            "infrastructureConfiguration": copy.deepcopy(region.referred(parameters["infrastructureConfigurationArn"])),
            "distributionConfiguration": copy.deepcopy(region.referred(distribution)) if distribution else None,
            "imageTestsConfiguration": tests_configuration(parameters),
            "dateCreated": region.clock.text(),
            "outputResources": {"amis": []},
            "buildType": "USER_INITIATED",
            "imageSource": "CUSTOM",
        }
    )
    region.begin(region, arn)
    return arn


def get(region: Region, parameters: Parameters) -> Parameters:
    arn = parameters["imageBuildVersionArn"]
    image = region.exact(arn if arns.Arn.parse(arn).build else _newest_available(region, arn))
    return {"image": image, "latestVersionReferences": arns.references(image["arn"])}


def _newest_available(region: Region, arn: str) -> str:
    arns.check_wildcards(arn)
    available = [key for key, image in region.state.of(KIND).items() if image["state"]["status"] == "AVAILABLE"]
    return arns.newest(arn, available) or arn


def cancel(region: Region, parameters: Parameters) -> Parameters:
    """Asked for at once, done later: the image is CANCELLED when its build has noticed."""
    arn = parameters["imageBuildVersionArn"]
    status = region.referred(arn)["state"]["status"]
    if status not in UNFINISHED:
        refuse(f"The image '{arn}' cannot be cancelled: it is {status}.")
    region.cancel(arn)
    return {"imageBuildVersionArn": arn}


def delete(region: Region, parameters: Parameters) -> Parameters:
    """The record alone; AMIs and snapshots stay."""
    arn = parameters["imageBuildVersionArn"]
    image = region.exact(arn)
    region.unused(arn, [arn] if image["state"]["status"] in UNFINISHED else [])
    children = (
        one["arn"]
        for one in region.state.of("image-recipe").values()
        if one["parentImage"].startswith("arn:") and arns.Arn.parse(one["parentImage"]) == arns.Arn.parse(arn)
    )
    region.unused(arn, children)
    del region.state.of(KIND)[arn]
    return {"imageBuildVersionArn": arn}


def list_versions(region: Region, parameters: Parameters) -> Parameters:
    by_name = parameters.get("byName", False)
    newest: dict[str, dict[str, Any]] = {}
    for image in region.state.of(KIND).values():
        arn = arns.Arn.parse(image["arn"])
        key = arn.name if by_name else str(arn.of_version)
        if key not in newest or arns.Arn.parse(newest[key]["arn"]).nodes < arn.nodes:
            newest[key] = image
    listed = [
        image
        | {
            "arn": str(arns.Arn.parse(image["arn"]).of_version),
            "version": arns.Arn.parse(image["arn"]).version,
            "owner": region.account,
        }
        for image in newest.values()
    ]
    if parameters.get("owner", "Self") != "Self":
        listed = []
    known = {name: _member(name) for name in ("name", "osVersion", "platform", "type", "version")}
    return region.page("ListImages", "imageVersionList", filtered(listed, parameters, known), parameters)


def list_builds(region: Region, parameters: Parameters) -> Parameters:
    wanted = parameters.get("imageVersionArn")
    found = [
        image
        for image in region.state.of(KIND).values()
        if wanted is None or str(arns.Arn.parse(image["arn"]).of_version) == wanted
    ]
    known = ("name", "osVersion", "platform", "type", "version")
    return summaries(region, "ListImageBuildVersions", found, parameters, known)


def summaries(
    region: Region, operation: str, images: list[dict[str, Any]], parameters: Parameters, known: Sequence[str]
) -> Parameters:
    """Builds, the newest one first."""
    listed = [image | {"owner": region.account} for image in images]
    listed.sort(key=lambda image: (image["dateCreated"], arns.Arn.parse(image["arn"]).nodes), reverse=True)
    found = filtered(listed, parameters, {name: _member(name) for name in known})
    return region.page(operation, "imageSummaryList", found, parameters)


def _member(name: str) -> Any:
    return lambda item: item.get(name)


OPERATIONS = {
    "CreateImage": create,
    "GetImage": get,
    "CancelImageCreation": cancel,
    "DeleteImage": delete,
    "ListImages": list_versions,
    "ListImageBuildVersions": list_builds,
}
