# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulation import Emulation

from .workshop import Workshop


@pytest.fixture(scope="module")
def running() -> Iterator[Emulation]:
    with pytest.MonkeyPatch.context() as patch, Emulation.start() as aws:
        # Hundreds of AMIs that nobody here starts from, made anew whenever the data goes.
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        yield aws
        patch.undo()
        aws.reset_data()


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
