# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker as plays meet it: one per run, gone with the run, and silent."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.plugin_utils import wire

from tests.emulation import Emulation
from tests.unit.lookup.harness import COLLECTIONS, ROOT, Play, brokers, debug

CANARY = "canary-8f3a-value"
PATIENCE = 60  # seconds until something that must happen counts as not happening


@pytest.fixture
def secret(cloud: Emulation) -> str:
    cloud.client("secretsmanager").create_secret(Name="p/canary", SecretString=CANARY)
    cloud.reset()
    return "{{ lookup('sysops.dtk.secret', 'p/canary') | length }}"


def failing(text: str) -> dict[str, Any]:
    """A task that fails, and lets the next ones run."""
    return {"block": [debug(text)], "rescue": [debug("failed, as it should")]}


def ended(pid: int) -> bool:
    """Wait for the end of a process that is not our child."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            return bool(select.select([descriptor], [], [], PATIENCE)[0])
        finally:
            os.close(descriptor)
    return True


@contextlib.contextmanager
def paused(play: Play, secret: str, **settings: Any) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run that has used a secret and now waits in a task, and its broker."""
    fifo = play.folder / "fifo"
    play.folder.mkdir(exist_ok=True)
    os.mkfifo(fifo)
    play.tasks = [
        debug(secret),
        {"ansible.builtin.raw": f"echo here > {fifo}; exec sleep {PATIENCE * 2}", "register": "slept"},
    ]
    process = subprocess.Popen(
        play.command(),
        env=play.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **settings,
    )
    try:
        with open(fifo, encoding="utf-8") as reader:
            assert reader.read() == "here\n"
        (broker,) = brokers(str(play.home))
        yield process, broker
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_it_ends_with_the_run_and_leaves_nothing(play: Play, secret: str) -> None:
    play.host_variables = {f"host{number}": {} for number in range(3)}
    play.tasks = [debug(secret)] * 2
    result = play.run()
    assert result.code == 0, result.text
    assert all(ended(pid) for pid in brokers(str(play.home)))
    assert play.temporary_folders() == []


def test_one_broker_serves_all_workers(play: Play, secret: str, cloud: Emulation) -> None:
    play.host_variables = {f"host{number}": {} for number in range(4)}
    # All of them at the same time, and AWS is slow to answer.
    cloud.latency(0.2)
    play.tasks = [debug(secret)]
    result = play.run("-v")
    assert result.code == 0, result.text
    assert sum(cloud.calls().values()) == 1
    assert "common broker" not in result.text


def test_it_ends_when_the_run_is_killed(play: Play, secret: str) -> None:
    with paused(play, secret) as (process, broker):
        (folder,) = play.temporary_folders()
        assert (folder / wire.SOCKET).is_socket()
        assert (folder / wire.SOCKET).stat().st_mode & 0o777 == 0o600
        os.kill(process.pid, signal.SIGKILL)
        assert ended(broker)
        assert sorted(folder.rglob("dtk-*")) == []


def test_it_ends_at_ctrl_c(play: Play, secret: str) -> None:
    """A terminal sends it to the whole group. The broker is not in there, but it ends when the run has."""
    reset = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    with paused(play, secret, **reset) as (process, broker):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)
        assert ended(broker)


def test_a_broker_that_was_killed_is_replaced(play: Play, secret: str, cloud: Emulation) -> None:
    killer = play.folder / "kill_broker.py"
    killer.write_text(
        "import os, select, signal, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.unit.lookup.harness import brokers\n"
        f"(pid,) = brokers({str(play.home)!r})\n"
        "end = os.pidfd_open(pid)\n"
        "os.kill(pid, signal.SIGKILL)\n"
        "select.select([end], [], [])\n"
    )
    play.tasks = [debug(secret), {"ansible.builtin.command": f"{sys.executable} {killer}"}, debug(secret)]
    result = play.run("-v", PYTHONPATH=str(COLLECTIONS))
    assert result.code == 0, result.text
    assert "common broker" not in result.text
    assert sum(cloud.calls().values()) == 2


