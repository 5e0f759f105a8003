# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: plain parallel ssh, one short shell script a host, all hosts at once, no safety of any kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

PARALLEL = 50
SSH = ("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
       "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20")  # fmt: skip

DEPLOY = """set -e
cd /srv/hello
mkdir -p releases/{version}
curl -fsS '{url}' | tar xz --no-same-owner -C releases/{version}
ln -s releases/{version} current.new
mv -T current.new current
systemctl restart hello.service
timeout 60 sh -c 'until curl -fsS http://127.0.0.1:8080/health | grep -q "{version}"; do sleep 0.1; done'
"""


def run_script(address: str, key: str, script: str) -> str:
    """Run a shell script on one host; returns the error text, empty when all went well."""
    argv = [*SSH, "-i", key, f"root@{address}", "sh"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def run_everywhere(addresses: Iterable[str], key: str, script: str) -> dict[str, str]:
    """Run the script on all hosts, 50 at a time; returns the errors by address."""
    hosts = list(addresses)
    with ThreadPoolExecutor(PARALLEL) as pool:
        errors = pool.map(lambda host: run_script(host, key, script), hosts)
        return {host: error for host, error in zip(hosts, errors, strict=True) if error}


def main() -> int:
    job = json.loads(os.environ["DTK_BENCH_JOB"])
    addresses = [host["address"] for host in job["hosts"]]
    errors = run_everywhere(addresses, job["key"], DEPLOY.format(version=job["version"], url=job["url"]))
    for address, error in errors.items():
        print(f"{address}: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
