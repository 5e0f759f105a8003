# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Image Builder's components, recipes, configurations, pipelines, policies and tags, through boto3."""

from __future__ import annotations

from typing import Any

import pytest

from .workshop import DOCUMENT, OTHER, REGION, Workshop

PREFIX = f"arn:aws:imagebuilder:{REGION}:123456789012:"
PARAMETERS = """\
name: Web
schemaVersion: 1.0
parameters:
  - Version: {type: string, description: of the web}
  - Level: {type: string, default: "3"}
phases:
  - {name: build, steps: [{name: Install, action: ExecuteBash, inputs: {commands: ["true"]}}]}
"""
TESTS_ONLY = """\
name: Web
schemaVersion: 1.0
phases:
  - {name: test, steps: [{name: Serve, action: ExecuteBash, inputs: {commands: ["true"]}}]}
"""


# --- tokens and rehearsals --------------------------------------------------------------------------------------


def test_a_token_gives_the_same_answer_and_nothing_new(shop: Workshop) -> None:
    first = shop.client.create_component(
        name="web", semanticVersion="1.0.0", platform="Linux", data=DOCUMENT, clientToken="once"
    )
    again = shop.client.create_component(
        name="web", semanticVersion="1.0.0", platform="Linux", data=DOCUMENT, clientToken="once"
    )
    for answer in (first, again):
        del answer["ResponseMetadata"], answer["requestId"]
    assert first == again
    assert first["clientToken"] == "once"
    assert len(shop.client.list_components()["componentVersionList"]) == 1


def test_a_token_is_for_one_body(shop: Workshop) -> None:
    shop.infrastructure(clientToken="once")
    assert shop.refusal(
        "create_infrastructure_configuration", name="builders", instanceProfileName="other", clientToken="once"
    ).startswith("IdempotentParameterMismatchException")


def test_a_token_outlives_what_it_made(shop: Workshop) -> None:
    arn = shop.infrastructure(clientToken="once")
    shop.client.delete_infrastructure_configuration(infrastructureConfigurationArn=arn)
    assert shop.infrastructure(clientToken="once") == arn
    assert "does not exist" in shop.refusal("get_infrastructure_configuration", infrastructureConfigurationArn=arn)


def test_a_token_of_a_refused_request_may_be_used_again(shop: Workshop) -> None:
    shop.refusal("create_infrastructure_configuration", name="x!", instanceProfileName="p", clientToken="once")
    shop.infrastructure(clientToken="once")


def test_a_rehearsal_checks_and_makes_nothing(shop: Workshop) -> None:
    wanted = {"name": "web", "semanticVersion": "1.0.0", "platform": "Linux", "dryRun": True}
    assert shop.refusal("create_component", **wanted, data=DOCUMENT).startswith("DryRunOperationException")
    assert shop.refusal("create_component", **wanted, data="nonsense").startswith("InvalidRequestException")
    assert shop.client.list_components()["componentVersionList"] == []


# --- components -------------------------------------------------------------------------------------------------


def test_a_component_is_shown_as_it_was_made(shop: Workshop) -> None:
    arn = shop.component(tags={"a": "b"}, description="the web")
    assert arn == f"{PREFIX}component/web/1.0.0/1"
    answer = shop.client.get_component(componentBuildVersionArn=arn)
    component = answer["component"]
    assert component["data"] == DOCUMENT.format(word="hello")
    assert component["type"] == "BUILD"
    assert component["tags"] == {"a": "b"}
    assert component["state"] == {"status": "ACTIVE"}
    assert answer["latestVersionReferences"] == {
        "latestVersionArn": f"{PREFIX}component/web/x.x.x",
        "latestMajorVersionArn": f"{PREFIX}component/web/1.x.x",
        "latestMinorVersionArn": f"{PREFIX}component/web/1.0.x",
        "latestPatchVersionArn": f"{PREFIX}component/web/1.0.0",
    }


def test_other_content_is_another_build_and_the_same_content_is_refused(shop: Workshop) -> None:
    first = shop.component("one", tags={"a": "b"})
    assert "already exists" in shop.refusal(
        "create_component", name="Web", semanticVersion="1.0.0", platform="Linux", data=DOCUMENT.format(word="one")
    )
    second = shop.component("two")
    assert [first[-1], second[-1]] == ["1", "2"]
    assert shop.component("one")[-1] == "3", "only the latest build counts"
    builds = shop.client.list_component_build_versions(componentVersionArn=first[:-2])["componentSummaryList"]
    assert [build["arn"][-1] for build in builds] == ["3", "2", "1"]


