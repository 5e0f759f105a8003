# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs named systemctl and systemd-analyze, which keep units in a file: what each is and when it was started.

Only for the order of things and for faults that a real systemd can't be asked for; molecule has the real one.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import unit_file
from ansible_collections.sysops.dtk.plugins.module_utils._host import systemd

_PROGRAM = f"""#!{sys.executable} -IS
import json, os, sys, time
FOLDER = {{folder!r}}
STATE = os.path.join(FOLDER, "state.json")
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(STATE) as stream:
    state = json.load(stream)
verb = next(word for word in words if not word.startswith("-"))
units = words[words.index("--") + 1 :] if "--" in words else []


def stamp(seconds):
    micro = "%06d" % (seconds % 1 * 1e6)
    return time.strftime("%a %Y-%m-%d %H:%M:%S.", time.gmtime(seconds)) + micro + " UTC" if seconds else ""


def shown(unit):
    found = state["units"].get(unit, {{}})
    path = os.path.join(FOLDER, "etc", unit)
    there = os.path.exists(path)
    drop_in = path + ".d/50-dtk-env.conf"
    yield "Id=" + unit
    yield "LoadState=" + ("loaded" if there else "not-found")
    yield "ActiveState=" + found.get("active", "inactive")
    yield "SubState=running\\nResult=success\\nType=exec\\nNRestarts=0"
    yield "FragmentPath=" + (path if there else "")
    yield "DropInPaths=" + (drop_in if os.path.exists(drop_in) else "")
    yield "NeedDaemonReload=" + ("yes" if found.get("outdated") else "no")
    yield ("ExecMainStartTimestamp=" if unit.endswith(".service") else "ActiveEnterTimestamp=") + stamp(
        found.get("since", 0)
    )


def act():
    if name == "systemd-analyze":
        path = words[-1]
        if verb == "verify":
            print("/lib/systemd/system/other.service:7: Unknown key 'New' in section [Unit], ignoring.")
            for each in [word for word in words[1:] if not word.startswith("-")]:
                state["seen"][os.path.basename(each)] = open(each).read()
            if state["verdict"]:
                print(state["verdict"].replace("FOLDER", os.path.dirname(path)))
            return 0
        score = state["exposure"].get(os.path.basename(path), 1.2)
        if "--json=short" in words:
            rows = [("PrivateNetwork=", "0.5"), ("SystemCallFilter=~@mount", "0.2"), ("SystemCallFilter=~@swap", "0.4")]
            rows.append(("PrivateTmp=", None))
            print(json.dumps([{{"name": row[0], "exposure": row[1]}} for row in rows]))
        else:
            print("table\\n\\n-> Overall exposure level for %s: %s OK :-)" % (os.path.basename(path), score))
        return 0
    if verb == "is-enabled":
        print("\\n".join(state["enabled"].get(unit, "disabled") for unit in units))
        return 1
    if verb == "show":
        print("\\n\\n".join("\\n".join(shown(unit)) for unit in units))
        return 0
    state["calls"].append(" ".join([verb, *units]))
    if state["failing"].get(verb):
        print(state["failing"][verb].pop(0))
        return 1
    if verb in ("enable", "disable"):
        state["enabled"].update({{unit: verb + "d" for unit in units}})
    if verb == "daemon-reload":
        for found in state["units"].values():
            found["outdated"] = False
    if verb == "restart":
        state["units"].update({{unit: {{"active": "active", "since": time.time()}} for unit in units}})
    if verb == "stop":
        state["units"].update({{unit: {{"active": "inactive", "since": 0}} for unit in units}})
    return 0


code = act()
with open(STATE, "w") as stream:
    json.dump(state, stream)
sys.exit(code)
"""


class FakeUnits:
    """A host's units, in `etc`, and what systemd knows of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.etc = folder, folder / "etc"
        (folder / "bin").mkdir()
        self.etc.mkdir()
        for name in ("systemctl", "systemd-analyze"):
            program = folder / "bin" / name
            program.write_text(_PROGRAM.replace("{folder!r}", repr(str(folder))))
            program.chmod(0o755)
        self._save({"units": {}, "enabled": {}, "exposure": {}, "failing": {}, "calls": [], "seen": {}, "verdict": ""})
        monkeypatch.setattr(unit_file, "UNIT_FOLDER", str(self.etc))
        monkeypatch.setattr(systemd, "UNIT_PATHS", (str(self.etc),))
        monkeypatch.setattr(systemd, "_RUNTIME", str(folder))

    @property
    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "state.json").read_text())

    def _save(self, state: dict[str, Any]) -> None:
        (self.folder / "state.json").write_text(json.dumps(state))

    def set(self, **changes: Any) -> None:
        self._save({**self.state, **changes})

    def started(self, *units: str, ago: float = 0.0) -> None:
        """These run, since some seconds."""
        found = {unit: {"active": "active", "since": time.time() - ago} for unit in units}
        self.set(units={**self.state["units"], **found})

    def calls(self) -> list[str]:
        """What was asked to change since the last time."""
        found = self.state["calls"]
        self.set(calls=[])
        return found
