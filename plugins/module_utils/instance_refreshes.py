# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: instance refreshes, started at most once for whatever is wanted, watched to their end, and looked at then."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import alarms, claims
from ._aws import ec2, launch_templates, refreshes
from ._aws.errors import AwsError
from ._aws.refreshes import BusyError, NoneRunsError
from ._core import instance_refresh
from ._core.alarms import unknown
from ._core.deploy_log import stamp
from ._core.errors import CoreError, NotOursError, RefreshError
from ._core.instance_refresh import UNDER_WAY, Wanted

FAILURES = (*claims.FAILURES, AwsError, CoreError)

# What has just been started may not be told of at once.
_PAUSES = (0.5, 1, 2, 4, 8)
_BOOT_TAG = "dtk:boot"

Client = Callable[..., Any]
Clock = Callable[[], datetime]
Tell = Callable[[str], None]

# Options of module instance_refresh; their documentation stands there.
_PREFERENCES: dict[str, Any] = {
    "min_healthy_percentage": {"type": "int"},
    "max_healthy_percentage": {"type": "int"},
    "instance_warmup": {"type": "int"},
    "skip_matching": {"type": "bool"},
    "auto_rollback": {"type": "bool"},
    "alarm_specification": {
        "type": "dict",
        "options": {"alarms": {"type": "list", "elements": "str", "required": True}},
    },
    "bake_time": {"type": "int"},
    "checkpoint_percentages": {"type": "list", "elements": "int"},
    "checkpoints": {"type": "list", "elements": "raw"},
    "checkpoint_delay": {"type": "int"},
    "scale_in_protected_instances": {"type": "str", "choices": ["Refresh", "Ignore", "Wait"]},
    "standby_instances": {"type": "str", "choices": ["Terminate", "Ignore", "Wait"]},
}
_TEMPLATE: dict[str, Any] = {
    "launch_template_id": {"type": "str"},
    "launch_template_name": {"type": "str"},
    "version": {"type": "str", "required": True},
}
OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True, "aliases": ["group_name"]},
    "state": {"type": "str", "choices": ["started", "cancelled", "rolled_back"], "required": True},
    "strategy": {"type": "str", "choices": ["Rolling"], "default": "Rolling"},
    "preferences": {"type": "dict", "options": _PREFERENCES},
    "desired_configuration": {
        "type": "dict",
        "options": {"launch_template": {"type": "dict", "required": True, "options": _TEMPLATE}},
    },
    "image_id": {"type": "str"},
    "instance_refresh_id": {"type": "str"},
    "claim": {"type": "dict", "options": claims.KEPT},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 7200},
    "delay": {"type": "float", "default": 15},
}


class EndError(RefreshError):
    """It is not as it was to be; the result tells of the refresh all the same."""

    def __init__(self, text: str, timed_out: bool = False) -> None:
        super().__init__(text)
        self.timed_out = timed_out


@dataclass
class Told:
    """What a result has, whatever the end is."""

    changed: bool = False
    started: bool = False
    attached: bool = False
    progress: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    replacing: list[str] = field(default_factory=list)
    launch_template: dict[str, Any] | None = None
    instance_refresh: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


def answer(
    options: dict[str, Any], client: Client, clock: Clock, check: bool = False, tell: Tell = lambda text: None
) -> dict[str, Any]:
    """The result of module instance_refresh. tell: gets each transition of the refresh as soon as it is seen."""
    told = Told()
    try:
        instance_refresh.check_options(options)
        _Run(options, functools.cache(client), clock, told, tell, check).run()
    except EndError as exc:
        more = {"timed_out": True} if exc.timed_out else {}
        return {"failed": True, "msg": str(exc), **vars(told), **more}
    except FAILURES as exc:
        return {"failed": True, "msg": str(exc), **(vars(told) if told.instance_refresh else {})}
    return dict(vars(told))


