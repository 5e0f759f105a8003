# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module fleet_info where a load balancer is there; the playbook's test looks at fleets without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils import clients, fleet_surveys, fleets
from ansible_collections.sysops.dtk.plugins.module_utils._core.fleet import target_group_name

from tests.emulation import Emulation
from tests.fakes.autoscaling import Options
from tests.unit.fakes.fleet import WEB, Fleet
from tests.unit.run_module import run_module

TAGS = [{"Key": "dtk:env", "Value": "prod"}, {"Key": "dtk:role", "Value": "web"}]
APPS = {
    "shop": {
        "health": {"tcp": {"port": 80}},
        "ports": [{"port": 80, "from": "load_balancer"}],
        "load_balancer": {"port": 80, "target_groups": ["dtk-prod-shop"]},
    }
}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patch, Emulation.start(autoscaling=Options()) as aws:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws
        aws.reset_data()


@pytest.fixture
def fleet(running: Emulation) -> Fleet:
    running.reset_data()
    found = Fleet(running)
    found.client_of("ssm").put_parameter(Name="/dtk/prod/web/ami/current", Value=found.image(), Type="String")
    return found


def balanced(fleet: Fleet) -> str:
    """A target group as a fleet makes it, to which a load balancer forwards."""
    vpc = fleet.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = fleet.elb.create_target_group(Name="dtk-prod-shop", Protocol="HTTP", Port=80, VpcId=vpc, Tags=TAGS)
    arn: str = made["TargetGroups"][0]["TargetGroupArn"]
    subnets = list(fleet.subnets.values())[:2]
    balancer = fleet.elb.create_load_balancer(Name="front", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    actions = [{"Type": "forward", "TargetGroupArn": arn}]
    fleet.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=actions)
    return arn


def declared(fleet: Fleet, **more: Any) -> dict[str, Any]:
    wanted = {"subnets": list(fleet.subnets.values())[:2], "min": 1, "max": 2, "balancers": ["10.0.0.0/8"], **more}
    return fleets.resolve(wanted, {"name": "web"}, APPS, "prod", "/dtk", "releases")


def ask(there: Fleet, /, **options: Any) -> dict[str, Any]:
    """What the module calls: making its clients takes longer than all that it does."""
    checked = ArgumentSpecValidator(fleet_surveys.OPTIONS).validate({"env": "prod", "role": "web", **options})
    assert checked.error_messages == []
    return fleet_surveys.answer(checked.validated_parameters, there.client_of, clients.now, False)


def test_with_a_load_balancer_there_are_alarms_and_a_policy(fleet: Fleet) -> None:
    arn = balanced(fleet)
    found = ask(fleet, fleet=declared(fleet, scaling={"metric": "requests_per_target", "target": 100}))
    assert (found["problems"], found["plan"]["notes"]) == ([], [])
    label = arn.rpartition(":")[2]
    (policy,) = found["plan"]["group"]["scaling_policies"]
    resource = policy["target_tracking_config"]["predefined_metric_spec"]["resource_label"]
    assert resource.startswith("app/front/")
    assert resource.endswith(f"/{label}")
    assert [one["name"] for one in found["plan"]["alarms"]] == [
        "dtk-prod-web-unhealthy_hosts-shop",
        "dtk-prod-web-errors_5xx-shop",
        "dtk-prod-web-status_check",
    ]
    assert found["lines"] == ["FLEET dtk-prod-web: not there"]
    assert not found["settled"]


def test_a_host_that_the_load_balancer_does_not_like_is_waited_for(fleet: Fleet) -> None:
    arn = balanced(fleet)
    name = "dtk-prod-web"
    fleet.client.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=1,
        MaxSize=1,
        LaunchTemplate={"LaunchTemplateId": fleet.template(), "Version": "1"},
        VPCZoneIdentifier=",".join(list(fleet.subnets.values())[:2]),
        TargetGroupARNs=[arn],
        Tags=TAGS,
    )
    fleet.fake.wait_for(
        lambda: [one.state for one in fleet.fake.group(name, "eu-west-1").instances.values()] == ["InService"]
    )
    fleet.fake.wait_for(lambda: ask(fleet)["settled"])
    assert "  target     dtk-prod-shop: 1 healthy" in ask(fleet)["lines"]
    (instance,) = ask(fleet)["group"]["instances"]
    fleet.elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": instance["id"]}])
    found = ask(fleet)
    assert not found["settled"]
    (line,) = found["waiting"]
    assert line.startswith(("dtk-prod-shop calls", f"{instance['id']} is not registered in dtk-prod-shop"))


def test_what_cannot_be_read_is_one_sentence(fleet: Fleet) -> None:
    fleet.aws.fault("autoscaling:DescribeAutoScalingGroups", "AccessDenied", message="not you")
    failed = run_module("fleet_info", {"env": "prod", "role": "web"}, fleet.aws.environ())
    fleet.aws.reset()
    assert failed["failed"]
    assert failed["msg"].startswith("Cannot read the Auto Scaling group dtk-prod-web: access denied (not you).")


def test_a_foreign_target_group_is_told(fleet: Fleet) -> None:
    vpc = fleet.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    fleet.elb.create_target_group(Name="dtk-prod-shop", Protocol="HTTP", Port=80, VpcId=vpc)
    (problem,) = ask(fleet, fleet=declared(fleet))["problems"]
    assert problem.startswith("The target group dtk-prod-shop is there without the tags of this fleet")
    assert ask(fleet, role=WEB, env="beta")["target_groups"] == []


def test_a_target_group_is_found_by_its_tags_however_long_its_name_was(fleet: Fleet) -> None:
    vpc = fleet.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    env = "stg_of-somebody-with-a-long-name"
    tags = [{"Key": "dtk:env", "Value": env}, {"Key": "dtk:role", "Value": "web"}]
    name = target_group_name(env, "shop")
    for called, own in ((name, tags), (target_group_name("stg_of-somebody-with-a-long-nam2", "shop"), TAGS)):
        fleet.elb.create_target_group(Name=called, Protocol="HTTP", Port=80, VpcId=vpc, Tags=own)
    assert [one["name"] for one in ask(fleet, env=env)["target_groups"]] == [name]
