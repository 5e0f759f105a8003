# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: one call of the on-host code as its argument says, killed or stopped at a phase if it says so."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys

sys.path.insert(0, "/opt/dtk")

from dtk_host._host import activate, hooks, manifest, probe, stage
from dtk_host._host.errors import HostError
from dtk_host._host.layout import Layout


def interrupt_at(phase: str, when: str, number: int) -> None:
    """Send this process a signal just before, or just after, a phase is written down."""
    enter = activate._enter

    def _enter(journal, entered, closing=None):
        if entered == phase and when == "before":
            os.kill(os.getpid(), number)
        enter(journal, entered, closing)
        if entered == phase and when == "after":
            os.kill(os.getpid(), number)

    activate._enter = _enter


def spec_of(data: dict) -> activate.ActivationSpec:
    given = data.pop("hooks", {})
    return activate.ActivationSpec(
        **{
            **data,
            "health": probe.from_dict(data.get("health")),
            "pre": hooks.from_list("pre", given.get("pre")),
            "post": hooks.from_list("post", given.get("post")),
        }
    )


def main() -> int:
    request = json.loads(sys.argv[1])
    layout = Layout("hello")
    if "kill" in request:
        interrupt_at(**request["kill"], number=signal.SIGKILL)
    if "stop" in request:
        interrupt_at(**request["stop"], number=signal.SIGSTOP)
    if request["call"] == "stage":
        done = stage.stage(layout, manifest.from_dict(request["manifest"]), request["source"])
        print(json.dumps({"changed": done.changed}))
        return 0
    call = {"activate": activate.activate, "revert": activate.revert}[request["call"]]
    try:
        result = call(layout, request["version"], spec_of(request["spec"]), activate.Order(**request["order"]))
        error = None
    except HostError as exc:
        result, error = getattr(exc, "result", None), str(exc)
    answer = dataclasses.asdict(result) if result else {}
    print(json.dumps({**answer, "error": error}))
    return 1 if error else 0


if __name__ == "__main__":
    sys.exit(main())
