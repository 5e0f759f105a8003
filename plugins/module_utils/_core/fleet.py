# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as data: dtk_fleet of a server role in one env, what is wrong with it, and what it means when complete."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import boot_facts, server_role
from .errors import CoreError
from .fleet_keys import ENV, FLEET, ONE_ENV, WHAT, merged
from .shape import near

HOOK = "dtk-converge"
_VARIABLE = "dtk_fleet"
_NAME_MOST = 64  # characters of an IAM role's name
_GROUP_MOST = 32  # of a target group's
_HASH = 6
_PREFIX = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_BEHIND = "load_balancer"

Data = dict[str, Any]


class FleetError(CoreError):
    """A fleet that cannot be had as declared. The message has all that is wrong with it."""


def name_of(env: str, role: str) -> str:
    """How everything of a fleet is called."""
    return f"dtk-{env}-{role}"


def target_group_name(env: str, app: str) -> str:
    """As AWS takes it: letters, digits and hyphens, and not many of them. One that is cut ends with a hash."""
    whole = f"dtk-{env}-{app}"
    plain = whole.replace("_", "-").strip("-")
    if plain == whole and len(whole) <= _GROUP_MOST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_HASH]
    return f"{plain[: _GROUP_MOST - _HASH - 1].rstrip('-')}-{digest}"


def check(fleet: Any, role: Any, apps: Any, env: str, prefix: str = "/dtk") -> list[str]:
    """Everything that is wrong in this env, one sentence each: the path, the value and the remedy."""
    found = [*_of_place(env, prefix), *server_role.check(role, apps)]
    formal = list(FLEET.problems(fleet, _VARIABLE))
    if formal:
        return [*found, *formal]
    whole = _laid_over(fleet, env)
    lacking = [_where(problem, fleet, env) for problem in ONE_ENV.problems(whole, _VARIABLE)]
    if found or lacking:
        # What hangs together can be judged only where each part has the right form.
        return [*found, *lacking]
    resolved = server_role.resolve(role, apps)
    fleet_here = ONE_ENV.resolved(whole)
    here = (fleet_here, resolved["dtk_apps"], env, str(role["name"]))
    return [_where(problem, fleet, env) for rule in _RULES for problem in rule(*here)]


def resolve(fleet: Any, role: Any, apps: Any, env: str, prefix: str = "/dtk", bucket: str = "") -> Data:
    """The fleet of one env, complete, or FleetError with all that is wrong."""
    problems = check(fleet, role, apps, env, prefix)
    if problems:
        given = role.get("name") if isinstance(role, Mapping) else None
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        head = f"The fleet of {given or 'the server role'} in {env or 'no env'} has {count}:"
        raise FleetError("\n".join([head, *(f"- {problem}" for problem in problems)]))
    resolved = server_role.resolve(role, apps)
    whole = ONE_ENV.resolved(_laid_over(fleet, env))
    role_name = str(role["name"])
    name = name_of(env, role_name)
    own = {boot_facts.ENV: env, boot_facts.ROLE: role_name}
    known = {**own, boot_facts.PREFIX: prefix, **({boot_facts.BUCKET: bucket} if bucket else {})}
    return {
        **whole,
        "name": name,
        "env": env,
        "role": role_name,
        "prefix": prefix,
        "bucket": bucket,
        "hook": {**whole["hook"], "name": HOOK},
        "apps": resolved["dtk_apps"],
        "ports": _ports(whole, resolved["dtk_apps"]),
        "target_groups": _target_groups(resolved["dtk_apps"], env),
        # What a booting host learns of itself from its metadata stands in the tags of the instance.
        "instance_tags": {**whole["tags"], "Name": name, **known},
        "tags": {**whole["tags"], **own},
        "desired": whole.get("desired", whole["min"]),
    }


def _laid_over(fleet: Mapping[str, Any], env: str) -> Data:
    common = {key: value for key, value in fleet.items() if key != "envs"}
    return merged(common, dict((fleet.get("envs") or {}).get(env) or {}))


def _where(problem: str, fleet: Mapping[str, Any], env: str) -> str:
    """The same with the path at which the user finds it: in the part of the env, if that says it."""
    path, space, rest = problem.partition(" ")
    place: Any = (fleet.get("envs") or {}).get(env) or {}
    for part in path.split(".")[1:]:
        key = part.partition("[")[0]
        if not isinstance(place, Mapping) or key not in place:
            return problem
        place = place[key]
    return f"{_VARIABLE}.envs.{env}{path.removeprefix(_VARIABLE)}{space}{rest}"


# --- what hangs together ----------------------------------------------------------------------------------------------


def _of_place(env: str, prefix: str) -> Iterator[str]:
    if not re.fullmatch(ENV, env):
        yield f"env is {env!r}; use 1 to 32 of a-z, 0-9, _ and -, beginning with a letter."
    if not _PREFIX.fullmatch(prefix):
        yield f"dtk_ssm_prefix is {prefix!r}; give a path like /dtk, without a slash at its end."


def _name(_fleet: Data, _apps: Data, env: str, role: str) -> Iterator[str]:
    name = name_of(env, role)
    if len(name) > _NAME_MOST:
        yield f"The name {name} has {len(name)} characters, more than the {_NAME_MOST} of a role; shorten env or role."


def _sizes(fleet: Data, _apps: Data, _env: str, _role: str) -> Iterator[str]:
    least, most, desired = fleet["min"], fleet["max"], fleet.get("desired")
    if least > most:
        yield f"dtk_fleet.min is {least}, more than max, which is {most}; lower min or raise max."
    elif desired is not None and not least <= desired <= most:
        yield f"dtk_fleet.desired is {desired}; it must lie between min and max, {least} and {most}."
    if most == 0:
        yield "dtk_fleet.max is 0, a fleet that never has an instance; raise it, or destroy the fleet."