def test_an_arn_without_a_build_or_with_wildcards_is_the_newest_one(shop: Workshop) -> None:
    for version in ("1.0.0", "1.10.0", "1.9.0", "2.0.0"):
        shop.component(semanticVersion=version)
    shop.component("other", semanticVersion="1.10.0")

    def get(version: str) -> str:
        arn = shop.client.get_component(componentBuildVersionArn=f"{PREFIX}component/web/{version}")["component"]["arn"]
        return str(arn.partition("/web/")[2])

    assert [get(version) for version in ("1.x.x", "x.x.x", "1.10.0", "1.9.x")] == [
        "1.10.0/2",
        "2.0.0/1",
        "1.10.0/2",
        "1.9.0/1",
    ]
    refusal = shop.refusal("get_component", componentBuildVersionArn=f"{PREFIX}component/web/x.2.x")
    assert "all nodes to the right of the first wildcard must also be wildcards" in refusal
    assert shop.refusal("get_component", componentBuildVersionArn=f"{PREFIX}component/web/3.x.x") == (
        f"ResourceNotFoundException: The resource with ARN '{PREFIX}component/web/3.x.x' does not exist."
    )


def test_a_document_decides_the_type_and_the_parameters(shop: Workshop) -> None:
    test = shop.client.get_component(componentBuildVersionArn=shop.component(data=TESTS_ONLY))["component"]
    assert test["type"] == "TEST"
    arn = shop.component(name="levels", data=PARAMETERS)
    assert shop.client.get_component(componentBuildVersionArn=arn)["component"]["parameters"] == [
        {"name": "Version", "type": "String", "description": "of the web"},
        {"name": "Level", "type": "String", "defaultValue": ["3"]},
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: [", "must be a YAML document"),
        ("just text", "must be a YAML document with a schemaVersion"),
        ("{schemaVersion: 2.0}", "unknown schemaVersion 2.0"),
        ("{schemaVersion: 1.0}", "has no phases"),
        ("{schemaVersion: 1.0, phases: [{name: bild}]}", "has the phases ['bild']"),
        ("{schemaVersion: 1.0, phases: [{name: build}, {name: build}]}", "each at most once"),
        ("{schemaVersion: 1.0, phases: [{name: build, steps: []}]}", "has no steps in the phase 'build'"),
        ("{schemaVersion: 1.0, phases: [{name: build, steps: [{action: Reboot}]}]}", "without a name of their own"),
        (
            "{schemaVersion: 1.0, phases: [{name: build, steps: [{name: a, action: Bash}]}]}",
            "unknown action 'Bash' in the step 'a'",
        ),
        (
            "{schemaVersion: 1.0, parameters: x, phases: [{name: build, steps: [{name: a, action: Reboot}]}]}",
            "has parameters that are no list",
        ),
        (
            "{schemaVersion: 1.0, parameters: [{A: {}}], phases: [{name: build, steps: [{name: a, action: Reboot}]}]}",
            "has a parameter without a name or a type",
        ),
    ],
)
def test_a_document_that_no_host_could_run_is_refused(shop: Workshop, document: str, message: str) -> None:
    refusal = shop.refusal("create_component", name="web", semanticVersion="1.0.0", platform="Linux", data=document)
    assert refusal.startswith("InvalidRequestException")
    assert message in refusal


def test_a_document_may_lie_in_s3_and_is_limited_there_too(shop: Workshop) -> None:
    s3 = shop.client_of("s3")
    bucket = "documents"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    wanted = {"name": "web", "semanticVersion": "1.0.0", "platform": "Linux", "uri": f"s3://{bucket}/web.yml"}
    assert "cannot be read" in shop.refusal("create_component", **wanted)
    s3.put_object(Bucket=bucket, Key="web.yml", Body=DOCUMENT.encode())
    arn = shop.client.create_component(**wanted)["componentBuildVersionArn"]
    assert shop.client.get_component(componentBuildVersionArn=arn)["component"]["data"] == DOCUMENT
    s3.put_object(Bucket=bucket, Key="web.yml", Body=DOCUMENT.encode() + b"#" * 2**16)
    assert shop.refusal("create_component", **wanted).startswith("ServiceQuotaExceededException")
    assert "must be s3://" in shop.refusal("create_component", **wanted | {"uri": "https://example.org"})
    refusal = shop.refusal("create_component", **wanted, data=DOCUMENT)
    assert refusal.startswith("InvalidParameterCombinationException")


