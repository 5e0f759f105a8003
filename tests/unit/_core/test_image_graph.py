# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import functools
import itertools
from typing import Any

import botocore.session
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import image_graph, image_names, image_plan, image_spec
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import ImageError
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_graph import Graph
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_names import Home
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_plan import Actual
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.contract import problems

from .image_options import ACCOUNT, DECLARATIONS, PARENT, REGION, options

HOME = Home("aws", REGION, ACCOUNT)
NOUNS = {
    "component": "Component",
    "recipe": "ImageRecipe",
    "infrastructure": "InfrastructureConfiguration",
    "distribution": "DistributionConfiguration",
    "pipeline": "ImagePipeline",
    "lifecycle": "LifecyclePolicy",
}
TOKEN = {"clientToken": "a-token"}


@functools.cache
def model() -> Any:
    return botocore.session.get_session().get_service_model("imagebuilder")


def shape(verb: str, kind: str) -> Any:
    return model().operation_model(f"{verb}{NOUNS[kind]}").input_shape


@functools.cache
def updatable() -> dict[str, frozenset[str]]:
    kinds = [kind for kind in NOUNS if kind not in image_graph.IMMUTABLE]
    return {kind: frozenset(shape("Update", kind).members) - {"clientToken"} for kind in kinds}


def desired(**more: Any) -> Graph:
    return image_graph.desired(options(**more), HOME, PARENT)


def as_made(graph: Graph) -> dict[str, Actual | None]:
    """What Image Builder holds after the graph was created."""
    return {
        node.kind: Actual({**image_graph.given(node.document), "arn": node.arn}, dict(node.tags))
        for node in graph.nodes
    }


def plan(actual: dict[str, Actual | None], graph: Graph) -> list[tuple[str, str]]:
    return [(step.action, step.kind) for step in image_plan.plan(actual, graph, updatable())]


# --- versions ----------------------------------------------------------------------------------------------------


def test_a_version_is_the_first_sixty_bits_of_the_hash() -> None:
    assert image_names.version_of("f" * 64) == f"1.{2**30 - 1}.{2**30 - 1}"
    assert image_names.version_of("0" * 64) == "1.0.0"
    assert image_names.version_of("0000000" + "4" + "0" * 56) == "1.1.0"
    assert image_names.version_of("0" * 14 + "1" + "0" * 49) == "1.0.1"


def test_two_machines_know_the_same_version() -> None:
    """Pinned: if this fails, every image of everybody is built anew."""
    assert desired().version == "1.871719248.563655982"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"component": {"data": "name: other\n"}}, id="text"),
        pytest.param({"component": {"data": "name: web\n", "parameters": {"A": "1"}}}, id="a parameter"),
        pytest.param({"components": [{"arn": "arn:aws:imagebuilder:x:aws:component/a/1.x.x"}]}, id="a component"),
        pytest.param({"bundle": {"uri": "s3://a/b", "sha256": "0" * 64}}, id="the bundle"),
        pytest.param({"block_devices": [{"device_name": "/dev/xvda", "ebs": {"volume_size": 9}}]}, id="a volume"),
        pytest.param({"working_directory": "/srv"}, id="the working directory"),
        pytest.param({"user_data": "#!/bin/sh\n"}, id="user data"),
    ],
)
def test_whatever_an_image_is_made_of_makes_another_version(more: dict[str, Any]) -> None:
    assert desired(**more).version != desired().version


def test_another_parent_makes_another_version() -> None:
    other = image_graph.desired(options(), HOME, "ami-00000000000000000")
    assert other.version != desired().version


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"parent_image": "ssm:/a"}, id="how the parent is named"),
        pytest.param({"name": "another"}, id="the name"),
        pytest.param({"tags": {"a": "b"}}, id="tags"),
        pytest.param({"ami_tags": {"a": "b"}}, id="tags of the AMI"),
        pytest.param({"infrastructure": {"instance_profile": "another"}}, id="where it is built"),
        pytest.param({"distribution": [{"region": "us-east-1"}]}, id="where it goes"),
        pytest.param({"tests": {"enabled": False}}, id="whether it is tested"),
        pytest.param({"component": {"data": "name: web\n", "description": "else"}}, id="a description"),
        pytest.param({"user_data": "", "working_directory": ""}, id="empty texts"),
    ],
)
def test_whatever_an_image_is_not_made_of_leaves_the_version(more: dict[str, Any]) -> None:
    assert desired(**more).version == desired().version


