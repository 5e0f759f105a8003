# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import image_build, image_view
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_build import Build, Choice, choose, token
from hypothesis import given, settings
from hypothesis import strategies as st

RECIPE = "arn:aws:imagebuilder:eu-west-1:123456789012:image-recipe/web/1.2.3"
ACCOUNT, HERE, THERE = "123456789012", ("eu-west-1", "123456789012"), ("us-east-1", "123456789012")
STATUSES = sorted({*image_build.UNDER_WAY, "AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED"})


def build(number: int, status: str = "AVAILABLE", purpose: str = "", places: tuple[Any, ...] = (HERE,)) -> Build:
    arn = f"arn:aws:imagebuilder:eu-west-1:123456789012:image/web/1.2.3/{number}"
    tags = {"dtk:rebuild": purpose} if purpose else {}
    return Build(arn, status, tags, frozenset(places) if status == "AVAILABLE" else frozenset())


@pytest.mark.parametrize(
    ("builds", "purpose", "expected"),
    [
        pytest.param([], "", Choice("start"), id="there is none"),
        pytest.param([build(1)], "", Choice("done", build(1)), id="there is one"),
        pytest.param([build(1), build(2)], "", Choice("done", build(2)), id="the newest of several"),
        pytest.param([build(1, "TESTING")], "", Choice("attach", build(1, "TESTING")), id="one is under way"),
        pytest.param([build(1), build(2, "PENDING")], "", Choice("done", build(1)), id="done is done"),
        pytest.param([build(1, "FAILED")], "", Choice("start"), id="one that failed is none"),
        pytest.param([build(1, "DEPRECATED"), build(2, "DISABLED")], "", Choice("start"), id="nor one out of use"),
        pytest.param([build(1)], "again", Choice("start"), id="a reason to build again"),
        pytest.param(
            [build(1), build(2, purpose="again")],
            "again",
            Choice("done", build(2, purpose="again")),
            id="a reason that was done",
        ),
        pytest.param([build(1), build(2, "FAILED", "again")], "again", Choice("start"), id="a reason that failed"),
        pytest.param(
            [build(1), build(2, "CREATING", "again")],
            "again",
            Choice("attach", build(2, "CREATING", "again")),
            id="a reason under way",
        ),
        pytest.param(
            [build(1, places=())], "", Choice("start", missing=(HERE,)), id="one that is not where it should be"
        ),
        pytest.param([build(1, places=()), build(2, "FAILED")], "", Choice("start", missing=(HERE,)), id="and another"),
    ],
)
def test_what_is_to_be_done(builds: list[Build], purpose: str, expected: Choice) -> None:
    assert choose(builds, [HERE], purpose) == expected


BUILDS = st.lists(
    st.builds(build, st.integers(1, 9), st.sampled_from(STATUSES), st.sampled_from(["", "x"])),
    max_size=5,
    unique_by=lambda one: one.number,
)


@settings(max_examples=300, deadline=None)
@given(BUILDS, st.sampled_from(["", "x"]))
def test_nothing_is_started_beside_what_is_there(builds: list[Build], purpose: str) -> None:
    choice = choose(builds, [HERE], purpose)
    good = [one for one in builds if not purpose or one.tags.get("dtk:rebuild") == purpose]
    assert (choice.what == "start") == (
        not [one for one in good if one.status in {"AVAILABLE", *image_build.UNDER_WAY}]
    )
    assert choice.build is None or choice.build in good


@settings(max_examples=200, deadline=None)
@given(BUILDS, BUILDS, st.sampled_from(["", "x"]))
def test_a_token_is_the_same_for_the_same_next_build_only(one: list[Build], other: list[Build], purpose: str) -> None:
    newest = [max((build.number for build in builds), default=0) for builds in (one, other)]
    same = token(RECIPE, one, purpose) == token(RECIPE, other, purpose)
    assert same == (newest[0] == newest[1])
    assert token(RECIPE, one, "another") != token(RECIPE, one, purpose)
    assert token(RECIPE + "4", one, purpose) != token(RECIPE, one, purpose)
    assert len(token(RECIPE, one, purpose)) <= 64


def test_an_old_build_that_is_deleted_brings_no_old_token_back() -> None:
    before = [build(number) for number in range(1, 6)]
    after = [build(number) for number in range(2, 7)]
    assert len(before) == len(after)
    assert token(RECIPE, before, "x") != token(RECIPE, after, "x")


WORKFLOW = {"type": "BUILD", "status": "RUNNING", "totalStepCount": 9, "totalStepsSucceeded": 2, "totalStepsSkipped": 1}
STEPS = [{"name": "LaunchBuildInstance", "status": "COMPLETED"}, {"name": "ApplyBuildComponents", "status": "RUNNING"}]


@pytest.mark.parametrize(
    ("status", "workflows", "steps", "expected"),
    [
        ("BUILDING", [WORKFLOW], STEPS, "BUILDING ApplyBuildComponents 3/9"),
        ("BUILDING", [WORKFLOW], [], "BUILDING 3/9"),
        ("BUILDING", [], [], "BUILDING"),
        ("BUILDING", [{"type": "BUILD", "status": "RUNNING"}], [], "BUILDING"),
        ("TESTING", [WORKFLOW], STEPS, "TESTING"),
        ("AVAILABLE", [WORKFLOW], STEPS, "AVAILABLE"),
        ("INTEGRATING", [{**WORKFLOW, "type": "DISTRIBUTION"}], [], "INTEGRATING 3/9"),
        ("TESTING", [{**WORKFLOW, "status": "COMPLETED"}, {**WORKFLOW, "type": "TEST"}], [], "TESTING 3/9"),
    ],
)
def test_how_far_a_build_is(status: str, workflows: list[Any], steps: list[Any], expected: str) -> None:
    assert image_build.progress(status, workflows, steps) == expected


