# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: one call of app_config's code as stdin says, killed at a phase or within a write if it says so."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys

sys.path.insert(0, "/opt/dtk")

from dtk_host import app_config
from dtk_host._host import activate, config_files


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(phase: str, when: str) -> None:
    """Just before, or just after, a phase is written down; or with a file that is complete but not in its place."""
    if phase == "write":
        rename = os.rename

        def _rename(source: str, target: str) -> None:
            if target.startswith("/etc/hello/"):
                if when == "after":
                    rename(source, target)
                kill()
            rename(source, target)

        config_files.os.rename = _rename
        return
    enter = activate._enter

    def _enter(journal, entered, closing=None):
        if entered == phase and when == "before":
            kill()
        enter(journal, entered, closing)
        if entered == phase and when == "after":
            kill()

    activate._enter = _enter


def main() -> None:
    request = json.load(sys.stdin)
    spec = app_config._spec
    # Short, so that a test does not wait long for the dead-man switch.
    app_config._spec = lambda options, alone: dataclasses.replace(spec(options, alone), watch_after=2, margin=1)
    if "kill" in request:
        kill_at(**request["kill"])
    print(json.dumps(app_config.answer(request["options"], False, True)))


main()
