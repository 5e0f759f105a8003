# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.plugin_utils import lookup

from tests.emulation import Emulation
from tests.unit.emulated_aws import EmulatedAws, fresh, server
from tests.unit.lookup.harness import Direct, Play


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    with server() as endpoint:
        yield endpoint


@pytest.fixture
def aws(aws_endpoint: str) -> EmulatedAws:
    return fresh(aws_endpoint)


@pytest.fixture(scope="session")
def emulation_server() -> Iterator[Emulation]:
    with Emulation.start() as running:
        yield running


@pytest.fixture
def cloud(emulation_server: Emulation) -> Iterator[Emulation]:
    """An AWS without settings, secrets and faults."""
    emulation_server.reset()
    emulation_server.reset_data()
    yield emulation_server
    emulation_server.reset()


@pytest.fixture
def here(cloud: Emulation, monkeypatch: pytest.MonkeyPatch) -> Direct:
    """Lookups of this process talk to that AWS, and no process is started for them."""
    for name in ("AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.environ().items():
        monkeypatch.setenv(name, value)
    direct = Direct()
    monkeypatch.setattr(lookup, "broker", lambda: direct)
    return direct


@pytest.fixture
def play(cloud: Emulation, tmp_path: Path) -> Play:
    return Play(cloud, tmp_path)
