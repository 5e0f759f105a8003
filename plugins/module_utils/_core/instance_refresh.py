# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instance refreshes: what is asked for, what would be replaced, how far one is, and what its end means.

A new version of a launch template is named in the desired configuration only, as a number. AWS gives it to the group
when the refresh has succeeded, and a rollback returns to what the group still says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import RefreshError
from .text import abbreviated, human_seconds, plural

PENDING, IN_PROGRESS, BAKING = "Pending", "InProgress", "Baking"
CANCELLING, ROLLING_BACK = "Cancelling", "RollbackInProgress"
SUCCESSFUL, ROLLED_BACK, CANCELLED = "Successful", "RollbackSuccessful", "Cancelled"
UNDER_WAY = frozenset({PENDING, IN_PROGRESS, BAKING, CANCELLING, ROLLING_BACK})
STARTED, STATE_CANCELLED, STATE_ROLLED_BACK = "started", "cancelled", "rolled_back"

IMAGE_BY_PARAMETER = "resolve:ssm:"
MAX_ALARMS = 10
_MAX_DELAY = 172_800
_NUMBER = re.compile(r"[1-9][0-9]*")
_IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}")
_PERCENT = re.compile(r"([0-9]{1,3})%")
_NAMES_WIDTH = 80
_LEAVING = ("Terminating", "Terminated", "Warmed:Terminating", "Warmed:Terminated")
_CAMEL = re.compile(r"(?:^|_)([a-z])")
# Of the preferences: least and most.
_RANGES = {
    "min_healthy_percentage": (0, 100),
    "max_healthy_percentage": (100, 200),
    "instance_warmup": (0, None),
    "checkpoint_delay": (0, _MAX_DELAY),
    "bake_time": (0, _MAX_DELAY),
}


@dataclass(frozen=True)
class Wanted:
    """What the instances shall start from. version: empty for one that is still to be made of the source."""

    template: str
    name: str
    version: str
    image_id: str
    source: str = ""

    @property
    def words(self) -> str:
        version = f"version {self.version}" if self.version else f"a new version made of version {self.source}"
        return f"{version} of {self.name} ({self.image_id})"


# --- options --------------------------------------------------------------------------------------------------------


def check_options(options: Mapping[str, Any]) -> None:
    """RefreshError with everything that is wrong with the options by themselves."""
    problems = list(_problems(options))
    if problems:
        raise RefreshError(" ".join(problems))


def _problems(options: Mapping[str, Any]) -> Iterator[str]:
    if options["delay"] <= 0 or options["wait_timeout"] < 0:
        yield (
            f"delay is {options['delay']} and wait_timeout {options['wait_timeout']}. "
            "Give more than 0 seconds, and 0 or more."
        )
    if options["state"] != STARTED:
        for name in ("preferences", "desired_configuration", "image_id"):
            if options[name]:
                yield f"{name} means nothing with state={options['state']}. Leave it out."
        return
    yield from _desired_problems(options)
    yield from _preference_problems(options["preferences"] or {}, bool(_desires(options)))


def _desires(options: Mapping[str, Any]) -> Any:
    return options["image_id"] or options["desired_configuration"] or options["instance_refresh_id"]


def _desired_problems(options: Mapping[str, Any]) -> Iterator[str]:
    image, desired = options["image_id"], options["desired_configuration"]
    if image and not _IMAGE_ID.fullmatch(image):
        yield f"image_id is {image!r}, which is no id of an AMI. Give one like ami-0123456789abcdef0."
    if not desired:
        return
    template = desired["launch_template"]
    if image:
        yield "image_id and desired_configuration are given. Leave one of them out."
    if bool(template["launch_template_id"]) == bool(template["launch_template_name"]):
        yield "desired_configuration.launch_template needs either launch_template_id or launch_template_name."
    if not _NUMBER.fullmatch(template["version"]):
        yield (
            f"desired_configuration.launch_template.version is {template['version']!r}. Give the number of a version: "
            "with $Latest or $Default, what instances start from may change at any moment, and nothing can be rolled "
            "back."
        )


