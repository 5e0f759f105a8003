# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module target_group: made, changed in what differs, refused where AWS has no way, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils import clients, target_groups

from tests.emulation import Emulation
from tests.unit.run_module import run_module

NAME = "dtk-prod-shop"
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patch, Emulation.start() as running:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield running
        running.reset_data()


@pytest.fixture
def wanted(aws: Emulation) -> dict[str, Any]:
    return {
        "name": NAME,
        "protocol": "HTTP",
        "port": 8080,
        "vpc_id": aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"],
        "health_check_protocol": "HTTP",
        "health_check_path": "/health",
        "health_check_interval": 5,
        "health_check_timeout": 4,
        "healthy_threshold_count": 2,
        "unhealthy_threshold_count": 2,
        "deregistration_delay_timeout": 30,
        "tags": {"dtk:env": "prod"},
    }


@pytest.fixture
def run(aws: Emulation) -> Iterator[Run]:
    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        checked = ArgumentSpecValidator(target_groups.OPTIONS).validate({"name": NAME, **options})
        assert checked.error_messages == []
        return target_groups.answer(checked.validated_parameters, aws.client, clients.now, check)

    yield run
    aws.reset()
    elb = aws.client("elbv2")
    for kind, plural, name in (
        ("load_balancer", "LoadBalancers", "LoadBalancerArn"),
        ("target_group", "TargetGroups", "TargetGroupArn"),
    ):
        for one in getattr(elb, f"describe_{kind}s")()[plural]:
            getattr(elb, f"delete_{kind}")(**{name: one[name]})


def there(aws: Emulation) -> dict[str, Any]:
    (found,) = aws.client("elbv2").describe_target_groups()["TargetGroups"]
    return found


def test_it_is_made_whole_and_kept(aws: Emulation, run: Run, wanted: dict[str, Any]) -> None:
    assert run_module("target_group", wanted, aws.environ(), True)["calls"] == ["create_target_group"]
    assert aws.client("elbv2").describe_target_groups()["TargetGroups"] == []
    made = run_module("target_group", wanted, aws.environ())
    assert made["calls"] == ["create_target_group", "modify_target_group_attributes"]
    found = there(aws)
    assert (found["HealthCheckPath"], found["HealthCheckIntervalSeconds"]) == ("/health", 5)
    assert made["target_group_arn"] == found["TargetGroupArn"]
    again = run(**wanted)
    assert (again["changed"], again["calls"]) == (False, [])
    assert again["diff"]["before"] == again["diff"]["after"]


def test_what_differs_is_changed_and_predicted(aws: Emulation, run: Run, wanted: dict[str, Any]) -> None:
    run(**wanted)
    for change, calls in (
        ({"health_check_path": "/ready"}, ["modify_target_group"]),
        ({"deregistration_delay_timeout": 60}, ["modify_target_group_attributes"]),
        ({"tags": {"dtk:env": "prod", "Team": "shop"}}, ["add_tags"]),
        ({"tags": {}}, ["remove_tags"]),
    ):
        wanted |= change
        assert run(check=True, **wanted)["calls"] == calls
        assert run(**wanted)["calls"] == calls
        assert run(**wanted)["calls"] == []
    assert there(aws)["HealthCheckPath"] == "/ready"


def test_what_aws_cannot_change_is_refused(run: Run, wanted: dict[str, Any]) -> None:
    run(**wanted)
    assert run(check=True, state="absent")["changed"]
    failed = run(**wanted | {"port": 9090})
    assert failed["msg"] == (
        f"The target group {NAME} has port 8080, not 9090, which AWS cannot change. Delete it when nothing uses it, or "
        "declare what there is."
    )


def test_it_is_deleted_unless_a_listener_forwards_to_it(aws: Emulation, run: Run, wanted: dict[str, Any]) -> None:
    arn = run(**wanted)["target_group_arn"]
    elb = aws.client("elbv2")
    subnets = [one["SubnetId"] for one in aws.client("ec2").describe_subnets()["Subnets"][:2]]
    balancer = elb.create_load_balancer(Name="front", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    actions = [{"Type": "forward", "TargetGroupArn": arn}]
    made = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=actions)
    for check in (True, False):
        failed = run(check=check, state="absent")
        assert failed["msg"].startswith(f"The target group {NAME} is in use: app/front/")
    elb.delete_listener(ListenerArn=made["Listeners"][0]["ListenerArn"])
    assert run(state="absent")["calls"] == ["delete_target_group"]
    assert not run(state="absent")["changed"]
