# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of a lab find their metadata where they are in EC2; and for measurements, as quickly.

    python -m tests.lab.metadata ENDPOINT ADDRESS:PORT MAP

What the emulated service answers, it asks for over HTTP, several times for each answer. The process remembers each
answer of an instance, but for the one that changes while it boots: in EC2 they come from the machine that the instance
runs on.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tests.fakes.imds import Imds, Listener, Reply

from . import aws
from .lab import Lab

CHANGES = "autoscaling"
# Read by a unit of every host (host/instance-metadata.service) before it asks who it is.
REDIRECT = """\
table ip metadata
delete table ip metadata
table ip metadata {{
  chain output {{
    type nat hook output priority -100;
    ip daddr 169.254.169.254 tcp dport 80 dnat to {address}:{port}
  }}
}}
"""
_serving = threading.Lock()


def serve(lab: Lab) -> Imds:
    """The service of a lab, in this process and as long as it runs. Hosts that boot from now on know the way."""
    with _serving:
        return _served(lab.name, lab.endpoint, lab.gateway, lab.dir / "host" / "metadata.nft")


@functools.cache
def _served(_lab: str, endpoint: str, gateway: str, redirect: Path) -> Imds:
    imds = Imds(endpoint, aws.REGION)
    port = imds.listen(Listener(gateway)).rpartition(":")[2]
    redirect.write_text(REDIRECT.format(address=gateway, port=port))
    return imds


class SteadyImds(Imds):
    """Remembers."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: dict[tuple[str, str], Reply] = {}
        self._instances: dict[str, dict[str, Any]] = {}

    def _checked(self, instance_id: str) -> tuple[Reply | None, dict[str, Any]]:
        if instance_id in self._instances:
            return None, self._instances[instance_id]
        refused, instance = super()._checked(instance_id)
        if not refused:
            self._instances[instance_id] = instance
        return refused, instance

    def _look_up(self, instance: dict[str, Any], path: str) -> Reply:
        key = instance["InstanceId"], path
        if key not in self._kept:
            answer = super()._look_up(instance, path)
            if CHANGES in path:
                return answer
            self._kept[key] = answer
        return self._kept[key]


def main() -> None:
    endpoint, address, map_file = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        SteadyImds.start(endpoint, Listener.parse(address), map_file=Path(map_file)),
    ):
        signal.pause()


if __name__ == "__main__":
    main()
