# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Image Builder's images: how one is built, tested and distributed, and how that fails."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.emulation import Emulation
from tests.fakes.imagebuilder.job import BuildError, CancelledError, ComponentError, Job

from .workshop import DOCUMENT, OTHER, REGION, Workshop

ELSEWHERE = "210987654321"
SOON = 20


def tags_of(ami: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in ami.get("Tags", [])}


def amis_of(shop: Workshop, arn: str, region: str = REGION) -> list[dict[str, Any]]:
    images = shop.client_of("ec2", region).describe_images(Owners=["self"])["Images"]
    return [ami for ami in images if tags_of(ami).get("Ec2ImageBuilderArn") == arn]


# --- the way of an image ----------------------------------------------------------------------------------------


def test_each_poll_sees_the_next_status(shop: Workshop) -> None:
    arn = shop.image()
    assert [shop.status(arn) for _ in range(8)] == [
        "PENDING",
        "CREATING",
        "BUILDING",
        "TESTING",
        "DISTRIBUTING",
        "INTEGRATING",
        "AVAILABLE",
        "AVAILABLE",
    ]


def test_the_tests_may_be_left_out(shop: Workshop) -> None:
    arn = shop.image(imageTestsConfiguration={"imageTestsEnabled": False})
    assert "TESTING" not in [shop.status(arn) for _ in range(6)]
    assert [one["type"] for one in shop.workflows(arn)] == ["BUILD", "DISTRIBUTION"]


def test_the_pace_is_the_tests_choice(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.fake.builder, "pace", 0)
    arn = shop.image()
    assert [shop.status(arn), shop.status(arn)] == ["PENDING", "PENDING"]
    shop.fake.advance()
    assert shop.status(arn) == "CREATING"
    monkeypatch.setattr(shop.fake.builder, "pace", 10)
    shop.shown(arn)
    assert shop.status(arn) == "AVAILABLE"


def test_botocore_can_wait_for_it(shop: Workshop) -> None:
    arn = shop.image()
    waiter = shop.client.get_waiter("image_available")
    waiter.wait(imageBuildVersionArn=arn, WaiterConfig={"Delay": 0, "MaxAttempts": 7})
    shop.fake.fail_at("BUILDING")
    failed = shop.image(imageRecipeArn=shop.shown(arn)["imageRecipe"]["arn"], infrastructureConfigurationArn=infra(arn))
    with pytest.raises(WaiterError, match="terminal failure"):
        waiter.wait(imageBuildVersionArn=failed, WaiterConfig={"Delay": 0, "MaxAttempts": 9})


def infra(arn: str) -> str:
    return re.sub(r":image/.*", ":infrastructure-configuration/builders", arn)


def test_an_image_knows_what_it_was_made_of(shop: Workshop) -> None:
    distribution = shop.distribution()
    arn = shop.image(distributionConfigurationArn=distribution, tags={"a": "b"})
    image = shop.shown(arn)
    assert (image["name"], image["version"], image["tags"]) == ("web", "1.0.0/1", {"a": "b"})
    assert image["distributionConfiguration"]["arn"] == distribution
    assert image["infrastructureConfiguration"]["instanceProfileName"] == "image-builder"
    assert image["imageRecipe"]["parentImage"] == shop.parent
    assert image["outputResources"] == {"amis": []}
    assert image["buildType"] == "USER_INITIATED"