def test_no_value_is_written_or_shown_anywhere(play: Play, cloud: Emulation) -> None:
    """Neither by Ansible at the highest verbosity, nor in any file, nor in what other users see of the processes."""
    cloud.client("secretsmanager").create_secret(Name="p/canary", SecretString=f'{{"k": "{CANARY}", "n": {{}}}}')
    cloud.client("ssm").put_parameter(Name="/p/canary.int", Value=CANARY, Type="String")
    look = play.folder / "look"
    play.folder.mkdir(exist_ok=True)
    look.write_text(
        "#!/bin/sh\n"
        f"for pid in $(pgrep -u $(id -u)); do tr '\\0' '\\n' < /proc/$pid/cmdline; tr '\\0' '\\n' < /proc/$pid/environ;"
        f" done > {play.folder}/processes 2>/dev/null\n"
        f"grep -rl canary-8f3a {play.home} > {play.folder}/files 2>/dev/null\n"
        f"find {play.home} -name 'dtk-*' | sort > {play.folder}/sockets; exit 0\n"
    )
    look.chmod(0o755)
    play.tasks = [
        debug("{{ lookup('sysops.dtk.secret', 'p/canary', key='k') | length }}"),
        failing("{{ lookup('sysops.dtk.secret', 'p/canary', key='nothing') }}"),
        failing("{{ lookup('sysops.dtk.secret', 'p/canary', key=['k', 'x']) }}"),
        failing("{{ lookup('sysops.dtk.ssm_config', '/p') }}"),
        {"ansible.builtin.command": str(look)},
    ]
    log = play.folder / "ansible.log"
    result = play.run("-vvvvvv", ANSIBLE_LOG_PATH=str(log), ANSIBLE_DEBUG="1", ANSIBLE_DISPLAY_TRACEBACK="always")
    assert result.code == 0, result.text
    assert result.stdout.count("has no key") >= 2
    assert "canary.int is no whole number" in result.stdout
    assert "canary-8f3a" not in result.text
    assert "canary-8f3a" not in log.read_text()
    processes = (play.folder / "processes").read_text(errors="replace")
    assert "broker_server" in processes
    assert "canary-8f3a" not in processes
    assert (play.folder / "files").read_text() == ""
    names = [Path(line).name for line in (play.folder / "sockets").read_text().split()]
    assert names == [wire.LOCK, wire.SOCKET]


def test_a_value_is_never_a_template(play: Play, cloud: Emulation) -> None:
    cloud.client("secretsmanager").create_secret(Name="p/hostile", SecretString="{{ 7 * 7 }}{% raw %}")
    # As AWS, moto takes no {{ in a parameter of type String.
    cloud.client("ssm").put_parameter(Name="/p/hostile.json", Value='{"a": "{\\u007b 7 * 7 }}"}', Type="String")
    play.variables = {"hostile": "{{ lookup('sysops.dtk.secret', 'p/hostile') }}"}
    play.tasks = [
        debug("{{ hostile }}"),
        debug("<{{ lookup('sysops.dtk.ssm_config', '/p').hostile.a }}>"),
        {"ansible.builtin.set_fact": {"kept": "{{ hostile }}"}},
        debug("again {{ kept }}"),
    ]
    result = play.run()
    assert result.code == 0, result.text
    assert '"msg": "{{ 7 * 7 }}{% raw %}"' in result.stdout
    assert '"msg": "<{{ 7 * 7 }}>"' in result.stdout
    assert '"msg": "again {{ 7 * 7 }}{% raw %}"' in result.stdout


