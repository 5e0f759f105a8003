# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A builder that builds nothing, and takes as long as the test likes."""

from __future__ import annotations

import uuid
from collections.abc import Generator

from . import documents
from .job import BuildError, Component, ComponentError, Job
from .mishaps import Mishaps, StruckError
from .recorder import Recorder

_PHASES = {"BUILDING": frozenset({"build", "validate"}), "TESTING": frozenset({"test"})}


class Simulated:
    """Deterministic: an image goes on by this many transitions whenever somebody asks for it, or by advance() alone.

    With a pace of 1 the answers of GetImage are PENDING, CREATING, BUILDING, TESTING, DISTRIBUTING, INTEGRATING and
    AVAILABLE; with a pace of 0 only the test moves images.
    """

    def __init__(self, pace: int = 1) -> None:
        self.pace = pace

    def stages(self, job: Job, recorder: Recorder, mishaps: Mishaps) -> Generator[None, None, str]:
        """Build and test, with a pause wherever a poll may see how far it is; the name of the snapshot."""
        yield from self._build(job, recorder, mishaps)
        if job.tests_enabled:
            yield from self._test(job, recorder, mishaps)
        return f"simulated-{uuid.uuid4().hex[:12]}"

    def _build(self, job: Job, recorder: Recorder, mishaps: Mishaps) -> Generator[None, None, None]:
        recorder.status("BUILDING")
        recorder.expect("BUILD", 7)
        with recorder.step("BUILD", "LaunchBuildInstance", "LaunchInstance"):
            recorder.log(f"Launching a build instance from {job.parent_image}")
        with recorder.step("BUILD", "ApplyBuildComponents", "ExecuteComponents"):
            yield
            recorder.log("\n".join(f"Document {component.arn}" for component in job.components))
            self._strike(job, "BUILDING", mishaps)
        with recorder.step("BUILD", "InventoryCollection", "CollectImageMetadata"):
            pass
        with recorder.step("BUILD", "RunSanitizeScript", "SanitizeInstance"):
            pass
        recorder.skip("BUILD", "RunSysPrepScript", "RunSysPrep")
        with recorder.step("BUILD", "CreateOutputAMI", "CreateImage"):
            pass
        with recorder.step("BUILD", "TerminateBuildInstance", "TerminateInstance"):
            pass

    def _test(self, job: Job, recorder: Recorder, mishaps: Mishaps) -> Generator[None, None, None]:
        recorder.status("TESTING")
        recorder.expect("TEST", 3)
        with recorder.step("TEST", "LaunchTestInstance", "LaunchInstance"):
            recorder.log("Launching a test instance")
        with recorder.step("TEST", "ApplyTestComponents", "ExecuteComponents"):
            yield
            self._strike(job, "TESTING", mishaps)
        with recorder.step("TEST", "TerminateTestInstance", "TerminateInstance"):
            pass

    def _strike(self, job: Job, stage: str, mishaps: Mishaps) -> None:
        try:
            mishaps.strike(stage)
        except StruckError as struck:
            raise _failure(job, stage, struck.reason) from struck


def _failure(job: Job, stage: str, reason: str | None) -> BuildError:
    """As if the first component that has something to do in this stage had failed in its first step."""
    if reason is not None:
        return BuildError(reason)
    for component in job.components:
        failed = _first_step(component, stage)
        if failed:
            return failed
    return BuildError("SSM Agent verification failed")


def _first_step(component: Component, stage: str) -> ComponentError | None:
    found = documents.first_step(documents.read(component.document), _PHASES[stage])
    if found is None:
        return None
    phase, step = found
    return ComponentError(component.arn, phase, step["name"], step["action"], "exit status 1")
