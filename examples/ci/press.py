#!/usr/bin/env python3
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Press a button of Automation Controller from CI, wait for the job, and end as it ended.

    press.py 'Deploy shop to beta' --organization Shop --answers '{"version": "1.0.1"}'
    press.py 'Promote shop to prod' --organization Shop --answers '{"version": "1.0.1"}' --workflow

CONTROLLER_HOST and CONTROLLER_OAUTH_TOKEN are in the environment. The token's owner should be allowed to execute that
template and nothing else; the survey's rules hold for CI, too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

_SLOW = 5  # seconds between two looks


def ask(path: str, body: Any = None) -> Any:
    """An answer of the API; a refusal ends the program with what it says."""
    request = urllib.request.Request(
        os.environ["CONTROLLER_HOST"].rstrip("/") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['CONTROLLER_OAUTH_TOKEN']}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as exc:
        sys.exit(f"{path}: {exc.code} {exc.read().decode('utf-8', 'replace')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("template")
    parser.add_argument("--organization", required=True)
    parser.add_argument("--answers", type=json.loads, default={})
    parser.add_argument("--workflow", action="store_true")
    parser.add_argument("--every", type=float, default=_SLOW, help="seconds between two looks")
    given = parser.parse_args()
    kind = "workflow_job_templates" if given.workflow else "job_templates"
    name = urllib.parse.quote(f"{given.template}++{given.organization}", safe="+")
    job = ask(f"/api/v2/{kind}/{name}/launch/", {"extra_vars": given.answers})
    print(f"{given.template}: job {job['id']} at {os.environ['CONTROLLER_HOST']}", flush=True)
    while not job.get("finished"):
        time.sleep(given.every)
        job = ask(job["url"])
    for found in (job.get("artifacts") or {}).values():
        print(found.get("text", "") if isinstance(found, dict) else found)
    print(f"{given.template}: {job['status']} {job.get('job_explanation', '')}".rstrip())
    sys.exit(job["status"] != "successful")


if __name__ == "__main__":
    main()
