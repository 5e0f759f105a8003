# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.emulation import REGION, Emulation
from tests.unit.image_world import DOCUMENT, NAME, World, arn, serve

KINDS = ("component", "recipe", "infrastructure", "distribution", "pipeline")
LIFECYCLE = {"role": "cleaner", "keep": 3, "unused_days": 60}
EVERYTHING: dict[str, Any] = {
    "component": {"data": DOCUMENT, "parameters": {"Version": 2}, "description": "a web server"},
    "bundle": {"uri": "s3://bucket/bundle.tar", "sha256": "0" * 64, "owner": "123456789012"},
    "block_devices": [{"device_name": "/dev/xvda", "ebs": {"volume_size": 16, "encrypted": True}}],
    "working_directory": "/srv",
    "user_data": "#!/bin/sh\n",
    "ami_tags": {"team": "web"},
    "infrastructure": {
        "instance_profile": "builder",
        "instance_types": ["t3.medium", "m6i.large"],
        "subnet": "subnet-1",
        "security_groups": ["sg-2", "sg-1"],
        "key_pair": "rescue",
        "terminate_on_failure": False,
        "hop_limit": 2,
        "logs": {"bucket": "logs", "prefix": "images"},
        "sns_topic": "arn:aws:sns:eu-west-1:123456789012:images",
        "resource_tags": {"team": "web"},
    },
    "distribution": [
        {
            "region": "us-east-1",
            "kms_key": "alias/images",
            "ami_name": "web server",
            "launch_permission": {"accounts": ["222222222222", "111111111111"]},
            "ssm_parameters": [{"name": "/images/web"}],
        },
        {"region": REGION, "accounts": ["123456789012", "333333333333"], "ami_tags": {"tier": "front"}},
    ],
    "tests": {"enabled": False, "minutes": 90},
    "schedule": {"cron": "0 4 ? * MON *", "timezone": "Europe/Madrid"},
    "lifecycle": LIFECYCLE,
    "execution_role": "builder",
    "enabled": False,
    "tags": {"team": "web"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture
def world(server: Emulation) -> Iterator[World]:
    here = World.without_images(server)
    yield here
    assert server.image_builder.violations == [], "the emulated service was made to say what AWS never says"
    assert server.image_builder.bugs == []


def steps(result: dict[str, Any]) -> list[tuple[str, str]]:
    assert not result.get("failed"), result["msg"]
    return [(step["action"], step["kind"]) for step in result["steps"]]


def failure(result: dict[str, Any]) -> str:
    assert result.get("failed"), result
    return str(result["msg"])


# --- present -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [pytest.param({}, id="the least"), pytest.param(EVERYTHING, id="everything")])
def test_it_is_made_and_then_it_is_there(world: World, more: dict[str, Any]) -> None:
    wanted = world.wanted(**more)
    planned = world.module("image_pipeline", wanted, check=True)
    assert (world.writes(), world.arns()) == ([], [])
    made = world.module("image_pipeline", wanted)
    assert steps(made) == [("create", kind) for kind in (*KINDS, *(["lifecycle"] if more else []))]
    assert made == planned
    there = [made["pipeline"]["arn"], made["recipe"]["arn"], made["infrastructure_arn"], made["distribution_arn"]]
    there += [made["component"]["arn"] + "/1", *([made["lifecycle_arn"]] if more else [])]
    assert world.arns() == sorted(there)
    world.aws.reset()
    again = world.module("image_pipeline", wanted)
    assert (again["changed"], steps(again), world.writes()) == (False, [], [])
    assert again["diff"] == {"before": {}, "after": {}}


def test_it_asks_once_for_each_thing(world: World) -> None:
    world.pipeline(lifecycle=LIFECYCLE)
    world.aws.reset()
    world.pipeline(lifecycle=LIFECYCLE)
    assert set(world.aws.calls().values()) == {1}
    assert sum(world.aws.calls().values()) == 9


def test_another_content_is_another_version_and_the_old_one_stays(world: World) -> None:
    first = world.pipeline()
    planned = world.pipeline(check=True, component={"data": DOCUMENT + "# 2\n"})
    second = world.pipeline(component={"data": DOCUMENT + "# 2\n"})
    assert steps(second) == [("create", "component"), ("create", "recipe"), ("update", "pipeline")]
    assert steps(planned) == steps(second)
    assert second["steps"][2]["changes"] == ["imageRecipeArn"]
    assert second["diff"] == planned["diff"]
    assert second["diff"]["before"]["component"]["data"] == DOCUMENT.splitlines()
    assert second["diff"]["after"]["component"]["data"] == [*DOCUMENT.splitlines(), "# 2"]
    assert second["diff"]["before"]["pipeline"]["imageRecipeArn"] == first["recipe"]["arn"]
    assert {first["recipe"]["arn"], second["recipe"]["arn"]} == set(world.held("image-recipe"))
    back = world.pipeline()
    assert steps(back) == [("update", "pipeline")]
    assert back["recipe"] == first["recipe"]


def test_a_parameter_makes_a_recipe_and_no_component(world: World) -> None:
    world.pipeline()
    other = world.pipeline(component={"data": DOCUMENT, "parameters": {"Version": "2"}})
    assert steps(other) == [("create", "recipe"), ("update", "pipeline")]


def test_a_newer_parent_is_another_content(world: World) -> None:
    ssm = world.aws.client("ssm")
    ssm.put_parameter(Name="/base", Value=world.parent, Type="String", Overwrite=True)
    first = world.pipeline(parent_image="ssm:/base")
    assert (first["parent_image_id"], first["version"]) == (world.parent, world.pipeline()["version"])
    newer = world.ami("newer")
    ssm.put_parameter(Name="/base", Value=newer, Type="String", Overwrite=True)
    second = world.pipeline(parent_image="ssm:/base")
    assert steps(second) == [("create", "recipe"), ("update", "pipeline")]
    assert world.held("image-recipe")[second["recipe"]["arn"]]["parentImage"] == newer
    assert second["diff"]["before"]["recipe"]["parentImage"] == world.parent


def test_the_parent_may_be_an_image_of_image_builder(world: World) -> None:
    world.pipeline()
    built = world.build()["image"]
    child = world.pipeline(name="child", parent_image=arn("image", "web/x.x.x"))
    assert child["parent_image_id"] == built["image_id"]


def test_the_image_of_a_content_is_told(world: World) -> None:
    assert world.pipeline()["image"] is None
    built = world.build()["image"]
    assert world.pipeline()["image"] == built
    assert world.pipeline(component={"data": DOCUMENT + "#\n"})["image"] is None
    assert world.pipeline()["image"] == built


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        ("ami-0123456789abcdef0", "The parent image ami-0123456789abcdef0 is not there: 123456789012 sees no such AMI"),
        ("ssm:/none", "The parent image ssm:/none is not there: no such parameter in eu-west-1"),
        ("ssm:/text", "The parent image ssm:/text says 'hello', which is no id of an AMI"),
        ("ssm:/gone", r"The parent image ssm:/gone (ami-0fedcba9876543210) is not there"),
        (arn("image", "none/x.x.x"), "image/none/x.x.x is not there, or no build of it is available"),
    ],
)
def test_a_parent_that_is_not_there_is_one_error(world: World, parent: str, said: str) -> None:
    ssm = world.aws.client("ssm")
    ssm.put_parameter(Name="/text", Value="hello", Type="String", Overwrite=True)
    ssm.put_parameter(Name="/gone", Value="ami-0fedcba9876543210", Type="String", Overwrite=True)
    world.aws.reset()
    told = failure(world.pipeline(parent_image=parent))
    assert said in told
    assert told.endswith("Correct the option parent_image.")
    assert (world.writes(), world.arns()) == ([], [])