def test_steps_can_be_followed(shop: Workshop) -> None:
    arn = shop.image()
    assert shop.workflows(arn) == []
    shop.fake.advance(2)
    (build,) = shop.workflows(arn)
    assert (build["type"], build["status"], build["totalStepCount"]) == ("BUILD", "RUNNING", 7)
    assert [(step["name"], step["status"]) for step in shop.steps(build)] == [
        ("LaunchBuildInstance", "COMPLETED"),
        ("ApplyBuildComponents", "RUNNING"),
    ]
    shop.fake.advance(10)
    assert [
        (one["type"], one["status"], one["totalStepCount"], one["totalStepsSucceeded"], one["totalStepsSkipped"])
        for one in shop.workflows(arn)
    ] == [
        ("BUILD", "COMPLETED", 7, 6, 1),
        ("TEST", "COMPLETED", 3, 3, 0),
        ("DISTRIBUTION", "COMPLETED", 1, 1, 0),
    ]
    identity = build["workflowExecutionId"]
    shown = shop.client.get_workflow_execution(workflowExecutionId=identity)
    assert (shown["imageBuildVersionArn"], shown["status"]) == (arn, "COMPLETED")
    step = shop.steps(build)[1]
    shown = shop.client.get_workflow_step_execution(stepExecutionId=step["stepExecutionId"])
    assert (shown["workflowExecutionId"], shown["action"]) == (identity, "ExecuteComponents")
    for kind in ("workflow_execution", "workflow_step_execution"):
        key = "workflowExecutionId" if kind == "workflow_execution" else "stepExecutionId"
        nobody = f"{'wf' if kind == 'workflow_execution' else 'step'}-{'0' * 8}-0000-0000-0000-{'0' * 12}"
        assert "does not exist" in shop.refusal(f"get_{kind}", **{key: nobody})


def test_the_log_is_in_cloudwatch(shop: Workshop) -> None:
    recipe = shop.recipe(shop.component(), name="logged")
    arn = shop.made(imageRecipeArn=recipe)
    logs = shop.client_of("logs")
    events = logs.get_log_events(logGroupName="/aws/imagebuilder/logged", logStreamName="1.0.0/1")["events"]
    lines = [event["message"] for event in events]
    assert f"Launching a build instance from {shop.parent}" in lines
    again = shop.made(
        imageRecipeArn=recipe,
        infrastructureConfigurationArn=infra(arn),
        loggingConfiguration={"logGroupName": "/aws/imagebuilder/elsewhere"},
    )
    assert shop.status(again) == "AVAILABLE"
    streams = logs.describe_log_streams(logGroupName="/aws/imagebuilder/elsewhere")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["1.0.0/2"]


# --- builds and versions ----------------------------------------------------------------------------------------


def test_each_build_has_a_number_that_is_not_used_again(shop: Workshop) -> None:
    first = shop.made()
    again = {
        "imageRecipeArn": shop.shown(first)["imageRecipe"]["arn"],
        "infrastructureConfigurationArn": infra(first),
    }
    second = shop.made(**again)
    shop.client.delete_image(imageBuildVersionArn=second)
    third = shop.image(**again)
    assert [first[-1], second[-1], third[-1]] == ["1", "2", "3"]
    builds = shop.client.list_image_build_versions(imageVersionArn=first[:-2])["imageSummaryList"]
    assert [(one["version"], one["state"]["status"]) for one in builds] == [
        ("1.0.0/3", "PENDING"),
        ("1.0.0/1", "AVAILABLE"),
    ]
    (version,) = shop.client.list_images()["imageVersionList"]
    assert (version["arn"], version["version"]) == (first[:-2], "1.0.0")
    assert shop.client.list_images(owner="Amazon", byName=True)["imageVersionList"] == []
    assert shop.client.list_image_build_versions(imageVersionArn=first[:-3] + "9")["imageSummaryList"] == []


def test_an_arn_without_a_build_is_the_newest_available_one(shop: Workshop) -> None:
    first = shop.made()
    again = {
        "imageRecipeArn": shop.shown(first)["imageRecipe"]["arn"],
        "infrastructureConfigurationArn": infra(first),
    }
    shop.image(**again)
    any_version = first[: -len("1.0.0/1")] + "x.x.x"
    for arn in (first[:-2], any_version):
        assert shop.shown(arn)["arn"] == first
    shop.fake.set_status(first, "DEPRECATED")
    assert "ResourceNotFoundException" in shop.refusal("get_image", imageBuildVersionArn=any_version)
    assert shop.status(first) == "DEPRECATED"


def test_an_image_can_be_the_parent_of_another_one(shop: Workshop) -> None:
    first = shop.made()
    ami = shop.shown(first)["outputResources"]["amis"][0]["image"]
    jobs = Recording()
    child = shop.recipe(name="child", parentImage=first[: -len("1.0.0/1")] + "x.x.x")
    shop.client.delete_image_recipe(imageRecipeArn=child)
    child = shop.recipe(name="child", parentImage=first)
    refusal = shop.refusal("delete_image", imageBuildVersionArn=first)
    assert refusal.startswith("ResourceDependencyException")
    with builder(shop, jobs):
        arn = shop.image(imageRecipeArn=child, infrastructureConfigurationArn=infra(first))
        wait_for(shop, arn, "AVAILABLE")
    assert jobs.seen[0].parent_image == ami