def test_a_parameter_leaves_the_component_as_it_is() -> None:
    plain, with_parameter = desired(), desired(component={"data": "name: web\n", "parameters": {"A": "1"}})
    assert plain.node("component") == with_parameter.node("component")


def test_numbers_and_truths_of_yaml_are_texts() -> None:
    values = {"A": 1.5, "B": True, "C": [1, None], "D": "x"}
    recipe = desired(component={"data": "x", "parameters": values}).node("recipe")
    assert recipe.document["components"][0]["parameters"] == [
        {"name": "A", "value": ["1.5"]},
        {"name": "B", "value": ["true"]},
        {"name": "C", "value": ["1", ""]},
        {"name": "D", "value": ["x"]},
    ]


@settings(max_examples=150, deadline=None)
@given(DECLARATIONS, DECLARATIONS)
def test_versions_differ_exactly_where_contents_do(one: dict[str, Any], other: dict[str, Any]) -> None:
    contents = [image_graph.content(given, PARENT) for given in (one, other)]
    versions = [image_graph.desired(given, HOME, PARENT).version for given in (one, other)]
    assert (versions[0] == versions[1]) == (contents[0] == contents[1])


# --- documents ---------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(DECLARATIONS)
def test_whatever_passes_the_check_is_what_image_builder_takes(declared: dict[str, Any]) -> None:
    image_spec.check(declared)
    for node in image_graph.desired(declared, HOME, PARENT).nodes:
        assert list(problems(shape("Create", node.kind), {**node.request(), **TOKEN})) == []


@settings(max_examples=100, deadline=None)
@given(DECLARATIONS, DECLARATIONS)
def test_an_update_is_what_image_builder_takes(before: dict[str, Any], after: dict[str, Any]) -> None:
    actual = as_made(image_graph.desired(before, HOME, PARENT))
    graph = image_graph.desired(after, HOME, PARENT)
    arns = {
        "infrastructure": "infrastructureConfigurationArn",
        "distribution": "distributionConfigurationArn",
        "pipeline": "imagePipelineArn",
        "lifecycle": "lifecyclePolicyArn",
    }
    for node in (node for node in graph.nodes if node.kind in arns):
        for step in image_plan.steps_of(node, actual.get(node.kind), updatable()[node.kind]):
            if step.action == "update":
                request = {**step.request, arns[node.kind]: step.arn, **TOKEN}
                assert list(problems(shape("Update", node.kind), request)) == []


def test_instances_answer_to_imdsv2_only() -> None:
    assert desired().node("infrastructure").document["instanceMetadataOptions"] == {
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }


def test_user_data_is_base64() -> None:
    recipe = desired(user_data="#!/bin/sh\n").node("recipe").document
    encoded = recipe["additionalInstanceConfiguration"]["userDataOverride"]
    assert base64.b64decode(encoded) == b"#!/bin/sh\n"


def test_without_a_distribution_the_image_stays_where_it_is_built() -> None:
    (place,) = desired().node("distribution").document["distributions"]
    assert (place["region"], place["amiDistributionConfiguration"]["name"]) == (
        REGION,
        "web {{ imagebuilder:buildDate }}",
    )


def test_tags_of_a_region_win() -> None:
    graph = desired(ami_tags={"a": "1", "b": "1"}, distribution=[{"region": REGION, "ami_tags": {"b": 2}}])
    (place,) = graph.node("distribution").document["distributions"]
    assert place["amiDistributionConfiguration"]["amiTags"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("given_keys", "expected"),
    [
        ({"keep": 7}, {"type": "COUNT", "value": 7}),
        ({"keep": 7, "unused_days": 30}, {"type": "AGE", "value": 30, "unit": "DAYS", "retainAtLeast": 7}),
    ],
)
def test_a_lifecycle_policy_deletes_by_number_or_by_age(given_keys: dict[str, Any], expected: dict[str, Any]) -> None:
    policy = desired(lifecycle={"role": "cleaner", **given_keys}).node("lifecycle")
    (rule,) = policy.document["policyDetails"]
    assert rule["filter"] == expected
    assert rule["exclusionRules"]["amis"]["tagMap"] == {"dtk:in-use": "true"}
    assert policy.document["resourceSelection"] == {"tagMap": {"dtk:pipeline": "web"}}


