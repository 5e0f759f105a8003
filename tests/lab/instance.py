# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of a lab that is an instance of a cloud: what its image would have, its releases, its log, and its journal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import artifacts
from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log
from ansible_collections.sysops.dtk.plugins.module_utils._core.deploy_log import Claim
from ansible_collections.sysops.dtk.plugins.module_utils.deploys import DeployLog

from .cloud import BUCKET, Cloud
from .hosts import LabHost
from .lab import Lab
from .machine import LabError

APP, ENV, ROLE, PREFIX = "hello", "demo", "web", "/dtk"
TAGS = {"dtk:env": ENV, "dtk:role": ROLE, "dtk:prefix": PREFIX, "dtk:bucket": BUCKET}
UNIT = "dtk-converge.service"
PREPARE = Path(__file__).with_name("instance.yml")
PREPARE_SECONDS = 600
# As before its first boot: no release, no memory, and the unit of the app as the image has it.
RESET = f"""
systemctl stop dtk-converge.timer {UNIT} {APP}.service {APP}.socket
systemctl reset-failed
rm -rf /srv/{APP}/current /srv/{APP}/releases /srv/{APP}/state.json /run/dtk/settled /var/lib/dtk/converge.json
rm -rf /etc/systemd/system/{APP}.service.d
systemctl daemon-reload
"""


class Instance:
    """spec: the entry of the app in the server role."""

    def __init__(self, lab: Lab, cloud: Cloud, spec: dict[str, Any]) -> None:
        self.lab, self.cloud, self.spec = lab, cloud, spec
        self.host: LabHost = lab.hosts[0]

    def prepare(self, folder: Path, **variables: Any) -> None:
        """variables: of role converge."""
        role = folder / "server_role.json"
        document = {"dtk_server_role": {"name": ROLE}, "dtk_apps": {APP: self.spec}}
        role.write_text(json.dumps(document), encoding="utf-8")
        given = {"server_role": str(role.resolve()), "endpoint_url": self.cloud.endpoint, **variables}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.lab.inventory())]
        done = subprocess.run(
            [*command, str(PREPARE), "-e", json.dumps(given)],
            env={**os.environ, **self.lab.environ, "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PREPARE_SECONDS,
            check=False,
        )
        if done.returncode:
            raise LabError(f"The host cannot be made an instance: {done.stdout[-3000:]}")
        self.cloud.show_metadata(self.host)

    # --- what it is to serve ----------------------------------------------------------------------------------------

    def publish(self, version: str, artifact: Path) -> None:
        artifacts.publish(self.cloud.client("s3"), BUCKET, APP, version, str(artifact), now=datetime.now(UTC))

    def stable(self, version: str) -> None:
        """A deploy of this release has come to its end."""
        log = DeployLog(self.cloud.client("ssm"), PREFIX, ENV, APP)
        top = log.top(log.read())
        claimed = deploy_log.claim(top, Claim(f"d{top.n}", version, "alice", 600), datetime.now(UTC))
        log.append(top, claimed)
        slot = deploy_log.commit(claimed, claimed.id or "", datetime.now(UTC) + timedelta(seconds=1))
        assert slot
        log.append(claimed, slot)

    # --- what it does -----------------------------------------------------------------------------------------------

    def reset(self) -> None:
        self.host.exec(["sh", "-c", RESET])

    def start(self, unit: str = UNIT) -> bool:
        """Run a unit to its end, as a boot does; whether it ended well."""
        return self.host.exec(["systemctl", "start", unit], check=False).returncode == 0

    def look(self, unit: str, *properties: str) -> dict[str, str]:
        asked = self.host.exec(["systemctl", "show", f"--property={','.join(properties)}", unit]).stdout
        return dict(line.split("=", 1) for line in asked.splitlines())

    def events(self) -> list[dict[str, Any]]:
        """Of the last run of the unit, as its journal has them."""
        run = self.look(UNIT, "InvocationID")["InvocationID"]
        self.host.exec(["journalctl", "--sync"])
        asked = ["journalctl", f"_SYSTEMD_INVOCATION_ID={run}", "--output=cat", "--no-pager"]
        return [json.loads(line) for line in self.host.exec(asked).stdout.splitlines() if line.startswith("{")]

    def serving(self) -> str | None:
        """The release that answers."""
        ask = ["curl", "-fsS", "-m", "5", "http://127.0.0.1:8080/health"]
        said = self.host.exec(ask, check=False).stdout
        return json.loads(said)["release"] if said else None
