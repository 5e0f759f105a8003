# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: which pipelines and images there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import images
from ._aws import ec2, imagebuilder, ssm_image
from ._core import image_names, image_spec, image_view
from ._core.errors import ImageError
from ._core.image_names import IMAGE, PIPELINE, RECIPE, Home

# Image Builder puts it onto every AMI that it makes.
_IMAGE_TAG = "Ec2ImageBuilderArn"

# Options of module image_info; their documentation stands there.
INFO_OPTIONS: dict[str, Any] = {
    "name": {"type": "str"},
    "arn": {"type": "str"},
    "parameter": {"type": "str"},
}

Client = Callable[[str], Any]
Clock = Callable[[], datetime]


@dataclass
class _Found:
    """Documents by their ARN, each of them once."""

    pipelines: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    images: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, into: dict[str, Mapping[str, Any]], *documents: Mapping[str, Any] | None) -> None:
        into.update((document["arn"], document) for document in documents if document is not None)


def answer_info(options: dict[str, Any], client: Client, _clock: Clock, _check: bool) -> dict[str, Any]:
    """The result of module image_info."""
    try:
        ib = images.builder(client)
        home = images.home_of(ib, client("sts"))
        found, image_id = _Found(), None
        if options["name"]:
            _by_name(image_spec.check_name(options["name"]), ib, home, found)
        if options["arn"]:
            _by_arn(options["arn"], ib, home, found)
        if options["parameter"]:
            image_id = _by_parameter(options["parameter"], client, ib, found)
    except images.FAILURES as exc:
        return {"failed": True, "msg": str(exc)}
    shown = [image_view.image(record, home.region, home.account) for record in found.images.values()]
    pipelines = [image_view.pipeline(document) for document in found.pipelines.values()]
    return {
        "changed": False,
        "pipelines": image_view.newest_first(pipelines),
        "images": image_view.newest_first(shown),
        "image_id": image_id,
    }


def _by_name(name: str, ib: Any, home: Home, found: _Found) -> None:
    found.add(found.pipelines, imagebuilder.read(ib, PIPELINE, home.arn(PIPELINE, name)))
    for version in imagebuilder.image_versions(ib, name):
        found.add(found.images, *imagebuilder.builds(ib, version))


def _by_arn(arn: str, ib: Any, home: Home, found: _Found) -> None:
    known = image_names.parsed(arn)
    if known is None or known.kind not in {PIPELINE, RECIPE, IMAGE}:
        raise ImageError(f"arn is {arn!r}. Give the ARN of a pipeline, an image recipe or an image of Image Builder.")
    if known.kind == PIPELINE:
        pipeline = imagebuilder.read(ib, PIPELINE, arn)
        found.add(found.pipelines, pipeline)
        if pipeline is not None:
            _by_name(known.name, ib, home, found)
    elif known.build or "x" in known.version:
        found.add(found.images, imagebuilder.image(ib, arn))
    else:
        found.add(found.images, *imagebuilder.builds(ib, image_names.image_version_arn(arn)))


def _by_parameter(parameter: str, client: Client, ib: Any, found: _Found) -> str | None:
    """The AMI that the parameter has, and the image that it is of, if Image Builder made it and it is still there."""
    pointer = ssm_image.read(client("ssm"), parameter)
    if pointer is None:
        return None
    ami = ec2.image(client("ec2"), pointer.value)
    made_by = (ami or {}).get("tags", {}).get(_IMAGE_TAG)
    if made_by:
        found.add(found.images, imagebuilder.image(ib, made_by))
    return pointer.value
