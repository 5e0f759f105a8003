# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a lab, as its users see it."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .machine import LabError, podman


@dataclass(frozen=True)
class LabHost:
    """One host: a container that booted systemd, and an instance in EC2."""

    name: str
    address: str  # answers SSH and the application's port
    az: str
    private_ip: str
    container: str
    instance_id: str = ""

    def exec(
        self, argv: Sequence[str], input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root on the host, without SSH."""
        return podman("exec", "--interactive", self.container, *argv, input=input or "", check=check)

    def write(self, path: str, content: str) -> None:
        self.exec(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path], input=content)

    def kill(self) -> None:
        """Power off, without a word to anybody."""
        podman("kill", "--signal=KILL", self.container)

    def start(self) -> None:
        podman("start", self.container)

    def pause(self) -> None:
        """Stop answering, as a host that hangs; connections stay open."""
        podman("pause", self.container)

    def unpause(self) -> None:
        podman("unpause", self.container)

    def wait_until_booted(self, deadline: float, given_up: threading.Event) -> None:
        """Ready means: SSH answers, and systemd says that the start is over and nothing failed."""
        self._wait_for_banner(deadline, given_up)
        # Not over SSH: an image may let nobody in as root.
        asked = "systemctl is-system-running --wait || systemctl --failed --plain --no-legend"
        done = self.exec(["sh", "-c", asked], check=False)
        if done.stdout.strip() != "running":
            raise LabError(f"Host {self.name} did not boot well: {(done.stdout + done.stderr).strip()}")

    def _wait_for_banner(self, deadline: float, given_up: threading.Event) -> None:
        while time.monotonic() < deadline and not given_up.is_set():
            try:
                with socket.create_connection((self.address, 22), timeout=2) as connection:
                    if connection.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            given_up.wait(0.1)
        state = podman("inspect", "--format={{.State.Status}}", self.container, check=False).stdout.strip()
        raise LabError(f"Host {self.name} does not answer SSH at {self.address}; its container is {state or 'gone'}.")