def _preference_problems(wanted: Mapping[str, Any], desired: bool) -> Iterator[str]:
    given = {name: value for name, value in wanted.items() if value is not None}
    for name, (least, most) in _RANGES.items():
        value = given.get(name, least)
        if value < least or (most is not None and value > most):
            upto = f"{least} to {most}" if most is not None else f"{least} or more"
            yield f"preferences.{name} is {value}; it must be {upto}."
    if given.get("auto_rollback") and not desired:
        yield (
            "preferences.auto_rollback needs to know what is new: give desired_configuration or image_id. A group "
            "whose launch template was changed before would only be rolled back to the change."
        )
    yield from _healthy_problems(given)
    yield from _checkpoint_problems(given)
    alarms = (given.get("alarm_specification") or {}).get("alarms") or []
    if len(alarms) > MAX_ALARMS:
        yield f"preferences.alarm_specification has {len(alarms)} alarms; AWS takes {MAX_ALARMS}. Leave some out."


def _healthy_problems(given: Mapping[str, Any]) -> Iterator[str]:
    least, most = given.get("min_healthy_percentage"), given.get("max_healthy_percentage")
    if most is None:
        return
    if least is None:
        yield "preferences.max_healthy_percentage needs min_healthy_percentage, too."
    elif most - least > 100:
        yield (
            f"preferences.max_healthy_percentage is {most} and min_healthy_percentage {least}; they may differ by 100 "
            "at most."
        )


def _checkpoint_problems(given: Mapping[str, Any]) -> Iterator[str]:
    percentages, points = given.get("checkpoint_percentages"), given.get("checkpoints")
    if percentages and points:
        yield "preferences.checkpoints and checkpoint_percentages are given. Leave one of them out."
    if "checkpoint_delay" in given and not (percentages or points):
        yield "preferences.checkpoint_delay needs checkpoints or checkpoint_percentages."
    if percentages and (sorted(set(percentages)) != percentages or not 1 <= percentages[0] <= percentages[-1] <= 100):
        yield (
            f"preferences.checkpoint_percentages is {percentages}; they must be different numbers from 1 to 100 in "
            "ascending order."
        )
    wrong = [point for point in points or [] if _instances(point, 100) is None]
    if wrong:
        yield (
            f"preferences.checkpoints has {', '.join(map(repr, wrong))}. Give numbers of instances of 1 or more, or "
            'percentages such as "50%".'
        )


def _instances(point: Any, total: int) -> float | None:
    """How many instances a checkpoint means; None if it is none."""
    text = str(point)
    percent = _PERCENT.fullmatch(text)
    if percent:
        return total * int(percent[1]) / 100 if 1 <= int(percent[1]) <= 100 else None
    return int(text) if _NUMBER.fullmatch(text) and not isinstance(point, bool) else None


def preferences(given: Mapping[str, Any] | None, total: int) -> dict[str, Any]:
    """As AWS takes them. total: so many instances will be replaced."""
    wanted = {name: value for name, value in (given or {}).items() if value is not None and value != []}
    points = wanted.pop("checkpoints", None)
    if points:
        wanted["checkpoint_percentages"] = percentages(points, total)
    if not wanted.get("checkpoint_percentages"):
        wanted.pop("checkpoint_percentages", None)
        wanted.pop("checkpoint_delay", None)
    alarms = (wanted.pop("alarm_specification", None) or {}).get("alarms")
    if alarms:
        wanted["alarm_specification"] = {"Alarms": list(alarms)}
    return {_CAMEL.sub(lambda found: found[1].upper(), name): value for name, value in wanted.items()}


def percentages(points: Sequence[Any], total: int) -> list[int]:
    """Checkpoints as AWS takes them; none if the only one is the end.

    AWS rounds up to whole instances, so these are rounded down: 33 % of three is one of them, 34 % would be two. One
    below the end would let a refresh stop there, so 100 is the last.
    """
    found: list[int] = []
    for point in [*points, "100%"]:
        reached = min(float(_instances(point, total) or 0), total)
        percent = max(1, int(100 * reached / total)) if total else 100
        if not found or percent > found[-1]:
            found.append(percent)
    return [] if found == [100] else found


