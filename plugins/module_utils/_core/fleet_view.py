# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fleet looks like from outside: what it lacks before it can be made, and what keeps it from serving."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SERVES = "InService"
_WARM = "Warmed:"
_FAILED = frozenset({"Failed", "Cancelled"})
_ATTEMPTS = 3  # of Auto Scaling, that are told
_ENDED = 3  # instances that are gone, that are told
_HEALTHY = "healthy"
_UNUSED = "unused"

Data = Mapping[str, Any]


def problems(fleet: Data, found: Data) -> list[str]:
    """What a declared fleet stands on and is not there, or is something else. One sentence each, with its remedy."""
    checks = (_image, _subnets, _security_groups, _target_groups, _foreign)
    return [problem for check in checks for problem in check(fleet, found)]


def _image(fleet: Data, found: Data) -> Iterator[str]:
    parameter, image, where = found["parameter"], found["image"], found["region"]
    named = f"{parameter} names {found['image_id']}, which is"
    if not found["image_id"]:
        yield (
            f"There is no parameter {parameter} in {where}, which would name the image. Bake and promote one: ansible-"
            f"playbook -i <estate> sysops.dtk.bake -e role={fleet['role']} -e env={fleet['env']} -e promote=true"
        )
    elif image is None:
        yield (f"{named} not in {where}, or not for this account. Promote another image, or share this one.")
    elif image["state"] != "available":
        yield f"{named} {image['state']}. Wait for it, or promote another image."
    elif fleet["volume"].get("size", image["size"]) < image["size"]:
        yield (
            f"dtk_fleet.volume.size is {fleet['volume']['size']}, but the image {found['image_id']} has "
            f"{image['size']} GiB; raise it, or leave it out."
        )


def _subnets(fleet: Data, found: Data) -> Iterator[str]:
    there = found["subnets"]
    lacking = [one for one in fleet["subnets"] if one not in there]
    if lacking:
        yield f"dtk_fleet.subnets has {', '.join(lacking)}, not in {found['region']}; correct it, or the region."
    vpcs = sorted({one["vpc"] for one in there.values()})
    if len(vpcs) > 1:
        yield f"dtk_fleet.subnets are in several VPCs, {' and '.join(vpcs)}; choose those of one."
    declared = fleet.get("vpc")
    if declared and vpcs and declared not in vpcs:
        yield f"dtk_fleet.vpc is {declared}, but the subnets are in {vpcs[0]}; correct it, or leave it out."
    zones = sorted(one["zone"] for one in there.values())
    twice = sorted({zone for zone in zones if zones.count(zone) > 1})
    if twice and not lacking:
        yield f"dtk_fleet.subnets has several in {', '.join(twice)}; name one in each availability zone."


def _security_groups(fleet: Data, found: Data) -> Iterator[str]:
    there = found["security_groups"]
    sources = [rule["from"] for rule in fleet["ingress"]]
    for key, ids in (
        ("security_groups", fleet["security_groups"]),
        ("balancers", fleet["balancers"]),
        ("ingress", sources),
    ):
        lacking = sorted({one for one in ids if one.startswith("sg-") and one not in there})
        if lacking:
            yield f"dtk_fleet.{key} has {', '.join(lacking)}, not in {found['region']}; correct it."
    foreign = [one for one in fleet["security_groups"] if found["vpc"] and there.get(one, found["vpc"]) != found["vpc"]]
    if foreign:
        yield f"dtk_fleet.security_groups has {', '.join(foreign)} of another VPC than {found['vpc']}; choose its own."


def _target_groups(fleet: Data, found: Data) -> Iterator[str]:
    there = by_name(found["target_groups"])
    for wanted in fleet["target_groups"]:
        group, path = there.get(wanted["name"]), f"dtk_apps.{wanted['app']}.load_balancer.target_groups"
        if group is None and not wanted["make"]:
            yield f"{path} has {wanted['name']}, which is not in {found['region']}; correct it, or create it."
        elif group is not None and wanted["make"] and not group["owned"]:
            yield (
                f"The target group {wanted['name']} is there without the tags of this fleet: somebody else made it. "
                "Delete it, or give it the tags dtk:env and dtk:role."
            )
        elif group is not None and group["kind"] != "instance":
            yield f"The target group {wanted['name']} takes {group['kind']} targets; a fleet needs one for instances."


def by_name(groups: Sequence[Data]) -> dict[str, Data]:
    """Target groups by what an app may call them: name or ARN."""
    return {key: one for one in groups for key in (one["name"], one["arn"])}


