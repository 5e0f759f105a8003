# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a declared fleet and what there is of it: the options of the modules that make it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .fleet_view import by_name
from .instance_policy import ASSUMED_BY_INSTANCES, Place, policy

SCALING = "dtk-scaling"
_METADATA = {
    "http_endpoint": "enabled",
    "http_tokens": "required",
    "http_put_response_hop_limit": 1,
    "instance_metadata_tags": "enabled",
}
_BEHIND_HTTP = ("http", "https")
# The kind of a load balancer is the first part of its label.
_NAMESPACES = {"app": "AWS/ApplicationELB", "net": "AWS/NetworkELB", "gwy": "AWS/GatewayELB"}
_MINUTE = 60

Data = Mapping[str, Any]


def plan(fleet: Data, found: Data) -> dict[str, Any]:
    """Options by module. What depends on a load balancer that is not there yet is left for the next run and told."""
    place = Place(found["partition"], found["region"], found["account"])
    there = by_name(found["target_groups"])
    alarms = list(_alarms(fleet, there))
    stale = sorted(set(found["alarms"]) - {one["name"] for one in alarms})
    return {
        "security_group": {
            "name": fleet["name"],
            "description": f"The fleet of {fleet['role']} in {fleet['env']}",
            "vpc_id": found["vpc"],
            "rules": [rule for port in fleet["ports"] for rule in _rules(port, found["vpc_ranges"])],
        },
        "assume_role_policy": ASSUMED_BY_INSTANCES,
        "policy": policy(fleet, place),
        "template": _template(fleet, found),
        "target_groups": [_target_group(one, found["vpc"]) for one in fleet["target_groups"] if one["make"]],
        "other_target_group_arns": sorted(
            there[one["name"]]["arn"] for one in fleet["target_groups"] if not one["make"] and one["name"] in there
        ),
        "group": _group(fleet, there),
        "alarms": alarms,
        "stale_alarms": stale,
        "stale_target_groups": [one["name"] for one in _stale(fleet, found) if not one["balancers"]],
        "notes": list(_notes(fleet, there, _stale(fleet, found))),
    }


def is_alarm_of(name: str, alarm: str) -> bool:
    """Whether an alarm is one of this fleet's: the name of another fleet may begin with this one's."""
    kinds = ("unhealthy_hosts-", "errors_5xx-", "status_check")
    return any(alarm.startswith(f"{name}-{kind}") for kind in kinds)


def _rules(port: Data, ranges: list[str]) -> Iterator[dict[str, Any]]:
    for source in ranges if port["from"] == "vpc" else [port["from"]]:
        kind = "group_id" if source.startswith("sg-") else "cidr_ipv6" if ":" in source else "cidr_ip"
        about = {"rule_desc": port["about"]} if port["about"] else {}
        yield {"proto": port["protocol"], "ports": [port["port"]], kind: source, **about}


def _template(fleet: Data, found: Data) -> dict[str, Any]:
    image, volume = found["image"] or {}, fleet["volume"]
    names = (("size", "volume_size"), ("iops", "iops"), ("throughput", "throughput"), ("kms_key", "kms_key_id"))
    sized = {"size": image.get("size"), **volume}
    ebs = {theirs: sized[ours] for ours, theirs in names if sized.get(ours)}
    root = {"encrypted": True, "delete_on_termination": True, "volume_type": volume["type"], **ebs}
    tags = dict(sorted(fleet["instance_tags"].items()))
    return {
        # By its id: a refresh cannot return from what a parameter says.
        "image_id": image.get("image_id"),
        "instance_type": fleet["instance_type"],
        "key_name": fleet.get("key_name"),
        "monitoring": {"enabled": fleet["detailed_monitoring"]},
        "metadata_options": _METADATA,
        "block_device_mappings": [{"device_name": image.get("root_device"), "ebs": root}],
        "tag_specifications": [{"resource_type": kind, "tags": tags} for kind in ("instance", "volume")],
        # The module makes a new version for a new description, too: this one stays as whoever wrote it wants it.
        "version_description": (found["template"] or {}).get("description", ""),
    }


def _target_group(group: Data, vpc: str) -> dict[str, Any]:
    http = group["protocol"] in _BEHIND_HTTP
    return {
        "name": group["name"],
        "protocol": group["protocol"].upper(),
        "port": group["port"],
        "vpc_id": vpc,
        "health_check_protocol": group["protocol"].upper() if http else "TCP",
        "health_check_path": group["health_path"] if http else None,
        "health_check_interval": group["health_interval"],
        # AWS wants it to be less than the interval.
        "health_check_timeout": max(2, min(5, group["health_interval"] - 1)),
        "healthy_threshold_count": group["healthy_threshold"],
        "unhealthy_threshold_count": 2,
        "deregistration_delay_timeout": group["deregistration_delay"],
    }


