# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of instances allows every call that a booting host really makes, and no other one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import boot_models, boot_session
from ansible_collections.sysops.dtk.plugins.module_utils._core import boot_facts, instance_policy

from tests.emulation import REGION
from tests.unit.converge.world import ENV, ROLE, World
from tests.unit.fakes.fleet import WEB
from tests.unit.iam import ACCOUNT, Request, allows, applies

PLACE = instance_policy.Place("aws", REGION, ACCOUNT)
GROUP = PLACE.arn("autoscaling", f"autoScalingGroup:0b6a4b6e-0000:autoScalingGroupName/{WEB}")
Call = tuple[str, str, dict[str, Any]]


def parameter(name: str) -> str:
    return PLACE.arn("ssm", f"parameter{name}")


def tagging(instance: str, caller: str, *keys: str, without: str = "") -> Request:
    """without: a key that AWS does not fill in."""
    arn = PLACE.arn("ec2", f"instance/{instance}")
    context = {
        "ec2:InstanceID": instance,
        "aws:ARN": arn,
        "ec2:SourceInstanceARN": PLACE.arn("ec2", f"instance/{caller}"),
        "aws:TagKeys": keys,
    }
    return Request("ec2:CreateTags", arn, {key: value for key, value in context.items() if key != without})


def reading(action: str, name: str) -> Request:
    return Request(f"ssm:{action}", parameter(name))


