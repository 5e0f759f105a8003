# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import images
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ec2, imagebuilder, logs, ssm_image
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError, client_options
from ansible_collections.sysops.dtk.plugins.module_utils._aws.outcomes import MissingError

from tests.emulation import ACCESS_KEY, REGION, SECRET_KEY, Emulation
from tests.unit._core.image_options import options
from tests.unit.image_world import DOCUMENT, NAME, World, arn, serve

MISSING = arn("image-recipe", "none/1.2.3")


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture
def world(server: Emulation) -> World:
    return World.fresh(server)


@pytest.fixture
def client(world: World) -> Any:
    return imagebuilder.patient(world.client("imagebuilder"))


def component(client: Any, version: str = "1.0.0", data: str = DOCUMENT) -> str:
    return imagebuilder.create(
        client, "component", {"name": NAME, "semanticVersion": version, "platform": "Linux", "data": data}
    )


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceNotFoundException", "The resource cannot be found."),
        ("InvalidRequestException", "The resource with ARN 'x' does not exist."),
        ("InvalidRequestException", "The resource could not be found"),
    ],
)
def test_there_is_no_such_thing_in_all_the_words_for_it(world: World, client: Any, code: str, message: str) -> None:
    world.aws.fault("imagebuilder:GetImageRecipe", code, message=message)
    assert imagebuilder.read(client, "recipe", MISSING) is None
    world.aws.fault("imagebuilder:DeleteImageRecipe", code, message=message)
    assert imagebuilder.delete(client, "recipe", MISSING) is False
    world.aws.fault("imagebuilder:GetImage", code, message=message)
    assert imagebuilder.image(client, arn("image", "none/1.2.3/4")) is None


def test_another_bad_request_is_no_answer(world: World, client: Any) -> None:
    world.aws.fault("imagebuilder:GetImageRecipe", "InvalidRequestException", message="The ARN is not valid.")
    with pytest.raises(AwsError, match=f"Cannot read the image recipe {MISSING}: InvalidRequestException: The ARN"):
        imagebuilder.read(client, "recipe", MISSING)


def test_what_is_there_is_told_apart(client: Any) -> None:
    component(client)
    with pytest.raises(imagebuilder.TakenError):
        component(client)
    assert component(client, data=DOCUMENT + "#\n").endswith("/2")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ResourceAlreadyExistsException", "It is there."),
        ("InvalidRequestException", "The following resource already exists: 'x'."),
    ],
)
def test_a_resource_that_exists_in_all_the_words_for_it(world: World, client: Any, code: str, message: str) -> None:
    world.aws.fault("imagebuilder:CreateImageRecipe", code, message=message)
    request = {"name": NAME, "semanticVersion": "1.0.0", "parentImage": world.parent}
    with pytest.raises(imagebuilder.TakenError):
        imagebuilder.create(client, "recipe", request)


def test_what_is_needed_is_told_apart(world: World, client: Any) -> None:
    build = component(client)
    recipe = {"name": NAME, "semanticVersion": "1.0.0", "parentImage": world.parent}
    imagebuilder.create(client, "recipe", {**recipe, "components": [{"componentArn": build}]})
    with pytest.raises(imagebuilder.NeededError):
        imagebuilder.delete(client, "component", build)


def test_what_is_missing_to_make_something_is_told_apart(world: World, client: Any) -> None:
    recipe = {"name": NAME, "semanticVersion": "1.0.0", "parentImage": world.parent}
    with pytest.raises(MissingError):
        imagebuilder.create(
            client, "recipe", {**recipe, "components": [{"componentArn": arn("component", "none/1.0.0")}]}
        )


def test_a_token_that_was_used_for_something_else_is_told_apart(world: World, client: Any) -> None:
    world.pipeline()
    (recipe,) = world.held("image-recipe")
    (infrastructure,) = world.held("infrastructure-configuration")
    request = {"imageRecipeArn": recipe, "infrastructureConfigurationArn": infrastructure}
    first = imagebuilder.start(client, request, "a-token")
    assert imagebuilder.start(client, request, "a-token") == first
    with pytest.raises(imagebuilder.MismatchError):
        imagebuilder.start(client, {**request, "tags": {"a": "b"}}, "a-token")


def test_botocore_alone_does_not_know_that_it_is_throttled(world: World) -> None:
    """If this fails, it does by now, and patient() has done its work."""
    alone = boto3.session.Session().client(
        "imagebuilder",
        endpoint_url=world.aws.endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        **client_options(),
    )
    world.aws.fault("imagebuilder:ListImages", "CallRateLimitExceededException", times=1)
    with pytest.raises(AwsError, match="AWS throttled"):
        imagebuilder.image_versions(alone, NAME)
    world.aws.fault("imagebuilder:ListImages", "CallRateLimitExceededException", times=3)
    assert imagebuilder.image_versions(imagebuilder.patient(alone), NAME) == []


def test_patience_ends(world: World, client: Any) -> None:
    world.aws.fault("imagebuilder:ListImages", "CallRateLimitExceededException")
    with pytest.raises(AwsError, match=r"AWS throttled 10 tries \(CallRateLimitExceededException\)"):
        imagebuilder.image_versions(client, NAME)
    assert world.aws.calls()[f"imagebuilder:ListImages:{REGION}"] == 10


