# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image recipes: a parent image and the components that go onto it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from botocore.exceptions import ClientError

from tests.fakes.contract import RefusalError

from . import arns
from .region import UNFINISHED, Parameters, Region, filtered, without_nothing

KIND = "image-recipe"
_STORED = (
    "name",
    "description",
    "components",
    "parentImage",
    "blockDeviceMappings",
    "workingDirectory",
    "additionalInstanceConfiguration",
    "amiTags",
    "amiWatermarks",
    "tags",
)


def create(region: Region, parameters: Parameters) -> Parameters:
    version = _version(region, parameters)
    arn = region.arn(KIND, parameters["name"], version)
    if arn in region.state.of(KIND):
        raise RefusalError(
            "ResourceAlreadyExistsException", f"The following resource 'ImageRecipe' already exists: '{arn}'."
        )
    parent_ami(region, parameters["parentImage"])
    _check_components(region, parameters.get("components", []))
    thing = without_nothing(
        {key: parameters.get(key) for key in _STORED}
        | {
            "type": "AMI",
            "platform": "Linux",
            "owner": region.account,
            "version": version,
            "workingDirectory": parameters.get("workingDirectory", "/tmp"),
            "dateCreated": region.clock.text(),
        }
    )
    region.create(parameters, KIND, arn, thing)
    return {"imageRecipeArn": arn, "latestVersionReferences": arns.references(arn)}


def _version(region: Region, parameters: Parameters) -> str:
    version: str = parameters["semanticVersion"]
    arns.check_version(version)
    if "x" not in version:
        return version
    name = arns.slug(parameters["name"])
    existing = map(arns.Arn.parse, region.state.of(KIND))
    return arns.incremented(version, (str(one.version) for one in existing if one.name == name))


def parent_ami(region: Region, parent: str) -> str:
    """The AMI that a recipe starts from: by its id, by a parameter that has it, or made by another recipe."""
    if parent.startswith("ssm:"):
        return _known_ami(region, parent, _parameter(region, parent))
    if parent.startswith("arn:"):
        return _known_ami(region, parent, _ami_of_image(region, parent))
    return _known_ami(region, parent, parent)


def _parameter(region: Region, parent: str) -> str:
    try:
        value = region.client("ssm").get_parameter(Name=parent.removeprefix("ssm:"))["Parameter"]["Value"]
    except ClientError as error:
        raise _bad_parent(parent, f"the parameter cannot be read: {error}") from error
    return str(value)


def _ami_of_image(region: Region, parent: str) -> str:
    arns.check_wildcards(parent)
    available = [arn for arn, image in region.state.of("image").items() if image["state"]["status"] == "AVAILABLE"]
    arn = arns.newest(parent, available)
    amis = region.state.of("image")[arn]["outputResources"]["amis"] if arn else []
    here = [ami["image"] for ami in amis if (ami["region"], ami["accountId"]) == (region.name, region.account)]
    if not here:
        raise _bad_parent(parent, f"there is no available image of it in {region.name}")
    return str(here[0])


def _known_ami(region: Region, parent: str, ami: str) -> str:
    if not re.fullmatch(r"ami-[0-9a-f]{8,17}", ami):
        raise _bad_parent(parent, f"'{ami}' is no AMI id")
    try:
        found = region.client("ec2").describe_images(ImageIds=[ami])["Images"]
    except ClientError as error:
        raise _bad_parent(parent, f"there is no such AMI in {region.name}: {error}") from error
    if not found:
        raise _bad_parent(parent, f"the AMI '{ami}' was deregistered")
    return ami


def _bad_parent(parent: str, why: str) -> RefusalError:
    return RefusalError(
        "InvalidRequestException", f"The value '{parent}' supplied for parameter 'parentImage' is not valid: {why}."
    )


def _check_components(region: Region, chosen: list[dict[str, Any]]) -> None:
    names = Counter(arns.Arn.parse(one["componentArn"]).name for one in chosen)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise RefusalError("InvalidRequestException", f"The component '{twice[0]}' is in the recipe more than once.")
    for one in chosen:
        component = region.referred(one["componentArn"])
        status = component["state"]["status"]
        if status != "ACTIVE":
            raise RefusalError(
                "InvalidRequestException",
                f"The component '{component['arn']}' is {status}: no new recipe can have it.",
            )
        _check_values(component, one.get("parameters", []))


def _check_values(component: dict[str, Any], values: list[dict[str, Any]]) -> None:
    known = {one["name"]: one for one in component.get("parameters", [])}
    given = {one["name"] for one in values}
    unknown = sorted(given - set(known))
    missing = sorted(name for name, one in known.items() if "defaultValue" not in one and name not in given)
    for names, what in ((unknown, "has no parameter"), (missing, "needs a value for its parameter")):
        if names:
            raise RefusalError("InvalidRequestException", f"The component '{component['arn']}' {what} '{names[0]}'.")


def get(region: Region, parameters: Parameters) -> Parameters:
    recipe = region.get(parameters["imageRecipeArn"])
    return {"imageRecipe": recipe, "latestVersionReferences": arns.references(recipe["arn"])}


def delete(region: Region, parameters: Parameters) -> Parameters:
    arn = parameters["imageRecipeArn"]
    region.exact(arn)
    pipelines = (one["arn"] for one in region.state.of("image-pipeline").values() if one.get("imageRecipeArn") == arn)
    images = (
        one["arn"]
        for one in region.state.of("image").values()
        if one["imageRecipe"]["arn"] == arn and one["state"]["status"] in UNFINISHED
    )
    region.unused(arn, [*pipelines, *images])
    del region.state.of(KIND)[arn]
    return {"imageRecipeArn": arn}


def listed(region: Region, parameters: Parameters) -> Parameters:
    own = region.state.of(KIND).values() if parameters.get("owner", "Self") == "Self" else ()
    known = {name: lambda item, name=name: item.get(name) for name in ("name", "parentImage", "platform")}
    found = filtered(own, parameters, known)
    return region.page("ListImageRecipes", "imageRecipeSummaryList", found, parameters)


OPERATIONS = {
    "CreateImageRecipe": create,
    "GetImageRecipe": get,
    "DeleteImageRecipe": delete,
    "ListImageRecipes": listed,
}