def test_a_parent_may_be_named_by_a_parameter(shop: Workshop) -> None:
    shop.client_of("ssm").put_parameter(Name="/base/ami", Value=shop.parent, Type="String", Overwrite=True)
    jobs = Recording()
    with builder(shop, jobs):
        arn = shop.image(imageRecipeArn=shop.recipe(parentImage="ssm:/base/ami"))
        wait_for(shop, arn, "AVAILABLE")
    assert jobs.seen[0].parent_image == shop.parent


def test_so_many_images_are_built_at_once(shop: Workshop) -> None:
    shop.fake.quota("image", 1)
    arn = shop.image()
    again = {
        "imageRecipeArn": shop.shown(arn)["imageRecipe"]["arn"],
        "infrastructureConfigurationArn": infra(arn),
    }
    assert shop.refusal("create_image", **again).startswith("ServiceQuotaExceededException")
    shop.fake.advance(10)
    shop.image(**again)


def test_a_token_makes_one_image(shop: Workshop) -> None:
    arn = shop.image(clientToken="once")
    again = {"imageRecipeArn": shop.shown(arn)["imageRecipe"]["arn"], "infrastructureConfigurationArn": infra(arn)}
    assert shop.image(clientToken="once", **again) == arn
    assert shop.refusal("create_image", clientToken="once", **again, tags={"a": "b"}).startswith(
        "IdempotentParameterMismatchException"
    )


def test_custom_workflows_need_a_role(shop: Workshop) -> None:
    workflow = {"workflowArn": f"arn:aws:imagebuilder:{REGION}:aws:workflow/build/build-image/x.x.x"}
    assert "execution role" in shop.refusal(
        "create_image",
        imageRecipeArn=shop.recipe(),
        infrastructureConfigurationArn=shop.infrastructure(),
        workflows=[workflow],
    )


# --- pipelines --------------------------------------------------------------------------------------------------


def test_a_pipeline_makes_images_and_tells_of_the_last_one(shop: Workshop) -> None:
    pipeline = shop.pipeline(loggingConfiguration={"imageLogGroupName": "/aws/imagebuilder/mine"})
    arn = shop.client.start_image_pipeline_execution(imagePipelineArn=pipeline, tags={"a": "b"})["imageBuildVersionArn"]
    image = shop.shown(arn)
    assert (image["sourcePipelineArn"], image["tags"]) == (pipeline, {"a": "b"})
    assert image["loggingConfiguration"] == {"logGroupName": "/aws/imagebuilder/mine"}
    shop.fake.advance(10)
    shown = shop.client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]
    assert shown["lastRunStatus"] == "AVAILABLE"
    assert shown["dateLastRun"] == image["dateCreated"]
    listed = shop.client.list_image_pipeline_images(imagePipelineArn=pipeline)["imageSummaryList"]
    assert [one["arn"] for one in listed] == [arn]
    assert shop.client.list_image_pipeline_images(imagePipelineArn=f"{pipeline}s")["imageSummaryList"] == []
    refusal = shop.refusal("start_image_pipeline_execution", imagePipelineArn=f"{pipeline}s")
    assert refusal.startswith("ResourceNotFoundException")


def test_a_pipeline_may_go_while_it_builds_and_its_recipe_may_not(shop: Workshop) -> None:
    pipeline = shop.pipeline()
    recipe = shop.client.get_image_pipeline(imagePipelineArn=pipeline)["imagePipeline"]["imageRecipeArn"]
    arn = shop.client.start_image_pipeline_execution(imagePipelineArn=pipeline)["imageBuildVersionArn"]
    shop.client.delete_image_pipeline(imagePipelineArn=pipeline)
    assert "ResourceDependencyException" in shop.refusal("delete_image_recipe", imageRecipeArn=recipe)
    shop.fake.advance(10)
    shop.client.delete_image_recipe(imageRecipeArn=recipe)
    assert shop.status(arn) == "AVAILABLE"


