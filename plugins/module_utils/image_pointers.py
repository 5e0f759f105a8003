# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: which golden AMI instances start from, as a parameter in each region."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from . import images
from ._aws import ec2, ssm_image
from ._aws.errors import AwsError
from ._aws.ssm_image import Pointer
from ._core import image_pointer
from ._core.errors import ImageError
from ._core.image_pointer import CURRENT, IN_USE
from ._core.text import human_seconds

FAILURES = images.FAILURES

_LOOK = 1.0  # seconds between two looks at a parameter
_DESCRIPTION = "Golden AMI of {role} in {env}: {to}"

# Options of module image_promote; their documentation stands there.
PROMOTE_OPTIONS: dict[str, Any] = {
    "role": {"type": "str", "required": True},
    "env": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "/dtk"},
    "to": {"type": "str", "choices": ["candidate", "current"], "required": True},
    "image_id": {"type": "str"},
    "from": {
        "type": "dict",
        "options": {
            "env": {"type": "str"},
            "pointer": {"type": "str", "choices": ["candidate", "current"], "default": "candidate"},
        },
    },
    "regions": {"type": "dict", "default": {}},
    "wait_timeout": {"type": "int", "default": 120},
}

RegionalClient = Callable[[str, str], Any]  # service, region ("" for the region of the run)
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Move:
    """What is to happen in one region."""

    region: str
    image_id: str
    parameter: str
    previous: str | None
    is_new: bool
    untagged: bool  # the AMI lacks the tag that keeps it from being deleted

    @property
    def changes(self) -> bool:
        return self.is_new or self.untagged

    def shown(self) -> dict[str, Any]:
        return {"parameter": self.parameter, "image_id": self.image_id, "previous": self.previous}


@dataclass
class _Progress:
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def answer_promote(options: dict[str, Any], client: RegionalClient, clock: Clock, check: bool) -> dict[str, Any]:
    """The result of module image_promote."""
    progress, client = _Progress(), functools.cache(client)
    try:
        ssm = client("ssm", "")
        here = ssm.meta.region_name
        name = image_pointer.name(options["prefix"], options["env"], options["role"], options["to"])
        given = image_pointer.images(options, here)
        # Every region is looked at before anything is written in one of them.
        moves = [_move(options, name, region, image, client) for region, image in given.items()]
        for move in [] if check else [move for move in moves if move.changes]:
            _carry_out(move, options, client, clock, progress)
    except FAILURES as exc:
        return _failed(exc, progress)
    own = next((move for move in moves if move.region == here), moves[0])
    return {
        "changed": any(move.changes for move in moves),
        "parameter": own.parameter,
        "image_id": own.image_id,
        "previous": own.previous,
        "regions": {move.region: move.shown() for move in moves},
        "diff": _diff(moves),
        "warnings": progress.warnings,
    }


def _failed(exc: Exception, progress: _Progress) -> dict[str, Any]:
    if not progress.done:
        return {"failed": True, "msg": str(exc)}
    regions = ", ".join(progress.done)
    return {"failed": True, "changed": True, "msg": f"{exc} It is done in {regions}; run this again for the rest."}


def _diff(moves: list[Move]) -> dict[str, Any]:
    changing = [move for move in moves if move.changes]
    tag = {"tags": dict(IN_USE)}
    return {
        "before": {move.region: {"image_id": move.previous} for move in changing},
        "after": {move.region: {"image_id": move.image_id, **(tag if move.untagged else {})} for move in changing},
    }


def _move(options: Mapping[str, Any], name: str, region: str, given: str, client: RegionalClient) -> Move:
    ssm = client("ssm", region)
    image_id = given or _of_source(ssm, image_pointer.source(options), region)
    pointer = ssm_image.read(ssm, name)
    if pointer is not None and pointer.data_type != ssm_image.DATA_TYPE:
        raise ImageError(
            f"The parameter {name} in {region} has the data type {pointer.data_type} instead of "
            f"{ssm_image.DATA_TYPE}, which cannot be changed. Delete it, then run this again."
        )
    found = ec2.image(client("ec2", region), image_id)
    if found is None:
        raise ImageError(f"There is no AMI {image_id} in {region}, or it is not shared with this account. {_CORRECT}")
    if found["state"] != "available":
        raise ImageError(f"The AMI {image_id} in {region} is {found['state']}, not available. {_CORRECT}")
    previous = pointer.value if pointer else None
    untagged = options["to"] == CURRENT and any(found["tags"].get(key) != value for key, value in IN_USE.items())
    return Move(region, image_id, name, previous, previous != image_id, untagged)


_CORRECT = "Nothing was changed; correct image_id, from or regions."


def _of_source(ssm: Any, source: str, region: str) -> str:
    pointer = ssm_image.read(ssm, source)
    if pointer is None:
        raise ImageError(
            f"There is no parameter {source} in {region}, so there is no image to promote. Bake one, or give image_id."
        )
    return pointer.value


def _carry_out(
    move: Move, options: Mapping[str, Any], client: RegionalClient, clock: Clock, progress: _Progress
) -> None:
    compute, ssm = client("ec2", move.region), client("ssm", move.region)
    if move.untagged:
        # First: from now on no lifecycle policy takes it away.
        ec2.tag(compute, move.image_id, IN_USE)
    if move.is_new:
        text = _DESCRIPTION.format(**{key: options[key] for key in ("role", "env", "to")})
        ssm_image.write(ssm, move.parameter, move.image_id, text)
        _wait_for(move, ssm, clock, options["wait_timeout"])
    progress.done.append(move.region)
    if options["to"] == CURRENT and move.is_new and move.previous:
        _release(move, options["prefix"], compute, ssm, progress)


def _wait_for(move: Move, ssm: Any, clock: Clock, seconds: int) -> None:
    """Parameter Store answers first and checks the AMI then; what it does not like is never written."""
    deadline = clock() + timedelta(seconds=seconds)
    while True:
        pointer = ssm_image.read(ssm, move.parameter)
        value = pointer.value if pointer else None
        if value == move.image_id:
            return
        if value != move.previous:
            raise ImageError(
                f"Somebody else set {move.parameter} in {move.region} to {value} at the same time. "
                f"Run this again if {move.image_id} is right."
            )
        if clock() >= deadline:
            raise ImageError(
                f"Parameter Store has not written {move.image_id} to {move.parameter} in {move.region} after "
                f"{human_seconds(seconds)}; it has {value or 'no value'}. It does not write an AMI that it cannot see: "
                "check that the AMI is available to this account, then run this again."
            )
        time.sleep(_LOOK)


def _release(move: Move, prefix: str, compute: Any, ssm: Any, progress: _Progress) -> None:
    """Let lifecycle policies have the image from before, unless another parameter still names it."""
    previous = str(move.previous)
    try:
        named: list[Pointer] = ssm_image.below(ssm, prefix, image_pointer.PART)
        is_named = any(pointer.value == previous for pointer in named if pointer.name != move.parameter)
        if not is_named and ec2.image(compute, previous) is not None:
            ec2.untag(compute, previous, IN_USE)
    except AwsError as exc:
        tags = ", ".join(f"{key}={value}" for key, value in IN_USE.items())
        progress.warnings.append(f"The image from before, {previous} in {move.region}, keeps its tag {tags}: {exc}")