# --- lists -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 100])
def test_every_page_is_read(world: World, client: Any, size: int) -> None:
    for number in range(5):
        component(client, f"1.0.{number}")
    world.aws.page("imagebuilder:ListComponents", size)
    versions = [item["version"] for item in imagebuilder.components(client, NAME)]
    assert sorted(versions) == [f"1.0.{number}" for number in range(5)]


def test_only_what_has_the_name_is_listed(client: Any) -> None:
    component(client)
    imagebuilder.create(
        client,
        "component",
        {"name": f"{NAME}-2", "semanticVersion": "1.0.0", "platform": "Linux", "data": DOCUMENT},
    )
    assert [item["name"] for item in imagebuilder.components(client, NAME)] == [NAME]


# --- an older botocore -------------------------------------------------------------------------------------------


class OlderLoader(botocore.loaders.Loader):
    """Image Builder as it was before parameters in distributions, tags of scheduled images and lifecycle policies."""

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        model = super().load_service_model(service_name, type_name, api_version)
        if (service_name, type_name) == ("imagebuilder", "service-2"):
            shapes, operations = model["shapes"], model["operations"]
            shapes["Distribution"]["members"].pop("ssmParameterConfigurations", None)
            for verb in ("Create", "Update"):
                shapes[f"{verb}ImagePipelineRequest"]["members"].pop("imageTags", None)
            for verb in ("Create", "Update", "Get", "Delete", "List"):
                operations.pop(f"{verb}LifecyclePolicy", None)
        return model


@pytest.fixture
def older(world: World) -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", OlderLoader())

    def client(service: str) -> Any:
        return session.create_client(
            service,
            endpoint_url=world.aws.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            **client_options(),
        )

    return client


def answered(client: Any, world: World, **more: Any) -> dict[str, Any]:
    given = options(**{**world.wanted(), **more})
    return images.answer_pipeline(given, client, images.datetime.now, False)


def test_what_an_older_botocore_does_not_know_is_told_by_the_option(world: World, older: Any) -> None:
    distribution = [{"region": REGION, "ssm_parameters": [{"name": "/a"}]}]
    told = answered(older, world, distribution=distribution)["msg"]
    assert told == (
        "The botocore that is installed does not know distributions[].ssmParameterConfigurations of Image Builder. "
        "Update boto3 and botocore, or leave out distribution.ssm_parameters."
    )
    told = answered(older, world, lifecycle={"role": "cleaner"})["msg"]
    assert told.endswith("Update boto3 and botocore, or leave out lifecycle.")
    assert world.arns() == []


def test_what_was_not_asked_for_is_done_without(world: World, older: Any) -> None:
    assert len(answered(older, world)["steps"]) == 5
    assert answered(older, world)["changed"] is False
    (pipeline,) = world.held("image-pipeline").values()
    assert "imageTags" not in pipeline
    newer = answered(world.client, world)
    assert [step["changes"] for step in newer["steps"]] == [["imageTags"]]


# --- the other services ------------------------------------------------------------------------------------------


def test_the_end_of_a_log(world: World) -> None:
    client = world.client("logs")
    with pytest.raises(MissingError, match="Cannot read the log /group a/1"):
        logs.tail(client, "/group", "a/1", 3)
    client.create_log_group(logGroupName="/group")
    client.create_log_stream(logGroupName="/group", logStreamName="a/1")
    assert logs.tail(client, "/group", "a/1", 3) == []
    now = images.datetime.now().timestamp() * 1000
    events = [{"timestamp": int(now) + number, "message": f"{number}a\n{number}b"} for number in range(4)]
    client.put_log_events(logGroupName="/group", logStreamName="a/1", logEvents=events)
    assert logs.tail(client, "/group", "a/1", 3) == ["2b", "3a", "3b"]
    world.aws.fault("logs:GetLogEvents", "AccessDeniedException")
    with pytest.raises(AwsError, match="access denied") as told:
        logs.tail(client, "/group", "a/1", 3)
    assert not isinstance(told.value, MissingError)


def test_images_and_their_tags(world: World) -> None:
    client = world.client("ec2")
    assert ec2.image(client, "ami-0123456789abcdef0") is None
    ec2.tag(client, world.parent, {"a": "1", "b": "2"})
    ec2.untag(client, world.parent, {"a": "1", "b": "3"})
    found = ec2.image(client, world.parent)
    assert (found["state"], found["name"], found["tags"]) == ("available", "parent", {"b": "2"})


def test_parameters_with_images(world: World) -> None:
    client = world.client("ssm")
    assert ssm_image.read(client, "/dtk/none") is None
    for number in range(12):
        ssm_image.write(client, f"/dtk/e{number}/web/ami/current", world.parent, "a test")
    client.put_parameter(Name="/dtk/e/web/ami/text", Value="x", Type="String")
    client.put_parameter(Name="/dtk/e/web/config/ami", Value="x", Type="String")
    ssm_image.write(client, "/another/e/web/ami/current", world.parent, "a test")
    found = ssm_image.below(client, "/dtk", "/ami/")
    assert len(found) == 12
    assert {(one.value, one.data_type) for one in found} == {(world.parent, "aws:ec2:image")}