def test_what_a_policy_selects_is_on_what_a_schedule_builds() -> None:
    graph = desired(lifecycle={"role": "cleaner"})
    selected = graph.node("lifecycle").document["resourceSelection"]["tagMap"]
    assert selected.items() <= graph.node("pipeline").document["imageTags"].items()


@pytest.mark.parametrize(
    ("cron", "expected"), [("0 4 ? * MON *", "cron(0 4 ? * MON *)"), ("rate(7 days)", "rate(7 days)")]
)
def test_the_word_cron_may_be_left_out(cron: str, expected: str) -> None:
    schedule = desired(schedule={"cron": cron}).node("pipeline").document["schedule"]
    assert schedule["scheduleExpression"] == expected


# --- plans -------------------------------------------------------------------------------------------------------


def test_everything_is_made_in_the_order_of_need() -> None:
    assert plan({}, desired(lifecycle={"role": "cleaner"})) == [("create", kind) for kind in image_names.KINDS]


@settings(max_examples=150, deadline=None)
@given(DECLARATIONS)
def test_what_was_made_needs_nothing(declared: dict[str, Any]) -> None:
    graph = image_graph.desired(declared, HOME, PARENT)
    assert plan(as_made(graph), graph) == []


def carried_out(actual: dict[str, Actual | None], graph: Graph, steps: list[Any]) -> dict[str, Actual | None]:
    """A model of what the steps do; each kind holds the version that was last made or found."""
    there = dict(actual)
    for step in steps:
        now = there.get(step.kind)
        if step.action == "create":
            document = {key: value for key, value in step.request.items() if key not in {"tags", "name"}}
            there[step.kind] = Actual({**document, "arn": step.arn}, step.request["tags"])
        elif step.action == "update":
            there[step.kind] = Actual({**step.request, "arn": step.arn}, now.tags)
        elif step.action == "tag":
            there[step.kind] = Actual(now.document, {**now.tags, **step.request})
        elif step.action == "untag":
            left = {key: value for key, value in now.tags.items() if key not in step.request}
            there[step.kind] = Actual(now.document, left)
        else:
            there[step.kind] = None
    return there


@settings(max_examples=150, deadline=None)
@given(DECLARATIONS, DECLARATIONS, st.integers(0, 12))
def test_a_plan_that_was_interrupted_is_finished_by_the_next(
    before: dict[str, Any], after: dict[str, Any], done: int
) -> None:
    old, new = (image_graph.desired(given, HOME, PARENT) for given in (before, after))
    actual = as_made(old)
    for kind in image_graph.IMMUTABLE:
        if old.node(kind).arn != new.node(kind).arn:
            actual[kind] = None  # a version of its own
    steps = image_plan.plan(actual, new, updatable())
    halfway = carried_out(actual, new, list(steps[:done]))
    rest = image_plan.plan(halfway, new, updatable())
    assert image_plan.plan(carried_out(halfway, new, list(rest)), new, updatable()) == ()
    kinds = [step.kind for step in steps]
    assert kinds == sorted(kinds, key=image_names.KINDS.index), "what is needed comes first"
    assert {step.kind for step in steps if step.action == "delete"} <= {"lifecycle"}


def test_a_setting_that_is_not_ours_survives_an_update() -> None:
    graph = desired()
    actual = as_made(graph)
    theirs = {"placement": {"tenancy": "dedicated"}, "keyPair": "left-by-hand"}
    actual["infrastructure"] = Actual({**actual["infrastructure"].document, **theirs}, graph.nodes[2].tags)
    (step,) = image_plan.plan(actual, graph, updatable())
    assert step.changes == ("keyPair",)
    assert step.request["placement"] == theirs["placement"]
    assert "keyPair" not in step.request


