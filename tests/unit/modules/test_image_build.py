# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.unit.image_world import DOCUMENT, NAME, World, arn, serve

PLACES = [{"region": "us-east-1"}, {"region": REGION, "accounts": ["123456789012", "333333333333"]}]


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture
def world(server: Emulation) -> Iterator[World]:
    here = World.without_images(server)
    assert not here.pipeline().get("failed")
    server.reset()
    yield here
    assert server.image_builder.violations == []
    assert server.image_builder.bugs == []


def started(world: World) -> int:
    return world.aws.calls()[f"imagebuilder:CreateImage:{REGION}"]


def good(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    return result


def failure(result: dict[str, Any]) -> str:
    assert result.get("failed"), result
    return str(result["msg"])


# --- once --------------------------------------------------------------------------------------------------------


def test_an_image_is_built_once(world: World) -> None:
    options = {"name": NAME, "delay": 0.001}
    planned = world.module("image_build", options, check=True)
    assert (planned["changed"], planned["image"], planned["started"], world.writes()) == (True, None, False, [])
    built = good(world.module("image_build", options))
    assert (built["changed"], built["started"], built["attached"]) == (True, True, False)
    assert (built["image"]["status"], built["image"]["build"]) == ("AVAILABLE", 1)
    assert built["image"]["tags"] == {"dtk:pipeline": "web"}
    images = world.aws.client("ec2").describe_images(ImageIds=[built["image"]["image_id"]])["Images"]
    assert [one["Name"] for one in images] == [built["image"]["amis"][0]["name"]]
    again = good(world.module("image_build", options))
    assert (again["changed"], again["started"], again["attached"]) == (False, False, False)
    assert again["image"] == built["image"]
    assert good(world.module("image_build", options, check=True))["changed"] is False
    assert started(world) == 1


def test_the_way_is_told(world: World) -> None:
    assert good(world.build())["progress"] == [
        "CREATING",
        "BUILDING ApplyBuildComponents 1/7",
        "TESTING ApplyTestComponents 1/3",
        "DISTRIBUTING DistributeOutputAMI 0/1",
        "INTEGRATING 1/1",
        "AVAILABLE",
    ]


def test_without_the_right_to_see_steps_the_status_is_told(world: World) -> None:
    world.aws.fault("imagebuilder:ListWorkflowExecutions", "ForbiddenException")
    assert good(world.build())["progress"] == [
        "CREATING",
        "BUILDING",
        "TESTING",
        "DISTRIBUTING",
        "INTEGRATING",
        "AVAILABLE",
    ]
    assert world.aws.calls()[f"imagebuilder:ListWorkflowExecutions:{REGION}"] == 1


def test_who_does_not_wait_attaches_later(world: World) -> None:
    begun = good(world.build(wait=False))
    assert (begun["changed"], begun["started"], begun["image"]["image_id"]) == (True, True, None)
    attached = good(world.build())
    assert (attached["changed"], attached["started"], attached["attached"]) == (False, False, True)
    assert attached["image"]["arn"] == begun["image"]["arn"]
    assert attached["image"]["status"] == "AVAILABLE"
    assert started(world) == 1


def test_the_recipe_that_was_asked_for_is_built_whatever_the_pipeline_has_by_then(world: World) -> None:
    first = world.pipeline()
    world.pipeline(component={"data": DOCUMENT + "#\n"})
    built = good(world.build(recipe_arn=first["recipe"]["arn"]))
    assert built["image"]["recipe_arn"] == first["recipe"]["arn"]
    other = good(world.build())
    assert other["image"]["version"] != built["image"]["version"]


def test_two_controllers_get_the_same_build(world: World) -> None:
    world.aws.latency(0.03)
    with ThreadPoolExecutor(3) as pool:
        results = [good(result) for result in pool.map(lambda _number: world.build(), range(3))]
    world.aws.latency(0)
    assert len({result["image"]["arn"] for result in results}) == 1
    assert len(world.held("image")) == 1


def test_two_controllers_with_other_tags_get_the_same_build(world: World) -> None:
    """The token is the same but the request is not, which Image Builder refuses."""
    begun = good(world.build(wait=False, tags={"by": "one"}))
    world.aws.stale("imagebuilder:ListImageBuildVersions", times=1)
    other = good(world.build(tags={"by": "other"}))
    assert (other["attached"], other["changed"], other["image"]["arn"]) == (True, False, begun["image"]["arn"])
    assert len(world.held("image")) == 1


@pytest.mark.parametrize("times", [1, None])
def test_a_lost_answer_builds_nothing_twice(world: World, times: int | None) -> None:
    world.aws.lose("imagebuilder:CreateImage", times=times)
    world.build()
    world.aws.reset()
    assert good(world.build())["image"]["build"] == 1
    assert len(world.held("image")) == 1


def test_a_list_of_what_was_before_builds_nothing_twice(world: World) -> None:
    begun = good(world.build(wait=False))
    world.aws.stale("imagebuilder:ListImageBuildVersions", times=1)
    assert good(world.build())["image"]["arn"] == begun["image"]["arn"]
    assert len(world.held("image")) == 1


def test_what_has_just_begun_may_not_be_visible_yet(world: World) -> None:
    world.aws.stale("imagebuilder:GetImage", times=3)
    assert good(world.build())["image"]["status"] == "AVAILABLE"


def test_a_recipe_that_was_just_made_may_not_be_visible_yet(world: World) -> None:
    message = "The resource with ARN 'x' does not exist."
    world.aws.fault("imagebuilder:CreateImage", "InvalidRequestException", message=message, times=2)
    assert good(world.build())["image"]["status"] == "AVAILABLE"


def test_a_token_whose_build_was_deleted_is_not_in_the_way(world: World) -> None:
    first = good(world.build())["image"]["arn"]
    world.aws.client("imagebuilder").delete_image(imageBuildVersionArn=first)
    again = good(world.build())
    assert (again["started"], again["image"]["status"], again["image"]["build"]) == (True, "AVAILABLE", 2)


def test_a_reason_builds_again_once(world: World) -> None:
    first = good(world.build())
    again = good(world.build(rebuild="updates of May"))
    assert (again["started"], again["image"]["build"]) == (True, 2)
    assert again["image"]["tags"]["dtk:rebuild"] == "updates of May"
    same = good(world.build(rebuild="updates of May"))
    assert (same["changed"], same["image"]) == (False, again["image"])
    assert good(world.build())["image"] == again["image"]
    assert good(world.build(rebuild="updates of June"))["image"]["build"] == 3
    assert good(world.build(rebuild=""))["changed"] is False
    assert first["image"]["build"] == 1


def test_an_image_that_lacks_a_new_region_is_built_again(world: World) -> None:
    first = good(world.build())
    world.pipeline(distribution=PLACES)
    again = good(world.build())
    assert (again["started"], again["image"]["version"]) == (True, first["image"]["version"])
    places = [(ami["region"], ami["account"]) for ami in again["image"]["amis"]]
    assert places == [(REGION, "123456789012"), (REGION, "333333333333"), ("us-east-1", "123456789012")]
    assert good(world.build())["changed"] is False
    assert again["image"]["image_id"] == again["image"]["amis"][0]["image_id"]


def test_pages_of_builds_are_read_whole(world: World) -> None:
    for number in range(3):
        good(world.build(rebuild=f"reason {number}"))
    world.aws.page("imagebuilder:ListImageBuildVersions", 1)
    assert good(world.build(rebuild="reason 0"))["changed"] is False


# --- trouble -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["CreateImage", "GetImage", "ListImageBuildVersions", "ListWorkflowExecutions"])
@pytest.mark.parametrize("code", ["CallRateLimitExceededException", "ServiceUnavailableException", 502])
def test_it_tries_again(world: World, operation: str, code: str | int) -> None:
    world.aws.fault(f"imagebuilder:{operation}", code, times=4)
    assert good(world.build())["image"]["status"] == "AVAILABLE"
    assert len(world.held("image")) == 1


def test_a_limit_of_calls_is_kept_to(world: World) -> None:
    world.aws.limit("imagebuilder", rate=200, burst=1)
    assert good(world.build())["image"]["status"] == "AVAILABLE"
    assert world.aws.throttled()


def test_a_quota_is_told(world: World) -> None:
    world.aws.image_builder.quota("image", 0)
    told = failure(world.build())
    assert told.startswith("Cannot build an image of arn:aws:imagebuilder")
    assert "ServiceQuotaExceededException" in told


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        ("BUILDING", "Step ApplyBuildComponents failed"),
        ("TESTING", "Step ApplyTestComponents failed"),
        ("DISTRIBUTING", "Step DistributeOutputAMI failed"),
        ("INTEGRATING", ""),
    ],
)
def test_a_build_that_fails_says_where_and_a_re_run_builds_again(world: World, stage: str, step: str) -> None:
    world.aws.image_builder.fail_at(stage, "the disk is full", times=1)
    result = world.build()
    told = failure(result)
    assert all(text in told for text in ("/1 is FAILED: ", "the disk is full", step))
    assert "Running this again starts a new build." in told
    assert (result["image"]["status"], result["started"], result["changed"]) == ("FAILED", True, True)
    assert result["progress"][-1] == "FAILED"
    again = good(world.build())
    assert (again["started"], again["image"]["build"]) == (True, 2)
    assert started(world) == 2