# --- distribution -----------------------------------------------------------------------------------------------


def test_an_image_is_in_every_region_and_account_of_its_distribution(shop: Workshop) -> None:
    distribution = shop.distribution(
        {
            "region": REGION,
            "amiDistributionConfiguration": {
                "name": "web-{{ imagebuilder:buildDate }}",
                "description": "the web",
                "amiTags": {"role": "web"},
                "launchPermission": {"userIds": [ELSEWHERE]},
            },
            "ssmParameterConfigurations": [{"parameterName": "/web/ami", "dataType": "aws:ec2:image"}],
        },
        {"region": OTHER, "amiDistributionConfiguration": {"targetAccountIds": ["123456789012", ELSEWHERE]}},
    )
    recipe = shop.recipe(amiTags={"made": "here"}, description="a recipe")
    arn = shop.made(imageRecipeArn=recipe, distributionConfigurationArn=distribution)
    amis = shop.shown(arn)["outputResources"]["amis"]
    assert [(ami["region"], ami["accountId"]) for ami in amis] == [
        (REGION, "123456789012"),
        (OTHER, "123456789012"),
        (OTHER, ELSEWHERE),
    ]
    (here,) = amis_of(shop, arn)
    assert here["ImageId"] == amis[0]["image"]
    assert re.fullmatch(r"web-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z", here["Name"])
    assert here["Description"] == "the web"
    tags = tags_of(here)
    snapshot = tags.pop("LabImage")
    assert snapshot.startswith("simulated-")
    assert tags == {
        "role": "web",
        "made": "here",
        "CreatedBy": "EC2 Image Builder",
        "Ec2ImageBuilderArn": arn,
    }
    (there,) = amis_of(shop, arn, OTHER)
    assert there["ImageId"] == amis[1]["image"]
    assert re.fullmatch(r"web \d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z", there["Name"])
    assert tags_of(there)["LabImage"] == snapshot
    permissions = shop.client_of("ec2").describe_image_attribute(ImageId=here["ImageId"], Attribute="launchPermission")
    assert permissions["LaunchPermissions"] == [{"UserId": ELSEWHERE}]
    parameter = shop.client_of("ssm").get_parameter(Name="/web/ami")["Parameter"]
    assert (parameter["Value"], parameter["DataType"]) == (here["ImageId"], "aws:ec2:image")
    assert [step["name"] for step in shop.steps(shop.workflows(arn)[-1])] == [
        "DistributeOutputAMI",
        "ApplyImageConfigurations",
    ]


def test_without_a_distribution_it_stays_where_it_was_built(shop: Workshop) -> None:
    arn = shop.made()
    assert [(ami["region"], ami["state"]) for ami in shop.shown(arn)["outputResources"]["amis"]] == [
        (REGION, {"status": "AVAILABLE"})
    ]
    assert amis_of(shop, arn, OTHER) == []


