# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out component documents on a host, as AWSTOE does on an instance that Image Builder has launched.

AWSTOE itself cannot be had here. This keeps to what its documentation promises: the commands of ExecuteBash are one
script, whose exit code is that of the last command; it runs as root, with what a unit of systemd has in its environment
and no more, so HOME is not set; 194 reboots the host and runs the same step again; S3Download makes no folder.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from tests.fakes.imagebuilder.job import ComponentError

from .toe_document import Chain, Document, Step, expressions, resolved, strings

REBOOT = 194
MAX_REBOOTS = 10
TAIL_LINES = 10

_STORE = 'set -e; umask 077; mkdir -p "$(dirname "$1")"; cat >"$1"'
_DOWNLOAD = """
if [ ! -d "$(dirname "$1")" ]; then echo "the folder $(dirname "$1") does not exist" >&2; exit 1; fi
if [ -d "$1" ]; then echo "$1 is a folder" >&2; exit 1; fi
if [ -e "$1" ] && [ "$2" = False ]; then
    echo "File already exists and \\"overwrite\\" property for $1 is set to false. Cannot download." >&2; exit 1
fi
cat >"$1"
"""
_CREATE = """
set -e
if [ -e "$2" ] && [ "$6" = False ]; then echo "$2 exists and \\"overwrite\\" is set to false" >&2; exit 1; fi
if [ "$1" = folder ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")"; cat >"$2"; fi
if [ -n "$3" ]; then chown "$3" "$2"; fi
if [ -n "$4" ]; then chgrp "$4" "$2"; fi
if [ -n "$5" ]; then chmod "$5" "$2"; fi
"""
# The pattern is the document's: only what it matches in the folder of its last part is meant.
_DELETE = """
set -e
shopt -s nullglob
cd "$(dirname "$1")"
name="$(basename "$1")"
if [ "${name#*\\*}" = "$name" ]; then rm -- "$name"; exit; fi
for file in $name; do if [ ! -d "$file" ]; then rm -- "$file"; fi; done
"""


class StepError(Exception):
    """Why an attempt of a step failed, in words that follow 'the step'."""


class Host(Protocol):
    """What the executor needs of the host that it works on."""

    def execute(
        self,
        argv: Sequence[str],
        said: Callable[[str, str], None],
        *,
        folder: str,
        timeout: float | None = None,
        stdin: Path | None = None,
    ) -> int:
        """Run a command as a service of the host; `said` gets each line as it comes, after Stdout or Stderr.

        TimeoutError when it took too long, and was ended.
        """

    def reboot(self, after: float = 0) -> None:
        """Restart it, after so many seconds, and wait until it is up again."""


@dataclass(frozen=True)
class Task:
    """A component of the recipe, with the values for its parameters."""

    component: str  # ARN
    document: Document
    values: Mapping[str, str]


@dataclass
class _Done:
    """What a step was given, and what it said."""

    inputs: Any
    stdout: str = ""


@dataclass
class _Output:
    """What a step says, on its way to the log."""

    log: Callable[[str], None]
    stdout: list[str] = field(default_factory=list)
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    def said(self, channel: str, line: str) -> None:
        (self.stdout if channel == "Stdout" else self.stderr).append(line)
        self.log(f"{channel}: {line}")

    def tail(self) -> list[str]:
        """The end of it. The two channels come here by ways of their own, so nobody knows what was said in between."""
        return [*self.stdout[-TAIL_LINES:], *self.stderr]


class Executor:
    """Runs the phases of some documents on one host; several phases on the same host share what their steps said."""

    def __init__(
        self,
        host: Host,
        tasks: Sequence[Task],
        log: Callable[[str], None],
        *,
        s3: Any,
        account: str,
        folder: str = "/tmp",
    ) -> None:
        """s3: a client with the rights of the instance. account: whose buckets it sees. folder: where steps run."""
        self._tasks, self._log = tasks, log
        self._actions = _Actions(host, s3, account, folder)
        self._done: dict[tuple[str, str, str], _Done] = {}

    def run(self, phase: str) -> None:
        """This phase of each document, in the order of the recipe; ComponentError if one of them failed."""
        for task in self._tasks:
            steps = list(task.document.of(phase))
            if steps:
                self._log(f"Document {task.component}")
                self._log(f"Phase {phase}")
                self._run_steps(task, steps)

    def _run_steps(self, task: Task, steps: Sequence[Step]) -> None:
        failed: ComponentError | None = None
        for step in steps:
            self._log(f"Step {step.name}")
            try:
                self._run_step(task, step)
            except ComponentError as error:
                if step.on_failure != "Ignore":
                    failed = failed or error
                if step.on_failure == "Abort":
                    break
                self._log(f"Going on, since onFailure of the step {step} is {step.on_failure}")
        if failed:
            self._log("TOE has completed execution with failure - Execution failed!")
            raise failed

    def _run_step(self, task: Task, step: Step) -> None:
        done = self._done[task.component, step.phase, step.name] = _Done(self._inputs(task, step))
        for attempt in range(1, step.attempts + 1):
            output = _Output(self._log)
            self._log(f"{step.action}: STARTED EXECUTION")
            try:
                self._actions.carry_out(step, done.inputs, output)
            except (StepError, TimeoutError) as error:
                self._log(f"{step.action}: FAILED EXECUTION, attempt {attempt} of {step.attempts}: {error}")
                said = "\n".join([f"the step {step} failed: {error}", *output.tail()])
                failure = ComponentError(task.component, step.phase, step.name, step.action, said)
            else:
                done.stdout = "\n".join(output.stdout).rstrip("\n")
                self._log(f"{step.action}: FINISHED EXECUTION")
                return
        raise failure

    def _inputs(self, task: Task, step: Step) -> Any:
        asked = {one for text in strings(step.inputs) for one in expressions(text)}
        return resolved(step.inputs, {one: self._meaning(task, one) for one in asked})

    def _meaning(self, task: Task, expression: str) -> str:
        chain = Chain.of(expression)
        if chain is None:
            return task.values[expression]
        source = self._done[task.component, chain.phase, chain.step]
        if chain.kind == "outputs":
            return source.stdout
        inputs = source.inputs if chain.index is None else source.inputs[chain.index]
        return str(inputs[chain.key])