def test_a_version_has_a_largest_number(shop: Workshop) -> None:
    refusal = shop.refusal(
        "create_component", name="web", semanticVersion=f"1.0.{2**30}", platform="Linux", data=DOCUMENT
    )
    assert refusal.startswith("InvalidVersionNumberException")


def test_deprecated_components_are_listed_only_when_asked_for(shop: Workshop) -> None:
    old, new = shop.component(semanticVersion="1.0.0"), shop.component(semanticVersion="2.0.0")
    shop.fake.set_status(old, "DEPRECATED", "too old")

    def listed(**parameters: Any) -> list[str]:
        return [one["version"] for one in shop.client.list_components(**parameters)["componentVersionList"]]

    assert listed() == ["2.0.0"]
    assert listed(filters=[{"name": "status", "values": ["DEPRECATED"]}]) == ["1.0.0"]
    assert listed(owner="Amazon") == []
    assert listed(byName=True) == ["2.0.0"]
    builds = shop.client.list_component_build_versions()["componentSummaryList"]
    assert [build["arn"] for build in builds] == [new]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("name", "web", ["web"]),
        ("name", "we*", ["web", "webs"]),
        ("name", "*b", ["web"]),
        ("name", "*eb*", ["web", "webs"]),
        ("version", "2.0.0", ["webs"]),
        ("supportedOsVersion", "Debian 12", ["webs"]),
        ("description", "the webs", ["webs"]),
    ],
)
def test_lists_can_be_filtered(shop: Workshop, name: str, value: str, found: list[str]) -> None:
    shop.component()
    shop.component(name="webs", semanticVersion="2.0.0", supportedOsVersions=["Debian 12"], description="the webs")
    filters = [{"name": name, "values": [value]}]
    listed = shop.client.list_components(filters=filters)["componentVersionList"]
    assert [one["name"] for one in listed] == found


def test_a_filter_that_there_is_not_is_refused(shop: Workshop) -> None:
    refusal = shop.refusal("list_image_recipes", filters=[{"name": "version", "values": ["1.0.0"]}])
    assert "known are name, parentImage, platform" in refusal


# --- recipes ----------------------------------------------------------------------------------------------------


def test_a_recipe_keeps_its_components_and_what_they_are_told(shop: Workshop) -> None:
    component = shop.component(data=PARAMETERS)
    chosen = [{"componentArn": component, "parameters": [{"name": "Version", "value": ["5"]}]}]
    arn = shop.recipe(components=chosen, amiTags={"a": "b"})
    recipe = shop.client.get_image_recipe(imageRecipeArn=arn)["imageRecipe"]
    assert recipe["components"] == chosen
    assert recipe["amiTags"] == {"a": "b"}
    assert (recipe["version"], recipe["workingDirectory"]) == ("1.0.0", "/tmp")
    listed = shop.client.list_image_recipes()["imageRecipeSummaryList"]
    assert [(one["arn"], one["parentImage"]) for one in listed] == [(arn, shop.parent)]
    assert shop.client.list_image_recipes(owner="Shared")["imageRecipeSummaryList"] == []


def test_a_recipe_of_the_same_name_and_version_is_refused(shop: Workshop) -> None:
    arn = shop.recipe()
    refusal = shop.refusal("create_image_recipe", name="WEB", semanticVersion="1.0.0", parentImage=shop.parent)
    assert refusal == (f"ResourceAlreadyExistsException: The following resource 'ImageRecipe' already exists: '{arn}'.")


def test_one_wildcard_in_a_version_counts_up(shop: Workshop) -> None:
    arns = [shop.recipe(semanticVersion=version) for version in ("1.0.x", "1.0.x", "1.x.0", "1.x.0", "x.0.0")]
    assert [arn.rpartition("/")[2] for arn in arns] == ["1.0.0", "1.0.1", "1.1.0", "1.2.0", "2.0.0"]
    assert (
        shop.client.get_image_recipe(imageRecipeArn=f"{PREFIX}image-recipe/web/1.x.x")["imageRecipe"]["arn"] == arns[3]
    )
    refusal = shop.refusal("create_image_recipe", name="web", semanticVersion="1.x.x", parentImage=shop.parent)
    assert refusal.startswith("InvalidVersionNumberException")


