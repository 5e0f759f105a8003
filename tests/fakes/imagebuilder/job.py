# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service hands to whatever builds an image, and what that has to say on the way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol


class BuildError(Exception):
    """A step that failed; the text is what becomes the image's reason."""


class ComponentError(BuildError):
    """A step of a component that failed, told in such a way that the image's failure names it as AWS does."""

    def __init__(self, component: str, phase: str, step: str, action: str, message: str) -> None:
        super().__init__(f"Document {component} failed!")
        self.component, self.phase, self.step, self.action, self.message = component, phase, step, action, message


class CancelledError(Exception):
    """CancelImageCreation was called while the image was being built."""


@dataclass(frozen=True)
class Component:
    """One component of the recipe: its document as it was created, and the recipe's values for its parameters."""

    arn: str
    document: str
    parameters: dict[str, list[str]]


class Reporter(Protocol):
    """How a builder tells the service what it is doing; every call may raise CancelledError."""

    def status(self, status: str) -> None:
        """BUILDING, TESTING, DISTRIBUTING, INTEGRATING."""

    def expect(self, workflow: str, steps: int) -> None:
        """How many steps a workflow has, known before any of them ran."""

    def step(self, workflow: str, name: str, action: str) -> Any:
        """Context manager: a step of the BUILD, TEST or DISTRIBUTION workflow, failed if its block raises.

        It gives an object whose output(instanceId=…) says what came of it.
        """

    def skip(self, workflow: str, name: str, action: str) -> None:
        """A step that this image does not need."""

    def log(self, text: str) -> None:
        """Lines for the image's stream in CloudWatch Logs."""


@dataclass(frozen=True)
class Job:
    """One image to build."""

    region: str
    image_arn: str
    parent_image: str  # AMI id, resolved
    recipe: dict[str, Any]  # as GetImageRecipe shows it
    components: tuple[Component, ...]
    infrastructure: dict[str, Any]
    tests_enabled: bool
    reporter: Reporter
    cancelled: threading.Event = field(default_factory=threading.Event)


class Builder(Protocol):
    """Builds and tests; the service itself distributes, that is registers the AMIs."""

    def run(self, job: Job) -> str:
        """The name of the snapshot, which becomes the tag LabImage of each AMI. BuildError, CancelledError."""
