# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import lock
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import LockError
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout

from tests.unit._host.support import small_disk

HOLD = """
import sys
sys.path[:0] = [{path!r}]
from ansible_collections.sysops.dtk.plugins.module_utils._host import lock
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
with lock.app_lock(Layout("hello", {root!r}), 5):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout("hello", str(tmp_path))


@contextmanager
def held_elsewhere(layout: Layout) -> Iterator[subprocess.Popen[str]]:
    collections = next(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections", "sysops")))
    code = HOLD.format(path=collections, root=layout.root)
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_lock_makes_the_folder_and_signs(layout: Layout) -> None:
    with lock.app_lock(layout, 0):
        found = lock.holder(layout.lock_file)
        assert found is not None
        assert found.pid == os.getpid()
        assert lock.is_alive(found.pid, found.pid_start)
    with lock.app_lock(layout, 0):
        assert os.path.exists(layout.lock_file), "the file outlives the lock"


def test_a_held_lock_names_its_holder_within_the_bound(layout: Layout) -> None:
    with held_elsewhere(layout) as process:
        began = time.monotonic()
        with (
            pytest.raises(
                LockError, match=rf"locked on this host by process {process.pid} since 20.*kill {process.pid}"
            ),
            lock.app_lock(layout, 0.2),
        ):
            pytest.fail("two holders")
        assert 0.2 <= time.monotonic() - began < 2


def test_a_killed_holder_holds_nothing(layout: Layout) -> None:
    with held_elsewhere(layout) as process:
        os.kill(process.pid, signal.SIGKILL)
        with lock.app_lock(layout, 5):
            found = lock.holder(layout.lock_file)
        assert found is not None
        assert found.pid == os.getpid()


def test_a_waiter_gets_the_lock_when_it_is_free(layout: Layout) -> None:
    order = []
    entered = threading.Event()

    def wait() -> None:
        entered.set()
        with lock.app_lock(layout, 5):
            order.append("second")

    with lock.app_lock(layout, 0):
        thread = threading.Thread(target=wait)
        thread.start()
        assert entered.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_staging_and_activation_do_not_wait_for_each_other(layout: Layout) -> None:
    with lock.stage_lock(layout, 0), lock.app_lock(layout, 0):
        assert os.path.exists(layout.stage_lock_file)


def test_programs_started_under_the_lock_do_not_inherit_it(layout: Layout) -> None:
    with lock.app_lock(layout, 0):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock.app_lock(layout, 0):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": null, "pid_start": "", "since": ""}'])
def test_an_unreadable_signature_is_no_holder(layout: Layout, content: str) -> None:
    os.makedirs(layout.home)
    Path(layout.lock_file).write_text(content)
    assert lock.holder(layout.lock_file) is None


def test_a_link_in_place_of_the_lock_is_refused(layout: Layout, tmp_path: Path) -> None:
    os.makedirs(layout.home)
    os.symlink(tmp_path / "victim", layout.lock_file)
    with pytest.raises(LockError, match="cannot open the lock"), lock.app_lock(layout, 0):
        pytest.fail("locked")
    assert not (tmp_path / "victim").exists()


def test_a_read_only_root_is_named(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=64k,ro") as disk,
        pytest.raises(LockError, match=r"Read-only file system; make .* writable"),
        lock.app_lock(Layout("hello", str(disk)), 0),
    ):
        pytest.fail("locked")


def test_a_process_is_known_by_pid_and_start() -> None:
    start = lock.process_start(os.getpid())
    assert start is not None
    assert lock.is_alive(os.getpid(), start)
    assert not lock.is_alive(os.getpid(), start + "0"), "a later process with the same pid"


def test_a_dead_process_is_dead_before_and_after_it_is_reaped() -> None:
    process = subprocess.Popen(["sleep", "60"])
    start = lock.process_start(process.pid)
    assert start is not None
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not lock.is_alive(process.pid, start), "a zombie"
    process.wait()
    assert not lock.is_alive(process.pid, start)
