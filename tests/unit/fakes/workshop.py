# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Builder's things, made with as few words as a test needs."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulation import REGION, Emulation
from tests.emulation.clients import make

OTHER = "eu-central-1"
DOCUMENT = """\
name: Web
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Install
        action: ExecuteBash
        inputs:
          commands: ["echo {word}"]
  - name: test
    steps:
      - name: Serve
        action: ExecuteBash
        inputs:
          commands: ["true"]
"""


@functools.cache
def _client(endpoint: str, service: str, region: str) -> Any:
    return make(service, endpoint, region, Config(retries={"total_max_attempts": 1}))


class Workshop:
    """One emulated AWS, seen by a client that tries once."""

    def __init__(self, aws: Emulation) -> None:
        self.aws = aws
        self.fake = aws.image_builder
        self.client = self.client_of("imagebuilder")
        self.parent = aws.client("ec2").register_image(Name="parent", RootDeviceName="/dev/sda1")["ImageId"]

    def client_of(self, service: str, region: str = REGION) -> Any:
        return _client(self.aws.endpoint, service, region)

    def component(self, word: str = "hello", **more: Any) -> str:
        wanted = {"name": "web", "semanticVersion": "1.0.0", "platform": "Linux", "data": DOCUMENT.format(word=word)}
        return str(self.client.create_component(**wanted | more)["componentBuildVersionArn"])

    def recipe(self, *components: str, **more: Any) -> str:
        wanted = {"name": "web", "semanticVersion": "1.0.0", "parentImage": self.parent}
        chosen = {"components": [{"componentArn": arn} for arn in components]} if components else {}
        return str(self.client.create_image_recipe(**wanted | chosen | more)["imageRecipeArn"])

    def infrastructure(self, **more: Any) -> str:
        wanted = {"name": "builders", "instanceProfileName": "image-builder"}
        answer = self.client.create_infrastructure_configuration(**wanted | more)
        return str(answer["infrastructureConfigurationArn"])

    def distribution(self, *regions: dict[str, Any], **more: Any) -> str:
        wanted = {"name": "everywhere", "distributions": list(regions) or [{"region": REGION}]}
        return str(self.client.create_distribution_configuration(**wanted | more)["distributionConfigurationArn"])

    def pipeline(self, **more: Any) -> str:
        wanted = {"name": "web"}
        if "imageRecipeArn" not in more:
            wanted["imageRecipeArn"] = self.recipe()
        if "infrastructureConfigurationArn" not in more:
            wanted["infrastructureConfigurationArn"] = self.infrastructure()
        return str(self.client.create_image_pipeline(**wanted | more)["imagePipelineArn"])

    def image(self, **more: Any) -> str:
        """Begun, of a recipe with one component unless another one is given."""
        if "imageRecipeArn" not in more:
            more["imageRecipeArn"] = self.recipe(self.component())
        if "infrastructureConfigurationArn" not in more:
            more["infrastructureConfigurationArn"] = self.infrastructure()
        return str(self.client.create_image(**more)["imageBuildVersionArn"])

    def made(self, **more: Any) -> str:
        arn = self.image(**more)
        self.fake.advance(10, arn)
        return arn

    def shown(self, arn: str) -> dict[str, Any]:
        image: dict[str, Any] = self.client.get_image(imageBuildVersionArn=arn)["image"]
        return image

    def status(self, arn: str) -> str:
        return str(self.shown(arn)["state"]["status"])

    def workflows(self, arn: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list_workflow_executions(imageBuildVersionArn=arn)[
            "workflowExecutions"
        ]
        return found

    def steps(self, workflow: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.client.list_workflow_step_executions(workflowExecutionId=workflow["workflowExecutionId"])
        found: list[dict[str, Any]] = answer["steps"]
        return found

    def refusal(self, operation: str, **parameters: Any) -> str:
        """Code and message of an error."""
        with pytest.raises(ClientError) as caught:
            getattr(self.client, operation)(**parameters)
        error = caught.value.response["Error"]
        return f"{error['Code']}: {error['Message']}"
