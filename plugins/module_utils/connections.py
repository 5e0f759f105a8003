# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: clients for many reads, kept for as long as their credentials are good, and none of them too fast."""

from __future__ import annotations

import threading
from typing import Any

from ._aws.access import Access, Connection, connect
from ._aws.rate import Pace, paced

__all__ = ["Access", "Connections"]


class Connections:
    """One client per service and access. Those of one region share a pace, since an account has one limit there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: dict[tuple[str, Access], Connection] = {}
        self._paces: dict[tuple[str, str], Pace] = {}

    def client(self, service: str, access: Access) -> Any:
        """Raises AwsError."""
        with self._lock:
            known = self._connections.get((service, access))
            if known is None or not known.is_good():
                known = connect(service, access)
                region = known.client.meta.region_name
                paced(known.client, self._paces.setdefault((service, region), Pace()))
                self._connections[service, access] = known
            return known.client