def test_a_parent_that_vanished_is_named_and_the_pipeline_stays(world: World) -> None:
    world.pipeline()
    world.aws.client("ec2").deregister_image(ImageId=world.parent)
    before = world.arns()
    assert f"The parent image {world.parent} is not there" in failure(world.pipeline())
    assert world.arns() == before


def test_one_character_too_many_is_told_before_any_call(world: World) -> None:
    told = failure(world.pipeline(component={"data": "x" * 16_001}))
    assert "component.data has 16001 characters; Image Builder takes 16000" in told
    assert not world.aws.calls()


def test_what_is_needed_is_asked_for_by_name(world: World) -> None:
    told = failure(world.module("image_pipeline", {"name": NAME}))
    assert told == "state is present but all of the following are missing: component, parent_image, infrastructure"


# --- drift -------------------------------------------------------------------------------------------------------


def test_what_was_changed_by_hand_is_put_right_and_the_rest_left_alone(world: World) -> None:
    made = world.pipeline(**EVERYTHING)
    ib = world.aws.client("imagebuilder")
    ib.update_infrastructure_configuration(
        infrastructureConfigurationArn=made["infrastructure_arn"],
        instanceProfileName="somebody",
        placement={"tenancy": "dedicated"},
        instanceMetadataOptions={"httpTokens": "optional"},
    )
    ib.update_distribution_configuration(
        distributionConfigurationArn=made["distribution_arn"], distributions=[{"region": "ap-south-1"}]
    )
    ib.update_image_pipeline(
        imagePipelineArn=made["pipeline"]["arn"],
        imageRecipeArn=made["recipe"]["arn"],
        infrastructureConfigurationArn=made["infrastructure_arn"],
        enhancedImageMetadataEnabled=False,
    )
    ib.update_lifecycle_policy(
        lifecyclePolicyArn=made["lifecycle_arn"],
        executionRole="cleaner",
        resourceType="AMI_IMAGE",
        policyDetails=[{"action": {"type": "DELETE"}, "filter": {"type": "COUNT", "value": 1}}],
        resourceSelection={"tagMap": {"dtk:pipeline": "web"}},
    )
    ib.tag_resource(resourceArn=made["recipe"]["arn"], tags={"team": "x", "extra": "y"})
    world.aws.reset()
    planned = world.pipeline(check=True, **EVERYTHING)
    assert world.writes() == []
    right = world.pipeline(**EVERYTHING)
    assert steps(right) == [
        ("tag", "recipe"),
        ("untag", "recipe"),
        ("update", "infrastructure"),
        ("update", "distribution"),
        ("update", "pipeline"),
        ("update", "lifecycle"),
    ]
    assert (steps(planned), planned["diff"]) == (steps(right), right["diff"])
    assert right["diff"]["before"]["infrastructure"]["instanceProfileName"] == "somebody"
    assert right["diff"]["after"]["infrastructure"]["instanceProfileName"] == "builder"
    infrastructure = world.held("infrastructure-configuration")[made["infrastructure_arn"]]
    assert infrastructure["placement"] == {"tenancy": "dedicated"}
    assert infrastructure["instanceMetadataOptions"] == {"httpTokens": "required", "httpPutResponseHopLimit": 2}
    assert world.held("image-pipeline")[made["pipeline"]["arn"]]["enhancedImageMetadataEnabled"] is False
    assert steps(world.pipeline(**EVERYTHING)) == []


