# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.retries import standard

from tests.emulation import Emulation

from . import world as worlds


@pytest.fixture(scope="session")
def emulation() -> Iterator[Emulation]:
    with Emulation.start() as aws:
        yield aws


@pytest.fixture(scope="session", autouse=True)
def plugin_options() -> Iterator[None]:
    yield from worlds.initialised()


@pytest.fixture
def aws(emulation: Emulation) -> Iterator[Emulation]:
    emulation.reset()
    yield emulation
    emulation.reset()


@pytest.fixture
def world(aws: Emulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> worlds.World:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_URL"):
        monkeypatch.delenv(name, raising=False)
    # A call is tried as often as ever, but nobody waits between the tries.
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda self, context: 0)
    return worlds.World(aws, tmp_path)