@pytest.mark.parametrize("status", ["DEPRECATED", "DISABLED"])
def test_a_component_that_is_not_active_gets_into_no_new_recipe(shop: Workshop, status: str) -> None:
    component = shop.component()
    shop.fake.set_status(component, status)
    refusal = shop.refusal(
        "create_image_recipe",
        name="web",
        semanticVersion="1.0.0",
        parentImage=shop.parent,
        components=[{"componentArn": component}],
    )
    assert f"is {status}: no new recipe can have it" in refusal


def test_a_recipe_is_made_of_what_there_is(shop: Workshop) -> None:
    component = shop.component(data=PARAMETERS)
    wanted = {"name": "web", "semanticVersion": "1.0.0", "parentImage": shop.parent}

    def refusal(*chosen: dict[str, Any]) -> str:
        return shop.refusal("create_image_recipe", **wanted, components=list(chosen))

    version = {"name": "Version", "value": ["5"]}
    assert "does not exist" in refusal({"componentArn": f"{PREFIX}component/other/x.x.x"})
    assert "needs a value for its parameter 'Version'" in refusal({"componentArn": component})
    assert "has no parameter 'Size'" in refusal(
        {"componentArn": component, "parameters": [version, {"name": "Size", "value": ["1"]}]}
    )
    wildcard = f"{PREFIX}component/web/x.x.x"
    assert "more than once" in refusal(
        {"componentArn": component, "parameters": [version]}, {"componentArn": wildcard, "parameters": [version]}
    )
    shop.recipe(components=[{"componentArn": wildcard, "parameters": [version]}])


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ("ami-0123456789abcdef0", "there is no such AMI in eu-west-1"),
        ("debian", "'debian' is no AMI id"),
        ("ssm:/no/such/parameter", "the parameter cannot be read"),
        (f"{PREFIX}image/base/x.x.x", "there is no available image of it in eu-west-1"),
    ],
)
def test_a_parent_image_has_to_be_there(shop: Workshop, parent: str, message: str) -> None:
    refusal = shop.refusal("create_image_recipe", name="web", semanticVersion="1.0.0", parentImage=parent)
    assert message in refusal


def test_a_parent_image_that_was_deregistered_is_none(shop: Workshop) -> None:
    shop.client_of("ec2").deregister_image(ImageId=shop.parent)
    refusal = shop.refusal("create_image_recipe", name="web", semanticVersion="1.0.0", parentImage=shop.parent)
    assert "was deregistered" in refusal


# --- what has a name --------------------------------------------------------------------------------------------


def test_names_are_unique_in_their_form_of_arns(shop: Workshop) -> None:
    shop.infrastructure(name="The Builders")
    for name in ("the-builders", "THE_BUILDERS"):
        refusal = shop.refusal("create_infrastructure_configuration", name=name, instanceProfileName="p")
        assert refusal.startswith("ResourceAlreadyExistsException")
    assert shop.client.list_infrastructure_configurations()["infrastructureConfigurationSummaryList"][0]["arn"] == (
        f"{PREFIX}infrastructure-configuration/the-builders"
    )


def test_an_update_replaces_the_whole_but_for_name_and_tags(shop: Workshop) -> None:
    arn = shop.infrastructure(description="old", instanceTypes=["t3.small"], tags={"a": "b"}, keyPair="mine")
    before = shop.client.get_infrastructure_configuration(infrastructureConfigurationArn=arn)
    shop.client.update_infrastructure_configuration(
        infrastructureConfigurationArn=arn, instanceProfileName="other", terminateInstanceOnFailure=False
    )
    after = shop.client.get_infrastructure_configuration(infrastructureConfigurationArn=arn)
    new, old = after["infrastructureConfiguration"], before["infrastructureConfiguration"]
    assert new.pop("dateUpdated") > old["dateUpdated"]
    assert new == {
        "arn": arn,
        "name": "builders",
        "instanceProfileName": "other",
        "terminateInstanceOnFailure": False,
        "terminateInstanceOnCompletion": True,
        "dateCreated": old["dateCreated"],
        "tags": {"a": "b"},
    }


