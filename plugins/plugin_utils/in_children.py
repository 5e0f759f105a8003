# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs modules of collections side by side, each in a child of this process.

To pack a module and start another Python for it takes longer than what a module that asks an API does. In a child,
nothing has to be packed, and what is loaded once serves all of them.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ansible.module_utils import basic, urls

Job = tuple[str, dict[str, Any]]
"""The full name of a module, and its arguments."""
_CHUNK = 65536


def run_all(jobs: Sequence[Job], at_once: int) -> list[dict[str, Any]]:
    """The results in the order of the jobs."""
    results: list[dict[str, Any]] = [{} for _job in jobs]
    waiting = list(enumerate(jobs))[::-1]
    heard: dict[int, tuple[int, int, bytearray]] = {}  # pipe to index of the job, process, what came
    with selectors.DefaultSelector() as selector:
        while waiting or heard:
            while waiting and len(heard) < at_once:
                index, job = waiting.pop()
                process, pipe = _begin(job)
                heard[pipe] = (index, process, bytearray())
                selector.register(pipe, selectors.EVENT_READ)
            for pipe in _ended(selector, heard):
                index, process, text = heard.pop(pipe)
                selector.unregister(pipe)
                os.close(pipe)
                os.waitpid(process, 0)
                results[index] = _result(bytes(text))
    return results


def _ended(selector: selectors.BaseSelector, heard: dict[int, tuple[int, int, bytearray]]) -> Iterator[int]:
    for key, _events in selector.select():
        pipe = key.fd
        chunk = os.read(pipe, _CHUNK)
        heard[pipe][2].extend(chunk)
        if not chunk:
            yield pipe


def _begin(job: Job) -> tuple[int, int]:
    """Its process, and the pipe that its result comes through."""
    name, arguments = job
    reading, writing = os.pipe()
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    try:
        os.close(reading)
        _be(name, given, writing)
    finally:
        os._exit(0)


def _be(name: str, given: bytes, writing: int) -> None:
    """What Ansible's own wrapper does around a module."""
    os.dup2(writing, 1)
    os.close(writing)
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    basic._ANSIBLE_ARGS = given
    basic._ANSIBLE_PROFILE = "legacy"  # since ansible-core 2.19 the arguments come with the name of their encoding
    urls.make_context = _Contexts()
    collection, _dot, module = name.rpartition(".")
    try:
        importlib.import_module(f"ansible_collections.{collection}.plugins.modules.{module}").main()
    except SystemExit:
        pass  # that is how a module ends
    except BaseException as exc:
        # The text of any other error may hold a secret that the module was given.
        text = f": {exc}" if isinstance(exc, ImportError) else ""
        print(json.dumps({"failed": True, "msg": f"the module {name} died: {type(exc).__name__}{text}"}))
    sys.stdout.flush()


class _Contexts:
    """A context of TLS for each set of options, where Ansible reads all certificates again for each request."""

    def __init__(self) -> None:
        self._make = urls.make_context
        self._made: dict[str, Any] = {}

    def __call__(self, **options: Any) -> Any:
        key = repr(sorted(options.items()))
        if key not in self._made:
            self._made[key] = self._make(**options)
        return self._made[key]


def _result(text: bytes) -> dict[str, Any]:
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.startswith("{")]
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"failed": True, "msg": "the module ended without a result"}