@pytest.mark.parametrize("kind", ["infrastructure", "distribution", "pipeline", "lifecycle"])
def test_what_was_deleted_by_hand_is_made_again(world: World, kind: str) -> None:
    made = world.pipeline(lifecycle=LIFECYCLE)
    ib = world.aws.client("imagebuilder")
    ib.delete_image_pipeline(imagePipelineArn=made["pipeline"]["arn"])
    again = [("create", "pipeline")]
    if kind == "infrastructure":
        ib.delete_infrastructure_configuration(infrastructureConfigurationArn=made["infrastructure_arn"])
        again = [("create", kind), *again]
    if kind == "distribution":
        ib.delete_distribution_configuration(distributionConfigurationArn=made["distribution_arn"])
        again = [("create", kind), *again]
    if kind == "lifecycle":
        ib.delete_lifecycle_policy(lifecyclePolicyArn=made["lifecycle_arn"])
        again = [*again, ("create", kind)]
    assert steps(world.pipeline(lifecycle=LIFECYCLE)) == again


def test_a_policy_that_is_not_declared_any_more_goes(world: World) -> None:
    world.pipeline(lifecycle=LIFECYCLE)
    assert steps(world.pipeline(check=True)) == [("delete", "lifecycle")]
    assert len(world.held("lifecycle-policy")) == 1
    assert steps(world.pipeline()) == [("delete", "lifecycle")]
    assert world.held("lifecycle-policy") == {}