def test_what_is_not_there_cannot_be_updated(shop: Workshop) -> None:
    refusal = shop.refusal(
        "update_infrastructure_configuration",
        infrastructureConfigurationArn=f"{PREFIX}infrastructure-configuration/other",
        instanceProfileName="p",
    )
    assert refusal.startswith("InvalidRequestException")
    assert "does not exist" in refusal


def test_an_infrastructure_is_checked(shop: Workshop) -> None:
    wanted = {"name": "builders", "instanceProfileName": "p"}
    assert "at least one security group" in shop.refusal(
        "create_infrastructure_configuration", **wanted, subnetId="subnet-1"
    )
    assert "the key 'Name' is reserved" in shop.refusal(
        "create_infrastructure_configuration", **wanted, resourceTags={"Name": "x"}
    )
    assert "must match pattern" in shop.refusal(
        "create_infrastructure_configuration", **wanted | {"instanceProfileName": "arn:aws:iam::1:instance-profile/p"}
    )


def test_a_distribution_is_checked_and_shown(shop: Workshop) -> None:
    def refusal(*distributions: dict[str, Any]) -> str:
        return shop.refusal("create_distribution_configuration", name="all", distributions=list(distributions))

    assert "a Region is in it more than once" in refusal({"region": REGION}, {"region": REGION})
    assert "must include {{ imagebuilder:buildDate }}" in refusal(
        {"region": REGION, "amiDistributionConfiguration": {"name": "web-1"}}
    )
    parameter = {"parameterName": "/web/ami", "amiAccountId": "210987654321"}
    assert "it is no target account of eu-west-1" in refusal(
        {"region": REGION, "ssmParameterConfigurations": [parameter]}
    )
    arn = shop.distribution({"region": REGION}, {"region": OTHER})
    shown = shop.client.get_distribution_configuration(distributionConfigurationArn=arn)["distributionConfiguration"]
    assert shown["timeoutMinutes"] == 720
    listed = shop.client.list_distribution_configurations()["distributionConfigurationSummaryList"]
    assert listed[0]["regions"] == [REGION, OTHER]


def test_a_pipeline_is_completed_with_what_the_service_takes_for_granted(shop: Workshop) -> None:
    arn = shop.pipeline(schedule={"scheduleExpression": "cron(0 3 ? * mon)"})
    pipeline = shop.client.get_image_pipeline(imagePipelineArn=arn)["imagePipeline"]
    assert pipeline["status"] == "ENABLED"
    assert pipeline["imageTestsConfiguration"] == {"imageTestsEnabled": True, "timeoutMinutes": 720}
    assert pipeline["schedule"] == {
        "scheduleExpression": "cron(0 3 ? * mon)",
        "timezone": "UTC",
        "pipelineExecutionStartCondition": "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE",
    }
    shop.client.update_image_pipeline(
        imagePipelineArn=arn,
        imageRecipeArn=pipeline["imageRecipeArn"],
        infrastructureConfigurationArn=pipeline["infrastructureConfigurationArn"],
        status="DISABLED",
    )
    updated = shop.client.get_image_pipeline(imagePipelineArn=arn)["imagePipeline"]
    assert "schedule" not in updated
    assert updated["status"] == "DISABLED"


def test_a_pipeline_is_checked(shop: Workshop) -> None:
    recipe, infrastructure = shop.recipe(), shop.infrastructure()
    wanted = {"name": "web", "imageRecipeArn": recipe, "infrastructureConfigurationArn": infrastructure}

    def refusal(**more: Any) -> str:
        return shop.refusal("create_image_pipeline", **wanted | more)

    assert "does not exist" in refusal(imageRecipeArn=f"{PREFIX}image-recipe/web/2.0.0")
    assert "makes no containers" in refusal(containerRecipeArn=f"{PREFIX}container-recipe/web/1.0.0")
    workflow = f"{PREFIX}workflow/build/mine/1.0.0/1"
    assert refusal(workflows=[{"workflowArn": workflow}]).endswith("required to provide workflows.")
    assert "required to log to '/mine'" in refusal(loggingConfiguration={"imageLogGroupName": "/mine"})
    del wanted["imageRecipeArn"]
    assert "exactly one of 'imageRecipeArn'" in refusal()


