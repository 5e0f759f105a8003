# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as data: what is refused and how, how envs are laid over the rest, and what follows."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils import fleets
from ansible_collections.sysops.dtk.plugins.module_utils._core import fleet, fleet_keys
from ansible_collections.sysops.dtk.plugins.module_utils._core.fleet import FleetError, target_group_name

from tests import server_role as made

ROOT = Path(__file__).resolve().parents[3]
VALIDATOR = jsonschema.Draft202012Validator(fleets.schema())
ROLE = {"name": "api"}
APPS = yaml.safe_load(
    """
shop:
  unit: shop.service
  service: {command: [/srv/shop/current/serve]}
  health: {tcp: {port: 8080}}
  ports: [{port: 8080, from: load_balancer}, {port: 9100, from: vpc}, {port: 9999}]
  load_balancer: {port: 8080, health_path: /health, target_groups: ["dtk-{env}-shop"]}
worker: {}
"""
)
FULL = yaml.safe_load(
    """
subnets: [subnet-0a, subnet-0b]
vpc: vpc-01
instance_type: m7g.large
min: 2
max: 6
desired: 3
volume: {size: 20, type: gp3, iops: 4000, throughput: 200, kms_key: alias/fleet}
security_groups: [sg-0f]
balancers: [sg-0b, 10.0.0.0/24]
ingress: [{port: 22, from: 10.0.0.0/8, about: ssh of the office}]
key_name: ops
detailed_monitoring: true
permissions_boundary: arn:aws:iam::111111111111:policy/boundary
policies: [arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy]
statements: [{Effect: Allow, Action: ["sqs:ReceiveMessage"], Resource: "*"}]
hook: {timeout: 600, default: ABANDON}
health_check: {type: ELB, grace: 30}
warmup: 90
scaling: {metric: requests_per_target, target: 500, scale_in: false}
warm_pool: {min: 1, prepared: 4, state: Stopped, reuse: true}
alarms: {unhealthy_hosts: {threshold: 2}, errors_5xx: {enabled: false}, actions: ["arn:aws:sns:eu-west-1:1:a"]}
refresh: {min_healthy_percentage: 100, checkpoints: [1, "50%", "100%"], bake_time: 600}
tags: {Team: shop}
envs:
  prod: {min: 3, volume: {size: 40}, balancers: [sg-0c]}
"""
)


def without(*keys: str, **changes: Any) -> dict[str, Any]:
    found = copy.deepcopy(FULL)
    for key in keys:
        del found[key]
    return {**found, **changes}


def problems(declared: Any, env: str = "beta", apps: Any = None, role: Any = None) -> list[str]:
    return fleet.check(declared, ROLE if role is None else role, APPS if apps is None else apps, env)


def resolved(declared: Any, env: str = "beta") -> dict[str, Any]:
    return fleet.resolve(declared, ROLE, APPS, env, "/dtk", "releases")


def test_a_full_fleet_and_a_small_one_are_good() -> None:
    assert problems(FULL) == []
    small = {"subnets": ["subnet-0a"], "min": 1, "max": 1}
    assert problems(small, apps={"worker": {}}) == []
    document = {"dtk_server_role": ROLE, "dtk_apps": APPS, "dtk_fleet": FULL}
    assert list(VALIDATOR.iter_errors(document)) == []


# --- what is refused --------------------------------------------------------------------------------------------------

