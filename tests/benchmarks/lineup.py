# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes part: the command line and the environment of each contestant."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.fleet import APP, COLLECTIONS, ENV, Fleet

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Contestant:
    name: str
    argv: Callable[[Fleet], list[str]]
    environ: Callable[[Fleet], dict[str, str]]
    timeout_s: float
    repeated: bool = False


def _ansible_environ(fleet: Fleet) -> dict[str, str]:
    """The same settings for both Ansible contestants; fresh control paths, so that none inherits connections."""
    return {
        "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
        "ANSIBLE_FORKS": "50",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(fleet.fresh_control_path()),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "count_tasks",
        "ANSIBLE_NOCOLOR": "true",
    }


def _playbook(fleet: Fleet, playbook: str, **extra: object) -> list[str]:
    return [str(BIN / "ansible-playbook"), "-i", str(fleet.inventory), playbook, "-e", json.dumps(extra)]


def _ours(fleet: Fleet) -> list[str]:
    return _playbook(fleet, "sysops.dtk.deploy", app=APP, env=ENV, version=fleet.target.version)


def _peer(fleet: Fleet) -> list[str]:
    return _playbook(fleet, str(HERE / "contestants/peer.yml"), **fleet.target_facts())


def _floor(_fleet: Fleet) -> list[str]:
    return [sys.executable, str(HERE / "contestants/floor.py")]


def _pyinfra(_fleet: Fleet) -> list[str]:
    script = [str(HERE / "contestants/pyinfra_inventory.py"), str(HERE / "contestants/pyinfra_deploy.py")]
    return [str(BIN / "pyinfra"), "-y", "--parallel", "50", *script]


def _job_environ(fleet: Fleet) -> dict[str, str]:
    return {"DTK_BENCH_JOB": fleet.job()}


CONTESTANTS = (
    Contestant("floor", _floor, _job_environ, timeout_s=300, repeated=True),
    Contestant("pyinfra", _pyinfra, _job_environ, timeout_s=300),
    Contestant("ours", _ours, _ansible_environ, timeout_s=600, repeated=True),
    Contestant("peer", _peer, _ansible_environ, timeout_s=900),
)
