# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import config_history
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_history import Version
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_view import Curtain
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import ConfigTreeError

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        (" 2026-01-31T13:00:00+01:00 ", NOON),
        ("2026-01-31 12:00", NOON),
        ("2026-01-31", NOON.replace(hour=0)),
        ("90s", NOON - timedelta(seconds=90)),
        ("30m", NOON - timedelta(minutes=30)),
        ("2 h", NOON - timedelta(hours=2)),
        ("1d", NOON - timedelta(days=1)),
        ("2w", NOON - timedelta(weeks=2)),
    ],
)
def test_times(text: str, when: datetime) -> None:
    assert config_history.moment(text, NOON) == when


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "-2h", "2026-13-01", "9999999h", "999999w"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigTreeError, match=r"is no time\. Write one like"):
        config_history.moment(text, NOON)


def version(name: str, number: int, hour: int, value: str = "", **more: Any) -> Version:
    at = NOON + timedelta(hours=hour)
    return Version(f"/r/{name}", value or str(number), more.pop("type", "String"), number, at, **more)


def test_the_parameters_of_a_time() -> None:
    versions = [version("a", 2, 3), version("a", 1, 1), version("b", 1, 2), version("c", 7, 2), version("d", 3, 0)]
    at = {hour: config_history.as_of(versions, NOON + timedelta(hours=hour)) for hour in (-1, 0, 1, 2, 9)}
    names = {hour: ([f"{p.name}={p.value}" for p in found], lost) for hour, (found, lost) in at.items()}
    assert names == {
        -1: ([], ["/r/c", "/r/d"]),
        0: (["/r/d=3"], ["/r/c"]),
        1: (["/r/a=1", "/r/d=3"], ["/r/c"]),
        2: (["/r/a=1", "/r/b=1", "/r/c=7", "/r/d=3"], []),
        9: (["/r/a=2", "/r/b=1", "/r/c=7", "/r/d=3"], []),
    }


def test_entries_are_newest_first_and_masked() -> None:
    versions = [
        version("port.int", 1, 0, "80", by="arn:aws:iam::1:user/alice"),
        version("port.int", 2, 3, "81", why="by alice: more", labels=("good",)),
        version("db/password", 1, 1, "hunter2", type="SecureString", why="\x1b[2J"),
        version("token", 8, 2, "hunter2"),
    ]
    told = config_history.entries(versions, "/r", Curtain(), since=None, limit=10)
    assert [(one["setting"], one["before"], one["value"]) for one in told] == [
        ("port", 80, 81),
        ("token", None, "********"),
        ("db/password", None, "********"),
        ("port", None, 80),
    ]
    assert config_history.as_text(told) == [
        "2026-01-31T15:00:00Z  port         v2  80 -> 81              by alice: more [good]",
        "2026-01-31T14:00:00Z  token        v8  … -> ********",
        "2026-01-31T13:00:00Z  db/password  v1  ********              \\x1b[2J",
        "2026-01-31T12:00:00Z  port         v1  80             alice",
    ]
    later = config_history.entries(versions, "/r", Curtain(), since=NOON + timedelta(hours=2), limit=1)
    assert [(one["setting"], one["before"]) for one in later] == [("port", 80)]
    assert "hunter2" not in repr(versions)


@pytest.mark.parametrize(
    ("arn", "who"),
    [
        ("arn:aws:iam::123456789012:user/alice", "alice"),
        ("arn:aws:sts::123456789012:assumed-role/deployer/alice", "deployer/alice"),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
        ("N/A", "N/A"),
        ("", ""),
    ],
)
def test_who_an_arn_names(arn: str, who: str) -> None:
    assert config_history.who(arn) == who


def test_times_are_told_in_utc() -> None:
    assert config_history.stamp(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-01-31T12:00:00Z"
