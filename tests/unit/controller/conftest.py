# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.controller import ControllerFake
from tests.unit.controller.harness import Applier


@pytest.fixture
def controller() -> Iterator[ControllerFake]:
    with ControllerFake.start() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture
def apply(controller: ControllerFake, tmp_path: Path) -> Applier:
    return Applier(controller, tmp_path)
