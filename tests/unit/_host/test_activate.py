# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of an activation, and its refusals. That it holds against SIGKILL is tested on real hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import activate as activation
from ansible_collections.sysops.dtk.plugins.module_utils._host import hooks, lock, probe, state, systemd
from ansible_collections.sysops.dtk.plugins.module_utils._host.activate import (
    ActivationError,
    ActivationResult,
    ActivationSpec,
    Order,
)
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import (
    FenceError,
    HostError,
    LockError,
    SpecError,
    StageError,
    StateError,
    UnitError,
)
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout

from .fake_systemd import FakeSystemd

ORDER = Order(fence=1, deploy="d1", by="alice", lock_timeout=0.2, now=lambda: "2026-01-01T00:00:00Z")


@dataclass
class Host:
    """An app with releases 1, 2 and 3 on a host whose systemd only pretends; release `bad` is unhealthy."""

    layout: Layout
    systemd: FakeSystemd

    def spec(self, **changes: Any) -> ActivationSpec:
        healthy = ["/bin/sh", "-c", f'[ "$(readlink {self.layout.current})" != releases/bad ]']
        health = {"command": {"argv": healthy}, "successes": 2, "interval": 0.01, "deadline": 0.3}
        given = {"unit": "hello.service", "health": probe.from_dict(health), **changes}
        return ActivationSpec(**given)

    def activate(self, version: str, order: Order = ORDER, **spec: Any) -> ActivationResult:
        return activation.activate(self.layout, version, self.spec(**spec), order)

    def revert(self, version: str, order: Order = ORDER, stable: str | None = None) -> ActivationResult:
        return activation.revert(self.layout, version, self.spec(), order, stable)

    def state(self) -> state.State:
        return state.load(self.layout)

    def served(self) -> str | None:
        return state.link_version(self.layout)

    def phases(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
        """(phase, what was served when it began) of all that follows."""
        seen: list[tuple[str, str | None]] = []
        enter = activation._enter

        def _enter(journal: Any, phase: str, closing: Any = None) -> None:
            enter(journal, phase, closing)
            seen.append((phase, self.served()))

        monkeypatch.setattr(activation, "_enter", _enter)
        return seen

    def leave_open(self, monkeypatch: pytest.MonkeyPatch, version: str, phase: str, order: Order = ORDER) -> None:
        """As if the process had been killed when it had written `phase` down."""
        enter = activation._enter

        class KilledError(BaseException):
            pass

        def _enter(journal: Any, entered: str, closing: Any = None) -> None:
            enter(journal, entered, closing)
            if entered == phase:
                raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(activation, "_enter", _enter)
            patch.setattr(activation, "_failure", lambda _journal, _spec, exc, _warnings: exc)
            patch.setattr(activation, "_myself", lambda: {"pid": 2**22 + 1, "pid_start": "gone"})
            with pytest.raises(KilledError):
                self.activate(version, order)
        self.systemd.calls()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    layout = Layout("hello", str(tmp_path / "srv"))
    for version in ("1", "2", "3", "bad"):
        os.makedirs(layout.release(version))
        Path(layout.marker(version)).write_text("{}")
    fake = FakeSystemd(tmp_path / "systemd", layout)
    fake.install(monkeypatch)
    monkeypatch.setattr(activation, "_SETTLE_S", (0.0,))
    return Host(layout, fake)


@pytest.fixture
def on_1(host: Host) -> Host:
    host.activate("1", replace(ORDER, deploy="d0"))
    host.systemd.calls()
    return host


# --- forward ----------------------------------------------------------------------------------------------------


def test_the_phases_in_order_and_what_is_served_at_each(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = on_1.phases(monkeypatch)
    true = hooks.from_list("x", [{"command": ["/bin/true"]}])
    done = on_1.activate("2", pre=true, post=true)
    before, after = ["begin", "pre", "armed", "switched"], ["restarted", "probing", "post", "committed"]
    assert seen == [(phase, "1") for phase in before] + [(phase, "2") for phase in after]
    assert (done.outcome, done.changed, done.phase) == ("active", True, "committed")
    assert done.health.tries == 2
    assert set(done.seconds) == {*before, *after} - {"committed"}


def test_an_activation_starts_four_programs(on_1: Host) -> None:
    on_1.activate("2")
    assert on_1.systemd.calls() == [
        "show at releases/1",  # the fake has no unit files; a real host answers this without a program
        "run",
        "restart at releases/2",
        "show at releases/2",
        "stop dtk-deadman-hello.timer",
    ]


def test_phases_without_work_are_left_out(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = on_1.phases(monkeypatch)
    on_1.activate("2", unit=None, health=None, dead_man=False)
    assert [phase for phase, _served in seen] == ["begin", "switched", "committed"]
    assert on_1.systemd.calls() == []


def test_the_state_after_it(on_1: Host) -> None:
    on_1.activate("2")
    found = on_1.state()
    assert (found.current, found.previous, found.last_good, found.fence) == ("2", "1", "2", 1)
    assert (found.deploy, found.activated_by, found.activated_at) == ("d1", "alice", "2026-01-01T00:00:00Z")
    assert found.transaction is None
    assert os.readlink(on_1.layout.current) == "releases/2"


def test_nothing_to_do_costs_one_probe_and_one_question(on_1: Host) -> None:
    done = on_1.activate("1", replace(ORDER, fence=5))
    assert (done.outcome, done.changed, done.health.tries) == ("unchanged", False, 1)
    assert on_1.systemd.calls() == ["show at releases/1"] * 2  # the first one only because the fake has no unit files
    assert on_1.state().fence == 5
    assert on_1.state().deploy == "d0"


@pytest.mark.parametrize("trouble", ["unit", "health"])
def test_what_is_active_but_not_well_is_activated_again(on_1: Host, tmp_path: Path, trouble: str) -> None:
    spec: dict[str, Any] = {}
    if trouble == "unit":
        on_1.systemd.unit(ActiveState="failed")
    else:
        argv = ["/bin/sh", "-c", f"[ -e {tmp_path}/seen ] || {{ touch {tmp_path}/seen; exit 1; }}"]
        spec["health"] = probe.from_dict({"command": {"argv": argv}, "successes": 1, "deadline": 1})
    if trouble == "unit":
        with pytest.raises(ActivationError, match=r"unit hello.service is failed"):
            on_1.activate("1", **spec)
    else:
        assert on_1.activate("1", **spec).outcome == "active"
        assert on_1.state().previous is None  # still what came before it
        assert on_1.state().deploy == "d0"
    assert "restart at releases/1" in on_1.systemd.calls()


def test_reload(on_1: Host) -> None:
    on_1.activate("2", mode="reload")
    assert "reload at releases/2" in on_1.systemd.calls()


def test_a_unit_that_does_not_run_is_started_by_a_reload(on_1: Host) -> None:
    on_1.systemd.fail("reload", "hello.service is not active, cannot reload.")
    on_1.systemd.unit(ActiveState="inactive")
    with pytest.raises(ActivationError):  # the fake unit stays inactive
        on_1.activate("2", mode="reload")
    assert "start at releases/2" in on_1.systemd.calls()


def test_a_used_up_start_limit_is_reset(on_1: Host) -> None:
    on_1.systemd.fail("restart", "Start request repeated too quickly.")
    on_1.systemd.unit(ExecMainStartTimestampMonotonic="1")  # long ago: systemd did not even try
    assert on_1.activate("2").outcome == "active"
    assert "reset-failed at releases/2" in on_1.systemd.calls()


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ({"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "4"}, "restarted by itself 4 times"),
        ({"ActiveState": "inactive", "SubState": "dead"}, r"is inactive \(dead"),
        ({"ActiveEnterTimestampMonotonic": str(2**62)}, "died and was started again"),
        ({"LoadState": "masked"}, "is masked"),
    ],
)
@pytest.mark.parametrize("health", [True, False], ids=["probed", "not probed"])
def test_a_unit_that_does_not_stay_up_is_a_failure(
    on_1: Host, monkeypatch: pytest.MonkeyPatch, unit: dict[str, str], words: str, health: bool
) -> None:
    monkeypatch.setattr(systemd, "require_unit", lambda _unit: None)
    on_1.systemd.unit(**unit)
    with pytest.raises(ActivationError, match=f"phase probing.*{words}"):
        on_1.activate("2", **({} if health else {"health": None}))
    assert on_1.served() == "1"


def test_a_link_that_somebody_removed_is_put_back(on_1: Host) -> None:
    os.unlink(on_1.layout.current)
    assert on_1.activate("1").outcome == "active"
    assert on_1.served() == "1"


# --- failures ---------------------------------------------------------------------------------------------------


def test_an_unhealthy_release_is_left_again(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = on_1.phases(monkeypatch)
    with pytest.raises(ActivationError, match=r"release bad of hello failed in phase probing.*back on 1") as raised:
        on_1.activate("bad")
    result = raised.value.result
    assert (result.outcome, result.phase, result.reverted, result.revert_error) == ("failed", "probing", True, None)
    assert seen[-1] == ("reverting", "bad")
    calls = on_1.systemd.calls()
    restarts = [call for call in calls if call.startswith("restart")]
    assert restarts == ["restart at releases/bad", "restart at releases/1"]
    assert calls[-1] == "stop dtk-deadman-hello.timer"
    found = on_1.state()
    assert (found.current, found.previous, found.last_good, found.failed) == ("1", None, "1", ("bad",))
    assert found.transaction is None


def test_a_failure_before_the_switch_restarts_nothing(on_1: Host) -> None:
    with pytest.raises(ActivationError, match=r"failed in phase pre.*exit code 1.*back on 1") as raised:
        on_1.activate("2", pre=hooks.from_list("pre", [{"command": ["/bin/false"]}]))
    assert raised.value.result.reverted is True
    assert not [call for call in on_1.systemd.calls() if call.startswith("restart")]
    assert (on_1.served(), on_1.state().transaction, on_1.state().failed) == ("1", None, ("2",))


def test_a_post_hook_that_fails_reverts(on_1: Host) -> None:
    with pytest.raises(ActivationError, match=r"failed in phase post.*exit code 1"):
        on_1.activate("2", post=hooks.from_list("post", [{"command": ["/bin/false"]}]))
    assert on_1.served() == "1"


def test_a_switch_that_cannot_be_armed_stops_it_in_time(on_1: Host) -> None:
    on_1.systemd.fail("run", "Failed to connect to bus")
    with pytest.raises(ActivationError, match=r"failed in phase armed.*Failed to connect to bus"):
        on_1.activate("2")
    assert on_1.served() == "1"
    assert not [call for call in on_1.systemd.calls() if call.startswith("restart")]


def test_the_first_release_that_fails_is_taken_away_and_its_unit_stopped(host: Host) -> None:
    with pytest.raises(ActivationError, match="back on no release") as raised:
        host.activate("bad")
    assert raised.value.result.reverted is True
    assert host.served() is None
    assert not os.path.lexists(host.layout.current)
    assert "stop hello.service" in host.systemd.calls()
    assert host.state() == state.State("hello", fence=1, failed=("bad",))


def test_when_going_back_fails_too_both_are_told_and_all_stays_armed(on_1: Host) -> None:
    on_1.systemd.fail("restart", "new is broken", "old is broken")
    with pytest.raises(ActivationError, match=r"new is broken.*Going back to 1 failed too.*old is broken") as raised:
        on_1.activate("2")
    result = raised.value.result
    assert (result.reverted, result.phase) == (False, "restarted")
    assert "old is broken" in result.revert_error
    assert on_1.served() == "1"
    assert on_1.state().transaction.phase == "reverting"
    assert "stop dtk-deadman-hello.timer" not in on_1.systemd.calls()
    assert on_1.activate("2").outcome == "active"
    assert on_1.state().previous == "1"


def test_when_a_reload_does_not_bring_it_back_a_restart_may(on_1: Host) -> None:
    on_1.systemd.fail("reload", "new refused", "old refused")
    with pytest.raises(ActivationError, match=r"new refused.*back on 1"):
        on_1.activate("2", mode="reload")
    assert "restart at releases/1" in on_1.systemd.calls()


def test_a_full_disk_does_not_stop_the_way_back(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    save = activation.save
    full = []

    def save_or_fail(layout: Layout, new: state.State) -> None:
        if new.transaction and new.transaction.phase in ("probing", "reverting"):
            full.append(new.transaction.phase)
            raise StateError("cannot write: No space left on device")
        save(layout, new)

    monkeypatch.setattr(activation, "save", save_or_fail)
    with pytest.raises(ActivationError, match=r"No space left on device.*back on 1"):
        on_1.activate("2")
    assert full == ["probing", "reverting"]
    assert (on_1.served(), on_1.state().current, on_1.state().transaction) == ("1", "1", None)


def test_a_commit_that_cannot_be_written_reverts(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    save = activation.save

    def save_or_fail(layout: Layout, new: state.State) -> None:
        if new.transaction is None and new.current == "2":
            raise StateError("cannot write: Input/output error")
        save(layout, new)

    monkeypatch.setattr(activation, "save", save_or_fail)
    with pytest.raises(ActivationError, match=r"Input/output error.*back on 1"):
        on_1.activate("2")
    assert (on_1.served(), on_1.state().current) == ("1", "1")


def test_a_switch_that_cannot_be_taken_away_is_a_warning(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def disarm(_name: str) -> None:
        raise UnitError("systemctl is stuck")

    monkeypatch.setattr(systemd, "disarm", disarm)
    done = on_1.activate("2")
    assert done.outcome == "active"
    assert "will find nothing to do" in done.warnings[0]


# --- refusals: nothing is begun ---------------------------------------------------------------------------------


def refuse_fence(host: Host) -> None:
    state.save(host.layout, replace(host.state(), fence=7))


def refuse_not_staged(host: Host) -> None:
    os.unlink(host.layout.marker("2"))


def refuse_real_folder(host: Host) -> None:
    os.unlink(host.layout.current)
    os.mkdir(host.layout.current)


def refuse_link_elsewhere(host: Host) -> None:
    os.unlink(host.layout.current)
    os.symlink("/opt/elsewhere", host.layout.current)


def refuse_corrupt_state(host: Host) -> None:
    Path(host.layout.state_file).write_text("{")


def refuse_no_unit(host: Host) -> None:
    host.systemd.unit(LoadState="not-found")


def refuse_no_systemd(host: Host) -> None:
    systemd._RUNTIME = str(Path(host.layout.home) / "nowhere")


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (refuse_fence, FenceError, "slot 1 comes too late.*slot 7"),
        (refuse_not_staged, StageError, "release 2 of hello is not on this host.*stage it first"),
        (refuse_real_folder, StateError, "current is not a symbolic link"),
        (refuse_link_elsewhere, StateError, "points to '/opt/elsewhere'"),
        (refuse_corrupt_state, StateError, "can't be trusted"),
        (refuse_no_unit, UnitError, "hello.service is not-found on this host"),
        (refuse_no_systemd, UnitError, "systemd does not run on this host.*activation=none and dead_man=false"),
    ],
)
def test_refused_before_anything_changes(
    on_1: Host, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Host], None], error: type[HostError], message: str
) -> None:
    monkeypatch.setattr(systemd, "_RUNTIME", systemd._RUNTIME)
    spoil(on_1)
    before = {path: path.lstat().st_mtime_ns for path in Path(on_1.layout.home).rglob("*") if path.name != ".lock"}
    with pytest.raises(error, match=message) as raised:
        on_1.activate("2")
    assert not isinstance(raised.value, ActivationError)
    after = {path: path.lstat().st_mtime_ns for path in Path(on_1.layout.home).rglob("*") if path.name != ".lock"}
    assert after == before
    assert not [call for call in on_1.systemd.calls() if not call.startswith("show")]


def test_a_lock_that_is_held_names_its_holder(on_1: Host) -> None:
    with lock.app_lock(on_1.layout, 1), pytest.raises(LockError, match=f"process {os.getpid()}"):
        on_1.activate("2")


@pytest.mark.parametrize("unit", ["", "hello", "../x.service", "-M.service", "a b.service", "hello.service\n"])
def test_a_name_that_is_no_unit(unit: str) -> None:
    with pytest.raises(SpecError, match="is no name of a unit"):
        ActivationSpec(unit=unit)


def test_an_unknown_mode() -> None:
    with pytest.raises(SpecError, match="'reboot' is unknown"):
        ActivationSpec(mode="reboot")


def test_a_unit_is_known_from_its_file(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hello@.service").write_text("[Service]\n")
    monkeypatch.setattr(systemd, "UNIT_PATHS", (str(tmp_path),))
    systemd.require_unit("hello@blue.service")
    assert host.systemd.calls() == []


def test_a_host_that_others_deployed_to_is_taken_over(host: Host) -> None:
    os.symlink(host.layout.release("1"), host.layout.current)
    with pytest.raises(ActivationError, match="back on 1"):
        host.activate("bad")
    assert host.served() == "1"
    assert host.activate("2").outcome == "active"
    assert host.state().previous == "1"


def test_a_dangling_link_is_no_way_back_and_says_so(host: Host) -> None:
    os.symlink("releases/gone", host.layout.current)
    done = host.activate("2")
    assert "there is no way back" in done.warnings[0]
    assert host.state().previous is None


# --- after a crash ----------------------------------------------------------------------------------------------

PHASES = ["begin", "armed", "switched", "restarted", "probing"]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_the_next_run_inherits_the_way_back(
    on_1: Host, monkeypatch: pytest.MonkeyPatch, phase: str, version: str
) -> None:
    on_1.leave_open(monkeypatch, "2", phase)
    done = on_1.activate(version)
    assert (done.outcome, on_1.served()) == ("active", version)
    assert on_1.state().previous == (None if version == "1" else "1")
    # Armed anew before the old one loses its transaction, and the old one taken away.
    assert [call for call in on_1.systemd.calls() if call.startswith(("run", "stop"))] == [
        "run",
        "stop dtk-deadman-hello.timer",
        "stop dtk-deadman-hello.timer",
    ]


@pytest.mark.parametrize("phase", PHASES)
def test_if_the_next_run_fails_it_goes_back_to_what_was_proven(
    on_1: Host, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    on_1.leave_open(monkeypatch, "2", phase)
    with pytest.raises(ActivationError, match="back on 1"):
        on_1.activate("bad")
    assert (on_1.served(), on_1.state().current) == ("1", "1")


@pytest.mark.parametrize("phase", PHASES)
def test_the_switch_goes_back(on_1: Host, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    on_1.leave_open(monkeypatch, "2", phase)
    left = on_1.state().transaction
    text = activation.finish_abandoned(on_1.layout, left.id, 0)
    assert f"left in phase {phase}" in text and "back on 1" in text
    assert (on_1.served(), on_1.state().transaction, on_1.state().failed) == ("1", None, ())
    restarts = [call for call in on_1.systemd.calls() if call.startswith("restart")]
    # After "switched" was written the link had not moved yet: nothing to undo.
    assert restarts == (["restart at releases/1"] if phase in ("restarted", "probing") else [])
    assert "nothing to do" in activation.finish_abandoned(on_1.layout, left.id, 0)


def test_the_switch_knows_its_own_transaction_only(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    on_1.leave_open(monkeypatch, "2", "probing")
    old = on_1.state().transaction.id
    on_1.activate("3")
    assert "nothing to do" in activation.finish_abandoned(on_1.layout, old, 0)
    assert on_1.served() == "3"
    assert on_1.systemd.switches()[-1].split(" --transaction ")[1].split()[0] != old


def test_the_switch_waits_for_a_living_process_and_then_ends_it(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    on_1.leave_open(monkeypatch, "2", "probing")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stuck:
        found = on_1.state()
        living = {"pid": stuck.pid, "pid_start": lock.process_start(stuck.pid)}
        state.save(on_1.layout, replace(found, transaction=replace(found.transaction, **living)))
        began = time.monotonic()
        activation.finish_abandoned(on_1.layout, found.transaction.id, 0.5)
        assert time.monotonic() - began >= 0.5
        assert stuck.wait(5) == -9
    assert on_1.served() == "1"


def test_the_switch_does_not_wait_for_a_stranger_with_the_same_number(
    on_1: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_1.leave_open(monkeypatch, "2", "probing")
    found = on_1.state()
    stranger = replace(found.transaction, pid=os.getpid(), pid_start="another boot/1")
    state.save(on_1.layout, replace(found, transaction=stranger))
    began = time.monotonic()
    activation.finish_abandoned(on_1.layout, stranger.id, 30)
    assert time.monotonic() - began < 5
    assert on_1.served() == "1"


def test_no_secret_stands_in_the_journal(on_1: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    health = {"http": {"url": "http://127.0.0.1:1/", "headers": {"Authorization": "s3cret"}}, "deadline": 0.1}
    texts: list[str] = []
    save = activation.save

    def keep(layout: Layout, new: state.State) -> None:
        save(layout, new)
        texts.append(Path(layout.state_file).read_text())

    monkeypatch.setattr(activation, "save", keep)
    with pytest.raises(ActivationError):
        on_1.activate("2", health=probe.from_dict({**health, "successes": 1}))
    assert texts and not [text for text in texts if "s3cret" in text]
    assert json.loads(texts[0])["transaction"]["spec"]["unit"] == "hello.service"


# --- revert -----------------------------------------------------------------------------------------------------


def test_revert_undoes_what_this_deploy_did(on_1: Host) -> None:
    on_1.activate("2")
    on_1.systemd.calls()
    done = on_1.revert("2")
    assert (done.outcome, done.changed, on_1.served()) == ("reverted", True, "1")
    found = on_1.state()
    assert (found.current, found.previous, found.last_good, found.failed) == ("1", None, "1", ())
    assert found.transaction is None
    calls = on_1.systemd.calls()
    assert calls.index("run") < calls.index("restart at releases/1") < calls.index("stop dtk-deadman-hello.timer")
    assert on_1.revert("2").outcome == "unchanged"


@pytest.mark.parametrize(
    ("order", "version"),
    [
        pytest.param(replace(ORDER, deploy="d2"), "2", id="another deploy did it"),
        pytest.param(replace(ORDER, deploy=None), "2", id="no deploy is named"),
        pytest.param(ORDER, "3", id="another release is served"),
    ],
)
def test_revert_leaves_alone_what_it_did_not_do(on_1: Host, order: Order, version: str) -> None:
    on_1.activate("2")
    assert on_1.revert(version, order).outcome == "unchanged"
    assert on_1.served() == "2"


def test_revert_of_a_host_that_was_there_before_the_deploy(on_1: Host) -> None:
    on_1.activate("2")
    assert on_1.activate("2", replace(ORDER, fence=2, deploy="d2")).outcome == "unchanged"
    assert on_1.revert("2", replace(ORDER, fence=2, deploy="d2")).outcome == "unchanged"
    assert on_1.revert("2", replace(ORDER, fence=2, deploy="d2"), stable="1").outcome == "reverted"
    assert on_1.served() == "1"


def test_revert_of_the_first_release_ever(host: Host) -> None:
    host.activate("1")
    assert host.revert("1").outcome == "reverted"
    assert (host.served(), host.state().current) == (None, None)
    assert "stop hello.service" in host.systemd.calls()


@pytest.mark.parametrize("phase", PHASES)
def test_revert_after_a_crash(on_1: Host, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    on_1.leave_open(monkeypatch, "2", phase)
    assert on_1.revert("2").outcome == "reverted"
    assert (on_1.served(), on_1.state().transaction) == ("1", None)


def test_a_revert_that_fails_says_so_and_stays_open(on_1: Host) -> None:
    on_1.activate("2")
    on_1.systemd.fail("restart", "old is broken")
    with pytest.raises(ActivationError, match=r"could not be returned from 2 to 1.*old is broken") as raised:
        on_1.revert("2")
    assert raised.value.result.reverted is False
    assert on_1.state().transaction is not None
    assert on_1.revert("2").outcome == "reverted"


def test_revert_minds_the_fence(on_1: Host) -> None:
    on_1.activate("2", replace(ORDER, fence=9))
    with pytest.raises(FenceError):
        on_1.revert("2", replace(ORDER, fence=8))


def test_a_revert_that_lost_its_release_changes_nothing(on_1: Host) -> None:
    on_1.activate("2")
    os.unlink(on_1.layout.marker("1"))
    with pytest.raises(StageError, match="release 1 of hello is not on this host"):
        on_1.revert("2")
    assert (on_1.served(), on_1.state().transaction) == ("2", None)


# --- check mode -------------------------------------------------------------------------------------------------


def test_check_mode_foresees_and_touches_nothing(on_1: Host, tmp_path: Path) -> None:
    check = replace(ORDER, check=True)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = on_1.activate("9", check)  # not staged yet, as in a play that stages and activates
    assert (done.outcome, done.changed, done.state.current, done.state.previous) == ("active", True, "9", "1")
    assert on_1.activate("1", check).outcome == "unchanged"
    assert on_1.revert("1", replace(check, deploy="d0")).state.current is None
    assert on_1.revert("2", check).changed is False
    with pytest.raises(FenceError):
        state_with_fence = replace(on_1.state(), fence=3)
        state.save(on_1.layout, state_with_fence)
        on_1.activate("2", check)
    on_1.systemd.calls()
    changed = {path.name for path, at in before.items() if path.exists() and path.lstat().st_mtime_ns != at}
    assert changed <= {"state.json", "hello", "systemd"}  # by this test itself


def test_check_mode_on_a_host_without_the_app(tmp_path: Path) -> None:
    layout = Layout("fresh", str(tmp_path))
    assert activation.activate(layout, "1", ActivationSpec(), replace(ORDER, check=True)).changed
    assert activation.revert(layout, "1", ActivationSpec(), replace(ORDER, check=True)).outcome == "unchanged"
    assert os.listdir(tmp_path) == []