class _Run:
    """One run of the module."""

    def __init__(
        self, options: Mapping[str, Any], client: Client, clock: Clock, told: Told, tell: Tell, check: bool
    ) -> None:
        self._options, self._clock, self._told, self._tell, self._check = options, clock, told, tell, check
        self._name = options["name"]
        self._scaling, self._compute = client("autoscaling"), client("ec2")
        self._client = client
        self._keeper = claims.Keeper(options["claim"], client, clock)
        self._given = options["preferences"] or {}

    def run(self) -> None:
        group = self._group()
        found = refreshes.newest(self._scaling, self._name, self._options["instance_refresh_id"] or "")
        if self._options["state"] == instance_refresh.STARTED:
            self._start(group, found)
        else:
            self._stop(found)

    def _group(self) -> dict[str, Any]:
        group = refreshes.group(self._scaling, self._name)
        if group is None:
            raise RefreshError(
                f"There is no Auto Scaling group {self._name} in {self._scaling.meta.region_name}. Correct name and "
                "region, or make it first."
            )
        if not (group["template"] or group["mixed"]):
            raise RefreshError(f"The Auto Scaling group {self._name} has no launch template. Give it one first.")
        return group

    # --- starting ---------------------------------------------------------------------------------------------------

    def _start(self, group: dict[str, Any], found: Sequence[dict[str, Any]]) -> None:
        if self._options["instance_refresh_id"]:
            self._follow(self._by_id(found))
            return
        wanted = self._wanted(group)
        self._show(wanted)
        running = _running(found)
        if running is None:
            self._start_new(group, wanted)
        elif instance_refresh.is_of(running, wanted):
            self._told.attached = True
            self._told.text = [f"{self._name} has this {instance_refresh.told(running)}"]
            self._follow(running, wanted)
        else:
            raise RefreshError(instance_refresh.busy(self._name, running))

    def _by_id(self, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
        if not found:
            raise RefreshError(
                f"{self._name} has no instance refresh {self._options['instance_refresh_id']}, or AWS has forgotten it."
            )
        self._told.attached = found[0]["status"] in UNDER_WAY
        return found[0]

    def _wanted(self, group: Mapping[str, Any]) -> Wanted | None:
        own = _own(group)
        if self._options["image_id"]:
            return self._of_image(own, self._options["image_id"])
        if not self._options["desired_configuration"]:
            return None
        asked = self._options["desired_configuration"]["launch_template"]
        by = "launch_template_id" if asked["launch_template_id"] else "launch_template_name"
        key = {"launch_template_id": "LaunchTemplateId", "launch_template_name": "LaunchTemplateName"}[by]
        version = launch_templates.version(self._compute, {key: asked[by]}, asked["version"])
        if version is None:
            raise RefreshError(
                f"There is no version {asked['version']} of the launch template {asked[by]} in "
                f"{self._compute.meta.region_name}. Correct desired_configuration.launch_template."
            )
        return Wanted(version["id"], version["name"], version["version"], version["image_id"])

    def _of_image(self, own: Mapping[str, str], image_id: str) -> Wanted:
        """A version that is the newest one of the group's template but for its image."""
        versions = launch_templates.versions(self._compute, {"LaunchTemplateId": own["LaunchTemplateId"]})
        if not versions:
            raise RefreshError(
                f"The launch template {own.get('LaunchTemplateName') or own['LaunchTemplateId']} of {self._name} is "
                "not there any more. Give the group another one first."
            )
        newest, same = versions[0], instance_refresh.reusable(versions, image_id)
        if same is None:
            return Wanted(newest["id"], newest["name"], "", image_id, newest["version"])
        return Wanted(same["id"], same["name"], same["version"], image_id)

    def _show(self, wanted: Wanted | None) -> None:
        if wanted is not None:
            self._told.launch_template = {
                "id": wanted.template,
                "name": wanted.name,
                "version": int(wanted.version) if wanted.version else None,
                "image_id": wanted.image_id,
            }

    def _start_new(self, group: Mapping[str, Any], wanted: Wanted | None) -> None:
        own = self._own_version(group)
        goal = wanted or Wanted(own["id"], own["name"], own["version"], own["image_id"])
        skip = bool(self._given.get("skip_matching"))
        replacing = instance_refresh.to_replace(group["instances"], goal.template, goal.version, skip)
        moves = (own["id"], own["version"]) != (goal.template, goal.version)
        if skip and not replacing and not moves:
            self._told.text = [f"{self._name}: all instances run {goal.words} already"]
            return
        self._check_image(goal.image_id)
        self._check_rollback(group, own, goal)
        self._check_alarms()
        # Percentages are of those in service: a warm pool is replaced beside them.
        serving = [one for one in replacing if not one["state"].startswith("Warmed:")]
        given = instance_refresh.preferences(self._given, len(serving))
        self._told.text = instance_refresh.plan_text(self._name, wanted, replacing, given)
        self._told.replacing = sorted(one["id"] for one in replacing)
        self._told.changed = True
        if self._check:
            return
        self._keeper.keep()
        if wanted is not None and not wanted.version:
            wanted = self._made(wanted)
        self._begin(group, wanted, given)

    def _own_version(self, group: Mapping[str, Any]) -> dict[str, Any]:
        own = _own(group)
        found = launch_templates.version(
            self._compute, {"LaunchTemplateId": own["LaunchTemplateId"]}, own.get("Version") or "$Default"
        )
        if found is None:
            raise RefreshError(
                f"{self._name} has version {own.get('Version')} of the launch template {own['LaunchTemplateId']}, "
                "which is not there any more: nothing could start from it, or return to it. Give the group another one "
                "first."
            )
        return found

    def _made(self, wanted: Wanted) -> Wanted:
        words = f"Version {wanted.source} with {wanted.image_id}"
        number = launch_templates.with_image(self._compute, wanted.template, wanted.source, wanted.image_id, words)
        made = Wanted(wanted.template, wanted.name, number, wanted.image_id)
        self._show(made)
        return made

    def _begin(self, group: Mapping[str, Any], wanted: Wanted | None, given: Mapping[str, Any]) -> None:
        desired = (
            None
            if wanted is None
            else instance_refresh.desired_configuration(group["mixed"], wanted.template, wanted.version)
        )
        self._told.started = True
        try:
            identity = refreshes.start(self._scaling, self._name, self._options["strategy"], given, desired)
        except BusyError as exc:
            # Ours, if only its answer was lost; or that of somebody who was faster.
            running = _running(refreshes.newest(self._scaling, self._name))
            if running is None or not instance_refresh.is_of(running, wanted):
                self._told.started = self._told.changed = False
                raise RefreshError(instance_refresh.busy(self._name, running) if running else str(exc)) from exc
            identity = running["id"]
        self._follow(self._seen(identity), wanted)

    def _seen(self, identity: str) -> dict[str, Any]:
        """One that has just begun may not be told of at once."""
        for pause in (*_PAUSES, None):
            found = refreshes.newest(self._scaling, self._name, identity)
            if found:
                return found[0]
            if pause is not None:
                time.sleep(pause)
        raise RefreshError(
            f"The instance refresh {identity} of {self._name} was started, and AWS does not tell of it. Run this again."
        )

    # --- checks before anything changes -----------------------------------------------------------------------------

    def _check_image(self, image_id: str) -> None:
        if not image_id or image_id.startswith(instance_refresh.IMAGE_BY_PARAMETER):
            return
        found = ec2.image(self._compute, image_id)
        region = self._compute.meta.region_name
        if found is None:
            raise RefreshError(
                f"There is no AMI {image_id} in {region}, or it is not shared with this account, so nothing could "
                "start from it. Nothing was changed."
            )
        if found["state"] != "available":
            raise RefreshError(
                f"The AMI {image_id} in {region} is {found['state']}, not available. Wait, or take another."
            )

    def _check_rollback(self, group: Mapping[str, Any], own: Mapping[str, Any], goal: Wanted) -> None:
        if not self._given.get("auto_rollback"):
            return
        said = _own(group).get("Version") or "$Default"
        why = instance_refresh.irreversible(said, own["image_id"], f"The Auto Scaling group {self._name}")
        why = why or instance_refresh.irreversible(goal.version or "1", goal.image_id, "What was asked for")
        if why:
            raise RefreshError(f"Nothing could be rolled back: {why}")

    def _check_alarms(self) -> None:
        names = (self._given.get("alarm_specification") or {}).get("alarms") or []
        if not names:
            return
        found = alarms.ask(self._client("cloudwatch"), names)
        if found.missing:
            where = "preferences.alarm_specification"
            raise RefreshError(unknown(found.missing, self._scaling.meta.region_name, where))
        if found.ringing:
            raise RefreshError(
                f"Nothing was changed, for AWS would end the refresh at once: {'; '.join(found.lines())}. Run this "
                "again when that is over, or leave the alarm out."
            )
        self._told.warnings += found.lines()

    # --- stopping ---------------------------------------------------------------------------------------------------

    def _stop(self, found: Sequence[dict[str, Any]]) -> None:
        cancels = self._options["state"] == instance_refresh.STATE_CANCELLED
        ending = instance_refresh.CANCELLING if cancels else instance_refresh.ROLLING_BACK
        running = _running(found)
        if running is None:
            self._nothing_to_stop(found, cancels)
            return
        self._told.text = [f"{self._name} has this {instance_refresh.told(running)}"]
        if running["status"] != ending:
            self._told.changed = True
            if not self._check:
                self._ask_to_stop(cancels)
        self._note(running)
        if self._options["wait"] and not self._check:
            self._after_stop(self._until_it_ends(self._seen(running["id"])), cancels)

    def _nothing_to_stop(self, found: Sequence[dict[str, Any]], cancels: bool) -> None:
        last = found[0] if found else None
        if last is not None:
            self._note(last)
        if not cancels and (last is None or last["status"] != instance_refresh.ROLLED_BACK):
            raise EndError(
                f"No instance refresh of {self._name} is under way, so none can be rolled back. Start one to the "
                "version from before instead."
            )

    def _ask_to_stop(self, cancels: bool) -> None:
        try:
            (refreshes.cancel if cancels else refreshes.roll_back)(self._scaling, self._name)
        except NoneRunsError:
            self._told.changed = False  # it has ended meanwhile; what it ended as is told

    def _after_stop(self, refresh: dict[str, Any], cancels: bool) -> None:
        wanted = instance_refresh.CANCELLED if cancels else instance_refresh.ROLLED_BACK
        if refresh["status"] == wanted or (cancels and not self._told.changed):
            return
        raise EndError(instance_refresh.failure(self._name, refresh, self._causes(refresh), ()))

    # --- watching ---------------------------------------------------------------------------------------------------

    def _follow(self, refresh: dict[str, Any], wanted: Wanted | None = None) -> None:
        self._note(refresh)
        if self._options["wait"] and not self._check:
            self._judge(self._until_it_ends(refresh), wanted)

    def _until_it_ends(self, refresh: dict[str, Any]) -> dict[str, Any]:
        deadline = self._clock() + timedelta(seconds=self._options["wait_timeout"])
        while True:
            self._note(refresh, aloud=True)
            if refresh["status"] not in UNDER_WAY:
                return refresh
            left = (deadline - self._clock()).total_seconds()
            if left <= 0:
                raise EndError(
                    instance_refresh.still(self._name, refresh, self._options["wait_timeout"]), timed_out=True
                )
            time.sleep(min(self._options["delay"], left))
            try:
                self._keeper.keep()
                refresh = self._seen(refresh["id"])
            except (AwsError, NotOursError) as exc:
                raise EndError(f"{exc} The instance refresh {refresh['id']} of {self._name} goes on.") from exc

    def _note(self, refresh: dict[str, Any], aloud: bool = False) -> None:
        self._told.instance_refresh = _shown(refresh)
        text = instance_refresh.progress(refresh)
        if aloud and self._told.progress[-1:] != [text]:
            self._told.progress.append(text)
            self._tell(text)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _judge(self, refresh: dict[str, Any], wanted: Wanted | None) -> None:
        """An EndError unless the group really is what was asked for."""
        group = self._group()
        template, version = self._goal(refresh, wanted, group)
        alive = instance_refresh.live(group["instances"])
        others = [one for one in alive if not instance_refresh.runs(one, template, version)]
        left = {one["id"] for one in others if instance_refresh.is_left_alone(one, refresh["preferences"])}
        names = [one["id"] for one in others if one["id"] not in left]
        if refresh["status"] != instance_refresh.SUCCESSFUL:
            raise EndError(instance_refresh.failure(self._name, refresh, self._causes(refresh), names))
        own = self._own_version(group)["version"]
        trouble = instance_refresh.mismatch(self._name, refresh, version, own, names)
        if trouble:
            raise EndError(trouble)
        if left:
            self._told.warnings.append(f"Left as they are, as asked: {', '.join(sorted(left))}.")

    def _goal(self, refresh: Mapping[str, Any], wanted: Wanted | None, group: Mapping[str, Any]) -> tuple[str, str]:
        """Template and version that all should run."""
        if wanted is not None:
            return wanted.template, wanted.version
        named = refresh["template"]
        if named and named.get("Version") and named.get("LaunchTemplateId"):
            return named["LaunchTemplateId"], named["Version"]
        own = self._own_version(group)
        return own["id"], own["version"]

    def _causes(self, refresh: Mapping[str, Any]) -> dict[str, str]:
        """Instance to why it failed: what it said of itself in its tag, or else what Auto Scaling says."""
        if not refresh["start"]:
            return {}
        try:
            found = refreshes.failed_launches(self._scaling, self._name, refresh["start"])
            chosen = [{"instance-id": sorted(found)}]
            rows = ec2.instances(self._compute, chosen) if found else ()
            said = {row["instance_id"]: row["tags"].get(_BOOT_TAG, "") for row in rows}
        except AwsError as exc:
            self._told.warnings.append(str(exc))
            return {}
        return {one: said.get(one) or why for one, why in found.items()}


def _own(group: Mapping[str, Any]) -> dict[str, str]:
    """The launch template that the group itself says."""
    return dict(group["template"] or group["mixed"]["LaunchTemplate"]["LaunchTemplateSpecification"])


def _running(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in found if one["status"] in UNDER_WAY), None)


def _shown(refresh: Mapping[str, Any]) -> dict[str, Any]:
    template = refresh["template"] or {}
    return {
        "instance_refresh_id": refresh["id"],
        "status": refresh["status"],
        "under_way": refresh["status"] in UNDER_WAY,
        "status_reason": refresh["reason"],
        "rollback_reason": refresh["rollback_reason"],
        "percentage_complete": refresh["percent"],
        "instances_to_update": refresh["remaining"],
        "start_time": stamp(refresh["start"]) if refresh["start"] else None,
        "end_time": stamp(refresh["end"]) if refresh["end"] else None,
        "launch_template_version": template.get("Version"),
    }


def under_way(client: Any, groups: Sequence[str]) -> dict[str, str]:
    """Auto Scaling group to its refresh that is under way, in words."""
    found = {name: _running(refreshes.newest(client, name)) for name in groups}
    return {name: instance_refresh.told(refresh) for name, refresh in found.items() if refresh}
