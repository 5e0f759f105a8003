# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deploy log over a real Parameter Store API: who wins, what is read, what is kept."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import artifacts, deploys, plans
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ssm
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log, process
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import (
    HeldError,
    LogError,
    LostRaceError,
    NotOursError,
    PlanError,
    StaleReadError,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.waves import Host

from tests.unit.emulated_aws import EmulatedAws, build_archive

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
HOSTS = tuple(Host(f"web-{number}", "ab"[number % 2]) for number in range(1, 5))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for no time: nothing here is eventually consistent."""
    monkeypatch.setattr(deploys, "_PAUSE", 0)


@pytest.fixture
def published(aws: EmulatedAws, tmp_path: Path) -> EmulatedAws:
    for version in ("1.0.0", "1.0.1"):
        archive = build_archive(tmp_path / f"{version}.tar.gz", version)
        artifacts.publish(aws.client("s3"), aws.bucket, "hello", version, str(archive), now=NOW)
    return aws


def asked(aws: EmulatedAws, **changes: Any) -> plans.Asked:
    values: dict[str, Any] = {
        "app": "hello",
        "env": "demo",
        "prefix": aws.prefix,
        "bucket": aws.bucket,
        "action": "deploy",
        "version": "1.0.0",
        "hosts": HOSTS,
        "waves": None,
        "per_az": False,
        "min_healthy": None,
        "budget": 0,
        "bake": 0,
        "health": None,
        "load_balancer": None,
        "activation": "restart",
        "alarms": (),
        "ignore_alarms": False,
        "lease": 900,
        "owner": "alice",
        "job_url": "https://jobs/1",
        "takeover": False,
        "why": "",
    }
    return plans.Asked(**{**values, **changes})


def plan(aws: EmulatedAws, claim: bool = True, now: datetime = NOW, **changes: Any) -> dict[str, Any]:
    return plans.plan_deploy(aws.client, asked(aws, **changes), lambda: now, claim=claim)


def place(aws: EmulatedAws) -> tuple[str, str, str]:
    return (aws.prefix, "demo", "hello")


def end(aws: EmulatedAws, deploy: str, state: str = "committed", **options: Any) -> dict[str, Any]:
    change = deploys.ending(deploy, state, "")
    return deploys.change_log(aws.client("ssm"), place(aws), change, lambda: NOW, **options)


def look(aws: EmulatedAws, **options: Any) -> dict[str, Any]:
    return deploys.describe_log(aws.client("ssm"), place(aws), NOW, 10, **options)


def deployed(aws: EmulatedAws, *versions: str) -> None:
    for version in versions:
        end(aws, plan(aws, version=version)["plan"]["id"])


def test_a_deploy_from_claim_to_commit_and_back(published: EmulatedAws) -> None:
    first = plan(published)["plan"]
    assert (first["fence"], first["waves"], first["stable"], first["claimed"]) == (1, [1, 2, 1], None, True)
    assert first["hosts"] == ["web-2", "web-1", "web-4", "web-3"]
    assert look(published)["holder"].startswith("alice since 2026-01-31T12:00:00Z until 2026-01-31T12:15:00Z")
    assert end(published, first["id"])["slot"]["stable"] == "1.0.0"
    deployed(published, "1.0.1")
    back = plan(published, action="rollback", version=None)["plan"]
    assert (back["version"], back["waves"], back["fence"], back["previous"]) == ("1.0.0", [4], 5, ["1.0.0"])
    assert end(published, back["id"])["slot"]["previous"] == []
    seen = look(published)
    assert (seen["n"], seen["stable"], seen["held"], len(seen["history"])) == (6, "1.0.0", False, 6)


def test_a_change_of_settings_claims_the_app_and_leaves_the_release(published: EmulatedAws) -> None:
    deployed(published, "1.0.0")
    planned = plan(published, action="config", version=None, bucket=None)
    mine = planned["plan"]
    assert (mine["version"], mine["stable"], mine["artifact"], mine["manifest"]) == ("1.0.0", "1.0.0", None, None)
    with pytest.raises(HeldError, match=r"held by alice .* \(change of settings, id"):
        plan(published, version="1.0.1")
    assert end(published, mine["id"], "released")["slot"]["stable"] == "1.0.0"


def test_settings_may_come_before_the_first_release(published: EmulatedAws) -> None:
    planned = plan(published, action="config", version=None, bucket=None)
    assert (planned["plan"]["version"], planned["plan"]["stable"]) == ("", None)
    assert planned["text"][0] == "CONFIGURE hello in demo: the settings, before its first release"


def test_check_plans_the_same_and_claims_nothing(published: EmulatedAws) -> None:
    dry = plan(published, claim=False)
    assert not dry["changed"]
    assert look(published)["n"] == 0
    wet = plan(published)
    changing = {"id", "claimed"}
    assert {k: v for k, v in dry["plan"].items() if k not in changing} == {
        k: v for k, v in wet["plan"].items() if k not in changing
    }
    assert dry["text"][0:1] + dry["text"][2:] == wet["text"][0:1] + wet["text"][2:]
    assert dry["diff"]["after"]["n"] == 1


def test_of_two_racing_claimers_exactly_one_wins(published: EmulatedAws) -> None:
    published.client("ssm")
    for turn in range(5):
        barrier = threading.Barrier(4)

        def race(who: int, barrier: threading.Barrier = barrier) -> str | HeldError:
            barrier.wait()
            try:
                return plan(published, owner=f"racer-{who}")["plan"]["id"]
            except HeldError as exc:
                return exc

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(race, range(4)))
        winners = [result for result in results if isinstance(result, str)]
        assert len(winners) == 1, results
        seen = look(published)
        assert seen["target"]["id"] == winners[0]
        assert all(f"is held by {seen['target']['owner']}" in str(r) for r in results if isinstance(r, HeldError))
        end(published, winners[0], "released")
        assert look(published)["n"] == 2 * turn + 2


def test_a_lost_race_writes_nothing_and_says_who_won(published: EmulatedAws) -> None:
    log = deploys.DeployLog(published.client("ssm"), *place(published))
    top = log.top(log.read())
    plan(published)
    mine = dataclasses.replace(top, n=1, by="bob", act="claimed")
    with pytest.raises(LostRaceError, match=r"wrote entry 1 of .* first\. It was claimed by alice"):
        log.append(top, mine)


def test_a_write_whose_answer_was_lost_is_recognised(published: EmulatedAws) -> None:
    log = deploys.DeployLog(published.client("ssm"), *place(published))
    slot = dataclasses.replace(deploy_log.EMPTY, n=1, by="bob", act="claimed")
    log.append(deploy_log.EMPTY, slot)
    log.append(deploy_log.EMPTY, slot)
    assert log.top(log.read()) == slot


def test_a_writer_that_slept_past_pruning_has_lost(published: EmulatedAws) -> None:
    """Its number is free again, for the slot that had it is pruned."""
    log = deploys.DeployLog(published.client("ssm"), *place(published))
    first = plan(published)["plan"]
    slept = log.top(log.read())
    end(published, first["id"])
    deployed(published, *["1.0.1", "1.0.0"] * 6)
    end(published, plan(published)["plan"]["id"], keep=10)
    for top in (slept, deploy_log.EMPTY):
        before = log.read()
        with pytest.raises(LostRaceError):
            log.append(top, dataclasses.replace(top, n=top.n + 1, by="zombie"))
        assert log.read() == before


def test_the_log_is_pruned_to_the_newest(published: EmulatedAws) -> None:
    deployed(published, *["1.0.0", "1.0.1"] * 5)
    last = plan(published)["plan"]
    done = end(published, last["id"], keep=12)
    assert done["pruned"] == list(range(1, 11))
    assert sorted(deploys.DeployLog(published.client("ssm"), *place(published)).read()) == list(range(11, 23))
    assert done["slot"]["n"] == 22


def test_pruning_that_fails_is_a_warning(published: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AwsError("no right to delete")

    deployed(published, *["1.0.0", "1.0.1"] * 5)
    last = plan(published)["plan"]
    monkeypatch.setattr(ssm, "delete", refuse)
    done = end(published, last["id"], keep=10)
    assert (done["slot"]["stable"], done["pruned"]) == ("1.0.0", [])
    assert done["warnings"] == ["The deploy log of hello in demo was not pruned: no right to delete"]


def test_who_was_taken_over_can_neither_renew_nor_end(published: EmulatedAws) -> None:
    old = plan(published)["plan"]["id"]
    taken = plan(published, owner="bob", takeover=True)
    assert "took over from alice, as asked by takeover=true" in taken["plan"]["warnings"]
    renewal = deploys.renewal(old, 900)
    with pytest.raises(NotOursError, match="it is now held by bob"):
        deploys.change_log(published.client("ssm"), place(published), renewal, lambda: NOW)
    for state in ("committed", "released"):
        with pytest.raises(NotOursError):
            end(published, old, state)
    assert look(published)["target"]["id"] == taken["plan"]["id"]


def test_a_dead_process_of_this_machine_is_taken_over_at_once(
    published: EmulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = process.describe(1)
    gone = alive.replace("/1/", f"/{2**22 + 1}/")
    for holder, free in ((alive, False), (gone, True)):
        monkeypatch.setattr(process, "controlling_process", lambda holder=holder: holder)
        plan(published, takeover=True)
        monkeypatch.undo()
        if free:
            assert "took over from alice, whose process is gone" in plan(published)["plan"]["warnings"]
        else:
            with pytest.raises(HeldError):
                plan(published)


def test_an_expired_lease_is_taken_over(published: EmulatedAws) -> None:
    plan(published)
    assert not look(published)["expired"]
    late = NOW + timedelta(seconds=900)
    assert plan(published, now=late, owner="bob")["plan"]["fence"] == 2


def test_renewing_needs_no_entry_while_half_of_the_lease_is_left(published: EmulatedAws) -> None:
    mine = plan(published)["plan"]["id"]
    for seconds, changed in ((10, False), (600, True), (700, False)):
        when = NOW + timedelta(seconds=seconds)
        done = deploys.change_log(
            published.client("ssm"), place(published), deploys.renewal(mine, 900), lambda when=when: when
        )
        assert done["changed"] is changed
    assert look(published)["target"]["lease_until"] == "2026-01-31T12:25:00Z"


def test_a_reader_never_accepts_less_than_it_saw(published: EmulatedAws) -> None:
    deployed(published, "1.0.0")
    assert look(published, min_slot=2)["n"] == 2
    with pytest.raises(StaleReadError, match="ends at entry 2, but entry 3 was seen before"):
        look(published, min_slot=3)


def test_a_stale_read_is_read_again(published: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log answers as before the claim once; the commit must not fail for that."""
    mine, answers = plan(published)["plan"]["id"], [{}]
    fresh = ssm.parameters_in
    monkeypatch.setattr(ssm, "parameters_in", lambda *args: answers.pop() if answers else fresh(*args))
    assert end(published, mine)["slot"]["stable"] == "1.0.0"


def test_check_mode_of_an_ending_changes_nothing(published: EmulatedAws) -> None:
    mine = plan(published)["plan"]["id"]
    done = end(published, mine, check=True, keep=20)
    assert (done["changed"], done["slot"]["stable"], look(published)["held"]) == (True, "1.0.0", True)


def test_too_few_entries_to_keep_is_refused_before_anything_is_written(published: EmulatedAws) -> None:
    mine = plan(published)["plan"]["id"]
    with pytest.raises(LogError, match="keep is 3, but the log must keep at least 10 entries"):
        end(published, mine, keep=3)
    assert look(published)["n"] == 1


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        pytest.param({"version": None}, PlanError, "No version is given", id="no version"),
        pytest.param({"version": None, "action": "rollback"}, PlanError, "has no earlier release", id="nothing before"),
        pytest.param({"bucket": None}, PlanError, "No bucket is given for the deploy of hello", id="bucket not given"),
        pytest.param({"version": "9"}, artifacts.ReleaseError, "The newest are 1.0.1, 1.0.0", id="unknown version"),
        pytest.param({"app": "nope"}, artifacts.ReleaseError, "No release of nope is published", id="unknown app"),
        pytest.param({"env": "Prod"}, LogError, "The env 'Prod' is not allowed", id="bad env"),
        pytest.param({"prefix": "dtk"}, LogError, "The prefix 'dtk' is not a path", id="bad prefix"),
        pytest.param({"hosts": ()}, PlanError, "There is no host", id="no hosts"),
        pytest.param({"lease": 0}, PlanError, "lease is 0 s", id="no lease"),
        pytest.param({"bucket": "no-such-bucket"}, AwsError, "the bucket does not exist", id="no bucket"),
        pytest.param({"version": "../x"}, deploys.FAILURES, "the version '../x' is not allowed", id="bad version"),
        pytest.param({"app": "A"}, deploys.FAILURES, "the app name 'A' is not allowed", id="bad app"),
    ],
)
def test_impossible_plans_end_before_anything_is_claimed(
    published: EmulatedAws, changes: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        plan(published, **changes)
    assert message in str(caught.value)
    assert look(published)["n"] == 0


def test_an_entry_written_by_somebody_else_is_named(published: EmulatedAws) -> None:
    name = f"{published.prefix}/demo/hello/deploy/0000000001"
    ssm.create(published.client("ssm"), name, "hello?")
    with pytest.raises(LogError, match=f"{name} is not an entry of a deploy log"):
        plan(published)


def test_other_parameters_beside_the_log_are_ignored(published: EmulatedAws) -> None:
    ssm.create(published.client("ssm"), f"{published.prefix}/demo/hello/deploy/notes", "hello?")
    assert plan(published)["plan"]["fence"] == 1


def test_the_owner_is_whoever_runs_it() -> None:
    assert "@" in deploys.default_owner()
