# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small estate of files, and playbooks of the collection that are run on it against an emulated AWS."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.emulation import Emulation

ROOT = Path(__file__).resolve().parents[3]
COLLECTIONS = ROOT / ".cache" / "collections"
# A host that is this machine.
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}


@dataclass(frozen=True)
class Run:
    """What a run ended with."""

    rc: int
    out: str

    @property
    def text(self) -> str:
        """Without the wrapping that JSON and line breaks bring."""
        return re.sub(r"\s+", " ", self.out.replace("\\n", " ").replace('\\"', '"'))


@dataclass
class Estate:
    """Hosts by name, and the variables of groups."""

    aws: Emulation
    folder: Path
    hosts: dict[str, Any]
    groups: dict[str, list[str]]
    variables: dict[str, dict[str, Any]]

    def write(self) -> None:
        children = {name: {"hosts": dict.fromkeys(hosts)} for name, hosts in self.groups.items()}
        self.folder.mkdir(exist_ok=True)
        (self.folder / "ansible.cfg").touch()
        self._file("hosts.yml", {"all": {"hosts": self.hosts, "children": children}})
        for name, content in self.variables.items():
            self._file(f"group_vars/{name}.yml", content)

    def _file(self, name: str, content: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ANSIBLE_"))}
        settings = {
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "PYTHONUNBUFFERED": "1",
        }
        return {**kept, **self.aws.environ(), **settings}

    def start(self, playbook: str, *flags: str, **extra: Any) -> subprocess.Popen[str]:
        self.write()
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        inventory = str(self.folder / "hosts.yml")
        command = [program, "-i", inventory, f"sysops.dtk.{playbook}", "-e", json.dumps(extra), *flags]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str, *flags: str, **extra: Any) -> Run:
        process = self.start(playbook, *flags, **extra)
        out, _nothing = process.communicate(timeout=300)
        return Run(process.returncode, out)

    def play_killed_at(self, marker: str, playbook: str, **extra: Any) -> str:
        """SIGKILL everything of a run once its output shows the marker."""
        process = self.start(playbook, **extra)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if marker in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.stdout.close()
        process.wait(60)
        out = "".join(seen)
        assert marker in out, out
        return out


def alarm(aws: Emulation, name: str, state: str) -> None:
    """An alarm in this state, made if need be."""
    watch = aws.client("cloudwatch")
    if not watch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
        watch.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
    watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason=f"it is {state}")
