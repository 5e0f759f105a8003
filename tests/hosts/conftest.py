# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real systemd host, one for each worker, with three releases of hello; every test begins with 1.0.0 active."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import runtime

from tests.lab import Lab, LabHost
from tests.lab.artifacts import build_release

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "plugins" / "module_utils" / "_host"
COLLECTIONS = ROOT / ".cache" / "collections"
HOME = "/srv/hello"
GOOD, NEW, BROKEN = "1.0.0", "1.0.1", "1.0.2-broken"
HEALTH = {
    "http": {"url": "http://127.0.0.1:8080/health", "body": '"release": "{version}"'},
    "successes": 2,
    "interval": 0.05,
    "deadline": 4,
}
# Short, so that a test does not wait long for the dead-man switch.
SPEC = {"unit": "hello.service", "mode": "reload", "health": HEALTH, "watch_after": 2, "unit_timeout": 15, "margin": 1}


# One line each: what the link says, what is served, the state, and the dead-man switches that are armed or at work.
LOOK = f"""
echo "$(readlink {HOME}/current)"
echo "$(curl -fsS -m 5 http://127.0.0.1:8080/ 2>/dev/null)"
echo "$(tr -d '\\n' <{HOME}/state.json 2>/dev/null)"
echo $(systemctl list-units --all --plain --no-legend 'dtk-deadman-*' | cut -d ' ' -f 1)
"""
RESET = f"""
systemctl stop 'dtk-deadman-*'
systemctl reset-failed
rm -f {HOME}/state.json /etc/hello/poison
[ -L {HOME}/current ] || ln -sfn releases/{GOOD} {HOME}/current
"""


@dataclass(frozen=True)
class Look:
    """A host at one moment."""

    link: str | None
    serving: str | None
    state: dict[str, Any]
    switches: tuple[str, ...]


@dataclass(frozen=True)
class Driven:
    """What one call of the driver came to."""

    rc: int
    answer: dict[str, Any]
    err: str


class Hello:
    """The app hello on a host, driven through the very code that a module sends there."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.host: LabHost = lab.hosts[0]

    def install(self) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in sorted(CODE.glob("*.py")):
                tar.add(path, f"dtk_host/_host/{path.name}")
            for facade in runtime.FACADES:
                tar.add(CODE.with_name(f"{facade}.py"), f"dtk_host/{facade}.py")
            tar.add(Path(__file__).with_name("driver.py"), "driver.py")
        self.put(buffer.getvalue(), "mkdir -p /opt/dtk && tar -x -C /opt/dtk")

    def put(self, data: bytes, command: str) -> None:
        self.host.exec(["sh", "-ec", f"base64 -d | ({command})"], input=base64.b64encode(data).decode())

    def stage(self, version: str, work: Path, broken: bool = False) -> None:
        artifact = build_release(version, work, broken=broken)
        data = artifact.read_bytes()
        with tarfile.open(artifact) as tar:
            members = tar.getmembers()
        manifest = {
            "app": "hello",
            "version": version,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "unpacked_size": sum(member.size for member in members),
            "files": len(members),
            "format": "tar.gz",
            "created": "2026-01-01T00:00:00Z",
        }
        self.put(data, f"cat > /var/tmp/{artifact.name}")
        driven = self.drive(call="stage", manifest=manifest, source=f"/var/tmp/{artifact.name}")
        assert driven.rc == 0, driven.err

    def begin(self, call: str = "activate", version: str = NEW, **request: Any) -> list[str]:
        """The command of one call."""
        request = {
            "call": call,
            "version": version,
            "order": {},
            **request,
            "spec": {**SPEC, **request.get("spec", {})},
        }
        return ["/usr/bin/python3", "/opt/dtk/driver.py", json.dumps(request)]

    def drive(self, call: str = "activate", version: str = NEW, **request: Any) -> Driven:
        """One call. `kill`: {"phase", "when"} makes the process kill itself there."""
        done = self.host.exec(self.begin(call, version, **request), check=False)
        answer = json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}
        return Driven(done.returncode, answer, done.stderr)

    def start(self, **request: Any) -> None:
        """Start a call and go on."""
        command = shlex.join(self.begin(**request))
        self.host.exec(["sh", "-c", f"setsid {command} >/var/tmp/driven.out 2>&1 </dev/null &"])

    def module(self, **options: Any) -> dict[str, Any]:
        """The result of module release, sent there over SSH by Ansible as in any play."""
        ansible = Path(sys.executable).with_name("ansible")
        command = [ansible, "-i", f"{self.host.address},", "all", "-m", "sysops.dtk.release", "-a", json.dumps(options)]
        environ = {
            **os.environ,
            **self.lab.environ,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        }
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
        _head, _, body = done.stdout.partition(" => ")
        assert body, done.stdout + done.stderr
        return json.loads(body)

    def look(self) -> Look:
        """All that a test asks, in one go."""
        lines = self.host.exec(["sh", "-c", LOOK], check=False).stdout.splitlines()
        document = json.loads(lines[2] or "null") or {"transaction": None, "current": None}
        serving = json.loads(lines[1])["release"] if lines[1] else None
        return Look(lines[0].rpartition("/")[2] or None, serving, document, tuple(lines[3].split()))

    def whole(self) -> str | None:
        """The one release that this host is on, or a failed assertion."""
        seen = self.look()
        assert seen.state["transaction"] is None, seen
        assert seen.link == seen.serving == seen.state["current"], seen
        return seen.link

    def wait_until_whole(self, release: str | None, seconds: float = 30) -> None:
        """Wait until the host is whole, by itself, and no dead-man switch is left."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self.look()
            settled = seen.state["transaction"] is None and not seen.switches
            if settled and seen.link == seen.serving == seen.state["current"] == release:
                return
            assert time.monotonic() < deadline, (seen, self.journal())
            time.sleep(0.2)

    def journal(self) -> str:
        return self.host.exec(["journalctl", "--no-pager", "-n", "30", "-o", "short"], check=False).stdout

    def reset(self) -> None:
        """Back to 1.0.0, healthy, with no memory of earlier tests."""
        self.host.exec(["sh", "-c", RESET])
        spec = {"mode": "restart", "dead_man": False}
        driven = self.drive(version=GOOD, spec=spec, order={"fence": 1, "deploy": "d0"})
        assert driven.rc == 0, driven
        assert self.whole() == GOOD


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Hello]:
    work = tmp_path_factory.mktemp("artifacts")
    with Lab.up(f"hosts-{worker_id}", hosts=1) as lab:
        app = Hello(lab)
        app.install()
        for version in (GOOD, NEW, BROKEN):
            app.stage(version, work, broken=version == BROKEN)
        yield app


@pytest.fixture
def hello(installed: Hello) -> Hello:
    installed.reset()
    return installed
