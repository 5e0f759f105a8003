# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""state.json of an app: what this host serves, served, and is in the middle of."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Any

from .errors import ManifestError, StateError
from .files import write_atomic
from .layout import Layout
from .manifest import check_version

SCHEMA = 1


@dataclass(frozen=True)
class Transaction:
    """An activation that has begun and not ended. In JSON, from_version and to_version are "from" and "to".

    id: unique per activation. phase: name of the phase that was entered last.
    pid, pid_start: the process that acts, see lock.process_start; deadman: name of the armed unit, if any.
    fence, deploy: as given by the deploy. started_at: UTC, "2026-11-22T20:48:59Z".
    spec: what a revert needs (unit, mode, health): plain JSON types, never a secret.
    """

    id: str
    from_version: str | None
    to_version: str | None
    phase: str
    pid: int
    pid_start: str
    deadman: str | None
    fence: int
    deploy: str | None
    started_at: str
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """All that is remembered about an app on this host. `State(app)` is a host that never had a release.

    current: what the last finished transaction left; while one is open, the link `current` is the truth.
    fence: highest deploy-log slot that acted here. failed: versions that failed to activate, newest last.
    """

    app: str
    current: str | None = None
    previous: str | None = None
    last_good: str | None = None
    fence: int = 0
    activated_at: str | None = None
    activated_by: str | None = None
    deploy: str | None = None
    failed: tuple[str, ...] = ()
    transaction: Transaction | None = None

    def in_use(self) -> frozenset[str]:
        """Versions that must never be removed: current, previous, last good and both ends of an open transaction."""
        versions = [self.current, self.previous, self.last_good]
        if self.transaction:
            versions += [self.transaction.from_version, self.transaction.to_version]
        return frozenset(version for version in versions if version is not None)


def load(layout: Layout) -> State:
    """Read the state; no file means a host that never had a release. Raises StateError."""
    import json

    try:
        with open(layout.state_file, encoding="utf-8") as stream:
            data = json.load(stream)
    except FileNotFoundError:
        return State(layout.app)
    except OSError as exc:
        raise StateError(f"cannot read {layout.state_file}: {exc.strerror}; make it readable for this user") from exc
    except (ValueError, RecursionError) as exc:
        raise _corrupt(layout, f"it is not JSON ({exc})") from exc
    return from_dict(layout, data)


def save(layout: Layout, state: State) -> None:
    """Replace the state atomically and durably, mode 0644; the caller holds lock.app_lock. Raises StateError."""
    import json

    text = json.dumps(to_dict(state), indent=1, sort_keys=True) + "\n"
    try:
        write_atomic(layout.state_file, text.encode("utf-8"), 0o644)
    except OSError as exc:
        raise StateError(
            f"cannot write {layout.state_file}: {exc.strerror}; make {layout.home} writable and free some space"
        ) from exc


def to_dict(state: State) -> dict[str, Any]:
    """The JSON document of a state."""
    document = {item.name: getattr(state, item.name) for item in fields(state)}
    document["schema"] = SCHEMA
    document["failed"] = list(state.failed)
    if state.transaction:
        document["transaction"] = _transaction_to_dict(state.transaction)
    return document


def from_dict(layout: Layout, data: Any) -> State:
    """Check a decoded document and build the state; raises StateError naming the file and the remedy."""
    if not isinstance(data, dict):
        raise _corrupt(layout, "it is not a mapping")
    if data.get("schema") != SCHEMA:
        raise StateError(
            f"{layout.state_file} has schema {data.get('schema')!r} and this toolkit knows {SCHEMA}; "
            "use the toolkit release that wrote it or a newer one"
        )
    if data.get("app") != layout.app:
        raise _corrupt(layout, f"it belongs to app {data.get('app')!r}, not {layout.app}")
    try:
        return State(
            app=layout.app,
            current=_version(data, "current"),
            previous=_version(data, "previous"),
            last_good=_version(data, "last_good"),
            fence=_typed(data, "fence", int),
            activated_at=_typed(data, "activated_at", str, optional=True),
            activated_by=_typed(data, "activated_by", str, optional=True),
            deploy=_typed(data, "deploy", str, optional=True),
            failed=tuple(check_version(version) for version in _typed(data, "failed", list)),
            transaction=_transaction_from_dict(_typed(data, "transaction", dict, optional=True)),
        )
    except (ManifestError, ValueError) as exc:
        raise _corrupt(layout, str(exc)) from exc


def link_version(layout: Layout) -> str | None:
    """The version that the link `current` serves now, or None if there is no link. Raises StateError."""
    try:
        target = os.readlink(layout.current)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StateError(
            f"{layout.current} is not a symbolic link ({exc.strerror}); move it away, the toolkit puts a link there"
        ) from exc
    folder, version = os.path.split(target)
    try:
        if folder in ("releases", layout.releases):
            return check_version(version)
    except ManifestError:
        pass
    raise StateError(
        f"{layout.current} points to {target!r}, not into {layout.releases}; "
        "remove the link, the next activation puts the right one there"
    )


def _transaction_to_dict(transaction: Transaction) -> dict[str, Any]:
    document = {item.name: getattr(transaction, item.name) for item in fields(transaction)}
    document["from"] = document.pop("from_version")
    document["to"] = document.pop("to_version")
    return document


def _transaction_from_dict(data: dict[str, Any] | None) -> Transaction | None:
    if data is None:
        return None
    return Transaction(
        id=_typed(data, "id", str),
        from_version=_version(data, "from"),
        to_version=_version(data, "to"),
        phase=_typed(data, "phase", str),
        pid=_typed(data, "pid", int),
        pid_start=_typed(data, "pid_start", str),
        deadman=_typed(data, "deadman", str, optional=True),
        fence=_typed(data, "fence", int),
        deploy=_typed(data, "deploy", str, optional=True),
        started_at=_typed(data, "started_at", str),
        spec=_typed(data, "spec", dict, optional=True) or {},
    )


def _version(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    return None if value is None else check_version(value)


def _typed(data: dict[str, Any], name: str, kind: type, optional: bool = False) -> Any:
    value = data.get(name)
    if (optional and value is None) or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise ValueError(f"its {name} is {value!r}, not {kind.__name__}")


def _corrupt(layout: Layout, why: str) -> StateError:
    return StateError(
        f"the state file {layout.state_file} can't be trusted: {why}; move it away and deploy again, "
        f"{layout.current} shows what is served now"
    )