RULE = {"action": {"type": "DELETE", "includeResources": {"amis": True}}, "filter": {"type": "COUNT", "value": 5}}
POLICY = {
    "name": "web",
    "executionRole": "lifecycle",
    "resourceType": "AMI_IMAGE",
    "policyDetails": [RULE],
    "resourceSelection": {"tagMap": {"role": "web"}},
}


def test_a_policy_is_kept_and_replaced(shop: Workshop) -> None:
    arn = shop.client.create_lifecycle_policy(**POLICY, tags={"a": "b"})["lifecyclePolicyArn"]
    policy = shop.client.get_lifecycle_policy(lifecyclePolicyArn=arn)["lifecyclePolicy"]
    assert policy["status"] == "ENABLED"
    assert policy["dateCreated"].year > 2000
    changed = {key: value for key, value in POLICY.items() if key != "name"} | {"status": "DISABLED"}
    shop.client.update_lifecycle_policy(lifecyclePolicyArn=arn, **changed)
    listed = shop.client.list_lifecycle_policies(filters=[{"name": "status", "values": ["DISABLED"]}])
    assert [one["name"] for one in listed["lifecyclePolicySummaryList"]] == ["web"]
    assert "must match that of the policy" in shop.refusal(
        "update_lifecycle_policy", lifecyclePolicyArn=arn, **changed | {"resourceType": "CONTAINER_IMAGE"}
    )
    shop.client.delete_lifecycle_policy(lifecyclePolicyArn=arn)
    assert "ResourceNotFoundException" in shop.refusal("get_lifecycle_policy", lifecyclePolicyArn=arn)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"resourceSelection": {}}, "exactly one of 'resourceSelection.recipes'"),
        ({"policyDetails": [RULE, RULE]}, "at most one rule per action type"),
        ({"policyDetails": [RULE | {"action": {"type": "DISABLE"}}]}, "A COUNT filter is for DELETE only"),
        (
            {"policyDetails": [RULE | {"filter": {"type": "COUNT", "value": 5, "unit": "DAYS"}}]},
            "for AGE filters only",
        ),
        ({"policyDetails": [RULE | {"filter": {"type": "AGE", "value": 5}}]}, "An AGE filter needs a 'unit'"),
        (
            {
                "policyDetails": [
                    {
                        "action": {"type": "DISABLE"},
                        "filter": {"type": "AGE", "value": 5, "unit": "DAYS", "retainAtLeast": 2},
                    }
                ]
            },
            "'retainAtLeast' is for DELETE only",
        ),
        (
            {
                "policyDetails": [
                    {
                        "action": {"type": "DISABLE", "includeResources": {"snapshots": True, "amis": True}},
                        "filter": {"type": "AGE", "value": 5, "unit": "DAYS"},
                    }
                ]
            },
            "DISABLE can include AMIs only",
        ),
        (
            {"policyDetails": [RULE | {"action": {"type": "DELETE", "includeResources": {"snapshots": True}}}]},
            "together with AMIs only",
        ),
        (
            {
                "resourceType": "CONTAINER_IMAGE",
                "policyDetails": [
                    {"action": {"type": "DISABLE"}, "filter": {"type": "AGE", "value": 5, "unit": "DAYS"}}
                ],
            },
            "support DELETE only",
        ),
        ({"policyDetails": [RULE | {"filter": {"type": "COUNT", "value": 1001}}]}, "at most 1000"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(shop: Workshop, changed: dict[str, Any], message: str) -> None:
    assert message in shop.refusal("create_lifecycle_policy", **POLICY | changed)


# --- who needs whom ---------------------------------------------------------------------------------------------


def test_things_are_deleted_from_the_pipeline_down_and_in_no_other_order(shop: Workshop) -> None:
    component = shop.component()
    recipe, infrastructure, distribution = shop.recipe(component), shop.infrastructure(), shop.distribution()
    pipeline = shop.pipeline(
        imageRecipeArn=recipe,
        infrastructureConfigurationArn=infrastructure,
        distributionConfigurationArn=distribution,
    )
    parts = [
        ("delete_image_recipe", "imageRecipeArn", recipe),
        ("delete_infrastructure_configuration", "infrastructureConfigurationArn", infrastructure),
        ("delete_distribution_configuration", "distributionConfigurationArn", distribution),
    ]
    last = ("delete_component", "componentBuildVersionArn", component)
    for operation, key, arn in [last, *parts]:
        assert shop.refusal(operation, **{key: arn}) == (
            f"ResourceDependencyException: Resource dependency error: The resource ARN '{arn}' has other resources "
            "depended on it."
        )
    shop.client.delete_image_pipeline(imagePipelineArn=pipeline)
    for operation, key, arn in [*parts, last]:
        assert getattr(shop.client, operation)(**{key: arn})[key] == arn
        assert shop.refusal(operation, **{key: arn}).startswith("ResourceNotFoundException")


def test_a_component_that_a_recipe_names_with_wildcards_is_needed_too(shop: Workshop) -> None:
    component, other = shop.component(), shop.component(semanticVersion="2.0.0")
    shop.recipe(f"{PREFIX}component/web/1.x.x")
    assert "ResourceDependencyException" in shop.refusal("delete_component", componentBuildVersionArn=component)
    shop.client.delete_component(componentBuildVersionArn=other)


# --- quotas, tags, pages ----------------------------------------------------------------------------------------


def test_there_may_be_so_many_and_no_more(shop: Workshop) -> None:
    shop.fake.quota("component", 1)
    shop.component()
    refusal = shop.refusal("create_component", name="web", semanticVersion="2.0.0", platform="Linux", data=DOCUMENT)
    assert refusal.startswith("ServiceQuotaExceededException")
    shop.aws.reset()
    shop.component(semanticVersion="2.0.0")


def test_everything_can_be_tagged(shop: Workshop) -> None:
    for arn in (shop.component(), shop.recipe(), shop.infrastructure(), shop.distribution()):
        shop.client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
        shop.client.tag_resource(resourceArn=arn, tags={"b": "3"})
        assert shop.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "3"}
        shop.client.untag_resource(resourceArn=arn, tagKeys=["a", "c"])
        assert shop.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "3"}
        shop.client.untag_resource(resourceArn=arn, tagKeys=["b"])
        assert "tags" not in shop.client.list_tags_for_resource(resourceArn=arn)
    refusal = shop.refusal("tag_resource", resourceArn=f"{PREFIX}component/other/1.0.0/1", tags={"a": "1"})
    assert refusal.startswith("ResourceNotFoundException")
    infrastructure = f"{PREFIX}infrastructure-configuration/builders"
    shop.client.tag_resource(resourceArn=infrastructure, tags={f"k{number}": "x" for number in range(50)})
    refusal = shop.refusal("tag_resource", resourceArn=infrastructure, tags={"one more": "x"})
    assert refusal.startswith("InvalidParameterException")