def _foreign(fleet: Data, found: Data) -> Iterator[str]:
    """Env a-b and role c have the name of env a and role b-c."""
    tags = (found["group"] or {}).get("tags") or {}
    owner = tags.get("dtk:env"), tags.get("dtk:role")
    if found["group"] and owner != (fleet["env"], fleet["role"]):
        yield (
            f"There is an Auto Scaling group {fleet['name']} with the tags dtk:env={owner[0]} and dtk:role={owner[1]}: "
            "it is another fleet. Rename one of them, or correct the tags."
        )


# --- what keeps it from serving ---------------------------------------------------------------------------------------


def waiting(found: Data) -> list[str]:
    """Why the fleet does not serve as it should, in a few lines; empty if it does."""
    group = found["group"]
    if group is None:
        return [f"There is no Auto Scaling group {found['name']}."]
    members = [one for one in group["instances"] if not one["state"].startswith(_WARM)]
    serving = [one for one in members if one["state"] == _SERVES and one["health"] == "Healthy"]
    lines = list(_unhealthy(found["target_groups"], serving))
    if len(serving) < group["desired"]:
        lines.insert(0, f"{len(serving)} of {group['desired']} instances are in service.")
    if not lines:
        return []
    others = [one for one in members if one not in serving]
    return [
        *lines,
        *(_member(one, found["instances"]) for one in others),
        *_ended(found),
        *_attempts(found["activities"]),
    ]


def _unhealthy(groups: Sequence[Data], serving: Sequence[Data]) -> Iterator[str]:
    """Of target groups that somebody asks: one without a load balancer is silent for ever."""
    for group in groups:
        if not group["balancers"] or not group["attached"]:
            continue
        states = {one["id"]: one for one in group["targets"]}
        for instance in serving:
            target = states.get(instance["id"])
            if target is None:
                yield f"{instance['id']} is not registered in {group['name']} yet."
            elif target["state"] not in (_HEALTHY, _UNUSED):
                why = target["description"] or target["reason"]
                yield f"{group['name']} calls {instance['id']} {target['state']}{f': {why}' if why else ''}."


def _member(instance: Data, known: Mapping[str, Data]) -> str:
    said = (known.get(instance["id"]) or {}).get("boot") or "nothing yet"
    return f"{instance['id']} is {instance['state']} and {instance['health'].lower()}; its dtk:boot says: {said}."


def _ended(found: Data) -> Iterator[str]:
    """The newest of those that came and went, if they said why."""
    members = {one["id"] for one in found["group"]["instances"]}
    gone = [(one["launched"], name, one) for name, one in found["instances"].items() if name not in members]
    told = [(name, one) for _at, name, one in sorted(gone, reverse=True) if one["boot"].startswith("failed")]
    for name, one in told[:_ENDED]:
        yield f"{name} was given up; its dtk:boot says: {one['boot']}."


def _attempts(activities: Sequence[Data]) -> Iterator[str]:
    failed = [one for one in activities if one["status"] in _FAILED]
    lines = dict.fromkeys(f"Auto Scaling: {one['what']}: {one['message'] or one['status']}" for one in failed)
    yield from list(lines)[:_ATTEMPTS]


def lines(found: Data) -> list[str]:
    """What there is, for people."""
    group, template = found["group"], found["template"]
    if group is None:
        return [f"FLEET {found['name']}: not there"]
    states: dict[str, int] = {}
    for one in group["instances"]:
        states[one["state"]] = states.get(one["state"], 0) + 1
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    newest = f", the newest is {template['version']}" if template and template["version"] != group["version"] else ""
    shown = [
        f"FLEET {found['name']}: {group['desired']} wanted, {group['min']} to {group['max']}",
        f"  instances  {counted}",
        f"  zones      {', '.join(group['zones'])}",
        f"  template   version {group['version']}{newest}",
        f"  image      {found['image_id'] or 'none'}, by {found['parameter']}",
    ]
    for one in found["target_groups"]:
        if one["attached"]:
            healthy = sum(target["state"] == _HEALTHY for target in one["targets"])
            told = f"{healthy} healthy" if one["balancers"] else "no load balancer yet"
            shown.append(f"  target     {one['name']}: {told}")
    ringing = sorted(name for name, state in found["alarms"].items() if state == "ALARM")
    if found["alarms"]:
        shown.append(f"  alarms     {len(found['alarms'])}{', ringing: ' + ', '.join(ringing) if ringing else ''}")
    if newest:
        shown.append("  The group stays on its version. Take it to the newest with sysops.dtk.roll.")
    return shown
