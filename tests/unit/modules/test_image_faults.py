# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong, and in whatever order: the next clean run ends with one image per content and nothing left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import errors
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.emulation import ACCESS_KEY, REGION, SECRET_KEY, Emulation
from tests.unit.image_world import DOCUMENT, World, serve

# Another text is another component and recipe, another parameter another recipe of the same component.
CONTENTS: tuple[dict[str, Any], ...] = (
    {"component": {"data": DOCUMENT}},
    {"component": {"data": DOCUMENT, "parameters": {"Version": "2"}}},
    {"component": {"data": DOCUMENT + "# another\n"}},
)
WRITES = (
    "CreateComponent",
    "CreateImageRecipe",
    "CreateInfrastructureConfiguration",
    "CreateDistributionConfiguration",
    "CreateImagePipeline",
    "UpdateImagePipeline",
    "CreateImage",
    "DeleteImageRecipe",
    "DeleteComponent",
)
READS = (
    "GetComponent",
    "GetImageRecipe",
    "GetInfrastructureConfiguration",
    "GetImagePipeline",
    "GetImage",
    "ListImageBuildVersions",
    "ListImages",
    "ListComponents",
    "ListWorkflowExecutions",
)
OVER = {"FAILED", "CANCELLED", "DELETED"}


class KilledError(BaseException):
    """The process that runs the module is no more."""


@dataclass
class Killer:
    """Ends a run at its n-th request, before or after AWS has done what it asks for."""

    left: int = -1
    answered: bool = False

    def aim(self, number: int, *, answered: bool) -> None:
        self.left, self.answered = number, answered

    def rest(self) -> None:
        self.left = -1

    def sent(self, **_event: Any) -> None:
        self._strike(False)

    def received(self, **_event: Any) -> None:
        self._strike(True)

    def _strike(self, answered: bool) -> None:
        if self.left < 0 or answered is not self.answered:
            return
        self.left -= 1
        if self.left < 0:
            raise KilledError


class MortalWorld(World):
    """Its runs can be killed."""

    def __init__(self, aws: Emulation) -> None:
        super().__init__(aws)
        self.killer = Killer()
        self._made: dict[str, Any] = {}

    def begin(self) -> None:
        """No resource of Image Builder; the AMIs of before are in nobody's way."""
        self.aws.image_builder.forget()
        self.aws.reset()

    def client(self, service: str, region: str = "") -> Any:
        if service not in self._made:
            client = boto3.session.Session().client(
                service,
                endpoint_url=self.aws.endpoint,
                region_name=REGION,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                **errors.client_options(),
            )
            client.meta.events.register("before-send", self.killer.sent)
            client.meta.events.register("response-received", self.killer.received)
            self._made[service] = errors.fail_fast(client)
        return self._made[service]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    kind: str
    where: str
    times: int

    def strike(self, world: MortalWorld) -> None:
        pattern = f"imagebuilder:{self.where}"
        strikes: dict[str, Callable[[], None]] = {
            "throttled": lambda: world.aws.fault(pattern, "CallRateLimitExceededException", times=self.times),
            "broken": lambda: world.aws.fault(pattern, "ServiceUnavailableException", times=self.times),
            "bad gateway": lambda: world.aws.fault(pattern, 502, times=self.times),
            "lost": lambda: world.aws.lose(pattern, times=self.times),
            "dropped": lambda: world.aws.drop(pattern, times=self.times),
            "stale": lambda: world.aws.stale(pattern, times=self.times),
            "failed build": lambda: world.aws.image_builder.fail_at(self.where, times=1),
            "killed": lambda: world.killer.aim(self.times, answered=False),
            "killed after": lambda: world.killer.aim(self.times, answered=True),
        }
        strikes[self.kind]()


# More than ten times is more than botocore tries.
TIMES = st.sampled_from([1, 1, 2, 3, 12])
FAULTS = st.one_of(
    st.builds(Fault, st.sampled_from(["throttled", "broken", "bad gateway"]), st.sampled_from(READS + WRITES), TIMES),
    st.builds(Fault, st.sampled_from(["lost", "dropped"]), st.sampled_from(WRITES), TIMES),
    st.builds(Fault, st.just("stale"), st.sampled_from(READS), st.integers(1, 4)),
    st.builds(Fault, st.sampled_from(["killed", "killed after"]), st.just(""), st.integers(0, 30)),
    st.builds(Fault, st.just("failed build"), st.sampled_from(["BUILDING", "TESTING", "DISTRIBUTING"]), st.just(1)),
)