def test_lists_come_in_pages(shop: Workshop) -> None:
    for number in range(5):
        shop.component(semanticVersion=f"1.0.{number}")
    shop.aws.page("imagebuilder:ListComponents", 2)
    pages = list(shop.client.get_paginator("list_components").paginate())
    assert [len(page["componentVersionList"]) for page in pages] == [2, 2, 1]
    smaller = list(shop.client.get_paginator("list_components").paginate(PaginationConfig={"PageSize": 1}))
    assert len(smaller) == 5


def test_a_page_has_25_items_unless_asked_for_more(shop: Workshop) -> None:
    for number in range(30):
        shop.infrastructure(name=f"builders-{number}")
    listed = shop.client.list_infrastructure_configurations()
    assert len(listed["infrastructureConfigurationSummaryList"]) == 25
    rest = shop.client.list_infrastructure_configurations(nextToken=listed["nextToken"])
    assert len(rest["infrastructureConfigurationSummaryList"]) == 5
    whole = shop.client.list_infrastructure_configurations(maxResults=100)
    assert len(whole["infrastructureConfigurationSummaryList"]) == 30
    refusal = shop.refusal("list_components", nextToken=listed["nextToken"])
    assert refusal.startswith("InvalidPaginationTokenException")


def test_each_region_has_its_own(shop: Workshop) -> None:
    shop.component()
    elsewhere = shop.client_of("imagebuilder", OTHER)
    assert elsewhere.list_components()["componentVersionList"] == []
    assert set(shop.fake.state(REGION).things["component"]) == {f"{PREFIX}component/web/1.0.0/1"}


def test_what_the_fake_lacks_is_told(shop: Workshop) -> None:
    assert shop.refusal("list_workflows").startswith("NotImplemented: The emulated Image Builder has no ListWorkflows")
