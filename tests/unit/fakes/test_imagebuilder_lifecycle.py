# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Image Builder's images when they get old: lifecycle policies, and changes of state by hand."""

from __future__ import annotations

from typing import Any

import pytest

from .workshop import OTHER, REGION, Workshop

KEEP_TWO = {"type": "COUNT", "value": 2}
ALL = {"amis": True, "snapshots": True}


class Archive(Workshop):
    """Some images of one recipe, a day apart, the oldest one first."""

    def fill(self, count: int, **more: Any) -> list[str]:
        made = {
            "imageRecipeArn": self.recipe(self.component()),
            "infrastructureConfigurationArn": self.infrastructure(),
            "tags": {"role": "web"},
            **more,
        }
        arns = []
        for _ in range(count):
            arns.append(self.made(**made))
            self.fake.clock.advance(days=1)
        return arns

    def policy(self, *details: dict[str, Any], **more: Any) -> str:
        wanted = {
            "name": "web",
            "executionRole": "lifecycle",
            "resourceType": "AMI_IMAGE",
            "policyDetails": list(details),
            "resourceSelection": {"tagMap": {"role": "web"}},
        }
        return str(self.client.create_lifecycle_policy(**wanted | more)["lifecyclePolicyArn"])

    def statuses(self, arns: list[str]) -> list[str]:
        return [self.status(arn) for arn in arns]

    def amis(self, region: str = REGION) -> dict[str, str]:
        """The AMIs that were made here, and their states."""
        images = self.client_of("ec2", region).describe_images(Owners=["self"])["Images"]
        return {one["ImageId"]: one["State"] for one in images if one["Name"] != "parent"}


@pytest.fixture
def archive(shop: Workshop) -> Archive:
    return Archive(shop.aws)


def rule(action: str, condition: dict[str, Any], include: dict[str, bool] | None = None, **more: Any) -> dict[str, Any]:
    included = {"includeResources": include} if include else {}
    return {"action": {"type": action, **included}, "filter": condition, **more}


