# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down how far an image is: its status, its workflows and their steps, its log."""

from __future__ import annotations

import json
import threading
import time
import uuid
from types import TracebackType
from typing import Any

from botocore.exceptions import ClientError

from .job import CancelledError
from .mishaps import EndedError
from .region import UNFINISHED, Region

# The workflows that Amazon manages, and that run unless an image has others.
_MANAGED = {"BUILD": "build/build-image", "TEST": "test/test-image", "DISTRIBUTION": "distribution/distribute-image"}
_LONGEST_REASON = 1024
_LONGEST_MESSAGE = 500
_STOPPED = (CancelledError, EndedError, GeneratorExit)


class Recorder:
    """The Reporter of one image."""

    def __init__(self, region: Region, arn: str, cancelled: threading.Event) -> None:
        self._region, self._arn, self._cancelled = region, arn, cancelled
        self._workflow: str | None = None
        self._stream: tuple[str, str] | None = None
        self.failed_step: dict[str, Any] | None = None

    # --- what a builder may call ---

    def status(self, status: str) -> None:
        self._go_on()
        with self._region.lock:
            self._image["state"] = {"status": status}

    def step(self, workflow: str, name: str, action: str) -> Step:
        self._go_on()
        with self._region.lock:
            return Step(self, self._begin_step(workflow, name, action))

    def log(self, text: str) -> None:
        self._go_on()
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            return
        client = self._region.client("logs")
        if self._stream is None:
            self._stream = self._open_stream(client)
        now = int(time.time() * 1000)
        client.put_log_events(
            logGroupName=self._stream[0],
            logStreamName=self._stream[1],
            logEvents=[{"timestamp": now, "message": line} for line in lines],
        )

    # --- what the service itself writes ---

    def expect(self, workflow: str, steps: int) -> None:
        """How many steps a workflow has, known before any of them ran."""
        with self._region.lock:
            self._open(workflow)["totalStepCount"] = steps

    def skip(self, workflow: str, name: str, action: str) -> None:
        with self._region.lock:
            step = self._begin_step(workflow, name, action)
            self._end_step(step, "SKIPPED", "totalStepsSkipped")

    def output(self, ami: dict[str, Any]) -> None:
        with self._region.lock:
            self._image["outputResources"]["amis"].append(ami)

    def finish(self, status: str, **state: Any) -> None:
        """The end of it, unless something else has ended it already."""
        with self._region.lock:
            self._close("COMPLETED" if status == "AVAILABLE" else "CANCELLED")
            image = self._region.state.of("image").get(self._arn)
            if image and image["state"]["status"] in UNFINISHED:
                image["state"] = {"status": status, **state}

    def fail(self, text: str, failure: dict[str, Any] | None = None) -> None:
        with self._region.lock:
            if self._arn not in self._region.state.of("image"):
                return
            stage = self._image["state"]["status"]
            context: dict[str, Any] = {"imageStatus": stage, **(failure or {})}
            if self._workflow:
                execution = self._region.state.workflows[self._workflow]
                context["workflowExecutionId"] = self._workflow
                context["workflowArn"] = execution["workflowBuildVersionArn"]
                execution["message"] = text[:_LONGEST_MESSAGE]
            if self.failed_step:
                context["stepExecutionId"] = self.failed_step["stepExecutionId"]
                context["failedStep"] = self.failed_step["name"]
            self._close("FAILED")
            self.finish("FAILED", reason=_reason(self._arn, stage, text)[:_LONGEST_REASON], failureContext=context)

    # --- steps and workflows, under the lock ---

    @property
    def _image(self) -> dict[str, Any]:
        return self._region.state.of("image")[self._arn]

    def _go_on(self) -> None:
        if self._cancelled.is_set() or self._arn not in self._region.state.of("image"):
            raise CancelledError

    def _open(self, workflow: str) -> dict[str, Any]:
        """The running execution of this workflow; one of another is over."""
        workflows = self._region.state.workflows
        if self._workflow and workflows[self._workflow]["type"] == workflow:
            return workflows[self._workflow]
        self._close("COMPLETED")
        self._workflow = f"wf-{uuid.uuid4()}"
        workflows[self._workflow] = {
            "workflowBuildVersionArn": (
                f"arn:aws:imagebuilder:{self._region.name}:aws:workflow/{_MANAGED[workflow]}/1.0.0/1"
            ),
            "workflowExecutionId": self._workflow,
            "imageBuildVersionArn": self._arn,
            "type": workflow,
            "status": "RUNNING",
            "totalStepCount": 0,
            "totalStepsSucceeded": 0,
            "totalStepsFailed": 0,
            "totalStepsSkipped": 0,
            "startTime": self._region.clock.text(),
        }
        return workflows[self._workflow]

    def _close(self, status: str) -> None:
        if self._workflow:
            end = {"status": status, "endTime": self._region.clock.text()}
            self._region.state.workflows[self._workflow] |= end
        self._workflow = None

    def _begin_step(self, workflow: str, name: str, action: str) -> str:
        execution = self._open(workflow)
        identity = f"step-{uuid.uuid4()}"
        self._region.state.steps[identity] = {
            "stepExecutionId": identity,
            "workflowExecutionId": execution["workflowExecutionId"],
            "workflowBuildVersionArn": execution["workflowBuildVersionArn"],
            "imageBuildVersionArn": self._arn,
            "name": name,
            "action": action,
            "status": "RUNNING",
            "startTime": self._region.clock.text(),
            "onFailure": "Abort",
            "timeoutSeconds": 3600,
            "attemptNumber": 1,
            "maxAttempts": 1,
        }
        begun = sum(
            step["workflowExecutionId"] == execution["workflowExecutionId"]
            for step in self._region.state.steps.values()
        )
        execution["totalStepCount"] = max(execution["totalStepCount"], begun)
        return identity

    def _end_step(self, identity: str, status: str, count: str | None, message: str = "") -> None:
        step = self._region.state.steps[identity]
        step |= {"status": status, "endTime": self._region.clock.text()}
        if message:
            step["message"] = message[:_LONGEST_MESSAGE]
        if count:
            self._region.state.workflows[step["workflowExecutionId"]][count] += 1
        if status == "FAILED":
            self.failed_step = step

    def end_step(self, identity: str, error: BaseException | None) -> None:
        with self._region.lock:
            if error is None:
                self._end_step(identity, "COMPLETED", "totalStepsSucceeded")
            elif isinstance(error, _STOPPED):
                self._end_step(identity, "CANCELLED", None)
            else:
                self._end_step(identity, "FAILED", "totalStepsFailed", str(error))

    def step_output(self, identity: str, values: dict[str, Any]) -> None:
        with self._region.lock:
            self._region.state.steps[identity]["outputs"] = json.dumps(values)

    def _open_stream(self, client: Any) -> tuple[str, str]:
        with self._region.lock:
            image = self._image
            chosen = image.get("loggingConfiguration", {}).get("logGroupName")
            group, stream = chosen or f"/aws/imagebuilder/{image['name']}", image["version"]
        for make, names in (
            (client.create_log_group, {"logGroupName": group}),
            (client.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
        ):
            try:
                make(**names)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    raise
        return group, stream


class Step:
    """A step while it runs."""

    def __init__(self, recorder: Recorder, identity: str) -> None:
        self._recorder, self._identity = recorder, identity

    def __enter__(self) -> Step:
        return self

    def output(self, **values: Any) -> None:
        """What came of it, for whoever lists the steps."""
        self._recorder.step_output(self._identity, values)

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._recorder.end_step(self._identity, error)


def _reason(arn: str, stage: str, text: str) -> str:
    """The words of the service for a failure in this stage."""
    if stage in {"BUILDING", "TESTING"}:
        return (
            f"SSM execution '{uuid.uuid4()}' failed with status = 'Failed' in state = '{stage}' and failure message = "
            f"'{text}'"
        )
    if stage in {"DISTRIBUTING", "INTEGRATING"}:
        what = "Distribution" if stage == "DISTRIBUTING" else "Integration"
        return f"{what} failed with JobId '{uuid.uuid4()}', status = 'Failed' for ARN '{arn}'. {text}"
    return text
