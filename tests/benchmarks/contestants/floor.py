# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: plain parallel ssh, one short shell script a host, all hosts at once, no safety of any kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

PARALLEL = 50

DEPLOY = """set -e
cd /srv/hello
mkdir -p releases/{version}
curl -fsS '{url}' | tar xz --no-same-owner -C releases/{version}
ln -s releases/{version} current.new
mv -T current.new current
systemctl restart hello.service
timeout 60 sh -c 'until curl -fsS http://127.0.0.1:8080/health | grep -q "{version}"; do sleep 0.1; done'
"""


def run_script(login: Sequence[str], script: str) -> str:
    """Run a shell script on one host; returns the error text, empty when all went well."""
    done = subprocess.run([*login, "sh"], input=script, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def run_everywhere(logins: Mapping[str, Sequence[str]], script: str) -> dict[str, str]:
    """Run the script on all hosts, 50 at a time; returns the errors by host. A login is an ssh command line."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        errors = pool.map(lambda login: run_script(login, script), logins.values())
        return {host: error for host, error in zip(logins, errors, strict=True) if error}


def main() -> int:
    job = json.loads(os.environ["DTK_BENCH_JOB"])
    logins = {host["name"]: host["login"] for host in job["hosts"]}
    errors = run_everywhere(logins, DEPLOY.format(version=job["version"], url=job["url"]))
    for host, error in errors.items():
        print(f"{host}: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