def test_launch_templates_get_a_version(shop: Workshop) -> None:
    ec2 = shop.client_of("ec2")
    made = ec2.create_launch_template(
        LaunchTemplateName=f"web-{shop.parent}", LaunchTemplateData={"InstanceType": "t3.small"}
    )
    template = made["LaunchTemplate"]["LaunchTemplateId"]
    distribution = shop.distribution(
        {"region": REGION, "launchTemplateConfigurations": [{"launchTemplateId": template}]}
    )
    arn = shop.made(distributionConfigurationArn=distribution)
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=["$Default"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert data["ImageId"] == shop.shown(arn)["outputResources"]["amis"][0]["image"]


def test_a_region_where_it_cannot_be_integrated_is_named(shop: Workshop) -> None:
    template = {"launchTemplateId": f"lt-{'0' * 17}"}
    distribution = shop.distribution({"region": OTHER, "launchTemplateConfigurations": [template]})
    arn = shop.made(distributionConfigurationArn=distribution)
    image = shop.shown(arn)
    assert image["state"]["reason"].startswith("Integration failed with JobId")
    (failure,) = image["state"]["failureContext"]["distributionFailure"]["regionFailures"]
    assert (failure["region"], failure["imageConfigurationStep"]) == (OTHER, "UPDATE_LAUNCH_TEMPLATES")
    assert len(image["outputResources"]["amis"]) == 1, "what was made stays"


def test_what_is_not_carried_out_here_fails_instead_of_being_left_out(shop: Workshop) -> None:
    distribution = shop.distribution({"region": REGION, "fastLaunchConfigurations": [{"enabled": True}]})
    arn = shop.made(distributionConfigurationArn=distribution)
    assert "does not carry out fastLaunchConfigurations" in shop.shown(arn)["state"]["reason"]


# --- failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "workflow", "step", "phase"),
    [
        ("BUILDING", "BUILD", "ApplyBuildComponents", "build"),
        ("TESTING", "TEST", "ApplyTestComponents", "test"),
    ],
)
def test_a_component_that_fails_is_named(shop: Workshop, stage: str, workflow: str, step: str, phase: str) -> None:
    shop.fake.fail_at(stage)
    arn = shop.made()
    component = shop.shown(arn)["imageRecipe"]["components"][0]["componentArn"]
    state = shop.shown(arn)["state"]
    assert state["status"] == "FAILED"
    assert re.fullmatch(
        rf"SSM execution '[0-9a-f-]+' failed with status = 'Failed' in state = '{stage}' and failure message = "
        rf"'Document {component} failed!'",
        state["reason"],
    )
    last = shop.workflows(arn)[-1]
    assert (last["type"], last["status"], last["totalStepsFailed"]) == (workflow, "FAILED", 1)
    assert last["message"] == f"Document {component} failed!"
    failed = shop.steps(last)[-1]
    assert (failed["name"], failed["status"], failed["message"]) == (step, "FAILED", last["message"])
    assert state["failureContext"] == {
        "imageStatus": stage,
        "workflowExecutionId": last["workflowExecutionId"],
        "workflowArn": last["workflowBuildVersionArn"],
        "stepExecutionId": failed["stepExecutionId"],
        "failedStep": step,
        "componentFailure": {
            "componentArn": component,
            "phaseName": phase,
            "stepName": "Install" if phase == "build" else "Serve",
            "action": "ExecuteBash",
            "errorMessage": "exit status 1",
        },
    }
    assert shop.client.list_workflow_executions(imageBuildVersionArn=arn)["message"] == state["reason"][:500]
    assert amis_of(shop, arn) == []


@pytest.mark.parametrize(("stage", "what"), [("DISTRIBUTING", "Distribution"), ("INTEGRATING", "Integration")])
def test_a_distribution_that_fails_names_the_region(shop: Workshop, stage: str, what: str) -> None:
    shop.fake.fail_at(stage, "no more AMIs")
    distribution = shop.distribution({"region": OTHER})
    arn = shop.made(distributionConfigurationArn=distribution)
    state = shop.shown(arn)["state"]
    assert state["reason"].startswith(f"{what} failed with JobId")
    assert state["reason"].endswith(f"for ARN '{arn}'. In region '{OTHER}' - 'no more AMIs'")
    assert state["failureContext"]["imageStatus"] == stage
    assert state["failureContext"]["distributionFailure"]["regionFailures"][0]["errorMessage"] == "no more AMIs"


def test_a_reason_can_be_given_and_a_failure_be_for_one_image(shop: Workshop) -> None:
    shop.fake.fail_at("BUILDING", "SSM Agent verification failed", times=1)
    failed = shop.made()
    state = shop.shown(failed)["state"]
    assert state["reason"].endswith("failure message = 'SSM Agent verification failed'")
    assert "componentFailure" not in state["failureContext"]
    made = shop.made(
        imageRecipeArn=shop.shown(failed)["imageRecipe"]["arn"], infrastructureConfigurationArn=infra(failed)
    )
    assert shop.status(made) == "AVAILABLE"


def test_a_recipe_without_components_can_fail_too(shop: Workshop) -> None:
    shop.fake.fail_at("TESTING")
    arn = shop.made(imageRecipeArn=shop.recipe())
    assert "SSM Agent verification failed" in shop.shown(arn)["state"]["reason"]


