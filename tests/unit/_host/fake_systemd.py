# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs named systemctl and systemd-run that write down how they are called and answer as they are told.

Only for the order of things and for faults that a real systemd can't be asked for; tests/hosts has the real one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import runtime, systemd
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout

_PROGRAM = """#!/bin/sh
case "$0" in
  *systemd-run) verb=run ;;
  *) verb=$1 ;;
esac
case "$verb" in
  stop) echo "$verb $(echo "$3" | sed 's/-[0-9a-f]*\\.timer/.timer/')" >>{folder}/calls ;;
  run) echo run >>{folder}/calls; echo "$*" >>{folder}/switches ;;
  *) echo "$verb at $(readlink {current})" >>{folder}/calls ;;
esac
if [ -e {folder}/fail-$verb ]; then
  head -n 1 {folder}/fail-$verb
  sed -i 1d {folder}/fail-$verb
  [ -s {folder}/fail-$verb ] || rm {folder}/fail-$verb
  exit 1
fi
if [ "$verb" = show ]; then cat {folder}/unit; fi
"""


class FakeSystemd:
    """What was asked of systemd; `fail` makes the next calls of one verb fail."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir(parents=True)
        for name in ("systemctl", "systemd-run"):
            program = bin_folder / name
            program.write_text(_PROGRAM.replace("{folder}", str(folder)).replace("{current}", layout.current))
            program.chmod(0o755)
        self.unit()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(systemd, "_RUNTIME", str(self.folder))
        monkeypatch.setattr(systemd, "UNIT_PATHS", ())
        monkeypatch.setattr(runtime.ensure, "__defaults__", (str(self.folder / "lib"),))

    def unit(self, **changes: str) -> None:
        """What `systemctl show` says from now on."""
        values = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "Result": "success"}
        values |= {"Type": "simple", "NRestarts": "0", "ActiveEnterTimestampMonotonic": "1"}
        values |= {"ExecMainStartTimestampMonotonic": str(2**62), **changes}
        (self.folder / "unit").write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def fail(self, verb: str, *outputs: str) -> None:
        (self.folder / f"fail-{verb}").write_text("".join(f"{output}\n" for output in outputs))

    def calls(self) -> list[str]:
        """What was asked since the last time."""
        path = self.folder / "calls"
        if not path.exists():
            return []
        lines = path.read_text().splitlines()
        path.unlink()
        return lines

    def switches(self) -> list[str]:
        path = self.folder / "switches"
        return path.read_text().splitlines() if path.exists() else []
