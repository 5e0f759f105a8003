# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tops of several logs, in as few calls as there can be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import deploy_tops, deploys
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log
from ansible_collections.sysops.dtk.plugins.module_utils._core.deploy_log import UTC, Claim
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import StaleReadError
from ansible_collections.sysops.dtk.plugins.module_utils.deploys import DeployLog

from tests.emulation import REGION, Emulation

PREFIX, ENV = "/tops", "prod"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[Emulation]:
    with Emulation.start() as aws:
        yield aws


@pytest.fixture
def aws(running: Emulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulation]:
    monkeypatch.setattr(deploys, "_PAUSE", 0.01)
    yield running
    running.reset()
    running.reset_data()


def grow(aws: Emulation, app: str, slots: int) -> None:
    """A log with so many slots more."""
    log = DeployLog(aws.client("ssm"), PREFIX, ENV, app)
    for _ in range(slots):
        top = log.top(log.read())
        if top.target:
            log.append(top, deploy_log.commit(top, top.id or "", NOW))
        else:
            log.append(top, deploy_log.claim(top, Claim(f"d{top.n}", f"1.{top.n}", "x", 60), NOW))


def asked(aws: Emulation, **floors: int) -> tuple[dict[str, int], dict[str, int]]:
    """The slots that were found, and the calls that it took."""
    aws.reset()
    found = deploy_tops.tops(aws.client("ssm"), PREFIX, ENV, list(floors.items()))
    calls = {name.split(":")[1]: number for name, number in aws.calls().items()}
    return {app: slot.n for app, slot in found.items()}, calls


def test_unknown_logs_are_listed_one_by_one(aws: Emulation) -> None:
    grow(aws, "api", 3)
    assert asked(aws, api=0, web=0) == ({"api": 3, "web": 0}, {"GetParametersByPath": 2})


def test_known_tops_are_one_call_for_five_apps(aws: Emulation) -> None:
    names = ["a1", "a2", "a3", "a4", "a5", "a6"]
    for name in names:
        grow(aws, name, 2)
    five = dict.fromkeys(names[:5], 2)
    assert asked(aws, **five) == (five, {"GetParameters": 1})
    assert asked(aws, **dict.fromkeys(names, 2)) == (dict.fromkeys(names, 2), {"GetParameters": 2})


@pytest.mark.parametrize("more", [1, 2, 8])
def test_a_top_that_moved_a_little_is_still_one_call(aws: Emulation, more: int) -> None:
    grow(aws, "api", 2 + more)
    assert asked(aws, api=2) == ({"api": 2 + more}, {"GetParameters": 1})


def test_one_that_moved_far_is_listed(aws: Emulation) -> None:
    grow(aws, "api", 14)
    assert asked(aws, api=2) == ({"api": 14}, {"GetParameters": 1, "GetParametersByPath": 2})


def test_one_whose_known_slot_was_pruned_is_listed(aws: Emulation) -> None:
    grow(aws, "api", 14)
    log = DeployLog(aws.client("ssm"), PREFIX, ENV, "api")
    log.prune(log.read(), 10)
    assert asked(aws, api=2)[0] == {"api": 14}


def test_a_log_that_ends_too_early_is_refused(aws: Emulation) -> None:
    grow(aws, "api", 3)
    with pytest.raises(StaleReadError, match="ends at entry 3, but entry 9 was seen before"):
        asked(aws, api=9)


def test_a_slot_that_is_none_is_refused(aws: Emulation) -> None:
    grow(aws, "api", 2)
    name = f"{PREFIX}/{ENV}/api/deploy/{3:010d}"
    aws.client("ssm").put_parameter(Name=name, Value="hello", Type="String")
    with pytest.raises(deploy_tops.FAILURES, match="is not an entry of a deploy log"):
        asked(aws, api=2)


def test_what_may_not_be_read_is_told(aws: Emulation) -> None:
    grow(aws, "api", 2)
    aws.reset()
    aws.fault("ssm:GetParameters", "AccessDeniedException")
    with pytest.raises(AwsError, match="Cannot read the parameter"):
        deploy_tops.tops(aws.client("ssm"), PREFIX, ENV, [("api", 2)])
    assert aws.calls()[f"ssm:GetParametersByPath:{REGION}"] == 0
