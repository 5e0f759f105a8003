# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines: a recipe, where it is built and where the image goes, kept together."""

from __future__ import annotations

from typing import Any

from . import images
from .named import Kind, refuse
from .region import Parameters, Region

KIND = "image-pipeline"
DEFAULT_CONDITION = "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"


def _complete(region: Region, parameters: Parameters) -> Parameters:
    images.check_references(region, parameters)
    if parameters.get("workflows") and "executionRole" not in parameters:
        refuse("An execution role is required to provide workflows.")
    _check_log_groups(parameters)
    filled: dict[str, Any] = {
        "platform": "Linux",
        "status": parameters.get("status", "ENABLED"),
        "enhancedImageMetadataEnabled": parameters.get("enhancedImageMetadataEnabled", True),
        "imageTestsConfiguration": images.tests_configuration(parameters),
    }
    if "schedule" in parameters:
        defaults = {"timezone": "UTC", "pipelineExecutionStartCondition": DEFAULT_CONDITION}
        filled["schedule"] = defaults | parameters["schedule"]
    return filled


def _check_log_groups(parameters: Parameters) -> None:
    for name in parameters.get("loggingConfiguration", {}).values():
        if not name.startswith("/aws/imagebuilder/") and "executionRole" not in parameters:
            refuse(f"An execution role is required to log to '{name}'.")


def start(region: Region, parameters: Parameters) -> Parameters:
    pipeline = region.exact(parameters["imagePipelineArn"])
    logging = pipeline.get("loggingConfiguration", {}).get("imageLogGroupName")
    image = {
        **{key: pipeline[key] for key in images.FROM_PIPELINE if key in pipeline},
        **({"tags": parameters["tags"]} if "tags" in parameters else {}),
        **({"loggingConfiguration": {"logGroupName": logging}} if logging else {}),
    }
    arn = images.make(region, image, pipeline=pipeline["arn"])
    pipeline["dateLastRun"] = region.clock.text()
    return {"imageBuildVersionArn": arn}


def _shown(region: Region, pipeline: dict[str, Any]) -> dict[str, Any]:
    """With the status of its last image."""
    made = [one for one in region.state.of("image").values() if one.get("sourcePipelineArn") == pipeline["arn"]]
    return pipeline | ({"lastRunStatus": made[-1]["state"]["status"]} if made else {})


def listed_images(region: Region, parameters: Parameters) -> Parameters:
    wanted = parameters["imagePipelineArn"]
    found = [one for one in region.state.of("image").values() if one.get("sourcePipelineArn") == wanted]
    return images.summaries(region, "ListImagePipelineImages", found, parameters, ("name", "version"))


def _filter(name: str) -> Any:
    return lambda item: item.get(name)


PIPELINE = Kind(
    kind=KIND,
    noun="ImagePipeline",
    plural="ImagePipelines",
    key="imagePipelineArn",
    member="imagePipeline",
    items="imagePipelineList",
    complete=_complete,
    shown=_shown,
    filters={
        name: _filter(name)
        for name in (
            "description",
            "distributionConfigurationArn",
            "imageRecipeArn",
            "infrastructureConfigurationArn",
            "name",
            "status",
        )
    },
)
OPERATIONS = PIPELINE.operations() | {
    "StartImagePipelineExecution": start,
    "ListImagePipelineImages": listed_images,
}