def test_a_pipeline_that_image_builder_disabled_is_enabled_again(world: World) -> None:
    made = world.pipeline()
    world.aws.client("imagebuilder").update_image_pipeline(
        imagePipelineArn=made["pipeline"]["arn"],
        imageRecipeArn=made["recipe"]["arn"],
        infrastructureConfigurationArn=made["infrastructure_arn"],
        distributionConfigurationArn=made["distribution_arn"],
        description="Golden image web",
        imageTestsConfiguration={"imageTestsEnabled": True, "timeoutMinutes": 60},
        imageTags={"dtk:pipeline": "web"},
        status="DISABLED",
    )
    result = world.pipeline()
    assert (steps(result), result["steps"][0]["changes"]) == ([("update", "pipeline")], ["status"])


def test_a_version_that_somebody_made_by_hand_is_refused(world: World) -> None:
    planned = world.pipeline(check=True)
    world.aws.client("imagebuilder").create_component(
        name=NAME,
        semanticVersion=planned["component"]["version"],
        platform="Linux",
        data=DOCUMENT.replace("Install", "Other"),
    )
    told = failure(world.pipeline())
    assert f"{planned['component']['arn']} is there with another content: data differ" in told
    assert len(world.arns()) == 1


# --- trouble -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["GetImageRecipe", "CreateComponent", "CreateImagePipeline", "GetImage"])
@pytest.mark.parametrize("code", ["CallRateLimitExceededException", "ServiceUnavailableException", 503])
def test_it_tries_again(world: World, operation: str, code: str | int) -> None:
    world.aws.fault(f"imagebuilder:{operation}", code, times=3)
    assert steps(world.pipeline()) == [("create", kind) for kind in KINDS]
    assert world.aws.calls()[f"imagebuilder:{operation}:{REGION}"] == 4


def test_a_service_that_stays_busy_is_told_and_a_re_run_does_the_rest(world: World) -> None:
    world.aws.fault("imagebuilder:CreateImagePipeline", "CallRateLimitExceededException")
    result = world.pipeline()
    told = failure(result)
    assert "AWS throttled 10 tries (CallRateLimitExceededException)" in told
    assert told.endswith("What the steps of the result name is done; running this again does the rest.")
    assert [step["kind"] for step in result["steps"]] == list(KINDS[:4])
    assert result["changed"] is True
    world.aws.reset()
    assert steps(world.pipeline()) == [("create", "pipeline")]


@pytest.mark.parametrize("operation", [f"Create{noun}" for noun in ("Component", "ImageRecipe", "ImagePipeline")])
def test_an_answer_that_was_lost_makes_nothing_twice(world: World, operation: str) -> None:
    world.aws.lose(f"imagebuilder:{operation}", times=1)
    assert steps(world.pipeline()) == [("create", kind) for kind in KINDS]
    assert len(world.arns()) == len(KINDS)


@pytest.mark.parametrize("operation", ["CreateComponent", "CreateImageRecipe", "CreateInfrastructureConfiguration"])
def test_answers_that_are_all_lost_are_made_up_for_by_a_re_run(world: World, operation: str) -> None:
    world.aws.lose(f"imagebuilder:{operation}")
    failure(world.pipeline())
    world.aws.reset()
    assert not world.pipeline().get("failed")
    assert len(world.arns()) == len(KINDS)
    assert world.pipeline()["changed"] is False