def test_a_failure_shows_the_end_of_the_log_and_the_step_of_the_component(world: World) -> None:
    world.aws.image_builder.fail_at("BUILDING")
    told = failure(world.build())
    assert "In the component, build.Install failed: exit status 1." in told
    version = world.pipeline()["version"]
    assert f"The end of its log, /aws/imagebuilder/web {version}/1 in CloudWatch Logs:\n" in told
    assert f"Launching a build instance from {world.parent}\n" in told


def test_a_failure_without_a_log(world: World) -> None:
    world.aws.image_builder.fail_at("BUILDING")
    world.aws.fault("logs:GetLogEvents", "ResourceNotFoundException")
    told = failure(world.build())
    assert told.endswith("/1 in CloudWatch Logs.")
    assert "It has no log: there is no /aws/imagebuilder/web" in told


def test_a_failure_whose_log_may_not_be_read(world: World) -> None:
    world.aws.image_builder.fail_at("BUILDING")
    world.aws.fault("logs:GetLogEvents", "AccessDeniedException", message="no logs for you")
    assert "access denied (no logs for you). Allow the action" in failure(world.build())


def test_a_failure_whose_steps_may_not_be_read(world: World) -> None:
    world.aws.image_builder.fail_at("TESTING", "it does not answer")
    world.aws.fault("imagebuilder:ListWorkflowExecutions", "ForbiddenException", message="no steps for you")
    told = failure(world.build())
    assert "it does not answer" in told
    assert "access denied (no steps for you)" in told


