# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of a program that starts while somebody waits for it: one session, each client made once."""

from __future__ import annotations

import os
import threading
from typing import Any

from . import boot_models
from .errors import client_options, fail_fast, translated

# The metadata service, from which the credentials come, is asked patiently: botocore asks it once, for a second.
_PATIENCE = {"AWS_METADATA_SERVICE_TIMEOUT": "2", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "5"}
# The older signature, which botocore still prefers for links in some regions, opens no object that KMS encrypts.
_SETTINGS: dict[str, dict[str, Any]] = {"s3": {"signature_version": "s3v4"}}


class Clients:
    """By the name of the service; of the environment's region, endpoint and credentials. Threads may share them.

    folder: where boot_models may have left what botocore would take long to read.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._session: Any = None
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        made = self._made.get(service)
        if made is not None:
            return made  # without waiting for another one that is just being made
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    def preload(self) -> None:
        """Import botocore, which takes longer than all calls together, for instance while metadata are asked for."""
        from importlib import import_module

        import_module("botocore.session")
        import_module("botocore.client")

    def _make(self, service: str) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        with translated(f"reach the AWS service {service}"):
            if self._session is None:
                for name, value in _PATIENCE.items():
                    os.environ.setdefault(name, value)
                self._session = Session()
                kept = boot_models.loader(self._folder)
                if kept is not None:
                    self._session.register_component("data_loader", kept)
            region = os.environ.get("AWS_REGION") or None
            config = client_options()["config"].merge(Config(**_SETTINGS.get(service, {})))
            return fail_fast(self._session.create_client(service, region_name=region, config=config))
