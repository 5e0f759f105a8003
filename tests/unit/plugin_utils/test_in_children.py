# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that run in children of a process: their results, whatever becomes of them."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.unit.run_module import COLLECTIONS

# In a process of its own, as in Ansible's workers: a child must not inherit the test runner.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.sysops.dtk.plugins.plugin_utils.in_children import run_all
jobs = [
    ("sysops.dtk.controller_objects", {"content": {}}),
    ("sysops.dtk.no_such_module", {}),
    ("sysops.dtk.controller_objects", {"content": {}, "state": "wrong", "controller_token": "a-canary"}),
] * 3
print(json.dumps(run_all(jobs, int(sys.argv[2]))))
"""


def results(at_once: int) -> list[dict[str, str]]:
    command = [sys.executable, "-c", PROGRAM, str(COLLECTIONS), str(at_once)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_each_job_has_its_result_in_order() -> None:
    for at_once in (1, 4):
        found = results(at_once)
        assert all(result["failed"] for result in found)
        assert ["runs in Ansible itself" in result["msg"] for result in found] == [True, False, False] * 3
        assert "no_such_module died: ModuleNotFoundError" in found[1]["msg"]
        assert "value of state must be one of" in found[2]["msg"]
        assert "a-canary" not in json.dumps(found)