def test_settings_of_a_region_and_a_schedule_that_are_not_ours_survive() -> None:
    graph = desired(schedule={"cron": "0 4 ? * MON *"}, enabled=False)
    actual = as_made(graph)
    distribution = actual["distribution"].document
    licences = {"licenseConfigurationArns": ["arn:aws:license-manager:x"]}
    places = [{**distribution["distributions"][0], **licences}]
    actual["distribution"] = Actual({**distribution, "distributions": places, "description": "?"}, graph.nodes[3].tags)
    pipeline = dict(actual["pipeline"].document)
    pipeline["schedule"] = {**pipeline["schedule"], "autoDisablePolicy": {"failureCount": 3}}
    pipeline["status"] = "ENABLED"
    actual["pipeline"] = Actual(pipeline, graph.nodes[4].tags)
    first, second = image_plan.plan(actual, graph, updatable())
    assert first.changes == ("description",)
    assert first.request["distributions"][0].items() >= licences.items()
    assert second.changes == ("status",)
    assert second.request["schedule"]["autoDisablePolicy"] == {"failureCount": 3}


def test_an_image_that_was_made_public_by_hand_is_private_again() -> None:
    graph = desired()
    actual = as_made(graph)
    (place,) = actual["distribution"].document["distributions"]
    public = {**place["amiDistributionConfiguration"], "launchPermission": {"userGroups": ["all"]}}
    document = {"distributions": [{**place, "amiDistributionConfiguration": public}]}
    actual["distribution"] = Actual({**actual["distribution"].document, **document}, graph.nodes[3].tags)
    (step,) = image_plan.plan(actual, graph, updatable())
    assert "launchPermission" not in step.request["distributions"][0]["amiDistributionConfiguration"]


def test_the_order_of_sets_and_a_role_by_its_name_or_arn_are_no_difference() -> None:
    infrastructure = {"instance_profile": "builder", "security_groups": ["b", "a"], "instance_types": ["t3.a", "m1.b"]}
    graph = desired(infrastructure=infrastructure, execution_role="builder")
    actual = as_made(graph)
    reversed_lists = {"securityGroupIds": ["a", "b"], "instanceTypes": ["m1.b", "t3.a"]}
    actual["infrastructure"] = Actual({**actual["infrastructure"].document, **reversed_lists}, graph.nodes[2].tags)
    role = {"executionRole": f"arn:aws:iam::{ACCOUNT}:role/path/builder"}
    actual["pipeline"] = Actual({**actual["pipeline"].document, **role}, graph.nodes[4].tags)
    assert plan(actual, graph) == []


def test_what_image_builder_adds_to_a_policy_is_no_difference() -> None:
    graph = desired(lifecycle={"role": "cleaner", "keep_tags": {}, "unused_days": 9})
    actual = as_made(graph)
    policy = actual["lifecycle"].document
    (rule,) = policy["policyDetails"]
    resources = {"amis": True, "snapshots": True, "containers": False}
    amis = {**rule["exclusionRules"]["amis"], "isPublic": False}
    added = {"action": {"type": "DELETE", "includeResources": resources}, "exclusionRules": {"amis": amis}}
    actual["lifecycle"] = Actual({**policy, "policyDetails": [{**rule, **added}]}, graph.nodes[5].tags)
    assert plan(actual, graph) == []


def test_tags_are_put_right_and_those_of_aws_left_alone() -> None:
    graph = desired(tags={"team": "web"})
    actual = as_made(graph)
    tags = {"dtk:pipeline": "web", "team": "x", "extra": "y", "aws:cloudformation:stack-id": "z"}
    actual["pipeline"] = Actual(actual["pipeline"].document, tags)
    tag, untag = image_plan.plan(actual, graph, updatable())
    assert (tag.action, tag.request) == ("tag", {"team": "web"})
    assert (untag.action, list(untag.request)) == ("untag", ["extra"])


@pytest.mark.parametrize("ours", [True, False])
def test_a_lifecycle_policy_that_is_not_wanted_goes_if_it_is_ours(ours: bool) -> None:
    graph = desired()
    policy = Actual({"arn": "arn:policy"}, {"dtk:pipeline": "web"} if ours else {})
    assert plan({**as_made(graph), "lifecycle": policy}, graph) == ([("delete", "lifecycle")] if ours else [])


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("component", {"data": "name: by hand\n"}),
        ("recipe", {"parentImage": "ami-00000000000000000"}),
        ("recipe", {"components": []}),
    ],
)
def test_another_content_under_our_version_is_refused(kind: str, other: dict[str, Any]) -> None:
    graph = desired()
    actual = as_made(graph)
    actual[kind] = Actual({**actual[kind].document, **other}, graph.node(kind).tags)
    with pytest.raises(ImageError, match=rf"{graph.node(kind).arn} is there with another content: {next(iter(other))}"):
        image_plan.plan(actual, graph, updatable())