def test_a_quota_is_told_with_what_can_be_done(world: World) -> None:
    world.aws.image_builder.quota("image-recipe", 0)
    told = failure(world.pipeline())
    assert "ServiceQuotaExceededException" in told
    assert "image_pipeline with state: pruned, or ask for a higher quota" in told


@pytest.mark.parametrize("times", [1, 3])
def test_reads_of_what_was_before_lead_to_the_same(world: World, times: int) -> None:
    """Everything is there already, but Image Builder does not say so at first."""
    made = world.pipeline()
    before = world.arns()
    for operation in ("GetComponent", "GetImageRecipe", "GetImagePipeline", "GetInfrastructureConfiguration"):
        world.aws.fault(
            f"imagebuilder:{operation}",
            "ResourceNotFoundException",
            message="The specified resource cannot be found.",
            times=times,
        )
    result = world.pipeline()
    assert (result["changed"], steps(result)) == (False, [])
    assert (result["recipe"], world.arns()) == (made["recipe"], before)


def test_what_appears_between_looking_and_making_is_compared_and_put_right(world: World) -> None:
    made = world.pipeline()
    for operation in ("GetInfrastructureConfiguration", "GetImagePipeline"):
        message = f"The value supplied for parameter '{operation}' does not exist."
        world.aws.fault(f"imagebuilder:{operation}", "InvalidRequestException", message=message, times=1)
    result = world.pipeline(infrastructure={"instance_profile": "another"}, tags={"team": "web"})
    updates = [step for step in result["steps"] if step["action"] == "update"]
    assert [(step["kind"], step["changes"]) for step in updates] == [
        ("infrastructure", ["instanceProfileName"]),
        ("pipeline", ["imageTags"]),
    ]
    assert ("tag", "pipeline") in steps(result)
    there = world.held("infrastructure-configuration")[made["infrastructure_arn"]]
    assert there["instanceProfileName"] == "another"


def test_two_controllers_make_it_once(world: World) -> None:
    with ThreadPoolExecutor(2) as pool:
        # Both have looked before either makes anything.
        world.aws.latency(0.05)
        results = list(pool.map(lambda _number: world.pipeline(), range(2)))
    world.aws.latency(0)
    assert [result.get("msg") for result in results] == [None, None]
    assert results[0]["recipe"] == results[1]["recipe"]
    assert len(world.arns()) == len(KINDS)
    assert world.pipeline()["changed"] is False


def test_a_denied_action_says_what_to_do(world: World) -> None:
    world.aws.fault("imagebuilder:CreateComponent", "ForbiddenException", message="You may not")
    told = failure(world.pipeline())
    assert told.startswith("Cannot create the component web: access denied (You may not). Allow the action")


# --- pruned and absent -------------------------------------------------------------------------------------------


def contents(world: World, count: int, build: bool = True) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        world.aws.image_builder.clock.ahead = timedelta(days=number)
        made.append(world.pipeline(component={"data": f"{DOCUMENT}# {number}\n"}))
        if build:
            assert not world.build().get("failed")
    return made


def test_old_versions_go_and_the_newest_stay(world: World) -> None:
    made = contents(world, 4)
    planned = world.clear("pruned", keep=2, check=True)
    assert len(world.held("image-recipe")) == 4
    pruned = world.clear("pruned", keep=2)
    old = [one["recipe"]["arn"] for one in made[1::-1]] + [one["component"]["arn"] + "/1" for one in made[:2]]
    assert sorted(step["arn"] for step in pruned["steps"]) == sorted(old)
    assert [kind for _action, kind in steps(pruned)] == ["recipe", "recipe", "component", "component"]
    assert (planned["steps"], pruned["kept"], pruned["changed"]) == (pruned["steps"], [], True)
    assert set(world.held("image-recipe")) == {one["recipe"]["arn"] for one in made[2:]}
    assert set(world.held("component")) == {one["component"]["arn"] + "/1" for one in made[2:]}
    assert len(world.held("image")) == 4, "images stay"
    assert world.clear("pruned", keep=2)["changed"] is False
    assert world.pipeline(component={"data": f"{DOCUMENT}# 3\n"})["changed"] is False


