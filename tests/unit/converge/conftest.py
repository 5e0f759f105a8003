# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulation import Emulation
from tests.unit.converge.world import World, worlds


@pytest.fixture(scope="session")
def running() -> Iterator[Emulation]:
    with Emulation.start(autoscaling=True) as aws:
        yield aws


@pytest.fixture
def world(running: Emulation, tmp_path: Path) -> Iterator[World]:
    with worlds(running, tmp_path) as world:
        yield world
    # The program's clients are rings of objects, and each holds a connection of which this process has both ends.
    gc.collect()
    running.reset()
    running.reset_data()
