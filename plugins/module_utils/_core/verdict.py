# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the states of the hosts to the decision: go on or halt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import PlanError
from .text import abbreviated, plural
from .waves import Amount, amount, natural

PENDING, STAGED, STAGE_FAILED = "pending", "staged", "stage_failed"
ACTIVE, FAILED, UNREACHABLE, GONE = "active", "failed", "unreachable", "gone"
STATES = (PENDING, STAGED, STAGE_FAILED, ACTIVE, FAILED, UNREACHABLE, GONE)


@dataclass(frozen=True)
class Verdict:
    """Hosts by outcome. A host that Auto Scaling took away is no failure.

    refused: those of the failed ones that have the new release, and whose load balancers do not want them.
    """

    halt: bool
    budget: int
    total: int
    active: tuple[str, ...]
    staged: tuple[str, ...]
    pending: tuple[str, ...]
    failed: tuple[str, ...]
    unreachable: tuple[str, ...]
    gone: tuple[str, ...]
    refused: tuple[str, ...]
    text: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def host_state(results: Mapping[str, Any]) -> dict[str, Any]:
    """The state of one host from the results of its steps; a step that was not reached is absent or skipped.

    `drained` and `returned` are what kept it from leaving its load balancers and from becoming healthy there, in words.
    """
    stage, activate, revert = (_ran(results.get(key)) for key in ("stage", "activate", "revert"))
    last = activate or stage or {}
    state, message = _state(stage, activate), _first_line(last.get("msg")) if _broken(last) else ""
    late = str(results.get({STAGED: "drained", ACTIVE: "returned"}.get(state, "")) or "")
    refused = bool(late) and state == ACTIVE and revert is None
    if late:
        state, message = FAILED, late
    if results.get("gone"):
        state, message, refused = GONE, "", False
    return {
        "state": state,
        "message": message,
        "current": (revert or last).get("current"),
        "reverted": _reverted(activate, revert),
        "moves": _moves(stage),
        "refused": refused,
    }


def verdict(states: Mapping[str, Any], budget: Amount = 0, total: int | None = None) -> Verdict:
    """Count the hosts; more failed and unreachable ones than the budget allows means halt."""
    by_state: dict[str, list[str]] = {state: [] for state in STATES}
    for host in sorted(states, key=natural):
        by_state[_name(host, states[host])].append(host)
    hosts = len(states) if total is None else int(total)
    failed = tuple(by_state[STAGE_FAILED] + by_state[FAILED])
    unreachable = tuple(by_state[UNREACHABLE])
    allowed = amount(budget, hosts, "budget", round_up=False)
    halt = len(failed) + len(unreachable) > allowed
    return Verdict(
        halt=halt,
        budget=allowed,
        total=hosts,
        active=tuple(by_state[ACTIVE]),
        staged=tuple(by_state[STAGED]),
        pending=tuple(by_state[PENDING]),
        failed=failed,
        unreachable=unreachable,
        gone=tuple(by_state[GONE]),
        refused=tuple(host for host in failed if isinstance(states[host], Mapping) and states[host].get("refused")),
        text=tuple(_lines(states, by_state, halt, allowed, hosts)),
    )


def _lines(
    states: Mapping[str, Any], by_state: Mapping[str, list[str]], halt: bool, budget: int, total: int
) -> list[str]:
    counts = ", ".join(f"{len(hosts)} {state.replace('_', ' ')}" for state, hosts in by_state.items() if hosts)
    bad = len(by_state[STAGE_FAILED]) + len(by_state[FAILED]) + len(by_state[UNREACHABLE])
    lines = [f"{'HALT' if halt else 'GO ON'}: {counts or 'no result'} of {plural(total, 'host')}"]
    if bad:
        lines[0] += f"; {bad} failed or unreachable, the budget allows {budget}"
    for state in (STAGE_FAILED, FAILED, UNREACHABLE):
        lines += [f"  {host}: {state.replace('_', ' ')}{_because(states[host])}" for host in by_state[state]]
    if by_state[GONE]:
        lines.append(f"  gone, not counted as failed: {abbreviated(by_state[GONE], 80)}")
    return lines


def _because(state: Any) -> str:
    if not isinstance(state, Mapping):
        return ""
    reverted = {True: " (returned to what it had before)", False: " (NOT returned)"}.get(state.get("reverted"), "")
    return (f": {state['message']}" if state.get("message") else "") + reverted


def _name(host: str, state: Any) -> str:
    name = state.get("state") if isinstance(state, Mapping) else state
    if name not in STATES:
        raise PlanError(f"Host {host} has the unknown state {name!r}; known are {', '.join(STATES)}.")
    return name


def _state(stage: Mapping[str, Any] | None, activate: Mapping[str, Any] | None) -> str:
    if activate is not None:
        return UNREACHABLE if activate.get("unreachable") else FAILED if activate.get("failed") else ACTIVE
    if stage is not None:
        return UNREACHABLE if stage.get("unreachable") else STAGE_FAILED if stage.get("failed") else STAGED
    return PENDING


def _moves(stage: Mapping[str, Any] | None) -> bool:
    """Whether the host's activation will change what it serves, as far as its stage could tell."""
    if stage is None or _broken(stage):
        return False
    if "version" in stage:
        return stage.get("current") != stage["version"]
    return stage.get("outcome") != "unchanged"


def _ran(result: Any) -> Mapping[str, Any] | None:
    if not isinstance(result, Mapping):
        return None
    return None if result.get("skipped") and not result.get("unreachable") else result


def _broken(result: Mapping[str, Any]) -> bool:
    return bool(result.get("failed") or result.get("unreachable"))


def _reverted(activate: Mapping[str, Any] | None, revert: Mapping[str, Any] | None) -> bool | None:
    """What the activation said of itself, unless a later step undid it."""
    if revert is not None:
        return not _broken(revert)
    return activate.get("reverted") if activate and _broken(activate) else None


def _first_line(message: Any) -> str:
    lines = str(message or "").strip().splitlines()
    return lines[0] if lines else ""