class _Actions:
    """What each action does on the host."""

    def __init__(self, host: Host, s3: Any, account: str, folder: str) -> None:
        self._host, self._s3, self._account, self._folder = host, s3, account, folder
        self._own = f"{folder}/TOE_{uuid.uuid4()}"
        self._scripts = itertools.count(1)
        self._known = {
            "CreateFile": self._create_files,
            "CreateFolder": self._create_folders,
            "DeleteFile": self._delete_files,
            "ExecuteBash": self._execute_bash,
            "ExecuteBinary": self._execute_binary,
            "Reboot": self._reboot,
            "S3Download": self._download,
        }

    def carry_out(self, step: Step, inputs: Any, output: _Output) -> None:
        for _ in range(MAX_REBOOTS):
            if self._known[step.action](step, inputs, output) != REBOOT:
                return
            output.log(f"{step.action}: exit status {REBOOT}, so the instance reboots and the step {step} runs again")
            self._host.reboot()
            output.stdout.clear()
        raise StepError(f"it asked for a reboot {MAX_REBOOTS} times in a row")

    def _execute_bash(self, step: Step, inputs: Any, output: _Output) -> int:
        script = f"{self._own}/script-{next(self._scripts)}.sh"
        with _file("\n".join(inputs["commands"]) + "\n") as text:
            self._help(step, output, _STORE, script, stdin=text)
        return self._execute(step, output, "/bin/bash", script)

    def _execute_binary(self, step: Step, inputs: Any, output: _Output) -> int:
        return self._execute(step, output, inputs["path"], *inputs.get("arguments", []))

    def _reboot(self, _step: Step, inputs: Any, _output: _Output) -> int:
        self._host.reboot(after=inputs.get("delaySeconds", 0))
        return 0

    def _create_files(self, step: Step, inputs: Any, output: _Output) -> int:
        for one in inputs:
            with _file(one.get("content", "")) as content:
                self._help(step, output, _CREATE, "file", *_described(one), stdin=content)
        return 0

    def _create_folders(self, step: Step, inputs: Any, output: _Output) -> int:
        for one in inputs:
            self._help(step, output, _CREATE, "folder", *_described(one))
        return 0

    def _delete_files(self, step: Step, inputs: Any, output: _Output) -> int:
        for one in inputs:
            self._help(step, output, _DELETE, one["path"])
        return 0

    def _download(self, step: Step, inputs: Any, output: _Output) -> int:
        for one in inputs:
            with _file() as content:
                self._fetch(one, content)
                overwrite = str(one.get("overwrite", True))
                self._help(step, output, _DOWNLOAD, one["destination"], overwrite, stdin=content)
        return 0

    def _fetch(self, wanted: dict[str, Any], target: Path) -> None:
        source, owner = urlsplit(wanted["source"]), wanted.get("expectedBucketOwner", self._account)
        key = source.path.lstrip("/")
        if source.scheme != "s3" or not source.netloc or not key or key.endswith("*"):
            raise StepError(f"{wanted['source']} is not s3://bucket/key; keys with * are not carried out here")
        if owner != self._account:  # moto takes the header, and does not look at it
            raise StepError(f"AccessDenied: the bucket {source.netloc} does not belong to the account {owner}")
        try:
            body = self._s3.get_object(Bucket=source.netloc, Key=key)["Body"]
            with target.open("wb") as file:
                shutil.copyfileobj(body, file)
        except (BotoCoreError, ClientError) as error:
            raise StepError(f"{wanted['source']} cannot be downloaded: {error}") from error

    def _execute(self, step: Step, output: _Output, *argv: str) -> int:
        code = self._host.execute(argv, output.said, folder=self._folder, timeout=step.timeout)
        if code not in {0, REBOOT}:
            raise StepError(f"exit status {code}")
        return code

    def _help(self, step: Step, output: _Output, script: str, *arguments: str, stdin: Path | None = None) -> None:
        """Run a script of our own on the host."""
        argv = ["/bin/bash", "-c", script, "toe", *arguments]
        code = self._host.execute(argv, output.said, folder=self._folder, timeout=step.timeout, stdin=stdin)
        if code:
            raise StepError((output.tail() or [f"exit status {code}"])[-1])


def _described(thing: dict[str, Any]) -> list[str]:
    """Where a file or folder is to be, and how."""
    keys = ("path", "owner", "group", "permissions")
    return [*(thing.get(key, "") for key in keys), str(thing.get("overwrite", True))]


@contextlib.contextmanager
def _file(text: str = "") -> Iterator[Path]:
    """A file on this machine, for what goes into the host."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        yield Path(file.name)
