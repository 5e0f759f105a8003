# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_plan import Actual
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_prune import (
    Clearing,
    ComponentVersion,
    RecipeVersion,
    pruning,
    removal,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ARN = "arn:aws:imagebuilder:eu-west-1:123456789012"


def recipe_arn(number: int) -> str:
    return f"{ARN}:image-recipe/web/1.0.{number}"


def component_arn(number: int) -> str:
    return f"{ARN}:component/web/1.0.{number}"


def image_arn(number: int) -> str:
    return f"{ARN}:image/web/1.0.{number}/1"


def recipe(number: int, component: int = 1, built: bool = True, busy: bool = False, ours: bool = True) -> RecipeVersion:
    images = (image_arn(number),) if built or busy else ()
    return RecipeVersion(
        recipe_arn(number),
        f"2026-01-{number:02}",
        ours,
        # A recipe may name the version or one of its builds.
        (component_arn(component) + "/1" if number % 2 else component_arn(component),),
        images,
        images if busy else (),
    )


def component(number: int, ours: bool = True, builds: int = 1) -> ComponentVersion:
    arn = component_arn(number)
    return ComponentVersion(arn, ours, tuple(f"{arn}/{build + 1}" for build in range(builds)))


def deleted(clearing: Clearing) -> list[str]:
    assert {step.action for step in clearing.steps} <= {"delete"}
    return [step.arn for step in clearing.steps]


def kept(clearing: Clearing) -> dict[str, str]:
    return {one["arn"]: one["reason"] for one in clearing.kept}


def test_the_newest_recipes_stay_and_components_go_with_their_last_recipe() -> None:
    recipes = [recipe(1, component=1), recipe(2, component=1), recipe(3, component=2), recipe(4, component=3)]
    clearing = pruning(recipes, [component(1), component(2), component(3)], recipe_arn(4), keep=2)
    assert deleted(clearing) == [recipe_arn(2), recipe_arn(1), component_arn(1) + "/1"]
    assert clearing.kept == ()


def test_the_recipe_of_the_pipeline_stays_however_old_it_is() -> None:
    assert deleted(pruning([recipe(1), recipe(2), recipe(3)], [], recipe_arn(1), keep=1)) == [recipe_arn(2)]


def test_nothing_else_stays_with_keep_0() -> None:
    assert deleted(pruning([recipe(1), recipe(2)], [], recipe_arn(2), keep=0)) == [recipe_arn(1)]


def test_a_recipe_whose_image_is_being_built_stays_and_is_told() -> None:
    clearing = pruning([recipe(1, busy=True, component=1), recipe(2, component=2)], [component(1)], recipe_arn(2), 1)
    assert deleted(clearing) == []
    assert kept(clearing) == {
        recipe_arn(1): f"{image_arn(1)} is being built. Wait for it or cancel it, then run this again."
    }


def test_what_a_run_left_that_came_to_nothing_goes_whatever_keep_says() -> None:
    """A recipe without any image, a component without any recipe; and no room is taken by them."""
    recipes = [recipe(1), recipe(2), recipe(3, built=False), recipe(4, built=False)]
    clearing = pruning(recipes, [component(1), component(9, builds=2)], recipe_arn(2), keep=2)
    assert deleted(clearing) == [
        recipe_arn(4),
        recipe_arn(3),
        component_arn(9) + "/1",
        component_arn(9) + "/2",
    ]


def test_what_somebody_else_made_under_the_name_is_left_alone() -> None:
    recipes = [recipe(1, ours=False, component=1), recipe(2, component=2), recipe(3, component=3)]
    components = [component(1), component(2), component(4, ours=False)]
    assert deleted(pruning(recipes, components, recipe_arn(3), keep=1)) == [recipe_arn(2), component_arn(2) + "/1"]


def single(*foreign: str, without: tuple[str, ...] = ()) -> dict[str, Actual | None]:
    found: dict[str, Actual | None] = {}
    for kind in ("infrastructure", "distribution", "pipeline", "lifecycle"):
        tags = {} if kind in foreign else {"dtk:pipeline": "web"}
        found[kind] = None if kind in without else Actual({"arn": f"{ARN}:{kind}/web"}, tags)
    return found


def test_everything_goes_in_the_order_of_need() -> None:
    clearing = removal(single(), [recipe(1)], [component(1)], [])
    assert deleted(clearing) == [
        f"{ARN}:pipeline/web",
        f"{ARN}:lifecycle/web",
        recipe_arn(1),
        component_arn(1) + "/1",
        f"{ARN}:infrastructure/web",
        f"{ARN}:distribution/web",
    ]
    assert clearing.kept == ()


def test_while_an_image_is_being_built_what_it_needs_stays() -> None:
    clearing = removal(
        single(without=("lifecycle",)),
        [recipe(1, busy=True), recipe(2, component=2)],
        [component(1), component(2)],
        [image_arn(1)],
    )
    assert deleted(clearing) == [f"{ARN}:pipeline/web", recipe_arn(2), component_arn(2) + "/1"]
    assert set(kept(clearing)) == {f"{ARN}:infrastructure/web", f"{ARN}:distribution/web", recipe_arn(1)}
    assert all("is being built" in reason for reason in kept(clearing).values())


@pytest.mark.parametrize("kind", ["pipeline", "lifecycle", "infrastructure", "distribution"])
def test_what_somebody_else_made_is_told(kind: str) -> None:
    clearing = removal(single(kind), [], [component(7, ours=False)], [])
    assert f"{ARN}:{kind}/web" not in deleted(clearing)
    assert set(kept(clearing)) == {f"{ARN}:{kind}/web", component_arn(7)}
    assert "Delete it by hand" in kept(clearing)[component_arn(7)]


RECIPES = st.lists(
    st.builds(
        recipe,
        st.integers(1, 28),
        component=st.integers(1, 5),
        built=st.booleans(),
        busy=st.booleans(),
        ours=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda one: one.arn,
)
COMPONENTS = st.lists(
    st.builds(component, st.integers(1, 6), ours=st.booleans()), max_size=6, unique_by=lambda one: one.arn
)


@settings(max_examples=300, deadline=None)
@given(RECIPES, COMPONENTS, st.integers(1, 28), st.integers(0, 4))
def test_nothing_that_is_needed_is_deleted_and_nothing_useless_stays(
    recipes: list[RecipeVersion], components: list[ComponentVersion], current: int, keep: int
) -> None:
    clearing = pruning(recipes, components, recipe_arn(current), keep)
    gone = set(deleted(clearing))
    left = [one for one in recipes if one.arn not in gone]
    used = {arn.removesuffix("/1") for one in left for arn in one.components}
    assert recipe_arn(current) not in gone
    assert not [one for one in recipes if one.arn in gone and (one.unfinished or not one.is_ours)]
    assert not [one for one in components if gone & set(one.builds) and (one.arn in used or not one.is_ours)]
    useless = [one for one in left if one.is_ours and not one.images and one.arn != recipe_arn(current)]
    assert useless == []
    assert not [one for one in components if one.is_ours and one.arn not in used and not gone & set(one.builds)]
    settled = [one for one in left if one.is_ours and not one.unfinished and one.arn != recipe_arn(current)]
    assert len(settled) <= keep
    again: Any = pruning(left, [one for one in components if not gone & set(one.builds)], recipe_arn(current), keep)
    assert again.steps == ()
