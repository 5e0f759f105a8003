# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log
from ansible_collections.sysops.dtk.plugins.module_utils._core.deploy_log import (
    EMPTY,
    Claim,
    Slot,
    claim,
    commit,
    release,
    renew,
)
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import HeldError, LogError, NotOursError
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=901)


def wanted(who: str = "alice", version: str = "1.0.1", kind: str = "deploy", lease: int = 900) -> Claim:
    return Claim(id=f"id-{who}", release=version, owner=who, lease=lease, kind=kind, job_url=f"https://jobs/{who}")


def held(by: str = "alice", **more: object) -> Slot:
    return claim(EMPTY, wanted(by, **more), NOW)


def stable(version: str, *previous: str) -> Slot:
    return replace(EMPTY, n=5, stable=version, previous=previous)


def test_a_claim_on_an_empty_log() -> None:
    slot = held()
    assert (slot.n, slot.stable, slot.target.release, slot.by, slot.act) == (1, None, "1.0.1", "alice", "claimed")
    assert slot.target.lease_until == "2026-01-31T12:15:00Z"


def test_held_says_who_since_until_where_and_what_to_do() -> None:
    with pytest.raises(HeldError) as caught:
        claim(held(), wanted("bob"), NOW, where="hello in prod")
    text = str(caught.value)
    for part in (
        "hello in prod is held by alice",
        "since 2026-01-31T12:00:00Z",
        "until 2026-01-31T12:15:00Z",
        "https://jobs/alice",
        "takeover=true",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("when", "rules", "reason"),
    [
        pytest.param(LATER, {}, "whose lease ended at 2026-01-31T12:15:00Z", id="lease is over"),
        pytest.param(NOW + timedelta(seconds=900), {}, "whose lease ended", id="lease ends this second"),
        pytest.param(NOW, {"holder_dead": True}, "whose process is gone", id="process is dead"),
        pytest.param(NOW, {"takeover": True}, "as asked by takeover=true", id="asked for"),
    ],
)
def test_takeover(when: datetime, rules: dict[str, bool], reason: str) -> None:
    taken = claim(held(), wanted("bob"), when, **rules)
    assert (taken.n, taken.target.owner) == (2, "bob")
    assert f"took over from alice, {reason}" in taken.why
    for act in (renew, commit, release):
        with pytest.raises(NotOursError, match="Deploy id-alice no longer owns the app: it is now held by bob"):
            act(taken, "id-alice", 900, when) if act is renew else act(taken, "id-alice", when)


def test_renewals_wait_until_half_of_the_lease_is_gone() -> None:
    top = held()
    assert renew(top, "id-alice", 900, NOW + timedelta(seconds=400)) is None
    longer = renew(top, "id-alice", 900, NOW + timedelta(seconds=500))
    assert (longer.n, longer.target.lease_until, longer.act) == (2, "2026-01-31T12:23:20Z", "renewed")


def test_an_expired_lease_may_still_be_renewed_while_nobody_took_it() -> None:
    assert renew(held(), "id-alice", 900, LATER).target.lease_until == "2026-01-31T12:30:01Z"


@pytest.mark.parametrize(
    ("top", "version", "kind", "expected"),
    [
        pytest.param(EMPTY, "1", "deploy", ("1", ()), id="first deploy"),
        pytest.param(stable("1"), "2", "deploy", ("2", ("1",)), id="second deploy"),
        pytest.param(stable("2", "1"), "2", "deploy", ("2", ("1",)), id="the same again"),
        pytest.param(stable("3", "2", "1"), "1", "deploy", ("1", ("3", "2")), id="an old one as a deploy"),
        pytest.param(stable("3", "2", "1"), "2", "rollback", ("2", ("1",)), id="rollback drops what was left"),
        pytest.param(stable("3", "2", "1"), "1", "rollback", ("1", ()), id="rollback two steps"),
        pytest.param(stable("3", "2"), "0", "rollback", ("0", ("2",)), id="rollback to an unlisted one"),
        pytest.param(stable("b", *"9876543210"), "c", "deploy", ("c", tuple("b987654321")), id="ten at most"),
    ],
)
def test_commit(top: Slot, version: str, kind: str, expected: tuple[str, tuple[str, ...]]) -> None:
    done = commit(claim(top, wanted(version=version, kind=kind), NOW), "id-alice", LATER)
    assert (done.stable, done.previous) == expected
    assert done.target is None
    assert done.n == top.n + 2


def test_release_leaves_stable_alone() -> None:
    done = release(claim(stable("1", "0"), wanted(), NOW), "id-alice", NOW, "halted")
    assert (done.stable, done.previous, done.target, done.why) == ("1", ("0",), None, "halted")


