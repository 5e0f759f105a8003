# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's hosts, for pyinfra."""

from __future__ import annotations

import json
import os

job = json.loads(os.environ["DTK_BENCH_JOB"])

fleet = (
    [host["name"] for host in job["hosts"]],
    {
        "ssh_user": "root",
        "ssh_key": job["key"],
        "ssh_known_hosts_file": "/dev/null",
        "ssh_strict_host_key_checking": "off",
    },
)
hosts = [(host["name"], {"ssh_hostname": host["address"]}) for host in job["hosts"]]
