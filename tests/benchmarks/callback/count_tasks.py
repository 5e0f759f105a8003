# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the tasks that were really executed (not skipped) on each host and writes them to one JSON file."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: count_tasks
type: aggregate
short_description: Count executed tasks by host
description: Writes the number of all tasks and of those run on the host into the JSON file that DTK_BENCH_TASKS names.
author: [the Deploy Toolkit authors]
"""

# These run on the controller whatever the host is: they cost its CPU, but open no connection.
CONTROLLER_ONLY = {"add_host", "assert", "debug", "fail", "group_by", "include_role", "include_tasks", "include_vars",
                   "meta", "set_fact", "set_stats"}  # fmt: skip


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "count_tasks"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._all: Counter[str] = Counter()
        self._remote: Counter[str] = Counter()

    def _count(self, result, **_ignored) -> None:
        host = result._host.get_name()
        self._all[host] += 1
        if result._task.action.rpartition(".")[2] not in CONTROLLER_ONLY and not result._task.delegate_to:
            self._remote[host] += 1

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_unreachable = _count

    def v2_playbook_on_stats(self, stats) -> None:
        counts = {host: {"all": number, "remote": self._remote[host]} for host, number in self._all.items()}
        Path(os.environ["DTK_BENCH_TASKS"]).write_text(json.dumps(counts), encoding="utf-8")