def test_what_image_builder_adds_to_a_version_is_no_other_content() -> None:
    graph = desired(components=[{"arn": "arn:aws:imagebuilder:x:aws:component/a/1.0.0"}])
    actual = as_made(graph)
    recipe = dict(actual["recipe"].document)
    with_builds = [{**one, "componentArn": one["componentArn"] + "/1"} for one in recipe["components"]]
    recipe.update(components=with_builds, workingDirectory="/tmp", description="of another release of this collection")
    actual["recipe"] = Actual(recipe, graph.node("recipe").tags)
    assert plan(actual, graph) == []


# --- options -----------------------------------------------------------------------------------------------------

TOO_MANY_TAGS = {f"tag-{number}": "x" for number in range(48)}
UNIT = "arn:aws:organizations::123456789012:ou/o-abcdefghij/ou-abcd-abcdefgh"


def place(**more: Any) -> dict[str, Any]:
    return {"distribution": [{"region": REGION, **more}]}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "Web"}, "name is 'Web'. Use 3 to 126"),
        ({"name": "a_b"}, "name is 'a_b'"),
        ({"name": "ab"}, "name is 'ab'"),
        ({"component": {"data": "x" * 16001}}, r"component.data has 16001 characters; Image Builder takes 16000"),
        ({"component": {"data": "x", "description": "x" * 1025}}, "component.description has more than 1024"),
        ({"component": {"data": " \n"}}, "component.data is empty"),
        ({"component": {"data": "a\0b"}}, "component.data holds a NUL"),
        ({"parent_image": "debian-12"}, r"parent_image is 'debian-12'. Give the id of an AMI \(ami-…\), ssm:"),
        ({"parent_image": "ami-xyz"}, "parent_image is 'ami-xyz'"),
        ({"bundle": {"uri": "s3://a/b", "sha256": "0"}}, "bundle.sha256 is '0'. Give the 64"),
        ({"bundle": {"uri": "https://a/b", "sha256": "0" * 64}}, "bundle.uri is 'https://a/b'. Give s3://"),
        ({"bundle": {"uri": "s3://a/b", "sha256": "0" * 64, "owner": "1"}}, "bundle.owner has '1'"),
        ({"components": [{"arn": "arn:aws:s3:::x"}]}, r"components\[0\].arn is 'arn:aws:s3:::x'"),
        (
            {"components": [{"arn": f"arn:aws:imagebuilder:x:aws:component/a/{v}.x.x"} for v in (1, 2)]},
            r"components\[1\] is a again",
        ),
        (
            {"components": [{"arn": "arn:aws:imagebuilder:x:aws:component/web/1.x.x"}]},
            r"components\[0\] is web again",
        ),
        (
            {"block_devices": [{"device_name": "/dev/xvda", "ebs": {"volume_size": 0}}]},
            r"block_devices\[0\].ebs.volume_size is 0; it must be from 1 to 16000",
        ),
        (
            {"block_devices": [{"device_name": "/dev/xvda", "ebs": {"kms_key": "k", "encrypted": False}}]},
            "has a kms_key and encrypted: false",
        ),
        ({"user_data": "x" * 16400}, "user_data is too long"),
        ({"infrastructure": {"instance_profile": "x", "subnet": "s"}}, "without infrastructure.security_groups"),
        ({"infrastructure": {"instance_profile": "x", "hop_limit": 65}}, "infrastructure.hop_limit is 65"),
        (
            {"infrastructure": {"instance_profile": "x", "resource_tags": {"Name": "x"}}},
            "infrastructure.resource_tags has Name, which",
        ),
        (
            {"infrastructure": {"instance_profile": "x", "sns_topic": "arn:aws:sns:x:1:a.fifo"}},
            "infrastructure.sns_topic is 'arn:aws:sns:x:1:a.fifo'",
        ),
        ({"distribution": [{"region": "a"}, {"region": "a"}]}, "distribution has a more than once"),
        (place(accounts=["12345"]), r"distribution\[0\].accounts has '12345'. An account's id has 12 digits"),
        (place(ami_name="a/b"), r"distribution\[0\].ami_name is 'a/b'"),
        (place(ami_name="a" * 100), r"distribution\[0\].ami_name is"),
        (place(launch_permission={"organizations": ["o-x"]}), r"launch_permission.organizations has 'o-x'"),
        (place(launch_permission={"accounts": ["all"]}), r"launch_permission.accounts has 'all'"),
        (place(ssm_parameters=[{"name": "a b"}]), r"ssm_parameters\[0\].name is 'a b'"),
        (
            place(accounts=["1" * 12], ssm_parameters=[{"name": "/a", "account": "2" * 12}]),
            r"ssm_parameters\[0\].account is 222222222222, which is none of the entry's accounts",
        ),
        (place(launch_templates=[{"id": "web"}]), r"launch_templates\[0\].id is 'web'"),
        ({"tests": {"minutes": 59}}, "tests.minutes is 59; it must be from 60 to 1440"),
        ({"schedule": {"cron": " "}}, "schedule.cron is empty"),
        ({"schedule": {"cron": "x", "timezone": "Europe Madrid"}}, "schedule.timezone is 'Europe Madrid'"),
        ({"lifecycle": {"role": "x", "keep": 0}}, "lifecycle.keep is 0; it must be from 1 to 1000"),
        ({"lifecycle": {"role": "x", "unused_days": 366}}, "lifecycle.unused_days is 366"),
        ({"lifecycle": {"role": "x", "keep": 11, "unused_days": 9}}, "lifecycle.keep is 11; together with"),
        ({"tags": {"aws:x": "y"}}, "tags has 'aws:x'"),
        ({"tags": {"x": "y" * 257}}, "tags has 'x': a key has"),
        ({"tags": TOO_MANY_TAGS}, "tags has 48 entries; 47 are allowed"),
        ({"tags": {"dtk:pipeline": "x"}}, "tags has dtk:pipeline, which is set by the module itself"),
    ],
)
def test_a_bad_option_is_one_sentence_with_a_remedy(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        image_spec.check(options(**more))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ImageError) as told:
        image_spec.check(options(parent_image="x", tests={"minutes": 1}))
    assert all(text in str(told.value) for text in ("parent_image is", "tests.minutes is"))


