# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: builds of golden images, started at most once for whatever is wanted, and watched to their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import images
from ._aws import imagebuilder, logs
from ._aws.errors import AwsError
from ._aws.imagebuilder import MismatchError
from ._aws.outcomes import MissingError
from ._core import image_build, image_names, image_spec, image_view
from ._core.errors import ImageError
from ._core.image_build import AVAILABLE, UNDER_WAY, Build, Place
from ._core.image_names import DISTRIBUTION, PIPELINE, RECIPE, Home
from ._core.text import human_seconds

FAILURES = images.FAILURES

_LOG_LINES = 20
_GROUP = "/aws/imagebuilder/"

# Options of module image_build; their documentation stands there.
BUILD_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["available", "cancelled"], "default": "available"},
    "recipe_arn": {"type": "str"},
    "image_arn": {"type": "str"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 7200},
    "delay": {"type": "float", "default": 15},
    "rebuild": {"type": "str"},
    "tags": {"type": "dict", "default": {}},
}

Client = Callable[[str], Any]
Clock = Callable[[], datetime]
Tell = Callable[[str], None]
Steps = tuple[list[dict[str, Any]], list[dict[str, Any]]]  # workflows, and the steps of the one that runs


class WatchError(ImageError):
    """There is no image, or not yet; the result tells of the build all the same."""

    def __init__(self, text: str, timed_out: bool = False) -> None:
        super().__init__(text)
        self.timed_out = timed_out


