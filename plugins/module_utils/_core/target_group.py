# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done so that a target group is as declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import CoreError

_DELAY = "deregistration_delay.timeout_seconds"
# Our option, and what AWS calls it.
_FIXED = (("protocol", "Protocol"), ("port", "Port"), ("vpc_id", "VpcId"))
_CHECKS = (
    ("health_check_protocol", "HealthCheckProtocol"),
    ("health_check_path", "HealthCheckPath"),
    ("health_check_interval", "HealthCheckIntervalSeconds"),
    ("health_check_timeout", "HealthCheckTimeoutSeconds"),
    ("healthy_threshold_count", "HealthyThresholdCount"),
    ("unhealthy_threshold_count", "UnhealthyThresholdCount"),
)

Options = Mapping[str, Any]
Step = tuple[str, dict[str, Any]]
"""The call, by botocore's name, and its arguments."""


class TargetGroupError(CoreError):
    """A target group that cannot be had as asked."""


def creation(options: Options) -> dict[str, Any]:
    """The arguments that make it; what they do not say follows by `steps`."""
    tags = [{"Key": key, "Value": value} for key, value in sorted(options["tags"].items())]
    return {**_given(options, (*_FIXED, *_CHECKS)), "TargetType": "instance", **({"Tags": tags} if tags else {})}


def steps(options: Options, actual: Options) -> list[Step]:
    """From what is there to what is asked for. TargetGroupError where AWS has no way there."""
    arn = actual["TargetGroupArn"]
    fixed = [ours for ours, theirs in _FIXED if options[ours] != actual.get(theirs)]
    if fixed or actual.get("TargetType", "instance") != "instance":
        told = ", ".join(f"{name} {actual.get(dict(_FIXED)[name])}, not {options[name]}" for name in fixed)
        raise TargetGroupError(
            f"The target group {options['name']} has {told or 'no instances as targets'}, which AWS cannot change. "
            "Delete it when nothing uses it, or declare what there is."
        )
    checks = {key: value for key, value in _given(options, _CHECKS).items() if actual.get(key) != value}
    found: list[Step] = [("modify_target_group", {"TargetGroupArn": arn, **checks})] if checks else []
    delay = options["deregistration_delay_timeout"]
    if delay is not None and actual["Attributes"].get(_DELAY) != str(delay):
        attributes = [{"Key": _DELAY, "Value": str(delay)}]
        found.append(("modify_target_group_attributes", {"TargetGroupArn": arn, "Attributes": attributes}))
    return [*found, *_tags(options["tags"], actual, arn)]


def wanted(options: Options) -> dict[str, Any]:
    """What is asked for, in the words of the options."""
    names = [ours for ours, _theirs in (*_FIXED, *_CHECKS)] + ["deregistration_delay_timeout"]
    given = {name: options[name] for name in names if options[name] is not None}
    return {**given, "tags": dict(sorted(options["tags"].items()))}


def shown(options: Options, actual: Options) -> dict[str, Any]:
    """What is there, in the same words."""
    found = {ours: actual.get(theirs) for ours, theirs in (*_FIXED, *_CHECKS) if options[ours] is not None}
    if options["deregistration_delay_timeout"] is not None:
        found["deregistration_delay_timeout"] = int(actual["Attributes"].get(_DELAY, 300))
    return {**found, "tags": dict(sorted(_own(actual["Tags"]).items()))}


def _given(options: Options, names: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {theirs: options[ours] for ours, theirs in names if options[ours] is not None}


def _tags(asked: Mapping[str, str], actual: Options, arn: str) -> list[Step]:
    there = _own(actual["Tags"])
    wrong = [{"Key": key, "Value": value} for key, value in sorted(asked.items()) if there.get(key) != value]
    extra = sorted(set(there) - set(asked))
    found: list[Step] = [("add_tags", {"ResourceArns": [arn], "Tags": wrong})] if wrong else []
    return [*found, ("remove_tags", {"ResourceArns": [arn], "TagKeys": extra})] if extra else found


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}
