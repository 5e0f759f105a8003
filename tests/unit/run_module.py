# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection for real and get its result."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from ansible.module_utils import basic
from ansible.module_utils.common import warnings

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".cache" / "collections"


def run_module(name: str, options: dict[str, Any], environ: dict[str, str], check: bool = False) -> dict[str, Any]:
    """The result of a module's main(), be it a success or a failure. Only `environ` reaches it, plus what Python needs.

    A module of another collection is named in full.

    In this process, since starting Python and importing boto3 takes longer than most modules.
    """
    collection, _, plugin = (name if "." in name else f"sysops.dtk.{name}").rpartition(".")
    main = importlib.import_module(f"ansible_collections.{collection}.plugins.modules.{plugin}").main
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    output = io.StringIO()
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", given),
        # Since ansible-core 2.19 the arguments come with the name of their encoding.
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        _as_on_a_host(),
        mock.patch.dict(os.environ, {**_base_environ(), **environ}, clear=True),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        main()
    return json.loads(output.getvalue())


@contextlib.contextmanager
def _as_on_a_host() -> Iterator[None]:
    """Warnings go into the result: since ansible-core 2.19 a process that has loaded Ansible itself displays them."""
    internal = importlib.import_module("ansible.module_utils._internal")
    kept = getattr(warnings, "_global_warnings", {})
    with mock.patch.object(internal, "is_controller", False, create=True), mock.patch.dict(kept, clear=True):
        yield


def run_ansible(name: str, options: dict[str, Any], environ: dict[str, str]) -> dict[str, Any]:
    """The same by `ansible localhost`: its own process, packed with everything that it imports."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")),
            "localhost",
            "-m",
            f"sysops.dtk.{name}",
            "-a",
            json.dumps(options),
        ],
        env={
            **_base_environ(),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            **environ,
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    head, _, body = done.stdout.partition(" => ")
    assert body, done.stdout + done.stderr
    return {**json.loads(body), "_status": head.split("|")[1].strip()}


def _base_environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