BAD_FORM = [
    ({"subnets": []}, "dtk_fleet.subnets is empty; it must be a list that is not empty: a subnet (subnet-…)."),
    ({"subnets": ["eu-west-1a"]}, "dtk_fleet.subnets[0] is 'eu-west-1a'; it must be a subnet (subnet-…)."),
    ({"vpc": "main"}, "dtk_fleet.vpc is 'main'; it must be a VPC (vpc-…)."),
    ({"instance_types": ["t3.small"]}, "instance_types is no key of a fleet; give one instance_type"),
    (
        {"ami": "ami-1"},
        "dtk_fleet.ami is no key of a fleet; it is the one that <prefix>/<env>/<role>/ami/current names",
    ),
    ({"desired_capacity": 1}, "dtk_fleet.desired_capacity is no key of a fleet; did you mean desired?"),
    ({"min": "2"}, "dtk_fleet.min is '2'; it must be a whole number of 0 or more, without quotes."),
    ({"max": -1}, "dtk_fleet.max is -1; it must be a whole number of 0 or more."),
    ({"volume": {"size": 0}}, "dtk_fleet.volume.size is 0; it must be a whole number from 1 to 16384."),
    ({"volume": {"kind": "gp3"}}, "dtk_fleet.volume.kind is no key of the volume"),
    ({"security_groups": ["web"]}, "dtk_fleet.security_groups[0] is 'web'; it must be a security group (sg-…)."),
    ({"balancers": ["alb"]}, "dtk_fleet.balancers[0] is 'alb'; it must be a security group (sg-…) or a range of addr"),
    ({"ingress": [{"port": 22}]}, "dtk_fleet.ingress[0].from is missing; it must be a security group"),
    ({"ingress": [{"port": 0, "from": "sg-0a"}]}, "dtk_fleet.ingress[0].port is 0; it must be a whole number from 1"),
    ({"permissions_boundary": "b"}, "dtk_fleet.permissions_boundary is 'b'; it must be the ARN of a policy."),
    ({"policies": ["ReadOnly"]}, "dtk_fleet.policies[0] is 'ReadOnly'; it must be the ARN of a policy."),
    ({"statements": ["x"]}, "dtk_fleet.statements[0] is 'x'; it must be a mapping"),
    ({"hook": {"timeout": 10}}, "dtk_fleet.hook.timeout is 10; it must be a whole number from 60 to 7200."),
    ({"hook": {"default": "abandon"}}, "dtk_fleet.hook.default is 'abandon'; it must be one of ABANDON, CONTINUE."),
    ({"health_check": {"type": "HTTP"}}, "dtk_fleet.health_check.type is 'HTTP'; it must be one of EC2, ELB."),
    ({"scaling": {"target": 0}}, "dtk_fleet.scaling.target is 0; it must be a number of 0.01 or more."),
    ({"scaling": {"metric": "memory", "target": 1}}, "must be one of cpu, requests_per_target."),
    (
        {"warm_pool": {"state": "stopped"}},
        "warm_pool.state is 'stopped'; it must be one of Stopped, Running, Hibernated",
    ),
    ({"alarms": {"5xx": {}}}, "dtk_fleet.alarms.5xx is no key of alarms; there are unhealthy_hosts, errors_5xx"),
    ({"alarms": {"actions": ["me"]}}, "dtk_fleet.alarms.actions[0] is 'me'; it must be the ARN of a topic"),
    ({"refresh": {"checkpoints": ["half"]}}, "dtk_fleet.refresh.checkpoints[0] is 'half'"),
    ({"refresh": {"min_healthy_percentage": 101}}, "it must be a whole number from 0 to 100."),
    ({"tags": {"dtk:env": "x"}}, "the key of a tag that does not begin with aws: or dtk:"),
    ({"envs": {"Prod": {}}}, "dtk_fleet.envs has the name 'Prod'; a name must be the name of an env."),
    ({"envs": {"prod": {"mn": 1}}}, "dtk_fleet.envs.prod.mn is no key of a fleet; did you mean min?"),
]


@pytest.mark.parametrize(
    ("change", "message"), BAD_FORM, ids=lambda value: value[:50] if isinstance(value, str) else ""
)
def test_bad_form_is_refused_here_and_by_the_schema(change: dict[str, Any], message: str) -> None:
    declared = without(**change)
    (found,) = problems(declared)
    assert message in found
    document = {"dtk_server_role": ROLE, "dtk_apps": APPS, "dtk_fleet": declared}
    assert list(VALIDATOR.iter_errors(document)) != []


