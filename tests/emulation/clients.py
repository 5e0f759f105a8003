# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one emulated service calls another: at the same endpoint, as a caller of its own."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID

ACCOUNT = DEFAULT_ACCOUNT_ID
# In the user agent of such calls: no test has made them, so none counts or disturbs them.
BY_A_SERVICE = "an-emulated-service"


class Clients:
    """Clients of the services at the endpoint, each made once."""

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
        client = boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id="a-service",
            aws_secret_access_key="not-a-secret-at-all",
            config=Config(user_agent_extra=BY_A_SERVICE, retries={"total_max_attempts": 1}, proxies={}),
        )

        def in_account(params: dict[str, Any], **_unused: Any) -> None:
            params["headers"]["x-moto-account-id"] = account

        client.meta.events.register(f"before-call.{service}", in_account)
        return client
