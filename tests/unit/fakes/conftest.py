# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulation import Emulation
from tests.fakes.autoscaling import ManualClock, Options

from .fleet import Fleet
from .workshop import Workshop


@pytest.fixture(scope="session")
def emulation() -> Iterator[Emulation]:
    with Emulation.start() as aws:
        yield aws


@pytest.fixture(scope="module")
def running(emulation: Emulation) -> Iterator[Emulation]:
    """Without the hundreds of AMIs that nobody here starts from, and that would be made anew for each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield emulation
    emulation.reset_data()


@pytest.fixture
def shop(running: Emulation) -> Iterator[Workshop]:
    """An empty AWS, whose Image Builder at the end has neither broken its contract nor anything else."""
    running.reset_data()
    yield Workshop(running)
    running.reset()
    fake = running.image_builder
    violations, bugs = [*fake.violations], [*fake.bugs]
    fake.violations.clear()
    fake.bugs.clear()
    assert (violations, bugs) == ([], [])


@pytest.fixture(scope="module")
def scaling() -> Iterator[Emulation]:
    """Its Auto Scaling is ours, and its time stands still until a test moves it."""
    with pytest.MonkeyPatch.context() as patch, Emulation.start(autoscaling=Options(clock=ManualClock())) as aws:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws
        patch.undo()
        aws.reset_data()


@pytest.fixture
def fleet(scaling: Emulation) -> Iterator[Fleet]:
    """An empty AWS, whose Auto Scaling at the end has neither broken its contract nor anything else."""
    scaling.reset_data()
    yield Fleet(scaling)
    scaling.reset()
    violations = [*scaling.autoscaling.violations]
    scaling.autoscaling.violations.clear()
    assert violations == []