BAD_SENSE = [
    (without("subnets"), "dtk_fleet.subnets is missing; it must be a list that is not empty"),
    (without("scaling", scaling={"metric": "cpu"}), "dtk_fleet.scaling.target is missing; it must be a number"),
    (without("desired", min=7), "dtk_fleet.min is 7, more than max, which is 6; lower min or raise max."),
    (without(desired=9), "dtk_fleet.desired is 9; it must lie between min and max, 2 and 6."),
    (without("desired", min=0, max=0), "dtk_fleet.max is 0, a fleet that never has an instance"),
    (without(subnets=["subnet-0a", "subnet-0a"]), "dtk_fleet.subnets has subnet-0a twice; name each once."),
    (without(volume={"type": "gp2", "iops": 4000}), "dtk_fleet.volume.iops has no use with type gp2; use gp3"),
    (without(volume={"type": "io2"}), "dtk_fleet.volume.iops is missing; type io2 needs it."),
    (without(volume={"type": "gp2", "throughput": 200}), "dtk_fleet.volume.throughput has no use with type gp2"),
    (without("balancers"), "dtk_fleet.balancers is empty, but shop has a port with from: load_balancer; name the"),
    (without(scaling={"metric": "cpu", "target": 150}), "dtk_fleet.scaling.target is 150; CPU is a percentage"),
    (without(scaling={"metric": "cpu", "target": 50, "app": "shop"}), "scaling.app has no use with metric cpu"),
    (
        without(scaling={"metric": "requests_per_target", "target": 1, "app": "shp"}),
        "'shp', no app with a load_balancer",
    ),
    (
        without(warm_pool={"min": 4, "prepared": 2}),
        "dtk_fleet.warm_pool.prepared is 2, less than its min, 4; raise it.",
    ),
    (
        without(statements=[{"Action": "*", "Resource": "*"}]),
        "dtk_fleet.statements[0].Effect is None; it must be Allow",
    ),
    (without(statements=[{"Effect": "Allow", "Resource": "*"}]), "dtk_fleet.statements[0].Action is missing"),
    (without(statements=[{"Effect": "Allow", "Action": "s3:*"}]), "dtk_fleet.statements[0].Resource is missing"),
    ([], "dtk_fleet is a list; it must be a mapping with the keys of a fleet."),
]


@pytest.mark.parametrize(
    ("declared", "message"), BAD_SENSE, ids=lambda value: value[:50] if isinstance(value, str) else ""
)
def test_what_does_not_hang_together_is_refused(declared: Any, message: str) -> None:
    (found,) = problems(declared)
    assert message in found


def test_apps_and_fleet_are_judged_together() -> None:
    silent = copy.deepcopy(APPS)
    silent["shop"]["load_balancer"]["target_groups"] = []
    (found,) = problems(FULL, apps=silent)
    assert 'add "dtk-{env}-shop", which the fleet makes' in found
    (found,) = problems(without("balancers", "scaling"), apps={"worker": {}})
    assert "dtk_fleet.health_check.type is 'ELB', but no app has a load_balancer" in found
    requests = {"metric": "requests_per_target", "target": 1}
    (found,) = problems(without("health_check", scaling=requests), apps={"worker": {}})
    assert "'requests_per_target', but no app has a load_balancer; use cpu." in found
    several = {**APPS, "blog": {**APPS["shop"], "unit": "blog.service", "owner": "blog", "ports": [{"port": 8080}]}}
    several["blog"]["ports"] = [{"port": 8081, "from": "load_balancer"}]
    several["blog"]["load_balancer"] = {"port": 8081, "target_groups": ["old"]}
    (found,) = problems(without(scaling=requests), apps=several)
    assert "dtk_fleet.scaling.app is missing; say whose requests count: blog or shop." in found


def test_place_and_names_are_judged() -> None:
    (found,) = fleet.check(FULL, ROLE, APPS, "", "/dtk")
    assert found.startswith("env is ''; use 1 to 32 of a-z")
    (found,) = fleet.check(FULL, ROLE, APPS, "prod", "dtk/")
    assert "dtk_ssm_prefix is 'dtk/'; give a path like /dtk" in found
    (found,) = problems(FULL, env="e" * 32, role={"name": "r" * 31})
    assert "68 characters, more than the 64 of a role; shorten env or role." in found


def test_everything_is_told_at_once_with_the_place_where_it_stands() -> None:
    declared = {"min": 3, "max": 6, "subnets": ["subnet-0a"], "envs": {"prod": {"max": 2, "volume": {"type": "io1"}}}}
    with pytest.raises(FleetError) as caught:
        fleet.resolve(declared, {"name": "Api"}, {}, "prod")
    assert str(caught.value).startswith("The fleet of Api in prod has 1 problem:\n- dtk_server_role.name is 'Api'")
    declared["envs"]["prod"]["desired"] = 1
    found = problems(declared, env="prod", apps={})
    assert found[0].startswith("dtk_fleet.min is 3, more than max, which is 2")
    assert found[1].startswith("dtk_fleet.volume.iops is missing")
    assert problems({**declared, "min": 2}, env="prod", apps={})[0].startswith(
        "dtk_fleet.envs.prod.desired is 1; it must"
    )


