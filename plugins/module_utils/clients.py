# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: what every AWS module of this collection begins with: its clients and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from ._aws import errors, session
from ._core.deploy_log import UTC

Client = Callable[..., Any]
"""client(service, region=""): a client of a service, of the own region without one."""
Clock = Callable[[], datetime]


def client(module: Any, service: str, region: str = "") -> Any:
    """A client of an AnsibleAWSModule; ends the module with one sentence if there is no region.

    region: another one than the module's.
    """
    if service != "s3" and not (region or module.region):
        module.fail_json(msg=f"Cannot reach the AWS service {service}: {errors.NO_REGION}")
    elsewhere = {"region": region} if region else {}
    return errors.fail_fast(module.client(service, **errors.client_options(), **elsewhere))


def of(module: Any) -> Client:
    """The clients of an AnsibleAWSModule, each made once."""
    return lru_cache(maxsize=None)(partial(client, module))


def own(service: str, region: str = "") -> Any:
    """A client of this process' own environment; raises AwsError."""
    return session.client(service, region)


def each_once() -> Client:
    """The clients of this process' own environment, each made once."""
    return lru_cache(maxsize=None)(own)


def now() -> datetime:
    """The only place where a module looks at the clock."""
    return datetime.now(UTC)
