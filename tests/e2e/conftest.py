# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of real hosts, one for each worker; every test begins with all of it on release 1.0.0."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.lab.artifacts import build_release

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache" / "installed"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLAY_TIMEOUT = 600
Step = Callable[[subprocess.Popen[str], str], None]


@dataclass(frozen=True)
class Run:
    """What a playbook run ended with."""

    rc: int
    out: str

    @property
    def text(self) -> str:
        """The output with the wrapping that JSON strings and line breaks bring taken away."""
        return re.sub(r"\s+", " ", self.out.replace("\\n", " ").replace('\\"', '"'))

    def tasks(self, host: str) -> str:
        """What the recap counts for a host."""
        return next(line for line in self.out.splitlines() if line.startswith(f"{host} ") and "unreachable=" in line)


@dataclass
class Fleet:
    """The hosts, and the commands that a SysOp types about them."""

    lab: Lab
    work: Path
    app: str = "hello"
    env: str = "demo"
    inventory: Path = ROOT / "inventories" / "demo"

    def command(self, playbook: str, *flags: str, **extra: Any) -> list[str]:
        """The command line: the playbook by its full name, every extra variable as JSON."""
        variables = {"app": self.app, "env": self.env, **extra}
        return [
            str(PLAYBOOK),
            "-i",
            str(self.inventory),
            f"sysops.dtk.{playbook}",
            "-e",
            json.dumps(variables),
            *flags,
        ]

    def environ(self, **changes: str | None) -> dict[str, str]:
        merged = {
            **os.environ,
            **self.lab.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_FORKS": "20",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "PYTHONUNBUFFERED": "1",
        }
        for name, value in changes.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = value
        return merged

    def play(self, playbook: str, *flags: str, environ: dict[str, str | None] | None = None, **extra: Any) -> Run:
        """Run a playbook of the installed collection, from a folder that has nothing to do with it."""
        done = subprocess.run(
            self.command(playbook, *flags, **extra),
            cwd=self.work,
            env=self.environ(**(environ or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PLAY_TIMEOUT,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def play_until(
        self, marker: str, playbook: str, then: Callable[[subprocess.Popen[str]], None], **extra: Any
    ) -> Run:
        """Run a playbook and call `then` once its output shows `marker`; the run goes on unless `then` ends it."""
        return self.play_through([(marker, lambda process, _said: then(process))], playbook, **extra)

    def play_through(self, steps: Sequence[tuple[str, Step]], playbook: str, *flags: str, **extra: Any) -> Run:
        """Run a playbook, and at each marker, in their order, call what belongs to it with all that was said so far."""
        process = subprocess.Popen(
            self.command(playbook, *flags, **extra),
            cwd=self.work,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        lines: list[str] = []
        waiting = list(steps)
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if waiting and waiting[0][0] in line:
                _, then = waiting.pop(0)
                then(process, "".join(lines))
                if process.poll() is not None:
                    break
        process.wait(PLAY_TIMEOUT)
        process.stdout.close()
        assert not waiting, f"the run ended before {waiting[0][0]!r}:\n{''.join(lines)}"
        return Run(process.returncode, "".join(lines))

    def play_killed_at(self, marker: str, playbook: str, **extra: Any) -> Run:
        """SIGKILL the process group of a run at `marker`, as Automation Controller does to cancel a job."""

        def kill(process: subprocess.Popen[str]) -> None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PLAY_TIMEOUT)

        return self.play_until(marker, playbook, kill, **extra)

    def hold(self, who: str, job_url: str) -> None:
        """Claim the app for somebody else, for years, whoever holds it now."""
        pages = self.lab.boto("ssm").get_paginator("get_parameters_by_path")
        path = f"/dtk/{self.env}/{self.app}/deploy"
        newest = max(p["Name"] for page in pages.paginate(Path=path) for p in page["Parameters"])
        folder, _, number = newest.rpartition("/")
        target = {
            "id": "20260102-030405-abcdef",
            "release": "1.0.1",
            "kind": "deploy",
            "owner": who,
            "job_url": job_url,
            "since": "2026-01-02T03:04:05Z",
            "lease_until": "2099-12-31T00:00:00Z",
        }
        entry = {"target": target, "by": who, "at": "2026-01-02T03:04:05Z", "why": "deploy of 1.0.1"}
        self.lab.boto("ssm").put_parameter(
            Name=f"{folder}/{int(number) + 1:0{len(number)}d}",
            Value=json.dumps({**self.slots()[-1], **entry}),
            Type="String",
            Overwrite=False,
        )

    def publish(self, version: str, **kwargs: Any) -> Run:
        artifact = build_release(version, self.work / "artifacts", **kwargs)
        return self.play("publish", version=version, artifact=str(artifact))

    def releases(self) -> dict[str, str | None]:
        """{host: the release whose folder `current` points to}."""
        return {host.name: self.current(host) for host in self.lab.hosts}

    def current(self, host: Any) -> str | None:
        answer = host.exec(["readlink", f"/srv/{self.app}/current"], check=False)
        return answer.stdout.strip().rpartition("/")[2] or None

    def state(self, host: Any) -> dict[str, Any]:
        return json.loads(host.exec(["cat", f"/srv/{self.app}/state.json"]).stdout)

    def serving(self) -> dict[str, str | None]:
        """{host: the release that the running service says it is}."""
        answers = {}
        for host in self.lab.hosts:
            got = host.exec(["curl", "-fsS", "-m", "5", "http://127.0.0.1:8080/"], check=False)
            answers[host.name] = json.loads(got.stdout)["release"] if got.returncode == 0 else None
        return answers

    def slots(self) -> list[dict[str, Any]]:
        """The deploy log, oldest slot first."""
        pages = self.lab.boto("ssm").get_paginator("get_parameters_by_path")
        found = [p for page in pages.paginate(Path=f"/dtk/{self.env}/{self.app}/deploy") for p in page["Parameters"]]
        return [json.loads(p["Value"]) for p in sorted(found, key=lambda p: p["Name"])]

    def snapshot(self) -> dict[str, Any]:
        """Everything that a refused run must leave as it was."""
        return {"log": self.slots(), "releases": self.releases(), "states": [self.state(h) for h in self.lab.hosts]}

    def is_settled_on(self, version: str) -> bool:
        """Whether every host serves the release, proven, and the deploy log says the same."""
        log = self.slots()
        if not log or log[-1]["target"] or log[-1]["stable"] != version:
            return False
        states = [self.state(host) for host in self.lab.hosts]
        proven = all(s["current"] == s["last_good"] == version and not s["transaction"] for s in states)
        return proven and set(self.serving().values()) == {version}

    def wait_until_whole(self, allowed: set[str], timeout: float = 90) -> dict[str, str | None]:
        """Wait until no activation is under way and every host serves what its link says; return who serves what."""
        deadline = time.monotonic() + timeout
        while True:
            linked, served = self.releases(), self.serving()
            open_ones = [h.name for h in self.lab.hosts if self.state(h)["transaction"]]
            if linked == served and not open_ones and set(served.values()) <= allowed:
                return served
            assert time.monotonic() < deadline, (
                f"not whole: links {linked}, serving {served}, open transactions {open_ones}"
            )
            time.sleep(0.5)


@pytest.fixture(scope="session")
def whole_fleet(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Fleet]:
    with Lab.up(f"e2e-{worker_id}", hosts=4) as lab:
        fleet = Fleet(lab, tmp_path_factory.mktemp("elsewhere"))
        for version, kwargs in {
            "1.0.0": {},
            "1.0.1": {},
            "1.0.2-broken": {"broken": True},
            "1.0.3-poisoned": {},
        }.items():
            run = fleet.publish(version, **kwargs)
            assert run.rc == 0, run.out
        yield fleet


@pytest.fixture
def fleet(whole_fleet: Fleet) -> Fleet:
    """The fleet with every host on 1.0.0 and nobody deploying."""
    if whole_fleet.is_settled_on("1.0.0"):
        return whole_fleet
    run = whole_fleet.play("deploy", version="1.0.0", waves=["100%"], takeover=True)
    assert run.rc == 0, run.out
    assert set(whole_fleet.serving().values()) == {"1.0.0"}
    return whole_fleet