HOSTILE = [
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{# gone? #}",
    "{{ lookup('pipe', 'id') }}",
    "!unsafe x",
    "$(id) `id` ${HOME}",
    "'\"\\ \\n",
    " lead and trail ",
    "two\nlines\r\n\ttab",
    "null",
    "[1, 2]",
    "{'a': 1}",
    "007",
    "é 😀 \u2028 \x7f",
    "a,b",
]


def test_hostile_values_arrive_as_they_are(play: Play, cloud: Emulation) -> None:
    names = [f"p/h{number}" for number in range(len(HOSTILE))]
    for name, value in zip(names, HOSTILE, strict=True):
        cloud.client("secretsmanager").create_secret(Name=name, SecretString=value)
    cloud.client("secretsmanager").create_secret(Name="p/all", SecretString=json.dumps({"all": HOSTILE}))
    target = play.folder / "out.json"
    play.variables = {
        "single": f"{{{{ query('sysops.dtk.secret', {str(names)[1:-1]}) }}}}",
        "inside": "{{ lookup('sysops.dtk.secret', 'p/all', key='all') }}",
    }
    content = "{{ {'single': single, 'inside': inside} | to_json }}"
    play.tasks = [{"ansible.builtin.copy": {"content": content, "dest": str(target), "mode": "0600"}}]
    result = play.run()
    assert result.code == 0, result.text
    assert json.loads(target.read_text()) == {"single": HOSTILE, "inside": HOSTILE}


def test_a_lookup_in_the_parent_starts_it_too(play: Play, secret: str, cloud: Emulation) -> None:
    """The name of a task is evaluated in the parent of the workers."""
    play.host_variables = {f"host{number}": {} for number in range(3)}
    play.tasks = [debug(secret, name="with " + secret)]
    result = play.run()
    assert result.code == 0, result.text
    assert f"with {len(CANARY)}" in result.stdout
    assert sum(cloud.calls().values()) == 1
    assert all(ended(pid) for pid in brokers(str(play.home)))


def test_a_temporary_folder_with_a_long_name_is_no_obstacle(play: Play, secret: str, cloud: Emulation) -> None:
    play.folder = play.folder / ("long" * 30)
    play.folder.mkdir()
    play.host_variables = {f"host{number}": {} for number in range(3)}
    play.tasks = [debug(secret)]
    result = play.run("-v")
    assert result.code == 0, result.text
    assert "common broker" not in result.text
    assert sum(cloud.calls().values()) == 1


def test_without_a_broker_each_worker_asks_and_says_why_once(play: Play, secret: str, cloud: Emulation) -> None:
    play.host_variables = {f"host{number}": {} for number in range(3)}
    play.tasks = [debug(secret)]
    result = play.run("-v", PYTHONPATH=str(broken(play)))
    assert result.code == 0, result.text
    assert result.text.count("no common broker could be started") == 1
    assert result.stdout.count(f'"msg": "{len(CANARY)}"') + result.stdout.count(f'"msg": {len(CANARY)}') == 3
    assert sum(cloud.calls().values()) == 3


def broken(play: Play) -> Path:
    """A folder for PYTHONPATH, by which Ansible cannot start the broker."""
    folder = play.folder / "broken"
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(
        "import subprocess\n"
        "before = subprocess.Popen.__init__\n"
        "def init(self, args, *more, **named):\n"
        "    if 'broker_server' in str(args):\n"
        "        raise OSError('not today')\n"
        "    before(self, args, *more, **named)\n"
        "subprocess.Popen.__init__ = init\n"
    )
    return folder


def test_four_runs_at_one_call_a_second_end_well(cloud: Emulation, tmp_path: Path) -> None:
    for number in range(3):
        cloud.client("ssm").put_parameter(Name=f"/p/k{number}", Value=str(number), Type="String")
    cloud.reset()
    cloud.limit("ssm", rate=1.0, burst=1)
    results = {}

    def run(name: str) -> None:
        play = Play(cloud, tmp_path / name)
        play.host_variables = {"one": {}, "two": {}}
        play.tasks = [debug("{{ lookup('sysops.dtk.ssm_config', '/p') | length }}")]
        results[name] = play.run()

    threads = [threading.Thread(target=run, args=(f"run{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: result.code for name, result in results.items()} == dict.fromkeys(results, 0), results
    assert len(results) == 4
    assert sum(cloud.throttled().values()) > 0
