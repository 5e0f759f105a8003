# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated AWS with Image Builder, and the modules that make golden images in it."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import boto3
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils import (
    clients,
    image_builds,
    image_facts,
    image_pointers,
    images,
)
from ansible_collections.sysops.dtk.plugins.module_utils._aws import errors

from tests.emulation import ACCESS_KEY, REGION, SECRET_KEY, Emulation
from tests.emulation.clients import ACCOUNT

from .run_module import run_module

NAME = "web"
DOCUMENT = """\
name: web
schemaVersion: 1.0
parameters:
  - Version:
      type: string
      default: "1"
phases:
  - name: build
    steps:
      - name: Install
        action: ExecuteBash
        inputs:
          commands: ["set -euo pipefail", "echo {{ Version }}"]
  - name: test
    steps:
      - name: Serve
        action: ExecuteBash
        inputs:
          commands: ["true"]
"""
_SLEEP = time.sleep
_WRITES = ("Create", "Update", "Delete", "Put", "Tag", "Untag", "Cancel", "Start")


def without_waiting() -> Any:
    """Nobody waits for long: neither our code nor botocore between two tries."""
    return mock.patch.object(time, "sleep", lambda seconds: _SLEEP(min(seconds, 0.001)))


@functools.cache
def _client(endpoint: str, service: str, region: str) -> Any:
    client = boto3.session.Session().client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        **errors.client_options(),
    )
    return errors.fail_fast(client)


class World:
    """One AWS for one test."""

    def __init__(self, aws: Emulation) -> None:
        self.aws = aws
        self.parent = self.ami("parent")

    @classmethod
    def fresh(cls, aws: Emulation) -> World:
        aws.reset_data()
        here = cls(aws)
        aws.reset()
        return here

    @classmethod
    def without_images(cls, aws: Emulation) -> World:
        """Only Image Builder is empty, which takes far less time."""
        aws.image_builder.forget()
        here = cls(aws)
        aws.reset()
        return here

    def ami(self, name: str, region: str = REGION) -> str:
        ec2 = self.aws.client("ec2", region)
        return ec2.register_image(Name=name, RootDeviceName="/dev/xvda")["ImageId"]

    def wanted(self, **more: Any) -> dict[str, Any]:
        """The smallest declaration of an image, and what else is given."""
        return {
            "name": NAME,
            "parent_image": self.parent,
            "component": {"data": DOCUMENT},
            "infrastructure": {"instance_profile": "builder"},
            **more,
        }

    def module(self, name: str, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
        """The result of a module, run for real."""
        return run_module(name, options, self.aws.environ(), check)

    # The same without a module around, in a fraction of the time, and by threads.

    def pipeline(self, check: bool = False, **more: Any) -> dict[str, Any]:
        return self._answered(images.answer_pipeline, images.PIPELINE_OPTIONS, self.wanted(**more), check)

    def clear(self, state: str, check: bool = False, **more: Any) -> dict[str, Any]:
        options = {"name": NAME, "state": state, **more}
        return self._answered(images.answer_pipeline, images.PIPELINE_OPTIONS, options, check)

    def build(self, check: bool = False, **more: Any) -> dict[str, Any]:
        options = {"name": NAME, "delay": 0.001, **more}
        return self._answered(image_builds.answer_build, image_builds.BUILD_OPTIONS, options, check)

    def info(self, **options: Any) -> dict[str, Any]:
        return self._answered(image_facts.answer_info, image_facts.INFO_OPTIONS, options, False)

    def promote(self, check: bool = False, **more: Any) -> dict[str, Any]:
        options = {"role": NAME, "env": "prod", "to": "current", **more}
        return self._answered(image_pointers.answer_promote, image_pointers.PROMOTE_OPTIONS, options, check)

    def _answered(self, answer: Any, spec: dict[str, Any], options: dict[str, Any], check: bool) -> dict[str, Any]:
        checked = ArgumentSpecValidator(spec).validate(options)
        assert checked.error_messages == []
        return answer(checked.validated_parameters, self.client, clients.now, check)

    def client(self, service: str, region: str = "") -> Any:
        """As modules make them, but only once."""
        return _client(self.aws.endpoint, service, region or REGION)

    def writes(self) -> list[str]:
        """Calls that may have changed something, since the last reset."""
        return sorted(call for call in self.aws.calls() if call.split(":")[1].startswith(_WRITES))

    # --- what there is ---

    def held(self, kind: str) -> dict[str, dict[str, Any]]:
        """All resources of a kind, by its name in ARNs."""
        return self.aws.image_builder.state(REGION).of(kind)

    def arns(self) -> list[str]:
        kinds = ("component", "image-recipe", "infrastructure-configuration", "distribution-configuration")
        return sorted(arn for kind in (*kinds, "image-pipeline", "lifecycle-policy") for arn in self.held(kind))


def arn(kind: str, rest: str) -> str:
    return f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:{kind}/{rest}"


def serve() -> Iterator[Emulation]:
    with Emulation.start() as aws, without_waiting():
        yield aws