# --- what is to be done ---------------------------------------------------------------------------------------------


def reusable(versions: Sequence[Mapping[str, Any]], image_id: str) -> Mapping[str, Any] | None:
    """The newest version that is the newest of all but for its image. versions: the newest first."""
    newest = versions[0]
    return next((one for one in versions if one["image_id"] == image_id and one["data"] == newest["data"]), None)


def live(instances: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that are not about to end."""
    return [one for one in instances if not one["state"].startswith(_LEAVING)]


def runs(instance: Mapping[str, Any], template: str, version: str) -> bool:
    """Whether an instance was started from this version."""
    return (instance["template"], instance["version"]) == (template, version)


def to_replace(
    instances: Sequence[Mapping[str, Any]], template: str, version: str, skip_matching: bool
) -> list[Mapping[str, Any]]:
    """The instances that a refresh would replace."""
    return [one for one in live(instances) if not (skip_matching and runs(one, template, version))]


def irreversible(version: str, image_id: str, whose: str) -> str:
    """Why AWS could not roll back to, or from, this version; empty if it can."""
    if not _NUMBER.fullmatch(version):
        return (
            f"{whose} has the launch template's version {version}, which says nothing of what was there before. Give "
            "the group a version by its number first."
        )
    if image_id.startswith(IMAGE_BY_PARAMETER):
        return (
            f"{whose} starts from {image_id}, which AWS cannot roll back since the parameter may have changed. Give "
            "the launch template the id of an AMI."
        )
    return ""


def desired_configuration(mixed: Mapping[str, Any] | None, template: str, version: str) -> dict[str, Any]:
    """As AWS takes it. A group of several instance types keeps its policy."""
    spec = {"LaunchTemplateId": template, "Version": version}
    if not mixed:
        return {"LaunchTemplate": spec}
    return {
        "MixedInstancesPolicy": {
            **mixed,
            "LaunchTemplate": {**mixed["LaunchTemplate"], "LaunchTemplateSpecification": spec},
        }
    }


def plan_text(name: str, wanted: Wanted | None, instances: Sequence[Mapping[str, Any]], given: Any) -> list[str]:
    """What a refresh would do, for people."""
    what = wanted.words if wanted else "what the group says"
    versions: dict[str, list[str]] = {}
    for one in instances:
        versions.setdefault(one["version"] or "no version", []).append(one["id"])
    lines = [f"REFRESH {name}: {plural(len(instances), 'instance')} -> {what}"]
    lines += [
        f"  from version {version}: {abbreviated(sorted(found), _NAMES_WIDTH)}"
        for version, found in sorted(versions.items())
    ]
    return lines + [f"  {line}" for line in _preference_lines(given)]


def _preference_lines(given: Mapping[str, Any]) -> Iterator[str]:
    if given.get("CheckpointPercentages"):
        delay = human_seconds(given.get("CheckpointDelay", 3600))
        points = ", ".join(f"{percent} %" for percent in given["CheckpointPercentages"])
        yield f"checkpoints  {points}; {delay} at each"
    if given.get("AlarmSpecification"):
        yield f"alarms  {', '.join(given['AlarmSpecification']['Alarms'])}"
    if given.get("BakeTime"):
        yield f"bake  {human_seconds(given['BakeTime'])}"
    yield "rollback  by itself" if given.get("AutoRollback") else "rollback  none, unless somebody asks for it"


# --- one that is under way ------------------------------------------------------------------------------------------


def progress(refresh: Mapping[str, Any]) -> str:
    """How far it is."""
    text = f"{refresh['status']} {refresh['percent']} %"
    if refresh["status"] in UNDER_WAY and refresh["remaining"]:
        text += f", {plural(refresh['remaining'], 'instance')} left"
    return f"{text}: {refresh['reason']}" if refresh["reason"] else text


def is_of(refresh: Mapping[str, Any], wanted: Wanted | None) -> bool:
    """Whether a refresh goes where this one would."""
    template = refresh["template"]
    if wanted is None or template is None:
        return wanted is None and template is None
    return bool(wanted.version) and template.get("Version") == wanted.version and _names(template, wanted)


def _names(template: Mapping[str, str], wanted: Wanted) -> bool:
    if template.get("LaunchTemplateId"):
        return template["LaunchTemplateId"] == wanted.template
    return template.get("LaunchTemplateName") == wanted.name


def told(refresh: Mapping[str, Any]) -> str:
    """One that is under way, in words."""
    template = refresh["template"] or {}
    goal = f" to version {template['Version']}" if template.get("Version") else ""
    since = f" since {refresh['start']:%Y-%m-%dT%H:%M:%SZ}" if refresh["start"] else ""
    return f"instance refresh {refresh['id']}{goal}{since}: {progress(refresh)}"


def busy(name: str, refresh: Mapping[str, Any]) -> str:
    """What is said to whoever wants another one."""
    return (
        f"{name} has another {told(refresh)}. Nothing was changed. Follow it with instance_refresh and "
        f"instance_refresh_id={refresh['id']}; end it with state=cancelled, which leaves what is new, or with "
        "state=rolled_back."
    )


# --- ends -----------------------------------------------------------------------------------------------------------


def still(name: str, refresh: Mapping[str, Any], seconds: float) -> str:
    """What is said when the patience of the caller is over."""
    return (
        f"The {told(refresh)} of {name} is not over after {human_seconds(seconds)}. It goes on; run this again to wait "
        "on, with a longer wait_timeout."
    )


_WORDS = {
    ROLLED_BACK: "was rolled back, so all instances start from what there was before",
    "RollbackFailed": "could not be rolled back: instances of both versions are in service",
    "Failed": "failed, and nothing was rolled back: instances of both versions may be in service",
    CANCELLED: "was cancelled, and what is new stays: instances of both versions may be in service",
}


def failure(name: str, refresh: Mapping[str, Any], causes: Mapping[str, str], others: Sequence[str]) -> str:
    """Why a refresh ended otherwise than wanted. causes: instance to reason. others: on another version than wanted."""
    reason = refresh["rollback_reason"] or refresh["reason"]
    if reason.startswith("Automatic rollback: "):
        reason = reason.partition(": ")[2]
    what = _WORDS.get(refresh["status"], f"ended as {refresh['status']}")
    lines = [f"The instance refresh {refresh['id']} of {name} {what}. Reason: {reason or 'none was given'}".rstrip(".")]
    lines[0] += "."
    if refresh["reason"] and reason not in refresh["reason"] and refresh["reason"] != reason:
        lines.append(f"At its end it said: {refresh['reason']}")
    if causes:
        lines.append("Instances that did not come into service:")
        lines += [f"  {one}: {why}" for one, why in sorted(causes.items())]
    if others and refresh["status"] != ROLLED_BACK:
        lines.append(f"Not on the version that was asked for: {abbreviated(sorted(others), _NAMES_WIDTH)}.")
    return "\n".join(lines)


def mismatch(name: str, refresh: Mapping[str, Any], wanted: str, group: str, others: Sequence[str]) -> str:
    """What is said when AWS says Successful, and the group is not what was asked for; empty if it is."""
    parts = [] if group == wanted else [f"the group has version {group or 'of no template'}"]
    if others:
        parts.append(f"these instances run another one: {abbreviated(sorted(others), _NAMES_WIDTH)}")
    if not parts:
        return ""
    return (
        f"The instance refresh {refresh['id']} of {name} says Successful, but version {wanted} was asked for, and "
        f"{' and '.join(parts)}. Look who changes the group, then run this again."
    )


def is_left_alone(instance: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether the refresh was told to leave this instance as it is."""
    standby = instance["state"].endswith("Standby") and given.get("StandbyInstances") == "Ignore"
    return standby or (instance["protected"] and given.get("ScaleInProtectedInstances") == "Ignore")
