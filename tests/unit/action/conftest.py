# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.emulated_aws import EmulatedAws, fresh, server


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    with server() as endpoint:
        yield endpoint


@pytest.fixture
def aws(aws_endpoint: str) -> EmulatedAws:
    return fresh(aws_endpoint)