PIPELINE = {
    "arn": "arn:pipeline",
    "infrastructureConfigurationArn": "arn:infrastructure",
    "distributionConfigurationArn": "arn:distribution",
    "imageTestsConfiguration": {"imageTestsEnabled": False, "timeoutMinutes": 60},
    "enhancedImageMetadataEnabled": False,
    "workflows": [],
    "executionRole": "builder",
    "loggingConfiguration": {"imageLogGroupName": "/aws/imagebuilder/mine", "pipelineLogGroupName": "x"},
    "schedule": {"scheduleExpression": "rate(1 day)"},
}


def test_a_build_has_the_settings_of_the_pipeline_and_the_recipe_that_was_asked_for() -> None:
    assert image_build.request({**PIPELINE, "imageRecipeArn": "arn:another"}, RECIPE, "web", {"n": 1}, "why") == {
        "imageRecipeArn": RECIPE,
        "infrastructureConfigurationArn": "arn:infrastructure",
        "distributionConfigurationArn": "arn:distribution",
        "imageTestsConfiguration": {"imageTestsEnabled": False, "timeoutMinutes": 60},
        "enhancedImageMetadataEnabled": False,
        "executionRole": "builder",
        "loggingConfiguration": {"logGroupName": "/aws/imagebuilder/mine"},
        "tags": {"n": "1", "dtk:pipeline": "web", "dtk:rebuild": "why"},
    }


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (None, {HERE}),
        ({"distributions": []}, {HERE}),
        ({"distributions": [{"region": "us-east-1"}]}, {THERE}),
        (
            {
                "distributions": [
                    {"region": "eu-west-1", "amiDistributionConfiguration": {"targetAccountIds": ["1", "2"]}},
                    {"region": "us-east-1", "amiDistributionConfiguration": {"name": "x"}},
                ]
            },
            {("eu-west-1", "1"), ("eu-west-1", "2"), THERE},
        ),
    ],
)
def test_where_a_distribution_leads(distribution: Any, expected: set[Any]) -> None:
    assert image_build.wanted_places(distribution, *HERE) == expected


def record(status: str = "AVAILABLE", **more: Any) -> dict[str, Any]:
    amis = [
        {"region": "us-east-1", "image": "ami-3", "name": "n", "accountId": ACCOUNT},
        {"region": "eu-west-1", "image": "ami-2", "name": "n", "accountId": "999999999999"},
        {"region": "eu-west-1", "image": "ami-1", "name": "n"},
        {"region": "eu-west-1", "image": "ami-4", "accountId": "8", "state": {"status": "FAILED"}},
    ]
    arn = build(2).arn
    return {"arn": arn, "state": {"status": status}, "outputResources": {"amis": amis}, "version": "1.2.3/2", **more}


def test_an_image_as_a_result_shows_it() -> None:
    shown = image_view.image(record(tags={"a": "b"}, dateCreated="2026"), "eu-west-1", ACCOUNT)
    assert shown == {
        "arn": build(2).arn,
        "name": "web",
        "version": "1.2.3",
        "build": 2,
        "status": "AVAILABLE",
        "reason": "",
        "created": "2026",
        "image_id": "ami-1",
        "amis": [
            {"region": "eu-west-1", "account": ACCOUNT, "image_id": "ami-1", "name": "n"},
            {"region": "eu-west-1", "account": "999999999999", "image_id": "ami-2", "name": "n"},
            {"region": "us-east-1", "account": ACCOUNT, "image_id": "ami-3", "name": "n"},
        ],
        "recipe_arn": RECIPE,
        "tags": {"a": "b"},
    }


@pytest.mark.parametrize(("region", "expected"), [("us-east-1", "ami-3"), ("ap-south-1", None)])
def test_the_image_id_is_that_of_the_region(region: str, expected: str | None) -> None:
    assert image_view.image(record(), region, ACCOUNT)["image_id"] == expected


def test_a_failure_is_one_message() -> None:
    state = {
        "status": "FAILED",
        "reason": "SSM execution failed.",
        "failureContext": {
            "failedStep": "ApplyBuildComponents",
            "componentFailure": {"phaseName": "build", "stepName": "Install", "errorMessage": "exit status 1"},
            "distributionFailure": {
                "regionFailures": [{"region": "us-east-1", "targetAccountId": "1", "errorMessage": "no key"}]
            },
        },
    }
    step = {"name": "ApplyBuildComponents", "message": "Document failed"}
    text = image_build.failure(record(state=state), step, "i-0123456789abcdef0", ["one", "two"], "The end of its log:")
    assert text == (
        f"The build {build(2).arn} is FAILED: SSM execution failed. Step ApplyBuildComponents failed: Document failed. "
        "In the component, build.Install failed: exit status 1. In us-east-1 1: no key. "
        "It was built on i-0123456789abcdef0. Running this again starts a new build. The end of its log:\none\ntwo"
    )


def test_a_failure_of_which_nothing_is_known() -> None:
    text = image_build.failure(record("CANCELLED"), None, "", [], "It has no log.")
    assert text == f"The build {build(2).arn} is CANCELLED. Running this again starts a new build. It has no log."


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], ""),
        ([{"outputs": ""}, {"outputs": '{"instanceId":"i-0123456789abcdef0"}'}], "i-0123456789abcdef0"),
        ([{"inputs": '{"instanceId.$":"$.x"}'}], ""),
        ([{"outputs": '{"imageId":"ami-0123456789abcdef0"}'}], ""),
    ],
)
def test_the_instance_is_known_from_a_step(steps: list[Any], expected: str) -> None:
    assert image_build.instance_of(steps) == expected