def test_a_parent_that_is_gone_fails_before_any_workflow(shop: Workshop) -> None:
    arn = shop.image()
    shop.client_of("ec2").deregister_image(ImageId=shop.parent)
    shop.fake.advance(10)
    state = shop.shown(arn)["state"]
    assert state["status"] == "FAILED"
    assert "was deregistered" in state["reason"]
    assert state["failureContext"] == {"imageStatus": "CREATING"}
    assert shop.workflows(arn) == []


def test_only_stages_can_fail(shop: Workshop) -> None:
    with pytest.raises(ValueError, match="AVAILABLE is no stage of an image"):
        shop.fake.fail_at("AVAILABLE")


@pytest.mark.parametrize("status", ["DELETED", "CANCELLED", "DISABLED"])
def test_an_image_may_end_otherwise_while_somebody_waits(shop: Workshop, status: str) -> None:
    shop.fake.end_as(status, at="TESTING")
    arn = shop.made()
    assert shop.shown(arn)["state"] == {"status": status}
    last = shop.workflows(arn)[-1]
    assert (last["status"], shop.steps(last)[-1]["status"]) == ("CANCELLED", "CANCELLED")


def test_somebody_else_may_end_it_at_any_time(shop: Workshop) -> None:
    arn = shop.image()
    shop.fake.advance(2)
    shop.fake.set_status(arn, "DELETED")
    shop.fake.advance(10)
    assert shop.status(arn) == "DELETED"


# --- cancelling and deleting ------------------------------------------------------------------------------------


def test_cancelling_takes_effect_with_the_next_transition(shop: Workshop) -> None:
    arn = shop.image()
    shop.fake.advance(2)
    shop.client.cancel_image_creation(imageBuildVersionArn=arn)
    assert [shop.status(arn), shop.status(arn)] == ["BUILDING", "CANCELLED"]
    (build,) = shop.workflows(arn)
    assert build["status"] == "CANCELLED"
    assert [step["status"] for step in shop.steps(build)] == ["COMPLETED", "CANCELLED"]
    refusal = shop.refusal("cancel_image_creation", imageBuildVersionArn=arn)
    assert refusal == f"InvalidRequestException: The image '{arn}' cannot be cancelled: it is CANCELLED."
    assert "does not exist" in shop.refusal("cancel_image_creation", imageBuildVersionArn=f"{arn}0")


def test_an_image_is_not_deleted_while_it_is_built_and_its_amis_never_are(shop: Workshop) -> None:
    arn = shop.image()
    refusal = shop.refusal("delete_image", imageBuildVersionArn=arn)
    assert refusal.startswith("ResourceDependencyException")
    shop.fake.advance(10)
    shop.client.delete_image(imageBuildVersionArn=arn)
    assert "ResourceNotFoundException" in shop.refusal("get_image", imageBuildVersionArn=arn)
    assert len(amis_of(shop, arn)) == 1


# --- builders of other kinds ------------------------------------------------------------------------------------


class Recording:
    """Builds nothing, but through the interface that real builders use."""

    def __init__(self) -> None:
        self.seen: list[Job] = []

    def run(self, job: Job) -> str:
        self.seen.append(job)
        job.reporter.status("BUILDING")
        with job.reporter.step("BUILD", "ApplyBuildComponents", "ExecuteComponents"):
            job.reporter.log("installing\n\ndone\n")
        if job.tests_enabled:
            job.reporter.status("TESTING")
            with job.reporter.step("TEST", "ApplyTestComponents", "ExecuteComponents"):
                pass
        return "snapshot-1"


@contextmanager
def builder(shop: Workshop, other: Any) -> Iterator[None]:
    before, shop.fake.builder = shop.fake.builder, other
    try:
        yield
    finally:
        shop.fake.builder = before


def wait_for(shop: Workshop, arn: str, status: str) -> dict[str, Any]:
    for thread in threading.enumerate():
        if thread.name == f"build of {arn}":
            thread.join(SOON)
    image = shop.shown(arn)
    assert image["state"]["status"] == status
    return image