def test_a_component_of_a_run_that_was_killed_goes(world: World) -> None:
    world.pipeline()
    world.aws.fault("imagebuilder:CreateImageRecipe", "ForbiddenException")
    failure(world.pipeline(component={"data": DOCUMENT + "#\n"}))
    assert len(world.held("component")) == 2
    world.aws.reset()
    assert steps(world.clear("pruned")) == [("delete", "component")]
    assert len(world.held("component")) == 1


def test_a_recipe_whose_image_is_being_built_stays(world: World) -> None:
    world.pipeline()
    busy = world.build(wait=False)["image"]["arn"]
    world.pipeline(component={"data": DOCUMENT + "#\n"})
    pruned = world.clear("pruned", keep=0)
    assert steps(pruned) == []
    (kept,) = pruned["kept"]
    assert f"{busy} is being built" in kept["reason"]


def test_what_others_need_stays_and_is_told(world: World) -> None:
    made = contents(world, 2)
    ib = world.aws.client("imagebuilder")
    ib.create_image_recipe(
        name="another",
        semanticVersion="1.0.0",
        parentImage=world.parent,
        components=[{"componentArn": made[0]["component"]["arn"]}],
    )
    pruned = world.clear("pruned", keep=1)
    assert steps(pruned) == [("delete", "recipe")]
    assert [one["arn"] for one in pruned["kept"]] == [made[0]["component"]["arn"] + "/1"]
    assert "ResourceDependencyException" in pruned["kept"][0]["reason"]


def test_keep_is_not_negative(world: World) -> None:
    assert failure(world.clear("pruned", keep=-1)) == "keep is -1; it must be 0 or more versions."


def test_everything_goes_but_for_the_images(world: World) -> None:
    made = contents(world, 2)
    world.pipeline(component={"data": f"{DOCUMENT}# 1\n"}, lifecycle=LIFECYCLE)
    planned = world.clear("absent", check=True)
    before = world.arns()
    gone = world.clear("absent")
    order = ["pipeline", "lifecycle", "recipe", "recipe", "component", "component", "infrastructure", "distribution"]
    assert [kind for _action, kind in steps(gone)] == order
    assert (steps(planned), len(before)) == (steps(gone), len(order))
    assert (world.arns(), gone["kept"]) == ([], [])
    assert [one["version"] for one in gone["images"]] == [made[1]["version"], made[0]["version"]]
    assert all(one["image_id"].startswith("ami-") for one in gone["images"])
    again = world.clear("absent")
    assert (again["changed"], again["steps"], len(again["images"])) == (False, [], 2)


def test_while_an_image_is_being_built_not_all_of_it_goes(world: World) -> None:
    world.pipeline()
    busy = world.build(wait=False)["image"]["arn"]
    gone = world.clear("absent")
    assert steps(gone) == [("delete", "pipeline")]
    assert len(gone["kept"]) == 3
    assert all(busy in one["reason"] for one in gone["kept"])


def test_what_somebody_else_made_is_not_deleted(world: World) -> None:
    world.aws.client("imagebuilder").create_component(
        name=NAME, semanticVersion="1.0.0", platform="Linux", data=DOCUMENT
    )
    gone = world.clear("absent")
    assert (gone["changed"], len(gone["kept"])) == (False, 1)
    assert "has no tag dtk:pipeline" in gone["kept"][0]["reason"]


def test_lists_of_many_pages_are_read_whole(world: World) -> None:
    contents(world, 3, build=False)
    for operation in ("ListImageRecipes", "ListComponents", "ListComponentBuildVersions", "ListImages"):
        world.aws.page(f"imagebuilder:{operation}", 1)
    assert len(world.clear("pruned")["steps"]) == 4
