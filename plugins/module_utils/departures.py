# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: which hosts do not answer because Auto Scaling, or a person, has taken them away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ._aws import autoscaling, ec2
from ._aws.errors import AwsError

_HOST: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "instance_id": {"type": "str"},
    "region": {"type": "str"},
    "asg": {"type": "str"},
}
OPTIONS: dict[str, Any] = {"hosts": {"type": "list", "elements": "dict", "required": True, "options": _HOST}}

_ENDED = ("shutting-down", "terminated")
_LEAVING = ("Terminating", "Terminated")
_FORGOTTEN = "terminated"  # EC2 tells of it for an hour
_IDS_PER_CALL = 200


def answer(
    options: dict[str, Any], client: Callable[..., Any], _clock: Callable[[], datetime], _check: bool = False
) -> dict[str, Any]:
    """The result of module departed_info."""
    by_region: dict[str, list[Mapping[str, Any]]] = {}
    for host in options["hosts"]:
        if host.get("instance_id"):
            by_region.setdefault(host.get("region") or "", []).append(host)
    departed: dict[str, str] = {}
    try:
        for region, hosts in by_region.items():
            departed.update(_departed(client, region, hosts))
    except AwsError as exc:
        return {"failed": True, "msg": str(exc)}
    return {"changed": False, "departed": departed}


def _departed(client: Callable[..., Any], region: str, hosts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    states = _states(client("ec2", region), [host["instance_id"] for host in hosts])
    groups = sorted({host["asg"] for host in hosts if host.get("asg")})
    found = autoscaling.groups(client("autoscaling", region), groups) if groups else {}
    lifecycle = {one: state for group in found.values() for one, state in group["lifecycle"].items()}
    reasons = {host["name"]: _reason(host["instance_id"], states, lifecycle) for host in hosts}
    return {name: reason for name, reason in reasons.items() if reason}


def _states(client: Any, ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(ids), _IDS_PER_CALL):
        # By filter: asked by id, EC2 fails for all of them if one is not there any more.
        chosen = [{"instance-id": list(ids[start : start + _IDS_PER_CALL])}]
        found.update((row["instance_id"], row["state"]) for row in ec2.instances(client, chosen))
    return found


def _reason(instance: str, states: Mapping[str, str], lifecycle: Mapping[str, str]) -> str:
    state = states.get(instance, _FORGOTTEN)
    if state in _ENDED:
        return state
    leaving = lifecycle.get(instance, "")
    return leaving if leaving.startswith(_LEAVING) else ""
