# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which versions of a recipe and a component are of no more use, and in which order a whole graph goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import image_names
from .image_names import COMPONENT, DISTRIBUTION, INFRASTRUCTURE, LIFECYCLE, OWNER_TAG, PIPELINE, RECIPE
from .image_plan import DELETE, Actual, Step

FOREIGN = f"it has no tag {OWNER_TAG}, so something else made it. Delete it by hand."


@dataclass(frozen=True)
class RecipeVersion:
    """One version of a recipe and what became of it."""

    arn: str
    created: str
    is_ours: bool
    components: tuple[str, ...] = ()
    images: tuple[str, ...] = ()  # ARNs of its builds
    unfinished: tuple[str, ...] = ()  # those of them that are under way


@dataclass(frozen=True)
class ComponentVersion:
    """One version of a component; an equal text that was sent twice has two builds."""

    arn: str
    is_ours: bool
    builds: tuple[str, ...]


@dataclass(frozen=True)
class Clearing:
    """What is to be deleted, in this order, and what stays, with why."""

    steps: tuple[Step, ...]
    kept: tuple[dict[str, str], ...]


def pruning(
    recipes: Sequence[RecipeVersion], components: Sequence[ComponentVersion], current: str, keep: int
) -> Clearing:
    """All but the newest versions that an image was made of, and the one that the pipeline builds.

    A recipe that never had an image was left by a run that came to nothing.
    """
    ours = sorted((one for one in recipes if one.is_ours), key=lambda one: (one.created, one.arn), reverse=True)
    newest = [one.arn for one in ours if one.images or one.arn == current][:keep]
    unwanted = [one for one in ours if one.arn not in {current, *newest}]
    return _clearing(unwanted, recipes, components, [], [], [])


def removal(
    single: Mapping[str, Actual | None],
    recipes: Sequence[RecipeVersion],
    components: Sequence[ComponentVersion],
    busy: Sequence[str],
) -> Clearing:
    """Everything of the name. single: the resources without versions, by kind. busy: images that are being built."""
    kept: list[dict[str, str]] = []
    before, after = _singles(single, (PIPELINE, LIFECYCLE), kept), []
    if busy:
        kept += [
            _kept(str(actual.document["arn"]), _is_needed_by(busy))
            for actual in (single.get(INFRASTRUCTURE), single.get(DISTRIBUTION))
            if actual is not None
        ]
    else:
        after = _singles(single, (INFRASTRUCTURE, DISTRIBUTION), kept)
    kept += [_kept(one.arn, FOREIGN) for one in (*recipes, *components) if not one.is_ours]
    return _clearing([one for one in recipes if one.is_ours], recipes, components, before, after, kept)


def _clearing(
    unwanted: Iterable[RecipeVersion],
    recipes: Sequence[RecipeVersion],
    components: Sequence[ComponentVersion],
    before: list[Step],
    after: list[Step],
    kept: list[dict[str, str]],
) -> Clearing:
    """Recipes, then the components that no other recipe of the name uses."""
    gone, busy = [], []
    for one in unwanted:
        (busy if one.unfinished else gone).append(one)
    used = {image_names.without_build(arn) for recipe in recipes if recipe not in gone for arn in recipe.components}
    steps = [
        *before,
        *(Step(DELETE, RECIPE, one.arn) for one in gone),
        *(
            Step(DELETE, COMPONENT, arn)
            for one in components
            if one.is_ours and one.arn not in used
            for arn in one.builds
        ),
        *after,
    ]
    return Clearing(tuple(steps), (*kept, *(_kept(one.arn, _is_needed_by(one.unfinished)) for one in busy)))


def _singles(single: Mapping[str, Actual | None], kinds: Iterable[str], kept: list[dict[str, str]]) -> list[Step]:
    steps = []
    for kind in kinds:
        actual = single.get(kind)
        if actual is None:
            continue
        arn = str(actual.document["arn"])
        if actual.is_ours:
            steps.append(Step(DELETE, kind, arn))
        else:
            kept.append(_kept(arn, FOREIGN))
    return steps


def _is_needed_by(images: Sequence[str]) -> str:
    return f"{', '.join(images)} is being built. Wait for it or cancel it, then run this again."


def _kept(arn: str, reason: str) -> dict[str, str]:
    return {"arn": arn, "reason": reason}