@dataclass(frozen=True)
class Run:
    """What somebody does, and what goes wrong meanwhile."""

    content: int
    faults: tuple[Fault, ...]
    prunes: bool

    def carry_out(self, world: MortalWorld) -> None:
        for fault in self.faults:
            fault.strike(world)
        try:
            bake(world, self.content, self.prunes)
        except KilledError:
            pass
        finally:
            world.killer.rest()
            world.aws.reset()


def bake(world: World, content: int, prunes: bool) -> list[dict[str, Any]]:
    """As role golden_image does it; it ends where something failed."""
    results = [world.pipeline(**CONTENTS[content])]
    if not results[-1].get("failed"):
        results.append(world.build(recipe_arn=results[-1]["recipe"]["arn"]))
    if prunes and not results[-1].get("failed"):
        results.append(world.clear("pruned"))
    return results


RUNS = st.lists(
    st.builds(Run, st.integers(0, 2), st.lists(FAULTS, max_size=3).map(tuple), st.booleans()), min_size=1, max_size=5
)


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    yield from serve()


@pytest.fixture(scope="module")
def world(server: Emulation) -> MortalWorld:
    return MortalWorld.fresh(server)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RUNS, st.integers(0, 2))
@example([Run(0, (), True), Run(2, (Fault("killed", "", 8),), False)], 0)
@example([Run(0, (Fault("lost", "CreateImage", 12),), False)], 0)
@example(
    [Run(0, (Fault("lost", "CreateImage", 12),), False), Run(0, (Fault("stale", "ListImageBuildVersions", 1),), False)],
    0,
)
@example([Run(0, (Fault("failed build", "BUILDING", 1), Fault("stale", "ListImageBuildVersions", 2)), True)] * 2, 0)
def test_after_any_trouble_a_clean_run_leaves_one_image_per_content(
    world: MortalWorld, runs: list[Run], last: int
) -> None:
    world.begin()
    for run in runs:
        run.carry_out(world)
    check_end(world, last)


@pytest.mark.parametrize("answered", [False, True])
def test_a_run_may_be_killed_at_any_request(world: MortalWorld, answered: bool) -> None:
    for number in range(60):
        world.begin()
        world.killer.aim(number, answered=answered)
        try:
            bake(world, 0, prunes=True)
        except KilledError:
            world.killer.rest()
            check_end(world, number % 3)
        else:
            world.killer.rest()
            assert number > 30, "a run has more requests than that"
            return
    pytest.fail("a run has more requests than were tried")


def check_end(world: World, last: int) -> None:
    clean = bake(world, last, prunes=True)
    assert [result.get("msg") for result in clean] == [None, None, None]
    pipeline, build, _pruned = clean
    images = world.held("image")
    good = Counter(one["imageRecipe"]["arn"] for one in images.values() if one["state"]["status"] not in OVER)
    assert set(good.values()) == {1}, "a content was built twice"
    assert good[pipeline["recipe"]["arn"]] == 1
    assert (build["image"]["status"], images[build["image"]["arn"]]["state"]["status"]) == ("AVAILABLE", "AVAILABLE")
    check_orphans(world)
    again = bake(world, last, prunes=True)
    assert [result["changed"] for result in again] == [False, False, False]
    assert again[0]["image"] == again[1]["image"] == build["image"]
    assert world.aws.image_builder.violations == []
    assert world.aws.image_builder.bugs == []


def check_orphans(world: World) -> None:
    recipes, pipelines = world.held("image-recipe"), world.held("image-pipeline")
    used = {one["componentArn"] for recipe in recipes.values() for one in recipe["components"]}
    assert {arn.rpartition("/")[0] for arn in world.held("component")} == used, "a component without a recipe"
    made = {one["imageRecipe"]["arn"] for one in world.held("image").values()}
    current = {one["imageRecipeArn"] for one in pipelines.values()}
    assert set(recipes) <= made | current, "a recipe without an image or a pipeline"
    for kind in ("infrastructure", "distribution"):
        needed = {one[f"{kind}ConfigurationArn"] for one in pipelines.values()}
        assert set(world.held(f"{kind}-configuration")) == needed, "a configuration without a pipeline"