def _group(fleet: Data, there: Mapping[str, Data]) -> dict[str, Any]:
    hook, pool, health = fleet["hook"], fleet.get("warm_pool"), fleet["health_check"]
    return {
        "min_size": fleet["min"],
        "max_size": fleet["max"],
        "desired_capacity": fleet["desired"],
        "vpc_zone_identifier": sorted(fleet["subnets"]),
        "health_check_type": health.get("type") or ("ELB" if fleet["target_groups"] else "EC2"),
        "health_check_period": health["grace"],
        "default_instance_warmup": fleet["warmup"],
        "lifecycle_hooks": [
            {
                "lifecycle_hook_name": hook["name"],
                "heartbeat_timeout": hook["timeout"],
                "default_result": hook["default"],
            }
        ],
        "scaling_policies": list(_scaling(fleet, there)),
        "warm_pool": None
        if pool is None
        else {
            "min_size": pool["min"],
            "max_group_prepared_capacity": pool.get("prepared"),
            "pool_state": pool["state"],
            "reuse_on_scale_in": pool["reuse"],
        },
    }


def _scaling(fleet: Data, there: Mapping[str, Data]) -> Iterator[dict[str, Any]]:
    scaling = fleet.get("scaling")
    if scaling is None:
        return
    if scaling["metric"] == "cpu":
        metric: dict[str, Any] | None = {"predefined_metric_type": "ASGAverageCPUUtilization"}
    else:
        metric = _requests(fleet, there)
    if metric:
        yield {
            "name": SCALING,
            "target_tracking_config": {
                "predefined_metric_spec": metric,
                "target_value": scaling["target"],
                "disable_scale_in": not scaling["scale_in"],
            },
        }


def _requests(fleet: Data, there: Mapping[str, Data]) -> dict[str, Any] | None:
    """The label needs an application load balancer, which whoever has the listeners brings."""
    app = fleet["scaling"].get("app")
    for wanted in fleet["target_groups"]:
        group = there.get(wanted["name"])
        if group and group["balancers"] and app in (None, wanted["app"]):
            label = f"{group['balancers'][0]}/{group['label']}"
            return {"predefined_metric_type": "ALBRequestCountPerTarget", "resource_label": label}
    return None


@dataclass(frozen=True)
class _Metric:
    """What an alarm looks at."""

    name: str
    statistic: str
    namespace: str
    dimensions: Mapping[str, str]
    about: str


def _alarms(fleet: Data, there: Mapping[str, Data]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for wanted in fleet["target_groups"]:
        group = there.get(wanted["name"])
        if group and group["balancers"]:
            # Of an app in several target groups, each has alarms of its own.
            suffix = wanted["app"] if wanted["app"] not in seen else f"{wanted['app']}-{group['name']}"
            seen.add(wanted["app"])
            yield from _alarms_behind(fleet, group, wanted["app"], suffix)
    of_group = {"AutoScalingGroupName": fleet["name"]}
    broken = _Metric("StatusCheckFailed", "Maximum", "AWS/EC2", of_group, "Instances that fail the checks of AWS")
    yield from _alarm(fleet, "status_check", "", broken)


def _alarms_behind(fleet: Data, group: Data, app: str, suffix: str) -> Iterator[dict[str, Any]]:
    label = group["balancers"][0]
    namespace = _NAMESPACES.get(label.partition("/")[0], _NAMESPACES["app"])
    where = (namespace, {"LoadBalancer": label, "TargetGroup": group["label"]})
    unhealthy = _Metric("UnHealthyHostCount", "Maximum", *where, f"Unhealthy hosts of {app} behind {label}")
    yield from _alarm(fleet, "unhealthy_hosts", f"-{suffix}", unhealthy)
    if namespace == _NAMESPACES["app"]:
        errors = _Metric("HTTPCode_Target_5XX_Count", "Sum", *where, f"Answers of {app} with a status from 500 on")
        yield from _alarm(fleet, "errors_5xx", f"-{suffix}", errors)


def _alarm(fleet: Data, kind: str, suffix: str, metric: _Metric) -> Iterator[dict[str, Any]]:
    declared = fleet["alarms"]
    spec = declared[kind]
    if spec["enabled"]:
        yield {
            "name": f"{fleet['name']}-{kind}{suffix}",
            "description": metric.about,
            "namespace": metric.namespace,
            "metric": metric.name,
            "statistic": metric.statistic,
            "dimensions": dict(metric.dimensions),
            "comparison": "GreaterThanOrEqualToThreshold",
            "threshold": float(spec["threshold"]),
            "period": _MINUTE,
            "evaluation_periods": spec["periods"],
            # A fleet that nobody asks, and one of no instances, has no trouble.
            "treat_missing_data": "notBreaching",
            "alarm_actions": declared["actions"],
            "ok_actions": declared["actions"],
        }


def _stale(fleet: Data, found: Data) -> list[Data]:
    """Target groups that the fleet has made and needs no more."""
    kept = {one["name"] for one in fleet["target_groups"]}
    return [one for one in found["target_groups"] if one["owned"] and not {one["name"], one["arn"]} & kept]


def _notes(fleet: Data, there: Mapping[str, Data], stale: list[Data]) -> Iterator[str]:
    silent = [one["name"] for one in fleet["target_groups"] if not (there.get(one["name"]) or {}).get("balancers")]
    if silent:
        what = (
            "alarms"
            if (fleet.get("scaling") or {}).get("metric") != "requests_per_target"
            else "alarms and scaling policy"
        )
        yield (
            f"No load balancer forwards to {', '.join(silent)} yet. Make a listener rule, then run this again: the "
            f"{what} come with it."
        )
    for group in stale:
        if group["balancers"]:
            yield (
                f"The target group {group['name']} is not needed any more, but {group['balancers'][0]} forwards to it. "
                "Take it out of the listener's rules, then run this again."
            )
