# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.emulation import Emulation
from tests.unit.image_world import DOCUMENT, NAME, World, arn, serve


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture(scope="module")
def images(server: Emulation) -> tuple[World, list[dict[str, Any]]]:
    """Two contents; of the first, two builds."""
    world = World.fresh(server)
    world.pipeline(tags={"team": "web"})
    built = [world.build()["image"]]
    server.image_builder.clock.ahead = timedelta(days=1)
    built.append(world.build(rebuild="again")["image"])
    server.image_builder.clock.ahead = timedelta(days=2)
    world.pipeline(component={"data": DOCUMENT + "#\n"}, tags={"team": "web"})
    built.append(world.build()["image"])
    world.promote(to="candidate", image_id=built[1]["image_id"])
    return world, built[::-1]


def test_all_of_a_name(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, built = images
    found = world.module("image_info", {"name": NAME})
    assert found["images"] == built
    (pipeline,) = found["pipelines"]
    assert (pipeline["arn"], pipeline["enabled"]) == (arn("image-pipeline", "web"), True)
    assert pipeline["recipe_arn"] == built[0]["recipe_arn"]
    assert pipeline["tags"] == {"team": "web", "dtk:pipeline": "web"}
    assert (found["changed"], found["image_id"]) == (False, None)


def test_a_pipeline_by_its_arn_is_as_by_its_name(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, _built = images
    assert world.info(arn=arn("image-pipeline", "web")) == world.info(name=NAME)


def test_images_by_arns(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, built = images
    newest, again, first = built
    assert world.info(arn=first["arn"])["images"] == [first]
    assert world.info(arn=first["recipe_arn"])["images"] == [again, first]
    assert world.info(arn=first["arn"].removesuffix("/1"))["images"] == [again, first]
    (available,) = world.info(arn=arn("image", "web/x.x.x"))["images"]
    assert available in built
    assert world.info(arn=newest["arn"], name=NAME)["images"] == built


def test_the_image_that_a_parameter_names(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, built = images
    found = world.info(parameter="/dtk/prod/web/ami/candidate")
    assert (found["image_id"], found["images"], found["pipelines"]) == (built[1]["image_id"], [built[1]], [])


def test_an_ami_that_image_builder_did_not_make(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, _built = images
    world.promote(role="api", to="candidate", image_id=world.parent)
    found = world.info(parameter="/dtk/prod/api/ami/candidate")
    assert (found["image_id"], found["images"]) == (world.parent, [])


def test_what_is_not_there_is_no_error(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, _built = images
    nothing = {"changed": False, "pipelines": [], "images": [], "image_id": None}
    assert world.info(name="none", parameter="/none", arn=arn("image", "none/1.2.3/4")) == nothing
    assert world.info(arn=arn("image-pipeline", "none")) == nothing


def test_it_changes_nothing(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, _built = images
    world.aws.reset()
    world.info(name=NAME, parameter="/dtk/prod/web/ami/candidate")
    assert world.writes() == []


@pytest.mark.parametrize("text", ["web", "arn:aws:s3:::x", arn("component", "web/1.2.3")])
def test_another_arn_is_refused(images: tuple[World, list[dict[str, Any]]], text: str) -> None:
    world, _built = images
    told = world.info(arn=text)
    assert told["msg"] == (
        f"arn is {text!r}. Give the ARN of a pipeline, an image recipe or an image of Image Builder."
    )


def test_something_is_asked_for(images: tuple[World, list[dict[str, Any]]]) -> None:
    world, _built = images
    told = world.module("image_info", {})["msg"]
    assert told == "one of the following is required: name, arn, parameter"