def _places(fleet: Data, _apps: Data, _env: str, _role: str) -> Iterator[str]:
    for key in ("subnets", "security_groups"):
        twice = sorted({one for one in fleet[key] if fleet[key].count(one) > 1})
        if twice:
            yield f"dtk_fleet.{key} has {', '.join(twice)} twice; name each once."


def _volume(fleet: Data, _apps: Data, _env: str, _role: str) -> Iterator[str]:
    volume = fleet["volume"]
    if "iops" in volume and volume["type"] == "gp2":
        yield "dtk_fleet.volume.iops has no use with type gp2; use gp3, or leave it out."
    if "iops" not in volume and volume["type"] in ("io1", "io2"):
        yield f"dtk_fleet.volume.iops is missing; type {volume['type']} needs it."
    if "throughput" in volume and volume["type"] != "gp3":
        yield f"dtk_fleet.volume.throughput has no use with type {volume['type']}; use gp3, or leave it out."


def _balanced(apps: Data) -> list[str]:
    return [name for name, app in apps.items() if _BEHIND in app]


def _balancers(fleet: Data, apps: Data, env: str, _role: str) -> Iterator[str]:
    waiting = [name for name, app in apps.items() if any(port["from"] == _BEHIND for port in app["ports"])]
    if waiting and not fleet["balancers"]:
        yield (
            f"dtk_fleet.balancers is empty, but {waiting[0]} has a port with from: load_balancer; name the load "
            "balancer's security groups there."
        )
    for name in _balanced(apps):
        if not apps[name][_BEHIND]["target_groups"]:
            ours = target_group_name(env, name)
            templated = target_group_name("{env}", name)
            pattern = templated if templated.replace("{env}", env) == ours else ours
            yield (
                f"dtk_apps.{name}.load_balancer.target_groups is empty, so that deploys would not drain hosts; add "
                f'"{pattern}", which the fleet makes, or those that there are.'
            )


def _health(fleet: Data, apps: Data, _env: str, _role: str) -> Iterator[str]:
    if fleet["health_check"].get("type") == "ELB" and not _balanced(apps):
        yield "dtk_fleet.health_check.type is 'ELB', but no app has a load_balancer; use EC2, or leave it out."


def _scaling(fleet: Data, apps: Data, _env: str, _role: str) -> Iterator[str]:
    scaling = fleet.get("scaling")
    if scaling is None:
        return
    behind, app = _balanced(apps), scaling.get("app")
    if scaling["metric"] == "cpu":
        if app is not None:
            yield "dtk_fleet.scaling.app has no use with metric cpu; leave it out."
        if scaling["target"] > 100:
            yield f"dtk_fleet.scaling.target is {scaling['target']:g}; CPU is a percentage, so use 100 at most."
    elif not behind:
        yield "dtk_fleet.scaling.metric is 'requests_per_target', but no app has a load_balancer; use cpu."
    elif app is not None and app not in behind:
        yield f"dtk_fleet.scaling.app is {app!r}, no app with a load_balancer; {near(app, behind)}"
    elif app is None and len(behind) > 1:
        yield f"dtk_fleet.scaling.app is missing; say whose requests count: {' or '.join(behind)}."


def _warm_pool(fleet: Data, _apps: Data, _env: str, _role: str) -> Iterator[str]:
    pool = fleet.get("warm_pool") or {}
    if "prepared" in pool and pool["prepared"] < pool["min"]:
        yield f"dtk_fleet.warm_pool.prepared is {pool['prepared']}, less than its min, {pool['min']}; raise it."


def _statements(fleet: Data, _apps: Data, _env: str, _role: str) -> Iterator[str]:
    for index, statement in enumerate(fleet["statements"]):
        where = f"dtk_fleet.statements[{index}]"
        if statement.get("Effect") not in ("Allow", "Deny"):
            yield f"{where}.Effect is {statement.get('Effect')!r}; it must be Allow or Deny."
        if not {"Action", "NotAction"} & set(statement):
            yield f"{where}.Action is missing; name the actions, such as sqs:ReceiveMessage."
        if not {"Resource", "NotResource"} & set(statement):
            yield f'{where}.Resource is missing; give the ARNs, or "*" for actions that know no other.'


_RULES = (_name, _sizes, _places, _volume, _balancers, _health, _scaling, _warm_pool, _statements)

# --- what follows -----------------------------------------------------------------------------------------------------


def _ports(fleet: Data, apps: Data) -> list[Data]:
    """Who may connect to which port. The addresses of the VPC are found out later."""
    wanted: list[Data] = []
    for name, app in apps.items():
        for port in app["ports"]:
            if port["from"] != "none":
                sources = fleet["balancers"] if port["from"] == _BEHIND else ["vpc"]
                wanted += [
                    {"port": port["port"], "protocol": port["protocol"], "from": one, "about": name} for one in sources
                ]
    return wanted + [{"about": "", **rule} for rule in fleet["ingress"]]


def _target_groups(apps: Data, env: str) -> list[Data]:
    """Those that instances go into. `make`: whether the fleet makes it; others are there, or it is an error."""
    wanted: list[Data] = []
    for name in _balanced(apps):
        balancer = apps[name][_BEHIND]
        for entry in balancer["target_groups"]:
            group = str(entry["name"] if isinstance(entry, Mapping) else entry).replace("{env}", env)
            wanted.append({**balancer, "app": name, "name": group, "make": group == target_group_name(env, name)})
    return wanted


__all__ = ["HOOK", "WHAT", "FleetError", "check", "name_of", "resolve", "target_group_name"]