def test_a_builder_gets_a_job_and_its_snapshot_becomes_a_tag(shop: Workshop) -> None:
    jobs = Recording()
    document = DOCUMENT.replace("phases:", "parameters:\n  - Level: {type: string}\nphases:", 1)
    component = shop.component(data=document)
    wildcard = component[: -len("1.0.0/1")] + "x.x.x"
    chosen = {"componentArn": wildcard, "parameters": [{"name": "Level", "value": ["3"]}]}
    recipe = shop.recipe(components=[chosen])
    with builder(shop, jobs):
        arn = shop.image(imageRecipeArn=recipe)
        image = wait_for(shop, arn, "AVAILABLE")
    (job,) = jobs.seen
    assert (job.region, job.image_arn, job.parent_image, job.tests_enabled) == (REGION, arn, shop.parent, True)
    assert job.recipe["arn"] == recipe
    assert job.infrastructure["name"] == "builders"
    (part,) = job.components
    assert (part.arn, part.document, part.parameters) == (component, document, {"Level": ["3"]})
    (ami,) = amis_of(shop, arn)
    assert ami["ImageId"] == image["outputResources"]["amis"][0]["image"]
    assert tags_of(ami)["LabImage"] == "snapshot-1"
    assert [(one["type"], one["totalStepCount"], one["totalStepsSucceeded"]) for one in shop.workflows(arn)] == [
        ("BUILD", 1, 1),
        ("TEST", 1, 1),
        ("DISTRIBUTION", 1, 1),
    ]


class Failing(Recording):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def run(self, job: Job) -> str:
        job.reporter.status("BUILDING")
        with job.reporter.step("BUILD", "ApplyBuildComponents", "ExecuteComponents"):
            raise self.error


def test_a_builder_that_fails_gives_the_reason(shop: Workshop) -> None:
    with builder(shop, Failing(BuildError("no route to host"))):
        image = wait_for(shop, shop.image(), "FAILED")
    assert image["state"]["reason"].endswith("failure message = 'no route to host'")
    assert image["state"]["failureContext"]["failedStep"] == "ApplyBuildComponents"


def test_a_builder_can_name_the_step_of_a_component(shop: Workshop) -> None:
    component = shop.component()
    error = ComponentError(component, "validate", "Check", "ExecuteBash", "exit status 3")
    with builder(shop, Failing(error)):
        image = wait_for(shop, shop.image(imageRecipeArn=shop.recipe(component)), "FAILED")
    assert image["state"]["failureContext"]["componentFailure"] == {
        "componentArn": component,
        "phaseName": "validate",
        "stepName": "Check",
        "action": "ExecuteBash",
        "errorMessage": "exit status 3",
    }


def test_a_builder_that_is_broken_is_told_apart(shop: Workshop) -> None:
    with builder(shop, Failing(ZeroDivisionError("oops"))):
        image = wait_for(shop, shop.image(), "FAILED")
    assert "the emulated Image Builder failed: ZeroDivisionError('oops')" in image["state"]["reason"]
    assert [type(bug) for bug in shop.fake.bugs] == [ZeroDivisionError]
    shop.fake.bugs.clear()


class Waiting(Recording):
    """Works until it is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def run(self, job: Job) -> str:
        job.reporter.status("BUILDING")
        with job.reporter.step("BUILD", "ApplyBuildComponents", "ExecuteComponents"):
            self.begun.set()
            assert job.cancelled.wait(SOON)
            with pytest.raises(CancelledError):
                job.reporter.log("still here")
            job.reporter.status("TESTING")
        return "never"


def test_a_builder_is_told_of_a_cancelled_image_and_stops(shop: Workshop) -> None:
    waiting = Waiting()
    with builder(shop, waiting):
        arn = shop.image()
        assert waiting.begun.wait(SOON)
        shop.client.cancel_image_creation(imageBuildVersionArn=arn)
        wait_for(shop, arn, "CANCELLED")
    assert shop.steps(shop.workflows(arn)[0])[0]["status"] == "CANCELLED"


def test_a_server_that_ends_stops_its_builders() -> None:
    waiting = Waiting()
    with Emulation.start(builder=waiting) as aws:
        shop = Workshop(aws)
        arn = shop.image()
        assert waiting.begun.wait(SOON)
    assert not [thread for thread in threading.enumerate() if thread.name == f"build of {arn}"]
    assert aws.image_builder.bugs == []