@pytest.mark.parametrize(
    "more",
    [
        {"parent_image": "ssm:/aws/service/debian/release/12/latest/amd64"},
        {"parent_image": "arn:aws:imagebuilder:eu-west-1:aws:image/debian-12/x.x.x"},
        {"component": {"data": "x" * 16000}},
        place(launch_permission={"organizational_units": [UNIT]}),
        {"lifecycle": {"role": "x", "keep": 1000}},
    ],
)
def test_what_is_just_allowed_is_allowed(more: dict[str, Any]) -> None:
    image_spec.check(options(**more))


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:imagebuilder:r:a:image/web/1.2.3/4", ("image", "web", "1.2.3", 4)),
        ("arn:aws-cn:imagebuilder:r:a:image-recipe/web/1.2.3", ("recipe", "web", "1.2.3", 0)),
        ("arn:aws:imagebuilder:r:aws:component/a/x.x.x", ("component", "a", "x.x.x", 0)),
        ("arn:aws:imagebuilder:r:a:image-pipeline/web", ("pipeline", "web", "", 0)),
    ],
)
def test_arns_are_taken_apart(arn: str, expected: tuple[Any, ...]) -> None:
    known = image_names.parsed(arn)
    assert (known.kind, known.name, known.version, known.build) == expected


@pytest.mark.parametrize("arn", ["", "web", "arn:aws:s3:::web", "arn:aws:imagebuilder:r:a:workflow/x/1.2.3"])
def test_what_is_no_arn_of_ours_is_none(arn: str) -> None:
    assert image_names.parsed(arn) is None


def test_arns_of_all_kinds_are_read_as_they_are_made() -> None:
    for kind, version in itertools.product((*image_names.KINDS, "image"), ("", "1.2.3")):
        known = image_names.parsed(HOME.arn(kind, "web", version))
        assert (known.kind, known.name, known.version, known.region, known.account) == (
            kind,
            "web",
            version,
            REGION,
            ACCOUNT,
        )