def listing(bucket: str, prefix: str) -> Request:
    return Request("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})


def getting(bucket: str, key: str) -> Request:
    return Request("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")


# What IAM is asked for each operation, by the service authorization reference. caller: the instance.
ASKED: dict[tuple[str, str], Callable[[dict[str, Any], str], list[Request]]] = {
    ("autoscaling", "CompleteLifecycleAction"): lambda _, __: [Request("autoscaling:CompleteLifecycleAction", GROUP)],
    ("autoscaling", "RecordLifecycleActionHeartbeat"): lambda _, __: [
        Request("autoscaling:RecordLifecycleActionHeartbeat", GROUP)
    ],
    ("autoscaling", "DescribeAutoScalingInstances"): lambda _, __: [
        Request("autoscaling:DescribeAutoScalingInstances", "*")
    ],
    ("ec2", "CreateTags"): lambda given, caller: [
        tagging(one, caller, *(tag["Key"] for tag in given["Tags"])) for one in given["Resources"]
    ],
    ("s3", "GetObject"): lambda given, _: [getting(given["Bucket"], given["Key"])],
    ("s3", "HeadObject"): lambda given, _: [getting(given["Bucket"], given["Key"])],
    ("s3", "ListObjectsV2"): lambda given, _: [listing(given["Bucket"], given["Prefix"])],
    ("ssm", "GetParameter"): lambda given, _: [reading("GetParameter", given["Name"])],
    ("ssm", "GetParameters"): lambda given, _: [reading("GetParameters", name) for name in given["Names"]],
    ("ssm", "GetParametersByPath"): lambda given, _: [reading("GetParametersByPath", given["Path"])],
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """Every call of the program, with its parameters."""
    calls: list[Call] = []
    make = boot_session.Clients._make

    def recording(self: boot_session.Clients, service: str) -> Any:
        client = make(self, service)

        def note(params: dict[str, Any], model: Any, **_rest: Any) -> None:
            calls.append((service, model.name, dict(params)))

        client.meta.events.register("provide-client-params", note)
        return client

    monkeypatch.setattr(boot_session.Clients, "_make", recording)
    yield calls


def fleet_of(world: World, **apps: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": WEB,
        "env": ENV,
        "role": ROLE,
        "prefix": world.prefix,
        "bucket": world.bucket,
        "apps": {name: {"secrets": [], **spec} for name, spec in {**world.specs, **apps}.items()},
        "statements": [],
    }


def requests(world: World, made: list[Call]) -> list[Request]:
    return [one for service, name, given in made for one in ASKED[service, name](given, world.instance)]


def test_all_that_a_host_can_ask_for_is_known_here() -> None:
    """A new operation needs a line above, and perhaps one in the policy."""
    known = {(service, name) for service, names in boot_models.OPERATIONS.items() for name in names}
    assert known == set(ASKED)


def test_every_call_of_a_boot_is_allowed_and_nothing_else_is(world: World, made: list[Call]) -> None:
    world.app(config={"format": ["json"], "path": str(world.host / "hello.json")})
    world.publish("1.0.0")
    world.stable("1.0.0")
    world.setting(f"/{ENV}/hello/config/port", "8080")
    world.launch()
    policy = instance_policy.policy(fleet_of(world), PLACE)
    assert world.converge().rc == 0
    world.wait_for("InService")
    # Later: a release that is not there. The host says which ones are, and tells of itself again.
    world.stable("9.9.9")
    assert world.boot().rc == 1
    asked = requests(world, made)
    assert [one for one in asked if not allows(policy, one)] == []
    assert {name for _, name, _ in made} >= {
        "CreateTags",
        "CompleteLifecycleAction",
        "ListObjectsV2",
        "GetParametersByPath",
    }
    idle = [one["Sid"] for one in policy["Statement"] if not any(applies(one, request) for request in asked)]
    assert idle == []
    allowed = {action for one in policy["Statement"] for action in one["Action"]}
    assert allowed - {one.action for one in asked} <= {"autoscaling:RecordLifecycleActionHeartbeat", "ssm:GetParameter"}


def test_what_is_not_its_own_is_refused(world: World) -> None:
    world.app()
    policy = instance_policy.policy(fleet_of(world), PLACE)
    log = f"{world.prefix}/{ENV}/hello/deploy"
    me, other = "i-0aaaaaaaaaaaaaaaa", "i-0bbbbbbbbbbbbbbbb"
    for good in (
        reading("GetParametersByPath", log),
        reading("GetParameters", f"{log}/00000007"),
        getting(world.bucket, "hello/1.0.0.json"),
        tagging(me, me, boot_facts.BOOT, "dtk:app:hello"),
        tagging(me, me, boot_facts.BOOT, without="aws:ARN"),
        tagging(me, me, boot_facts.BOOT, without="ec2:InstanceID"),
    ):
        assert allows(policy, good), good
    for bad in (
        reading("GetParametersByPath", f"{world.prefix}/{ENV}/shop/deploy"),
        reading("GetParametersByPath", f"{world.prefix}/beta/hello/deploy"),
        reading("GetParametersByPath", f"{world.prefix}/{ENV}"),
        reading("GetParametersByPath", f"{world.prefix}/{ENV}/hello/config"),  # it has no settings
        Request("ssm:PutParameter", parameter(f"{log}/00000008")),
        getting(world.bucket, "shop/1.0.0.json"),
        getting("another", "hello/1.0.0.json"),
        listing(world.bucket, ""),
        listing(world.bucket, "shop/"),
        Request("s3:PutObject", f"arn:aws:s3:::{world.bucket}/hello/1.0.0.json"),
        tagging(other, me, boot_facts.BOOT),
        tagging(other, me, boot_facts.BOOT, without="aws:ARN"),
        tagging(other, me, boot_facts.BOOT, without="ec2:InstanceID"),
        tagging(me, me, boot_facts.BOOT, without="ec2:SourceInstanceARN"),
        tagging(me, me, "dtk:env"),
        tagging(me, me, boot_facts.BOOT, "Name"),
        tagging(me, me, "dtk:app:shop"),
        Request("autoscaling:CompleteLifecycleAction", GROUP.replace(WEB, "another")),
        Request("autoscaling:SetDesiredCapacity", GROUP),
        Request("secretsmanager:GetSecretValue", PLACE.arn("secretsmanager", f"secret:{ENV}/hello/db-AbCdEf")),
    ):
        assert not allows(policy, bad), bad


def test_secrets_are_those_of_its_apps_and_what_apps_do_is_added(world: World) -> None:
    arn = PLACE.arn("secretsmanager", "secret:shared/mail-AbCdEf")
    secrets = [{"name": "db", "secret": "{env}/hello/db"}, {"name": "mail", "secret": arn}]
    queue = {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "arn:aws:sqs:*:*:orders"}
    fleet = fleet_of(world, hello={"secrets": secrets})
    policy = instance_policy.policy({**fleet, "statements": [queue]}, PLACE)

    def secret(name: str) -> Request:
        return Request("secretsmanager:GetSecretValue", PLACE.arn("secretsmanager", f"secret:{name}"))

    assert allows(policy, secret(f"{ENV}/hello/db-AbCdEf"))
    assert allows(policy, secret("shared/mail-AbCdEf"))
    assert not allows(policy, secret(f"{ENV}/hello/db2-AbCdEf"))
    assert not allows(policy, secret("beta/hello/db-AbCdEf"))
    assert allows(policy, Request("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"))


def test_a_fleet_without_apps_or_bucket_is_allowed_what_is_left(world: World) -> None:
    bare = instance_policy.policy({**fleet_of(world), "apps": {}, "bucket": ""}, PLACE)
    assert [one["Sid"] for one in bare["Statement"]] == [
        "ReportOfItself",
        "ReportOfItselfByArn",
        "AnswerItsGroup",
        "AskForItsGroup",
    ]


def test_the_policy_of_a_large_server_role_fits_into_a_role(world: World) -> None:
    apps = {f"application-{n:02}": {"config": {}, "secrets": [{"name": "a", "secret": "{env}/x"}]} for n in range(12)}
    policy = instance_policy.policy(fleet_of(world, **apps), PLACE)
    assert len(json.dumps(policy, separators=(",", ":"))) < 10_240
