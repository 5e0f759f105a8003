# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One image on its way from PENDING to its end."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol, runtime_checkable

from tests.fakes.contract import RefusalError

from .distribution import DistributionError, Distributor
from .job import Builder, BuildError, CancelledError, Component, ComponentError, Job
from .mishaps import EndedError, Mishaps, StruckError
from .recipes import parent_ami
from .recorder import Recorder
from .region import Region


@runtime_checkable
class Stepped(Protocol):
    """A builder that pauses, and is moved on from outside; others run through in a thread of their own."""

    pace: int

    def stages(self, job: Job, recorder: Recorder, mishaps: Mishaps) -> Generator[None, None, str]: ...


class Production:
    def __init__(
        self,
        region: Region,
        arn: str,
        builder: Builder | Stepped,
        mishaps: Mishaps,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._region, self._arn, self._builder, self._mishaps, self._on_bug = region, arn, builder, mishaps, on_bug
        self.cancelled = threading.Event()
        self._recorder = Recorder(region, arn, self.cancelled)
        self._work = self._produce()
        self.over = False

    def run(self) -> None:
        while not self.over:
            self.advance()

    def advance(self) -> None:
        """To the next pause, or to the end."""
        try:
            paused = self._paused()
        except Exception as error:
            # A builder or the fake itself is broken: no image may look as if its component had failed.
            self._on_bug(error)
            self._recorder.fail(f"the emulated Image Builder failed: {error!r}")
            paused = False
        self.over = not paused

    def close(self) -> None:
        """Nobody moves it on any more."""
        # Left to the garbage collector, its last step would end in whatever thread that runs in, and wait for our lock.
        with self._region.lock:
            self._work.close()
            self.over = True

    def _paused(self) -> bool:
        try:
            if self.cancelled.is_set():
                self._work.throw(CancelledError())
            else:
                next(self._work)
        except StopIteration:
            return False
        except CancelledError:
            self._recorder.finish("CANCELLED")
        except EndedError as ended:
            self._recorder.finish(ended.status)
        except BuildError as failed:
            self._recorder.fail(str(failed), _component_failure(failed))
        except DistributionError as failed:
            self._recorder.fail(str(failed), failed.context)
        else:
            return True
        return False

    def _produce(self) -> Generator[None, None, None]:
        self._recorder.status("CREATING")
        yield
        job = self._job()
        if isinstance(self._builder, Stepped):
            snapshot = yield from self._builder.stages(job, self._recorder, self._mishaps)
        else:
            snapshot = self._builder.run(job)
        yield from self._distribute(snapshot)
        self._recorder.finish("AVAILABLE")

    def _job(self) -> Job:
        with self._region.lock:
            image = copy.deepcopy(self._region.exact(self._arn))
            try:
                parent = parent_ami(self._region, image["imageRecipe"]["parentImage"])
                components = tuple(map(self._component, image["imageRecipe"].get("components", [])))
            except RefusalError as refusal:
                raise BuildError(refusal.message) from refusal
        return Job(
            region=self._region.name,
            image_arn=self._arn,
            parent_image=parent,
            recipe=image["imageRecipe"],
            components=components,
            infrastructure=image["infrastructureConfiguration"],
            tests_enabled=image["imageTestsConfiguration"]["imageTestsEnabled"],
            reporter=self._recorder,
            cancelled=self.cancelled,
        )

    def _component(self, chosen: dict[str, Any]) -> Component:
        component = self._region.get(chosen["componentArn"])
        values = {one["name"]: list(one["value"]) for one in chosen.get("parameters", [])}
        return Component(component["arn"], component["data"], values)

    def _distribute(self, snapshot: str) -> Generator[None, None, None]:
        recorder = self._recorder
        with self._region.lock:
            image = copy.deepcopy(self._region.exact(self._arn))
        distributor = Distributor(self._region, image, snapshot)
        recorder.status("DISTRIBUTING")
        recorder.expect("DISTRIBUTION", 1 + distributor.integrates)
        amis = []
        with recorder.step("DISTRIBUTION", "DistributeOutputAMI", "DistributeImage"):
            yield
            self._strike("DISTRIBUTING", distributor)
            for ami in distributor.amis():
                amis.append(ami)
                recorder.output(ami)
        recorder.status("INTEGRATING")
        yield
        if distributor.integrates:
            with recorder.step("DISTRIBUTION", "ApplyImageConfigurations", "ApplyImageConfigurations"):
                self._strike("INTEGRATING", distributor)
                distributor.integrate(amis)
        else:
            self._strike("INTEGRATING", distributor)

    def _strike(self, stage: str, distributor: Distributor) -> None:
        try:
            self._mishaps.strike(stage)
        except StruckError as struck:
            reason = struck.reason or "EC2 Client Error: 'You do not have permission to access the specified resource'"
            raise DistributionError(distributor.first, self._region.account, reason) from struck


def _component_failure(error: BuildError) -> dict[str, Any]:
    if not isinstance(error, ComponentError):
        return {}
    return {
        "componentFailure": {
            "componentArn": error.component,
            "phaseName": error.phase,
            "stepName": error.step,
            "action": error.action,
            "errorMessage": error.message,
        }
    }