@pytest.mark.parametrize("status", ["CANCELLED", "DELETED", "DISABLED", "DEPRECATED"])
def test_whatever_else_it_ends_as_ends_the_wait(world: World, status: str) -> None:
    world.aws.image_builder.end_as(status, at="TESTING", times=1)
    assert f"/1 is {status}" in failure(world.build())
    assert good(world.build())["image"]["build"] == 2


def test_a_build_that_is_deleted_while_it_is_watched(world: World) -> None:
    ends = "The specified resource cannot be found."
    world.aws.fault("imagebuilder:GetImage", "ResourceNotFoundException", message=ends, after=3)
    told = failure(world.build())
    assert told.endswith("/1 is not there any more: it was deleted. Run this again to build it.")


def test_a_service_that_goes_away_while_it_is_watched(world: World) -> None:
    world.aws.fault("imagebuilder:GetImage", 503, after=3)
    told = failure(world.build())
    assert told.endswith("goes on; run this again to wait on.")
    world.aws.reset()
    again = good(world.build())
    assert (again["attached"], again["image"]["build"]) == (True, 1)


def test_a_wait_that_is_over_is_an_error_and_a_re_run_waits_on(world: World) -> None:
    result = world.build(wait_timeout=0)
    told = failure(result)
    assert "is not done after 0 s, it is CREATING. It goes on; run this again to wait on" in told
    assert (result["timed_out"], result["changed"], result["image"]["build"]) == (True, True, 1)
    again = good(world.build())
    assert (again["attached"], again["image"]["build"]) == (True, 1)


def test_an_image_that_did_not_get_everywhere_is_a_failure(world: World) -> None:
    """Available, but with fewer AMIs than the distribution says."""
    world.pipeline(distribution=PLACES)
    begun = good(world.build(wait=False))["image"]["arn"]
    world.aws.image_builder.advance(20)
    state = world.aws.image_builder._region(REGION).state.of("image")[begun]
    state["outputResources"]["amis"] = [ami for ami in state["outputResources"]["amis"] if ami["region"] == REGION]
    told = failure(world.build(image_arn=begun))
    assert f"{begun} is available, but it has no AMI for us-east-1 in account 123456789012" in told


