# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a declared fleet and what there is: what is in the way, what is made, and why it does not serve."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import fleet, fleet_plan, fleet_view

from .test_fleet import APPS, FULL, ROLE

TARGET_GROUP = {
    "arn": "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/dtk-prod-shop/50dc6c495c0c9188",
    "name": "dtk-prod-shop",
    "protocol": "HTTP",
    "port": 8080,
    "vpc": "vpc-01",
    "kind": "instance",
    "owned": True,
    "balancers": ["app/front/0123"],
    "label": "targetgroup/dtk-prod-shop/50dc6c495c0c9188",
    "attached": True,
    "targets": [],
}
INSTANCE = {"id": "i-01", "state": "InService", "health": "Healthy", "zone": "eu-west-1a", "version": "1"}
GROUP = {
    "name": "dtk-prod-api",
    "min": 1,
    "max": 6,
    "desired": 1,
    "zones": ["eu-west-1a"],
    "template_id": "lt-01",
    "version": "1",
    "tags": {"dtk:env": "prod", "dtk:role": "api"},
    "instances": [INSTANCE],
}
FOUND: dict[str, Any] = {
    "name": "dtk-prod-api",
    "region": "eu-west-1",
    "partition": "aws",
    "account": "111111111111",
    "parameter": "/dtk/prod/api/ami/current",
    "image_id": "ami-01",
    "image": {"image_id": "ami-01", "name": "api", "state": "available", "root_device": "/dev/sda1", "size": 8},
    "subnets": {"subnet-0a": {"vpc": "vpc-01", "zone": "a"}, "subnet-0b": {"vpc": "vpc-01", "zone": "b"}},
    "vpc": "vpc-01",
    "vpc_ranges": ["10.1.0.0/16", "10.2.0.0/16"],
    "security_groups": {"sg-0f": "vpc-01", "sg-0b": "vpc-01", "sg-0c": "vpc-01"},
    "template": {"id": "lt-01", "version": "1", "description": "web 7", "image_id": "ami-01"},
    "iam_role": None,
    "group": GROUP,
    "instances": {},
    "activities": [],
    "target_groups": [
        {**TARGET_GROUP, "targets": [{"id": "i-01", "state": "healthy", "reason": "", "description": ""}]}
    ],
    "alarms": {},
}


STATUS = "dtk-prod-api-status_check"


def resolved(**changes: Any) -> dict[str, Any]:
    return fleet.resolve({**FULL, **changes}, ROLE, APPS, "prod", "/dtk", "releases")