@dataclass
class Told:
    """What a result has, whatever the end is."""

    started: bool = False
    attached: bool = False
    changed: bool = False
    progress: list[str] = field(default_factory=list)
    image: dict[str, Any] | None = None

    def result(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Site:
    """A pipeline's recipe and everything needed to build it."""

    ib: Any
    client: Client
    home: Home
    pipeline: Mapping[str, Any]
    recipe_arn: str
    wanted: frozenset[Place]

    @property
    def image_version(self) -> str:
        return image_names.image_version_arn(self.recipe_arn)

    def builds(self) -> list[Build]:
        """All builds of the recipe's version."""
        found = imagebuilder.builds(self.ib, self.image_version)
        return [image_build.build_of(record, self.home.account) for record in found]

    def shown(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return image_view.image(record, self.home.region, self.home.account)


def answer_build(
    options: dict[str, Any], client: Client, clock: Clock, check: bool, tell: Tell = lambda text: None
) -> dict[str, Any]:
    """The result of module image_build. tell: gets each transition of the build as soon as it is seen."""
    told = Told()
    try:
        _check_options(options)
        site = _site(options, client, check)
        act = _cancelled if options["state"] == "cancelled" else _available
        if site is None:
            told.changed = options["state"] == "available"
        else:
            act(site, options, told, _Watch(site, options, clock, told, tell), check)
    except WatchError as exc:
        more = {"timed_out": True} if exc.timed_out else {}
        return {"failed": True, "msg": str(exc), **told.result(), **more}
    except FAILURES as exc:
        rest = told.result() if told.image else {}
        return {"failed": True, "msg": str(exc), **rest}
    return told.result()


def _check_options(options: Mapping[str, Any]) -> None:
    image_spec.check_name(options["name"])
    if options["delay"] <= 0:
        raise ImageError(f"delay is {options['delay']}; it must be more than 0 seconds.")
    if options["wait_timeout"] < 0:
        raise ImageError(f"wait_timeout is {options['wait_timeout']}; it must be 0 or more seconds.")
    recipe, image = (image_names.parsed(options[name] or "") for name in ("recipe_arn", "image_arn"))
    if options["recipe_arn"] and (recipe is None or recipe.kind != RECIPE or not recipe.version):
        raise ImageError(f"recipe_arn is {options['recipe_arn']!r}. Give the ARN of an image recipe and its version.")
    if options["image_arn"] and (image is None or image.kind != image_names.IMAGE or not image.build):
        raise ImageError(f"image_arn is {options['image_arn']!r}. Give the ARN of one build of an image, ….../1.2.3/4.")
    if options["image_arn"] and (options["recipe_arn"] or options["rebuild"]):
        raise ImageError("image_arn is one build; leave out recipe_arn and rebuild.")


def _site(options: Mapping[str, Any], client: Client, check: bool) -> Site | None:
    """None in check mode, if there would be a pipeline by now had the tasks before not only been checked."""
    ib = images.builder(client)
    home = images.home_of(ib, client("sts"))
    name = options["name"]
    pipeline = imagebuilder.read(ib, PIPELINE, home.arn(PIPELINE, name))
    if pipeline is None:
        if check:
            return None
        raise ImageError(
            f"There is no image pipeline {name} in {home.region} of account {home.account}. Make it with "
            "image_pipeline, or correct name and region."
        )
    recipe_arn = _recipe_arn(options, pipeline)
    distribution = pipeline.get("distributionConfigurationArn")
    document = imagebuilder.read(ib, DISTRIBUTION, distribution) if distribution else None
    wanted = image_build.wanted_places(document, home.region, home.account)
    return Site(ib, client, home, pipeline, recipe_arn, wanted)


def _recipe_arn(options: Mapping[str, Any], pipeline: Mapping[str, Any]) -> str:
    if options["image_arn"]:
        return image_names.without_build(options["image_arn"]).replace(":image/", ":image-recipe/", 1)
    recipe_arn = options["recipe_arn"] or pipeline.get("imageRecipeArn")
    if not recipe_arn:
        raise ImageError(f"The image pipeline {pipeline['arn']} has no image recipe. Only AMIs are built here.")
    return str(recipe_arn)


# --- available ------------------------------------------------------------------------------------------------------


def _available(site: Site, options: Mapping[str, Any], told: Told, watch: _Watch, check: bool) -> None:
    if options["image_arn"]:
        told.attached = True
        arn = options["image_arn"]
    else:
        builds = site.builds()
        choice = image_build.choose(builds, site.wanted, options["rebuild"] or "")
        told.attached, told.changed = choice.what == "attach", choice.what == "start"
        if choice.build is None and check:
            return
        arn = choice.build.arn if choice.build else _Start(site, options, builds, told, watch).start()
    if options["wait"] and not check:
        watch.to_the_end(arn, site.wanted)
    else:
        watch.look(arn)


class _Start:
    """Starts a build. Whoever does so at the same time, or again after a lost answer, gets the same one."""

    def __init__(
        self, site: Site, options: Mapping[str, Any], builds: Sequence[Build], told: Told, watch: _Watch
    ) -> None:
        self._site = site
        self._builds = builds
        self._told = told
        self._watch = watch
        self._purpose = options["rebuild"] or ""
        self._request = image_build.request(
            site.pipeline, site.recipe_arn, options["name"], options["tags"], self._purpose
        )

    def start(self) -> str:
        try:
            arn = self._ask("")
        except MismatchError:
            theirs = self._of_somebody_else()
            return theirs or self._ask(image_names.digest(self._request))
        if self._watch.first_look(arn) is not None:
            return arn
        # A build that was deleted since: its token still gives its name.
        return self._ask(arn)

    def _ask(self, salt: str) -> str:
        token = image_build.token(self._site.recipe_arn, self._builds, self._purpose, salt)
        # What the tasks before have just made may not be seen yet.
        arn = images.patiently(lambda: imagebuilder.start(self._site.ib, self._request, token), images.PAUSES)
        self._told.started = True
        return arn

    def _of_somebody_else(self) -> str:
        """The build that another controller started with other settings or tags a moment ago; empty if it is gone."""
        for pause in (*images.PAUSES, None):
            choice = image_build.choose(self._site.builds(), self._site.wanted, self._purpose)
            if choice.build is not None:
                self._told.attached, self._told.changed = True, False
                return choice.build.arn
            if pause is not None:
                time.sleep(pause)
        return ""


# --- cancelled ------------------------------------------------------------------------------------------------------


def _cancelled(site: Site, options: Mapping[str, Any], told: Told, watch: _Watch, check: bool) -> None:
    builds = sorted(site.builds(), key=lambda build: build.number)
    chosen = [build for build in builds if options["image_arn"] in {None, "", build.arn}]
    for build in chosen:
        if build.status not in UNDER_WAY:
            continue
        if check or _cancel(site, build.arn):
            told.changed = True
        if options["wait"] and not check:
            watch.until_it_ends(build.arn)
    if chosen:
        watch.look(chosen[-1].arn)


def _cancel(site: Site, arn: str) -> bool:
    """False if it has ended by itself in the meantime."""
    try:
        imagebuilder.cancel(site.ib, arn)
    except AwsError:
        record = imagebuilder.image(site.ib, arn)
        if record is None or record["state"]["status"] not in UNDER_WAY:
            return False
        raise
    return True


# --- watching -------------------------------------------------------------------------------------------------------


class _Watch:
    """Looks at a build until it ends, and tells its transitions."""

    def __init__(self, site: Site, options: Mapping[str, Any], clock: Clock, told: Told, tell: Tell) -> None:
        self._site = site
        self._delay = options["delay"]
        self._timeout = options["wait_timeout"]
        self._clock = clock
        self._told = told
        self._tell = tell
        self._with_steps = True

    def look(self, arn: str) -> Mapping[str, Any] | None:
        """Once; None if it is not there."""
        record = imagebuilder.image(self._site.ib, arn)
        if record is not None:
            self._told.image = self._site.shown(record)
        return record

    def to_the_end(self, arn: str, wanted: frozenset[Place]) -> None:
        """Until it is available everywhere; a WatchError otherwise."""
        record = self.until_it_ends(arn)
        status = record["state"]["status"]
        if status != AVAILABLE:
            raise WatchError(self._why(record))
        places = {(ami["region"], ami["account"]) for ami in image_build.amis(record, self._site.home.account)}
        missing = self._meant(record, wanted) - places
        if missing:
            raise WatchError(image_build.incomplete(record, missing))

    def _meant(self, record: Mapping[str, Any], wanted: frozenset[Place]) -> frozenset[Place]:
        """Where this build was to go: it began with the distribution of then."""
        then = record.get("distributionConfiguration")
        home = self._site.home
        return image_build.wanted_places(then, home.region, home.account) if then else wanted

    def until_it_ends(self, arn: str) -> Mapping[str, Any]:
        """The build when it is over, whatever the end is."""
        deadline = self._clock() + timedelta(seconds=self._timeout)
        record = self.first_look(arn)
        steps: Steps = ([], [])
        while record is not None:
            status = record["state"]["status"]
            self._note(image_build.progress(status, *steps))
            if status not in UNDER_WAY:
                return record
            left = (deadline - self._clock()).total_seconds()
            if left <= 0:
                raise WatchError(self._still(arn), timed_out=True)
            time.sleep(min(self._delay, left))
            # Before the status, so that the last steps are not those of what has begun in between.
            steps = self._steps(arn, status)
            record = self._look_again(arn)
        raise WatchError(_deleted(arn))

    def first_look(self, arn: str) -> Mapping[str, Any] | None:
        """One that has just begun may not be visible at once; None if it stays so."""
        for pause in (*images.PAUSES, None):
            record = self.look(arn)
            if record is not None or pause is None:
                return record
            time.sleep(pause)
        return None

    def _look_again(self, arn: str) -> Mapping[str, Any] | None:
        try:
            return self.look(arn)
        except AwsError as exc:
            raise WatchError(f"{exc} The build {arn} goes on; run this again to wait on.") from exc

    def _note(self, text: str) -> None:
        if self._told.progress[-1:] != [text]:
            self._told.progress.append(text)
            self._tell(text)

    def _steps(self, arn: str, status: str) -> Steps:
        """Workflows and the steps of the running one; none if that may not be read, since the status is enough."""
        if status == "PENDING" or not self._with_steps:
            return [], []
        try:
            workflows = imagebuilder.workflows(self._site.ib, arn)
            running = image_build.current_workflow(workflows)
            return workflows, imagebuilder.steps(self._site.ib, running["workflowExecutionId"]) if running else []
        except AwsError:
            self._with_steps = False
            return [], []

    def _still(self, arn: str) -> str:
        last = self._told.progress[-1]
        return (
            f"The build {arn} is not done after {human_seconds(self._timeout)}, it is {last}. It goes on; "
            "run this again to wait on, with a longer wait_timeout."
        )

    def _why(self, record: Mapping[str, Any]) -> str:
        step, steps, remarks = None, [], []
        try:
            failed = image_build.failed_workflow(imagebuilder.workflows(self._site.ib, record["arn"]))
            if failed is not None:
                steps = imagebuilder.steps(self._site.ib, failed["workflowExecutionId"])
                step = image_build.failed_step(steps)
        except AwsError as exc:
            remarks.append(str(exc))
        lines, remark = self._log(record)
        remarks.append(remark)
        return image_build.failure(record, step, image_build.instance_of(steps), lines, " ".join(remarks))

    def _log(self, record: Mapping[str, Any]) -> tuple[list[str], str]:
        arn = image_names.parsed(record["arn"])
        if arn is None:
            return [], ""
        group = (record.get("loggingConfiguration") or {}).get("logGroupName") or f"{_GROUP}{arn.name}"
        stream = f"{arn.version}/{arn.build}"
        try:
            lines = logs.tail(self._site.client("logs"), group, stream, _LOG_LINES)
        except MissingError:
            return [], f"It has no log: there is no {group} {stream} in CloudWatch Logs."
        except AwsError as exc:
            return [], str(exc)
        return lines, f"The end of its log, {group} {stream} in CloudWatch Logs:"


def _deleted(arn: str) -> str:
    return f"The build {arn} is not there any more: it was deleted. Run this again to build it."