def test_so_many_are_kept_and_the_rest_is_gone_with_amis_and_snapshots(archive: Archive) -> None:
    arns = archive.fill(4)
    kept = [archive.shown(arn)["outputResources"]["amis"][0]["image"] for arn in arns[2:]]
    snapshots = archive.client_of("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    policy = archive.policy(rule("DELETE", KEEP_TWO, ALL))
    acts = archive.fake.apply_lifecycle()
    assert {(act.policy, act.action, act.image) for act in acts} == {("web", "DELETE", arn) for arn in arns[:2]}
    assert archive.statuses(arns) == ["DELETED", "DELETED", "AVAILABLE", "AVAILABLE"]
    assert sorted(archive.amis()) == sorted(kept)
    left = archive.client_of("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert len(left) == len(snapshots) - 2
    assert archive.shown(arns[0])["outputResources"] == {"amis": []}
    identity = archive.shown(arns[0])["lifecycleExecutionId"]
    execution = archive.client.get_lifecycle_execution(lifecycleExecutionId=identity)["lifecycleExecution"]
    assert execution["state"] == {"status": "SUCCESS"}
    assert "dateLastRun" in archive.client.get_lifecycle_policy(lifecyclePolicyArn=policy)["lifecyclePolicy"]
    assert archive.fake.apply_lifecycle() == []


def test_without_their_amis_only_the_images_go(archive: Archive) -> None:
    arns = archive.fill(3)
    archive.policy(rule("DELETE", KEEP_TWO))
    archive.fake.apply_lifecycle()
    assert archive.statuses(arns) == ["DELETED", "AVAILABLE", "AVAILABLE"]
    assert len(archive.amis()) == 3


def test_images_age_and_some_are_retained_all_the_same(archive: Archive) -> None:
    arns = archive.fill(4)
    old = {"type": "AGE", "value": 2, "unit": "DAYS"}
    archive.policy(
        rule("DEPRECATE", {"type": "AGE", "value": 1, "unit": "DAYS"}),
        rule("DISABLE", {"type": "AGE", "value": 1, "unit": "WEEKS"}, {"amis": True}),
        rule("DELETE", old | {"retainAtLeast": 3}, ALL),
    )
    archive.fake.apply_lifecycle()
    assert archive.statuses(arns) == ["DELETED", "DEPRECATED", "DEPRECATED", "DEPRECATED"]
    archive.fake.clock.advance(days=7)
    archive.fake.apply_lifecycle()
    assert archive.statuses(arns)[1:] == ["DISABLED"] * 3
    assert set(archive.amis().values()) == {"disabled"}


def test_only_selected_and_not_excluded_images_are_touched(archive: Archive) -> None:
    arns = archive.fill(3)
    archive.client.tag_resource(resourceArn=arns[0], tags={"keep": "yes"})
    archive.client.tag_resource(resourceArn=arns[1], tags={"role": "other"})
    archive.policy(
        rule("DELETE", {"type": "AGE", "value": 1, "unit": "DAYS"}, ALL, exclusionRules={"tagMap": {"keep": "yes"}})
    )
    archive.fake.apply_lifecycle()
    assert archive.statuses(arns) == ["AVAILABLE", "AVAILABLE", "DELETED"]


@pytest.mark.parametrize(("version", "deleted"), [("1.0.0", True), ("1.x.x", True), ("2.x.x", False)])
def test_images_are_selected_by_their_recipe(archive: Archive, version: str, deleted: bool) -> None:
    (arn,) = archive.fill(1)
    archive.policy(
        rule("DELETE", {"type": "AGE", "value": 1, "unit": "DAYS"}, ALL),
        resourceSelection={"recipes": [{"name": "Web", "semanticVersion": version}]},
    )
    archive.fake.apply_lifecycle()
    assert archive.status(arn) == ("DELETED" if deleted else "AVAILABLE")


def spare(archive: Archive, what: str, ami: str) -> dict[str, Any]:
    """Do to an AMI what spares it, and the rule that says so."""
    ec2 = archive.client_of("ec2")
    if what == "tag":
        ec2.create_tags(Resources=[ami], Tags=[{"Key": "keep", "Value": "yes"}])
        return {"tagMap": {"keep": "yes", "or": "this"}}
    if what == "public":
        ec2.modify_image_attribute(ImageId=ami, LaunchPermission={"Add": [{"Group": "all"}]})
        return {"isPublic": True}
    if what == "shared":
        ec2.modify_image_attribute(ImageId=ami, LaunchPermission={"Add": [{"UserId": "210987654321"}]})
        return {"sharedAccounts": ["210987654321"]}
    if what == "launched":
        ec2.run_instances(ImageId=ami, MinCount=1, MaxCount=1)
        return {"lastLaunched": {"value": 4, "unit": "WEEKS"}}
    return {"regions": [REGION]}


@pytest.mark.parametrize("what", ["tag", "public", "shared", "launched", "region"])
def test_an_ami_can_be_spared_and_its_image_stays_with_it(archive: Archive, what: str) -> None:
    distribution = archive.distribution({"region": REGION}, {"region": OTHER})
    spared, gone = archive.fill(2, distributionConfigurationArn=distribution)
    here = archive.shown(spared)["outputResources"]["amis"][0]["image"]
    amis = spare(archive, what, here)
    archive.policy(rule("DELETE", {"type": "AGE", "value": 1, "unit": "DAYS"}, ALL, exclusionRules={"amis": amis}))
    archive.fake.apply_lifecycle()
    assert here in archive.amis()
    assert archive.status(spared) == "AVAILABLE"
    assert archive.amis(OTHER) == {}
    assert archive.status(gone) == ("AVAILABLE" if what == "region" else "DELETED")


def test_a_disabled_policy_does_nothing(archive: Archive) -> None:
    arns = archive.fill(3)
    archive.policy(rule("DELETE", KEEP_TWO, ALL), status="DISABLED")
    assert archive.fake.apply_lifecycle() == []
    assert archive.statuses(arns) == ["AVAILABLE"] * 3


def change(arn: str, status: str, **more: Any) -> dict[str, Any]:
    return {"resourceArn": arn, "state": {"status": status}, **more}


def test_an_image_can_be_deleted_for_good_by_hand(archive: Archive) -> None:
    (arn,) = archive.fill(1)
    answer = archive.client.start_resource_state_update(
        **change(arn, "DELETED", includeResources=ALL, executionRole="lifecycle")
    )
    assert answer["lifecycleExecutionId"] == archive.shown(arn)["lifecycleExecutionId"]
    assert archive.status(arn) == "DELETED"
    assert archive.amis() == {}


def test_an_image_can_be_disabled_and_come_back(archive: Archive) -> None:
    (arn,) = archive.fill(1)
    with_amis = {"includeResources": {"amis": True}, "executionRole": "lifecycle"}
    archive.client.start_resource_state_update(**change(arn, "DISABLED", **with_amis))
    assert (archive.status(arn), *archive.amis().values()) == ("DISABLED", "disabled")
    archive.client.start_resource_state_update(**change(arn, "AVAILABLE", **with_amis))
    assert (archive.status(arn), *archive.amis().values()) == ("AVAILABLE", "available")
    answer = archive.client.start_resource_state_update(**change(arn, "DEPRECATED"))
    assert "lifecycleExecutionId" not in answer
    assert archive.status(arn) == "DEPRECATED"


@pytest.mark.parametrize(
    ("status", "more", "message"),
    [
        ("DELETED", {}, "you must include its AMIs"),
        ("DELETED", {"includeResources": ALL}, "valid only together"),
        ("DISABLED", {"includeResources": ALL, "executionRole": "r"}, "can include AMIs only"),
        ("DEPRECATED", {"updateAt": 0}, "'updateAt' is not supported here"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    archive: Archive, status: str, more: dict[str, Any], message: str
) -> None:
    (arn,) = archive.fill(1)
    assert message in archive.refusal("start_resource_state_update", **change(arn, status, **more))


def test_what_is_not_finished_or_failed_can_become_less(archive: Archive) -> None:
    arn = archive.image()
    assert "ResourceInUseException" in archive.refusal("start_resource_state_update", **change(arn, "DISABLED"))
    archive.fake.set_status(arn, "FAILED")
    assert "only become DELETED" in archive.refusal("start_resource_state_update", **change(arn, "DISABLED"))
    assert "A status is required" in archive.refusal("start_resource_state_update", resourceArn=arn, state={})
    nobody = f"lce-{'0' * 8}-0000-0000-0000-{'0' * 12}"
    assert "does not exist" in archive.refusal("get_lifecycle_execution", lifecycleExecutionId=nobody)