# --- which -------------------------------------------------------------------------------------------------------


def test_one_build_is_waited_for(world: World) -> None:
    begun = good(world.build(wait=False))["image"]["arn"]
    done = good(world.build(image_arn=begun))
    assert (done["image"]["status"], done["attached"], done["changed"]) == ("AVAILABLE", True, False)
    assert "was deleted" in failure(world.build(image_arn=begun[:-1] + "7"))


def test_no_pipeline(world: World) -> None:
    told = failure(world.build(name="none"))
    assert told == (
        "There is no image pipeline none in eu-west-1 of account 123456789012. Make it with image_pipeline, or "
        "correct name and region."
    )


def test_no_pipeline_is_no_error_in_check_mode_since_it_would_be_there(world: World) -> None:
    planned = good(world.build(check=True, name="none", recipe_arn=arn("image-recipe", "none/1.2.3")))
    assert (planned["changed"], planned["image"], world.writes()) == (True, None, [])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"delay": 0}, "delay is 0.0; it must be more than 0 seconds"),
        ({"wait_timeout": -1}, "wait_timeout is -1"),
        ({"name": "Web"}, "name is 'Web'"),
        ({"recipe_arn": "web"}, "recipe_arn is 'web'"),
        ({"recipe_arn": arn("image-recipe", "web")}, "Give the ARN of an image recipe and its version"),
        ({"image_arn": arn("image", "web/1.2.3")}, "Give the ARN of one build"),
        ({"image_arn": arn("image", "web/1.2.3/4"), "rebuild": "x"}, "leave out recipe_arn and rebuild"),
    ],
)
def test_bad_options(world: World, more: dict[str, Any], said: str) -> None:
    assert said in failure(world.build(**more))
    assert not world.aws.calls()


# --- cancelled ---------------------------------------------------------------------------------------------------


def test_builds_under_way_are_cancelled(world: World) -> None:
    good(world.build(wait=False))
    good(world.build(wait=False, rebuild="x"))
    planned = good(world.build(state="cancelled", check=True))
    assert (planned["changed"], planned["image"]["status"]) == (True, "BUILDING")
    cancelled = good(world.build(state="cancelled"))
    assert (cancelled["changed"], cancelled["image"]["status"], cancelled["image"]["build"]) == (True, "CANCELLED", 2)
    assert {one["state"]["status"] for one in world.held("image").values()} == {"CANCELLED"}
    assert good(world.build(state="cancelled"))["changed"] is False
    assert good(world.build())["image"]["build"] == 3


def test_one_build_is_cancelled(world: World) -> None:
    first = good(world.build(wait=False))["image"]["arn"]
    good(world.build(wait=False, rebuild="x"))
    assert good(world.build(state="cancelled", image_arn=first))["image"]["arn"] == first
    assert sorted(one["state"]["status"] for one in world.held("image").values()) == ["BUILDING", "CANCELLED"]


def test_nothing_to_cancel(world: World) -> None:
    assert good(world.build(state="cancelled")) == {
        "changed": False,
        "started": False,
        "attached": False,
        "progress": [],
        "image": None,
    }
    good(world.build())
    done = good(world.build(state="cancelled"))
    assert (done["changed"], done["image"]["status"]) == (False, "AVAILABLE")


def test_a_build_that_ends_before_it_can_be_cancelled(world: World) -> None:
    begun = good(world.build(wait=False))["image"]["arn"]
    message = f"The image '{begun}' cannot be cancelled: it is AVAILABLE."
    world.aws.image_builder.advance(20)
    world.aws.stale("imagebuilder:ListImageBuildVersions", times=1)
    world.aws.fault("imagebuilder:CancelImageCreation", "InvalidRequestException", message=message)
    assert good(world.build(state="cancelled"))["changed"] is False


def test_who_waits_for_a_build_that_is_cancelled_is_told(world: World) -> None:
    world.aws.image_builder.end_as("CANCELLED", at="BUILDING")
    assert "is CANCELLED" in failure(world.build())
