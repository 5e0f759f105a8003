# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of the emulated AWS: those of tests, and those by which its services call each other."""

from __future__ import annotations

import functools
import threading
from typing import Any

import boto3
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID

ACCOUNT = DEFAULT_ACCOUNT_ID
ACCESS_KEY, SECRET_KEY = "an-access-key", "not-a-secret-at-all"
# In the user agent of calls between services: no test has made them, so none counts or disturbs them.
BY_A_SERVICE = "an-emulated-service"
_LOCK = threading.Lock()
_OPEN: dict[str, list[Any]] = {}


def make(service: str, endpoint: str, region: str, config: Config | None = None) -> Any:
    """A new client, cheaply: what a session has read of botocore's models is not read again."""
    with _LOCK:
        client = _session().client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=config,
        )
        _OPEN.setdefault(endpoint, []).append(client)
        return client


def close(endpoint: str) -> None:
    """Let go of the connections to a server that has ended: a suite starts hundreds, and descriptors run out."""
    with _LOCK:
        for client in _OPEN.pop(endpoint, []):
            client.close()


@functools.cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


class Clients:
    """How one service calls another: at the same endpoint, as a caller of its own; each client is made once."""

    def __init__(self) -> None:
        self.endpoint = ""
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str], Any] = {}

    def __call__(self, service: str, region: str, account: str) -> Any:
        key = service, region, account
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(*key)
            return self._made[key]

    def _make(self, service: str, region: str, account: str) -> Any:
        config = Config(user_agent_extra=BY_A_SERVICE, retries={"total_max_attempts": 1}, proxies={})
        client = make(service, self.endpoint, region, config)

        def in_account(params: dict[str, Any], **_unused: Any) -> None:
            params["headers"]["x-moto-account-id"] = account

        client.meta.events.register(f"before-call.{service}", in_account)
        return client
