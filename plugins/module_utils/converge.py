# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade and program: a host brings itself to the releases that its deploy logs call stable, and tells its group.

`dtk-converge` runs it at each boot and now and then; there is no controller anywhere. One line of JSON an event goes
to stdout; the last one tells the end. Exit code 0: the host is where it should be; 1: it is not, and the last line says
why; 2: the command line is wrong.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .converge_orders import Orders

__all__ = ["main", "run"]

# In front of a line, for the journal: how grave it is.
_GRAVE, _ODD, _USUAL = "<3>", "<4>", "<6>"


class Journal:
    """Events as lines of JSON. Never a value of a setting, never a link with its signature: only what acts say."""

    def __init__(self, output: Any, marked: bool) -> None:
        self._output = output
        self._marked = marked
        self._lock = threading.Lock()

    def note(self, event: str, **told: Any) -> None:
        """One line; what is None is left out."""
        line = json.dumps({"event": event, **{name: value for name, value in told.items() if value is not None}})
        with self._lock:
            self._output.write(f"{self._gravity(event, told)}{line}\n")
            self._output.flush()

    def _gravity(self, event: str, told: dict[str, Any]) -> str:
        if not self._marked:
            return ""
        if event == "end":
            return _USUAL if told["ok"] else _GRAVE
        return _ODD if event == "warning" or told.get("result") == "failed" else _USUAL


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    import argparse

    from .converge_orders import Orders

    parser = argparse.ArgumentParser(prog="dtk-converge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--now", action="store_true", help="asked for by hand: settings, too, and what failed before")
    parser.add_argument("--check", action="store_true", help="change nothing, tell what would be done")
    parser.add_argument("--prepare", action="store_true", help="only make ready what a boot would have to make")
    parser.add_argument("--config", default=Orders.config, help="options; default: %(default)s")
    parser.add_argument("--state", default=Orders.state, help="folder for what a later run needs; %(default)s")
    parser.add_argument("--run", default=Orders.run, help="folder for what lasts until the next boot; %(default)s")
    given = parser.parse_args(arguments)
    journal = Journal(sys.stdout, _is_the_journal(sys.stdout))
    orders = Orders(given.config, given.state, given.run, given.now, given.check)
    return _prepare(orders, journal) if given.prepare else run(orders, journal)


def _is_the_journal(output: Any) -> bool:
    """Whether systemd takes the lines. Who runs below a service and reads them himself has its variable, too."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    status = os.fstat(output.fileno())
    return stream == f"{status.st_dev}:{status.st_ino}"


def run(orders: Orders, journal: Journal) -> int:
    """Bring this host to where it should be; returns the exit code."""
    # What is imported stays, and the rest is little: to look for garbage would take a tenth of the time.
    gc.disable()
    from ._core import boot_protocol
    from ._core.boot_protocol import End
    from .converge_acts import Acts

    with _alone(orders, journal):
        began = time.monotonic()
        acts = Acts(orders, journal.note, began)
        boot, effect = boot_protocol.begin(acts.rules)
        while not isinstance(effect, End):
            boot, effect = boot_protocol.advance(acts.rules, boot, acts.perform(effect), time.monotonic())
        acts.end()
        for app in boot.apps:
            if app.state == boot_protocol.OK:
                acts.settle(app.name)
    journal.note(
        "end",
        ok=effect.ok,
        reason=effect.reason or None,
        changed=acts.changed,
        place=boot.place,
        apps={app.name: {"release": app.seen.stable, "slot": app.seen.n, "state": app.state} for app in boot.apps},
        seconds=round(time.monotonic() - began, 3),
    )
    return 0 if effect.ok else 1


def _prepare(orders: Orders, journal: Journal) -> int:
    """What the first run on a host would have to compile and to read, and an image can carry."""
    from ._aws import boot_models
    from ._host import role_file, runtime
    from ._host.errors import HostError

    try:
        paths = [runtime.location(runtime.read_sources()), boot_models.location(runtime.FOLDER)]
        missing = [path for path in paths if not os.path.exists(path)]
        if missing and not orders.check:
            runtime.ensure()
            boot_models.write(runtime.FOLDER)
        if not orders.check and any(map(os.path.exists, role_file.PLACES)):
            role_file.read(kept=orders.role)
    except (HostError, OSError) as exc:
        journal.note("end", ok=False, reason=str(exc))
        return 1
    journal.note("end", ok=True, changed=bool(missing), paths=paths)
    return 0


@contextmanager
def _alone(orders: Orders, journal: Journal) -> Iterator[None]:
    """One run at a time on a host. The kernel ends the lock with its holder."""
    import fcntl

    path = os.path.join(orders.run, "converge.lock")
    try:
        os.makedirs(orders.run, mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        # Each app has a lock of its own: two runs at once only do some work twice.
        journal.note("warning", text=f"cannot open {path}: {exc.strerror}")
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            journal.note("wait", reason="another run is at work")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # taking thousands of objects apart, one by one, would keep whoever waits for this
