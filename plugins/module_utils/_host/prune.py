# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which releases a host may forget, and forgetting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import stage
from . import state as states
from .layout import Layout
from .state import State

if TYPE_CHECKING:
    from collections.abc import Iterable


def prune_plan(
    state: State, present: Iterable[str], keep: int, keep_failed: int, served: str | None = None
) -> list[str]:
    """Versions to remove, oldest first. Pure.

    present: versions on the host in the order in which they were staged, oldest first. keep: newest good ones to keep,
    those in use counted; keep_failed: newest failed ones. served: what the link serves. What is in use always stays.
    """
    protected = state.in_use() | {served}
    versions = list(present)
    failed = [version for version in versions if version in state.failed and version not in protected]
    good = [version for version in versions if version not in failed]
    spare = [version for version in good if version not in protected]
    room = max(0, keep - (len(good) - len(spare)))
    doomed = {*_all_but_newest(spare, room), *_all_but_newest(failed, keep_failed)}
    return [version for version in versions if version in doomed]


def prune(layout: Layout, state: State, keep: int, keep_failed: int) -> tuple[list[str], list[str]]:
    """Remove releases as planned; returns (removed versions, warnings). The caller holds the app's lock.

    Nothing that fails here is an error: the deploy has succeeded already.
    """
    removed, warnings = [], []
    present = stage.installed(layout)
    for version in prune_plan(state, present, keep, keep_failed, states.link_version(layout)):
        try:
            stage.remove_release(layout, version)
        except OSError as exc:
            warnings.append(
                f"the old release {version} can't be removed from {layout.releases}: {exc.strerror}; remove it by hand"
            )
        else:
            removed.append(version)
    return removed, warnings


def _all_but_newest(versions: list[str], count: int) -> list[str]:
    return versions[: max(0, len(versions) - max(0, count))]