# --- what follows -----------------------------------------------------------------------------------------------------


def test_an_env_is_laid_over_the_rest() -> None:
    beta, prod = resolved(FULL), resolved(FULL, "prod")
    assert (beta["min"], prod["min"], prod["max"]) == (2, 3, 6)
    assert prod["volume"] == {**beta["volume"], "size": 40}
    assert (beta["balancers"], prod["balancers"]) == (["sg-0b", "10.0.0.0/24"], ["sg-0c"])
    assert "envs" not in prod
    assert (
        resolved({"envs": {"beta": {"subnets": ["subnet-0a"], "min": 1, "max": 2, "balancers": ["sg-0a"]}}})["max"] == 2
    )


def test_names_ports_target_groups_and_tags_follow() -> None:
    found = resolved(FULL, "prod")
    assert (found["name"], found["hook"]) == (
        "dtk-prod-api",
        {"timeout": 600, "default": "ABANDON", "name": "dtk-converge"},
    )
    assert found["ports"] == [
        {"port": 8080, "protocol": "tcp", "from": "sg-0c", "about": "shop"},
        {"port": 9100, "protocol": "tcp", "from": "vpc", "about": "shop"},
        {"port": 22, "protocol": "tcp", "from": "10.0.0.0/8", "about": "ssh of the office"},
    ]
    (group,) = found["target_groups"]
    assert (group["app"], group["name"], group["make"], group["health_path"]) == (
        "shop",
        "dtk-prod-shop",
        True,
        "/health",
    )
    assert found["tags"] == {"Team": "shop", "dtk:env": "prod", "dtk:role": "api"}
    told = {"Name": "dtk-prod-api", "dtk:prefix": "/dtk", "dtk:bucket": "releases"}
    assert found["instance_tags"] == {**found["tags"], **told}


def test_the_number_to_begin_with_is_min_if_nothing_else_is_said() -> None:
    assert resolved(FULL)["desired"] == 3
    assert resolved(without("desired"))["desired"] == 2


@pytest.mark.parametrize(
    ("env", "app", "name"),
    [
        ("prod", "shop", "dtk-prod-shop"),
        ("p" * 22, "shopp", f"dtk-{'p' * 22}-shopp"),
        ("stg_alice", "shop", r"dtk-stg-alice-shop-[0-9a-f]{6}"),
        ("production-of-the-shop", "frontend-2", r"dtk-production-of-the-sho-[0-9a-f]{6}"),
    ],
)
def test_a_target_group_has_a_name_that_aws_takes(env: str, app: str, name: str) -> None:
    found = target_group_name(env, app)
    assert re.fullmatch(name, found)
    assert re.fullmatch(r"[A-Za-z0-9](-?[A-Za-z0-9])*", found)
    assert len(found) <= 32


def test_two_target_groups_never_share_a_name() -> None:
    assert target_group_name("a", "b_c") != target_group_name("a", "b-c")
    assert target_group_name("e", "a" * 31 + "1") != target_group_name("e", "a" * 31 + "2")


# --- the page and the estates -----------------------------------------------------------------------------------------


def test_the_page_is_made_from_the_keys() -> None:
    text = made.FLEET_PAGE.read_text(encoding="utf-8")
    assert text == made.fleet_page(text), "run `python -m tests.server_role`"
    assert {f"`{name}`" for name in fleet_keys.ONE_ENV.keys} <= set(text.replace("|", " ").split())


@pytest.mark.parametrize(
    "path", sorted((ROOT / "inventories").glob("*/group_vars/role_*.yml")), ids=lambda path: path.stem
)
@pytest.mark.parametrize("env", ["prod", "demo"])
def test_the_estates_that_come_along_have_good_fleets(path: Path, env: str) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert fleet.check(document["dtk_fleet"], document["dtk_server_role"], document["dtk_apps"], env) == []
    assert list(VALIDATOR.iter_errors(document)) == []
