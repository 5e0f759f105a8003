# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make demo: a golden AMI, a fleet of real hosts that start from it, deploys under traffic, a bad one that returns by
itself, the fleet's status."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import yaml

from .artifacts import build_release
from .lab import Lab, LabHost
from .machine import BUILD, ROOT, LabError
from .traffic import Summary, Traffic

HOSTS = 6
RATE = 10.0
WIDTH = 112
SAYS = re.compile(r"((ok|changed): \[.*\]|fatal: \[(localhost|image-web)\]: FAILED!) => ?$")
PROGRESS = re.compile(r"dtk-\S+ [A-Z]+\b.*$")  # of an image that is being built
OUTPUT = BUILD / "demo"
END_SECONDS = 15


class Demo:
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.steps = 0
        self.lab: Lab | None = None

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.steps += 1
        began = time.monotonic()
        print(f"\n{self.steps}. {title}", flush=True)
        yield
        print(f"   {time.monotonic() - began:.1f} s", flush=True)

    def run(self) -> None:
        keep = os.environ.get("DTK_DEMO_KEEP") == "1"
        with self.step("Start an emulated AWS"):
            self.lab = Lab.up("demo", hosts=0, keep=keep)
            print(f"   {self.lab.endpoint}")
        try:
            self.image()
            self.hosts()
            self.deploys()
        finally:
            if not keep:
                with self.step("End the lab"):
                    self.lab.down()
        print(f"\nDone in {time.monotonic() - self.began:.0f} s. The full output of every command: {_short(OUTPUT)}/")
        if keep:
            print("The lab stays: `.cache/venv/bin/python -m tests.lab down demo` ends it.")

    def image(self) -> None:
        with self.step("Bake the golden AMI of the server role web: the component runs on a real host"):
            self.play("bake", role="web", env="demo")
        with self.step("Bake it again: the same content has its image"):
            self.play("bake", role="web", env="demo")
        with self.step("Promote it: instances start from it"):
            self.play("promote", role="web", env="demo")

    def hosts(self) -> None:
        with self.step(f"Boot {HOSTS} systemd hosts of that AMI in 2 availability zones"):
            current = self.lab.boto("ssm").get_parameter(Name="/dtk/demo/web/ami/current")["Parameter"]["Value"]
            for host in self.lab.launch(HOSTS, image_id=current):
                print(f"   {host.name}  {host.az}  {host.address:13}  {host.instance_id}  {current}")

    def deploys(self) -> None:
        with self.step("Publish two releases of hello to S3"):
            self.publish("1.0.0")
            self.publish("1.0.1")
        with self.step("Deploy 1.0.0, the first release of an empty fleet"):
            self.deploy("1.0.0")
            self.expect("1.0.0")
        self.deploys_under_traffic()
        self.settings()
        with self.step("Status of the fleet"):
            self.play("status", app="hello", env="demo")

    def deploys_under_traffic(self) -> None:
        with self.step(f"Deploy 1.0.1 while {HOSTS * RATE:.0f} requests a second come in"):
            with Traffic(self.lab.hosts, rate=RATE) as traffic:
                self.deploy("1.0.1")
                summary = traffic.stop()
            self.report(summary)
            self.expect("1.0.1")
        with self.step("Deploy 1.0.2, whose health check fails: it must return by itself"):
            self.publish("1.0.2", broken=True)
            with Traffic(self.lab.hosts, rate=RATE) as traffic:
                self.deploy("1.0.2", fails=True)
                summary = traffic.stop()
            self.report(summary)
            self.expect("1.0.1")

    def settings(self) -> None:
        with self.step("Change a setting, and bring it to the fleet while requests come in"):
            self.play("config_set", app="hello", env="demo", values={"greeting": "good day"}, why="politeness")
            with Traffic(self.lab.hosts, rate=RATE) as traffic:
                self.play("config", app="hello", env="demo")
                summary = traffic.stop()
            self.report(summary)
            rude = [host.name for host in self.lab.hosts if '"greeting": "good day"' not in _answer(host)]
            if rude:
                raise LabError(f"These hosts do not greet: {', '.join(rude)}.")
            print(f"   all {HOSTS} hosts say good day", flush=True)

    # --- what a user would type -------------------------------------------------------------------------------------

    def publish(self, version: str, broken: bool = False) -> None:
        artifact = build_release(version, OUTPUT, broken=broken)
        self.play("publish", app="hello", version=version, artifact=_short(artifact))

    def deploy(self, version: str, fails: bool = False) -> None:
        self.play("deploy", app="hello", env="demo", version=version, fails=fails)

    def play(self, playbook: str, fails: bool = False, **extra: Any) -> None:
        command = ["ansible-playbook", "-i", "inventories/demo", f"sysops.dtk.{playbook}"]
        for key, value in extra.items():
            command += ["-e", f"{key}={value}" if isinstance(value, str) else json.dumps({key: value})]
        print(f"   $ {shlex.join(command)}", flush=True)
        log = OUTPUT / f"{self.steps}-{playbook}-{extra.get('version', 'fleet')}.log"
        status = self._run(command, log)
        if fails:
            print(f"   exit code {status}", flush=True)
        if (status != 0) != fails:
            raise LabError(f"That ended with {status}:\n{log.read_text()[-4000:]}")

    def _run(self, command: list[str], log: Path) -> int:
        """Run in a session of its own, so that ctrl-C ends it here, in order, and not behind our back."""
        environ = os.environ | self.lab.environ | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_NOCOLOR": "1"}
        log.parent.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(command[0])), *command[1:]],
            cwd=ROOT,
            env=environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            with log.open("w") as file:
                for line in messages(_copied(process.stdout, file)):
                    print(f"   | {line}", flush=True)
            return process.wait()
        except BaseException:
            _end(process)
            raise

    # --- what came of it --------------------------------------------------------------------------------------------

    def expect(self, version: str) -> None:
        """Every host serves this release, whole: the link and the running service agree."""
        for host in self.lab.hosts:
            seen = _linked(host), _served(host)
            if seen != (version, version):
                raise LabError(f"{host.name} should serve {version}; its link and its service say {seen}.")
        print(f"   all {HOSTS} hosts serve {version}", flush=True)

    def report(self, summary: Summary) -> None:
        print(
            f"   traffic: {summary.requests} requests in {summary.seconds:.0f} s, {summary.failed} failed, "
            f"the slowest took {summary.slowest:.2f} s"
        )
        for at, hosts in _thinned(summary.fleet_over_time()):
            print(f"   {at:7.1f} s  " + "   ".join(f"{release}: {'#' * count}" for release, count in hosts.items()))
        for failure in summary.failures[:5]:
            print(f"   {failure.at:7.1f} s  {failure.host}: {failure.error}")
        if summary.failed:
            raise LabError(f"{summary.failed} requests were lost.")


