# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.unit.image_world import NAME, World, serve

CURRENT, CANDIDATE = "/dtk/prod/web/ami/current", "/dtk/prod/web/ami/candidate"
ELSEWHERE = "us-east-1"


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture
def world(server: Emulation) -> World:
    return World.fresh(server)


def good(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    return result


def failure(result: dict[str, Any]) -> str:
    assert result.get("failed"), result
    return str(result["msg"])


def pointer(world: World, name: str = CURRENT, region: str = REGION) -> dict[str, Any]:
    return world.aws.client("ssm", region).get_parameter(Name=name)["Parameter"]


def tags(world: World, image: str, region: str = REGION) -> dict[str, str]:
    (found,) = world.aws.client("ec2", region).describe_images(ImageIds=[image])["Images"]
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}


def test_a_candidate_and_then_the_current_image(world: World) -> None:
    image = world.ami("one")
    place = {"role": NAME, "env": "prod"}
    asked = {**place, "to": "candidate", "image_id": image}
    world.aws.reset()
    planned = world.module("image_promote", asked, check=True)
    assert (planned["changed"], world.writes()) == (True, [])
    first = good(world.module("image_promote", asked))
    assert (first["changed"], first["parameter"], first["image_id"], first["previous"]) == (
        True,
        CANDIDATE,
        image,
        None,
    )
    assert (first["diff"], first["regions"]) == (planned["diff"], planned["regions"])
    assert pointer(world, CANDIDATE)["DataType"] == "aws:ec2:image"
    assert tags(world, image) == {}
    assert good(world.module("image_promote", asked))["changed"] is False
    current = good(world.module("image_promote", {**place, "to": "current"}))
    assert (current["changed"], current["parameter"], current["image_id"]) == (True, CURRENT, image)
    assert current["diff"] == {
        "before": {REGION: {"image_id": None}},
        "after": {REGION: {"image_id": image, "tags": {"dtk:in-use": "true"}}},
    }
    assert pointer(world)["Value"] == image
    assert tags(world, image) == {"dtk:in-use": "true"}
    assert good(world.module("image_promote", {**place, "to": "current"}))["changed"] is False


def test_the_image_before_may_be_deleted_by_a_policy(world: World) -> None:
    one, two = world.ami("one"), world.ami("two")
    good(world.promote(image_id=one))
    result = good(world.promote(image_id=two))
    assert (result["previous"], result["diff"]["before"]) == (one, {REGION: {"image_id": one}})
    assert (tags(world, one), tags(world, two)) == ({}, {"dtk:in-use": "true"})


@pytest.mark.parametrize("other", [{"env": "beta"}, {"to": "candidate"}, {"role": "api"}])
def test_the_image_before_is_kept_where_another_pointer_names_it(world: World, other: dict[str, str]) -> None:
    one, two = world.ami("one"), world.ami("two")
    good(world.promote(image_id=one))
    good(world.promote(image_id=one, **other))
    good(world.promote(image_id=two))
    assert tags(world, one) == {"dtk:in-use": "true"}


def test_without_the_right_to_look_for_others_the_tag_stays(world: World) -> None:
    one, two = world.ami("one"), world.ami("two")
    good(world.promote(image_id=one))
    world.aws.fault("ssm:DescribeParameters", "AccessDeniedException", message="no")
    result = good(world.promote(image_id=two))
    (warning,) = result["warnings"]
    assert warning.startswith(f"The image from before, {one} in eu-west-1, keeps its tag dtk:in-use=true: Cannot list")
    assert tags(world, one) == {"dtk:in-use": "true"}


def test_an_image_before_that_is_gone_is_no_trouble(world: World) -> None:
    one, two = world.ami("one"), world.ami("two")
    good(world.promote(image_id=one))
    world.aws.client("ec2").deregister_image(ImageId=one)
    result = good(world.promote(image_id=two))
    assert (result["previous"], result["warnings"]) == (one, [])


def test_a_tag_that_was_removed_by_hand_is_put_back(world: World) -> None:
    one = world.ami("one")
    good(world.promote(image_id=one))
    world.aws.client("ec2").delete_tags(Resources=[one], Tags=[{"Key": "dtk:in-use"}])
    world.aws.reset()
    assert good(world.promote(image_id=one))["changed"] is True
    assert [call.split(":")[1] for call in world.writes()] == ["CreateTags"]
    assert tags(world, one) == {"dtk:in-use": "true"}


def test_from_another_env(world: World) -> None:
    image = world.ami("one")
    good(world.promote(env="beta", image_id=image))
    result = good(world.promote(**{"from": {"env": "beta", "pointer": "current"}}))
    assert (result["image_id"], pointer(world)["Value"]) == (image, image)


