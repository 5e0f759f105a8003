# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: what the command line of dtk-converge says, and what a run remembers of the one before."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Orders:
    """by_hand: somebody asks for it now. state, run: folders that outlive a boot, and that do not."""

    config: str = "/etc/dtk/converge.json"
    state: str = "/var/lib/dtk"
    run: str = "/run/dtk"
    by_hand: bool = False
    check: bool = False

    @property
    def role(self) -> str:
        """Where the server role is kept in a form that is quick to read."""
        return os.path.join(self.state, "server_role.json")


@dataclass
class Memory:
    """What is worth knowing at the next run. tried: app to release to when it failed last. said: the last report."""

    path: str
    tried: dict[str, dict[str, float]] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: str) -> Memory:
        memory = cls(os.path.join(folder, "converge.json"))
        try:
            with open(memory.path, encoding="utf-8") as stream:
                data = json.load(stream)
            memory.tried = {app: {str(v): float(at) for v, at in found.items()} for app, found in data["tried"].items()}
            memory.said = dict(data["said"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            memory.tried, memory.said = {}, {}  # it only saves work
        return memory

    def keep(self) -> None:
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        with open(f"{self.path}.new", "w", encoding="utf-8") as stream:
            json.dump({"tried": self.tried, "said": self.said}, stream)
        os.rename(f"{self.path}.new", self.path)