def test_ending_twice_is_no_error_but_ending_otherwise_is() -> None:
    done = commit(held(), "id-alice", NOW)
    assert commit(done, "id-alice", NOW) is None
    with pytest.raises(NotOursError, match=r"nobody holds it since .*, committed by alice"):
        release(done, "id-alice", NOW)
    with pytest.raises(NotOursError, match="its log is empty"):
        commit(EMPTY, "id-alice", NOW)


def test_a_slot_survives_being_written() -> None:
    slot = claim(stable("1", "0"), replace(wanted(), process="boot/1/2", why="größer"), NOW)
    assert deploy_log.decode(slot.n, deploy_log.encode(slot), "x") == slot


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stable":1}', "null", '{"stable":null,"target":{"x":1}}'])
def test_a_slot_that_is_none_names_its_parameter(text: str) -> None:
    with pytest.raises(LogError, match="/dtk/x/1 is not an entry of a deploy log"):
        deploy_log.decode(1, text, "/dtk/x/1")


def test_the_longest_slot_fits() -> None:
    top = replace(stable("v" * 64, *[f"{i}".ljust(64, "v") for i in range(10)]), n=10**9)
    long = Claim(
        id="i" * 40,
        release="v" * 64,
        owner="ö" * 500,
        lease=9,
        job_url="u" * 900,
        process="p" * 90,
        why="ß" * 900,
    )
    assert len(deploy_log.encode(claim(top, long, NOW)).encode()) <= deploy_log.MAX_BYTES


def test_what_cannot_fit_is_refused() -> None:
    with pytest.raises(LogError, match="4096 are allowed"):
        deploy_log.encode(stable("1", "v" * 5000))


@pytest.mark.parametrize(
    ("name", "number"), [("/a/0000000007", 7), ("0000000010", 10), ("/a/7", None), ("/a/000000000x", None)]
)
def test_slot_numbers(name: str, number: int | None) -> None:
    assert deploy_log.slot_number(name) == number
    assert deploy_log.slot_name(7) == "0000000007"


def test_pruning_keeps_the_newest_and_refuses_to_keep_few() -> None:
    assert deploy_log.prune_plan(range(1, 24)) == [1, 2, 3]
    assert deploy_log.prune_plan([5, 6]) == []
    with pytest.raises(LogError, match="at least 10"):
        deploy_log.prune_plan([1], 1)


ACTORS = ("ann", "bob", "cid")
STEP = st.tuples(
    st.sampled_from(ACTORS),
    st.sampled_from(["read", "claim", "takeover", "renew", "commit", "release"]),
    st.integers(0, 40),
)


@given(st.lists(STEP, max_size=80))
def test_any_interleaving_over_compare_and_set(steps: list[tuple[str, str, int]]) -> None:
    """Actors act on what they last read, which may be old; the store takes a slot only if its number is free."""
    store: dict[int, Slot] = {0: EMPTY}
    seen = dict.fromkeys(ACTORS, EMPTY)
    now, tries, commits = NOW, 0, []
    for actor, act, seconds in steps:
        now += timedelta(seconds=seconds)
        if act == "read":
            seen[actor] = store[max(store)]
            continue
        tries += 1
        try:
            slot = _do(act, actor, seen[actor], now, f"v{tries}")
        except (HeldError, NotOursError):
            continue
        if slot is None or slot.n in store:
            continue
        before = store[max(store)]
        assert slot.n == before.n + 1, "a slot follows the newest one, so nobody's update is lost"
        _check_step(before, slot, act, f"id-{actor}", now)
        store[slot.n] = seen[actor] = slot
        commits += [slot.stable] if act == "commit" else []
    assert [slot.stable for slot in store.values() if slot.act == "committed"] == commits


def _do(act: str, actor: str, top: Slot, now: datetime, version: str) -> Slot | None:
    mine = f"id-{actor}"
    if act in ("claim", "takeover"):
        return claim(top, wanted(actor, version, lease=60), now, takeover=act == "takeover")
    if act == "renew":
        return renew(top, mine, 60, now)
    return {"commit": commit, "release": release}[act](top, mine, now)


def _check_step(before: Slot, after: Slot, act: str, mine: str, now: datetime) -> None:
    owner = before.target.id if before.target else None
    if act == "claim":
        assert owner is None or now >= deploy_log.moment(before.target.lease_until)
    if act in ("renew", "commit", "release"):
        assert owner == mine
    if after.stable != before.stable:
        assert act == "commit"
        assert after.stable == before.target.release


def test_an_image_is_held_like_an_app_and_never_becomes_its_release() -> None:
    top = held(version="ami-1", kind=deploy_log.AMI)
    assert "(an image is being rolled out, ami-1, id id-alice" in deploy_log.holder_text(top.target)
    with pytest.raises(LogError, match="ami-1 is an image and no release"):
        commit(top, "id-alice", NOW)
    released = release(top, "id-alice", NOW)
    assert (released.stable, released.target, released.previous) == (None, None, ())