def test_several_regions(world: World) -> None:
    here, there = world.ami("one"), world.ami("one", ELSEWHERE)
    candidate = good(world.promote(to="candidate", image_id=here, regions={REGION: here, ELSEWHERE: there}))
    assert candidate["regions"] == {
        REGION: {"parameter": CANDIDATE, "image_id": here, "previous": None},
        ELSEWHERE: {"parameter": CANDIDATE, "image_id": there, "previous": None},
    }
    current = good(world.promote(regions={REGION: None, ELSEWHERE: None}))
    assert (pointer(world)["Value"], pointer(world, region=ELSEWHERE)["Value"]) == (here, there)
    assert tags(world, there, ELSEWHERE) == {"dtk:in-use": "true"}
    assert (current["image_id"], current["diff"]["after"][ELSEWHERE]["image_id"]) == (here, there)
    only_there = good(world.promote(regions={ELSEWHERE: there}))
    assert (only_there["changed"], only_there["image_id"]) == (False, there)


def test_nothing_is_written_anywhere_if_one_region_lacks_its_image(world: World) -> None:
    here = world.ami("one")
    world.aws.reset()
    told = failure(world.promote(regions={REGION: here, ELSEWHERE: "ami-0123456789abcdef0"}))
    assert told == (
        "There is no AMI ami-0123456789abcdef0 in us-east-1, or it is not shared with this account. "
        "Nothing was changed; correct image_id, from or regions."
    )
    assert world.writes() == []


def test_a_region_that_fails_is_told_with_what_is_done(world: World) -> None:
    here, there = world.ami("one"), world.ami("one", ELSEWHERE)
    world.aws.fault("ssm:PutParameter", "AccessDeniedException", message="no", region=ELSEWHERE)
    result = world.promote(regions={REGION: here, ELSEWHERE: there})
    assert failure(result).endswith("It is done in eu-west-1; run this again for the rest.")
    assert result["changed"] is True
    world.aws.reset()
    assert set(good(world.promote(regions={REGION: here, ELSEWHERE: there}))["diff"]["after"]) == {ELSEWHERE}


def test_no_candidate(world: World) -> None:
    told = failure(world.promote())
    assert told == (
        f"There is no parameter {CANDIDATE} in eu-west-1, so there is no image to promote. Bake one, or give image_id."
    )


def test_a_parameter_of_another_data_type(world: World) -> None:
    world.aws.client("ssm").put_parameter(Name=CURRENT, Value="x", Type="String")
    told = failure(world.promote(image_id=world.ami("one")))
    assert told == (
        f"The parameter {CURRENT} in eu-west-1 has the data type text instead of aws:ec2:image, which cannot be "
        "changed. Delete it, then run this again."
    )


def test_an_image_that_aws_does_not_accept(world: World) -> None:
    """PutParameter says yes, and the value never changes."""
    one, two = world.ami("one"), world.ami("two")
    good(world.promote(to="candidate", image_id=one))
    world.aws.replay(True)
    world.aws.client("ssm").get_parameter(Name=CANDIDATE)
    told = failure(world.promote(to="candidate", image_id=two, wait_timeout=0))
    assert told.startswith(
        f"Parameter Store has not written {two} to {CANDIDATE} in eu-west-1 after 0 s; it has {one}. It does not"
    )


def test_a_value_that_appears_late_is_waited_for(world: World) -> None:
    image = world.ami("one")
    world.aws.fault("ssm:GetParameter", "ParameterNotFound", times=4)
    assert good(world.promote(to="candidate", image_id=image))["previous"] is None


@pytest.mark.parametrize("operation", ["ssm:PutParameter", "ec2:CreateTags", "ssm:GetParameter"])
def test_it_tries_again(world: World, operation: str) -> None:
    image = world.ami("one")
    code = "RequestLimitExceeded" if operation.startswith("ec2") else "ThrottlingException"
    world.aws.fault(operation, code, times=3)
    assert good(world.promote(image_id=image))["changed"] is True
    assert pointer(world)["Value"] == image


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"role": "Web"}, "The role 'Web' is not allowed"),
        ({"env": "prod/x"}, "The env 'prod/x' is not allowed"),
        ({"image_id": "debian"}, "'debian' for eu-west-1 is no id of an AMI"),
        ({"to": "candidate"}, "There is no image for eu-west-1"),
    ],
)
def test_bad_options_are_told_before_any_call(world: World, more: dict[str, Any], said: str) -> None:
    assert said in failure(world.promote(**more))
    assert not world.aws.calls()