def messages(lines: Iterable[str]) -> Iterator[str]:
    """Only what a playbook says to its user: the text of its `debug` tasks and its verdict, each a block of YAML;
    and how far an image is."""
    block: list[str] | None = None
    for line in chain(lines, [""]):
        if PROGRESS.match(line):
            yield line.rstrip()
        if block is not None and line.startswith(" "):
            block.append(line)
            continue
        if block:
            yield from _text(yaml.safe_load("".join(block)))
        block = [] if SAYS.match(line) else None


def _text(result: Any) -> Iterator[str]:
    message = result.get("msg", "") if isinstance(result, dict) else ""
    lines = message if isinstance(message, list) else [message]
    for line in chain.from_iterable(str(text).splitlines() or [""] for text in lines):
        indent = re.match(" *", line)[0] + "  "
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _copied(lines: Iterable[str], file: IO[str]) -> Iterator[str]:
    for line in lines:
        file.write(line)
        yield line


def _end(process: subprocess.Popen) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _linked(host: LabHost) -> str:
    return host.exec(["readlink", "/srv/hello/current"], check=False).stdout.strip().rpartition("/")[2]


def _served(host: LabHost) -> str:
    return (re.findall(r'"release": "([^"]*)"', _answer(host)) or ["nothing"])[0]


def _answer(host: LabHost) -> str:
    return host.exec(["curl", "-fsS", "-m", "5", "http://127.0.0.1:8080/"], check=False).stdout


def _thinned(rows: list[tuple[float, dict[str, int]]]) -> list[tuple[float, dict[str, int]]]:
    """The last row of every tenth of a second."""
    return list({round(at, 1): (at, hosts) for at, hosts in rows}.values())


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def main() -> None:
    try:
        Demo().run()
    except LabError as error:
        sys.exit(f"\nThe demo failed. {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the lab has ended.")


if __name__ == "__main__":
    main()