def found(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy({**FOUND, **changes})


def plan(**changes: Any) -> dict[str, Any]:
    return fleet_plan.plan(resolved(**changes), FOUND)


# --- what is in the way -----------------------------------------------------------------------------------------------


def test_nothing_is_in_the_way() -> None:
    assert fleet_view.problems(resolved(), FOUND) == []
    assert fleet_view.problems(resolved(), found(group=None, template=None, target_groups=[])) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": "", "image": None}, "There is no parameter /dtk/prod/api/ami/current in eu-west-1"),
        (
            {"image": None},
            "/dtk/prod/api/ami/current names ami-01, which is not in eu-west-1, or not for this account.",
        ),
        ({"image": {**FOUND["image"], "state": "failed"}}, "names ami-01, which is failed. Wait for it, or promote"),
        ({"image": {**FOUND["image"], "size": 60}}, "dtk_fleet.volume.size is 40, but the image ami-01 has 60 GiB"),
        (
            {"subnets": {"subnet-0a": {"vpc": "vpc-01", "zone": "a"}}},
            "dtk_fleet.subnets has subnet-0b, not in eu-west-1",
        ),
        (
            {"subnets": {**FOUND["subnets"], "subnet-0b": {"vpc": "vpc-02", "zone": "b"}}},
            "dtk_fleet.subnets are in several VPCs, vpc-01 and vpc-02; choose those of one.",
        ),
        (
            {"subnets": {**FOUND["subnets"], "subnet-0b": {"vpc": "vpc-01", "zone": "a"}}},
            "dtk_fleet.subnets has several in a; name one in each availability zone.",
        ),
        ({"security_groups": {"sg-0f": "vpc-01"}}, "dtk_fleet.balancers has sg-0c, not in eu-west-1; correct it."),
        (
            {"security_groups": {**FOUND["security_groups"], "sg-0f": "vpc-09"}},
            "dtk_fleet.security_groups has sg-0f of another VPC than vpc-01; choose its own.",
        ),
        (
            {"target_groups": [{**TARGET_GROUP, "owned": False}]},
            "dtk-prod-shop is there without the tags of this fleet",
        ),
        ({"target_groups": [{**TARGET_GROUP, "kind": "ip"}]}, "dtk-prod-shop takes ip targets; a fleet needs one for"),
        (
            {"group": {**GROUP, "tags": {"dtk:env": "prod-api", "dtk:role": "x"}}},
            "There is an Auto Scaling group dtk-prod-api with the tags dtk:env=prod-api and dtk:role=x: it is another",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_in_the_way_is_told(change: dict[str, Any], message: str) -> None:
    (problem,) = fleet_view.problems(resolved(), found(**change))
    assert message in problem


def test_a_vpc_and_a_target_group_that_are_not_those_declared_are_told() -> None:
    (problem,) = fleet_view.problems(resolved(vpc="vpc-09"), FOUND)
    assert "dtk_fleet.vpc is vpc-09, but the subnets are in vpc-01" in problem
    apps = copy.deepcopy(APPS)
    apps["shop"]["load_balancer"]["target_groups"] = ["dtk-prod-shop", "shop-old"]
    declared = fleet.resolve(FULL, ROLE, apps, "prod")
    (problem,) = fleet_view.problems(declared, FOUND)
    assert problem.startswith(
        "dtk_apps.shop.load_balancer.target_groups has shop-old, which is not in eu-west-1; correct it"
    )


# --- what is made -----------------------------------------------------------------------------------------------------


def test_rules_say_who_reaches_which_port() -> None:
    assert plan()["security_group"]["rules"] == [
        {"proto": "tcp", "ports": [8080], "group_id": "sg-0c", "rule_desc": "shop"},
        {"proto": "tcp", "ports": [9100], "cidr_ip": "10.1.0.0/16", "rule_desc": "shop"},
        {"proto": "tcp", "ports": [9100], "cidr_ip": "10.2.0.0/16", "rule_desc": "shop"},
        {"proto": "tcp", "ports": [22], "cidr_ip": "10.0.0.0/8", "rule_desc": "ssh of the office"},
    ]
    (rule,) = plan(ingress=[{"port": 443, "from": "2001:db8::/32"}])["security_group"]["rules"][3:]
    assert rule == {"proto": "tcp", "ports": [443], "cidr_ipv6": "2001:db8::/32"}


def test_the_template_is_safe_and_has_the_image_by_its_id() -> None:
    template = plan()["template"]
    assert template["image_id"] == "ami-01"
    assert template["metadata_options"] == {
        "http_endpoint": "enabled",
        "http_tokens": "required",
        "http_put_response_hop_limit": 1,
        "instance_metadata_tags": "enabled",
    }
    (device,) = template["block_device_mappings"]
    assert device["device_name"] == "/dev/sda1"
    assert device["ebs"] == {
        "encrypted": True,
        "delete_on_termination": True,
        "volume_type": "gp3",
        "volume_size": 40,
        "iops": 4000,
        "throughput": 200,
        "kms_key_id": "alias/fleet",
    }
    (device,) = plan(volume={}, envs={})["template"]["block_device_mappings"]
    assert device["ebs"]["volume_size"] == 8  # that of the image
    # Whoever else makes versions, and describes them, is no reason for a new one.
    assert template["version_description"] == "web 7"
    assert [spec["resource_type"] for spec in template["tag_specifications"]] == ["instance", "volume"]


def test_the_group_has_its_hook_policy_and_pool() -> None:
    group = plan()["group"]
    assert group["lifecycle_hooks"] == [
        {"lifecycle_hook_name": "dtk-converge", "heartbeat_timeout": 600, "default_result": "ABANDON"}
    ]
    (policy,) = group["scaling_policies"]
    assert policy["target_tracking_config"] == {
        "predefined_metric_spec": {
            "predefined_metric_type": "ALBRequestCountPerTarget",
            "resource_label": "app/front/0123/targetgroup/dtk-prod-shop/50dc6c495c0c9188",
        },
        "target_value": 500,
        "disable_scale_in": True,
    }
    assert group["warm_pool"]["max_group_prepared_capacity"] == 4
    assert (group["health_check_type"], group["health_check_period"]) == ("ELB", 30)
    plain = fleet.resolve({"subnets": ["subnet-0a"], "min": 1, "max": 1}, ROLE, {"worker": {}}, "prod")
    bare = fleet_plan.plan(plain, found(target_groups=[]))
    assert (bare["group"]["health_check_type"], bare["group"]["scaling_policies"], bare["group"]["warm_pool"]) == (
        "EC2",
        [],
        None,
    )
    assert [one["name"] for one in bare["alarms"]] == ["dtk-prod-api-status_check"]


def test_target_groups_are_asked_as_their_protocol_allows() -> None:
    (group,) = plan()["target_groups"]
    assert (group["protocol"], group["health_check_protocol"], group["health_check_path"]) == (
        "HTTP",
        "HTTP",
        "/health",
    )
    assert group["health_check_timeout"] < group["health_check_interval"] == 5
    apps = copy.deepcopy(APPS)
    apps["shop"]["load_balancer"] |= {"protocol": "tls", "health_path": "/"}
    (group,) = fleet_plan.plan(fleet.resolve(FULL, ROLE, apps, "prod"), FOUND)["target_groups"]
    assert (group["protocol"], group["health_check_protocol"], group["health_check_path"]) == ("TLS", "TCP", None)


def test_target_groups_of_others_are_used_by_name_or_arn() -> None:
    old = {
        **TARGET_GROUP,
        "name": "shop-old",
        "arn": TARGET_GROUP["arn"].replace("dtk-prod-shop", "shop-old"),
        "owned": False,
    }
    for called in (old["name"], old["arn"]):
        apps = copy.deepcopy(APPS)
        apps["shop"]["load_balancer"]["target_groups"] = ["dtk-{env}-shop", called]
        declared = fleet.resolve(FULL, ROLE, apps, "prod")
        here = found(target_groups=[*FOUND["target_groups"], old])
        assert fleet_view.problems(declared, here) == []
        made = fleet_plan.plan(declared, here)
        assert made["other_target_group_arns"] == [old["arn"]]
        assert [one["name"] for one in made["target_groups"]] == ["dtk-prod-shop"]
        assert made["stale_target_groups"] == []
        names = [one["name"] for one in made["alarms"]]
        assert names == ["dtk-prod-api-unhealthy_hosts-shop", "dtk-prod-api-unhealthy_hosts-shop-shop-old", STATUS]


def test_alarms_ask_what_the_load_balancer_tells() -> None:
    alarms = {one["name"]: one for one in plan(alarms={})["alarms"]}
    assert set(alarms) == {
        "dtk-prod-api-unhealthy_hosts-shop",
        "dtk-prod-api-errors_5xx-shop",
        "dtk-prod-api-status_check",
    }
    unhealthy = alarms["dtk-prod-api-unhealthy_hosts-shop"]
    assert unhealthy["dimensions"] == {"LoadBalancer": "app/front/0123", "TargetGroup": TARGET_GROUP["label"]}
    assert (unhealthy["namespace"], unhealthy["treat_missing_data"]) == ("AWS/ApplicationELB", "notBreaching")
    network = found(target_groups=[{**TARGET_GROUP, "balancers": ["net/front/0123"]}])
    names = {one["name"]: one["namespace"] for one in fleet_plan.plan(resolved(alarms={}), network)["alarms"]}
    assert names["dtk-prod-api-unhealthy_hosts-shop"] == "AWS/NetworkELB"
    assert "dtk-prod-api-errors_5xx-shop" not in names


def test_without_a_load_balancer_there_is_a_note_and_what_needs_one_waits() -> None:
    early = fleet_plan.plan(resolved(), found(target_groups=[{**TARGET_GROUP, "balancers": []}]))
    assert early["group"]["scaling_policies"] == []
    assert [one["name"] for one in early["alarms"]] == ["dtk-prod-api-status_check"]
    (note,) = early["notes"]
    assert note.startswith("No load balancer forwards to dtk-prod-shop yet.")
    assert "the alarms and scaling policy come with it" in note
    assert plan()["notes"] == []


def test_what_is_not_declared_any_more_is_named() -> None:
    old = {**TARGET_GROUP, "name": "dtk-prod-blog", "balancers": []}
    foreign = {**TARGET_GROUP, "name": "dtk-prod-other", "owned": False}
    here = found(target_groups=[*FOUND["target_groups"], old, foreign], alarms={"dtk-prod-api-errors_5xx-blog": "OK"})
    made = fleet_plan.plan(resolved(), here)
    assert made["stale_target_groups"] == ["dtk-prod-blog"]
    used = fleet_plan.plan(
        resolved(), found(target_groups=[*FOUND["target_groups"], {**old, "balancers": ["app/front/0"]}])
    )
    assert used["stale_target_groups"] == []
    assert used["notes"][0].startswith(
        "The target group dtk-prod-blog is not needed any more, but app/front/0 forwards"
    )
    assert made["stale_alarms"] == ["dtk-prod-api-errors_5xx-blog"]


def test_alarms_of_a_fleet_whose_name_begins_alike_are_not_its_own() -> None:
    assert fleet_plan.is_alarm_of("dtk-prod-web", "dtk-prod-web-status_check")
    assert fleet_plan.is_alarm_of("dtk-prod-web", "dtk-prod-web-errors_5xx-shop")
    assert not fleet_plan.is_alarm_of("dtk-prod-web", "dtk-prod-web-admin-status_check")
    assert not fleet_plan.is_alarm_of("dtk-prod-web", "dtk-prod-web-mine")


# --- why it does not serve --------------------------------------------------------------------------------------------


def test_a_fleet_that_serves_has_nothing_to_wait_for() -> None:
    assert fleet_view.waiting(FOUND) == []
    assert "  target     dtk-prod-shop: 1 healthy" in fleet_view.lines(FOUND)


def test_what_it_waits_for_is_told_with_all_that_is_known() -> None:
    pending = {**INSTANCE, "id": "i-02", "state": "Pending:Wait"}
    here = found(
        group={**GROUP, "desired": 2, "instances": [INSTANCE, pending]},
        instances={
            "i-02": {"boot": "failed: shop 2 is not healthy", "launched": "3", "state": "running", "reason": ""},
            "i-00": {"boot": "failed: cannot read the bucket", "launched": "1", "state": "terminated", "reason": ""},
            "i-03": {"boot": "", "launched": "2", "state": "terminated", "reason": ""},
        },
        activities=[
            {"status": "Failed", "what": "Launching a new EC2 instance", "message": "no capacity in a", "at": "2"},
            {"status": "Failed", "what": "Launching a new EC2 instance", "message": "no capacity in a", "at": "1"},
            {"status": "Successful", "what": "Launching", "message": "", "at": "0"},
        ],
    )
    assert fleet_view.waiting(here) == [
        "1 of 2 instances are in service.",
        "i-02 is Pending:Wait and healthy; its dtk:boot says: failed: shop 2 is not healthy.",
        "i-00 was given up; its dtk:boot says: failed: cannot read the bucket.",
        "Auto Scaling: Launching a new EC2 instance: no capacity in a",
    ]


def test_a_target_group_that_never_turns_healthy_is_told() -> None:
    target = {"id": "i-01", "state": "unhealthy", "reason": "Target.Timeout", "description": "Request timed out"}
    (line,) = fleet_view.waiting(found(target_groups=[{**TARGET_GROUP, "targets": [target]}]))
    assert line == "dtk-prod-shop calls i-01 unhealthy: Request timed out."
    (line,) = fleet_view.waiting(found(target_groups=[TARGET_GROUP]))
    assert line == "i-01 is not registered in dtk-prod-shop yet."
    # Nobody asks those without a load balancer.
    assert fleet_view.waiting(found(target_groups=[{**TARGET_GROUP, "balancers": []}])) == []


def test_warm_instances_do_not_count_and_a_newer_version_is_told() -> None:
    warm = {**INSTANCE, "id": "i-09", "state": "Warmed:Stopped"}
    here = found(
        group={**GROUP, "desired": 2, "instances": [INSTANCE, warm]}, template={**FOUND["template"], "version": "3"}
    )
    assert fleet_view.waiting(here) == ["1 of 2 instances are in service."]
    text = "\n".join(fleet_view.lines({**here, "alarms": {"a": "ALARM", "b": "OK"}}))
    assert "version 1, the newest is 3" in text
    assert "Take it to the newest with sysops.dtk.roll." in text
    assert "alarms     2, ringing: a" in text
    assert fleet_view.lines(found(group=None)) == ["FLEET dtk-prod-api: not there"]
