# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an activation of a configuration switches: the files themselves.

`current` in the state is the version that the unit was last started or reloaded with, whatever lies on the disk.
"""

from __future__ import annotations

from .config_files import Version, keep, kept, on_disk, paths_of, put
from .errors import StateError
from .layout import Layout
from .state import State, Transaction, link_version, load
from .switch import Link


class Files(Link):
    """Versions are sets of files; switching replaces each as a whole. `wanted` is kept before anything is begun."""

    noun = "config"
    words = ("--kind", "config")
    remedy = "write the configuration again"
    blames = False  # other settings may be all that a version needs to be good
    repeats = False  # a unit is reloaded only if the files differ from what it has read

    def __init__(self, wanted: Version | None = None, alone: bool = False) -> None:
        self._wanted = wanted
        self._alone = alone  # no unit is touched, so it does not matter what the app is in the middle of

    def shown(self, version: str | None) -> str:
        return f"config {version}"

    def prepare(self, layout: Layout, state: State) -> None:
        if not self._alone:
            refuse_open_release(layout)
        if self._wanted:
            keep(layout, self._wanted)

    def served(self, layout: Layout, like: str | None) -> str | None:
        if like is None:
            return None
        wanted = self._wanted
        paths = [item.path for item in wanted.files] if wanted and wanted.id == like else paths_of(layout, like)
        return on_disk(paths).id

    def origin(self, layout: Layout, state: State, served: str | None) -> tuple[str | None, tuple[str, ...]]:
        """What is there now, whoever put it there; a copy of it is kept, and nothing is ever lost."""
        paths = [item.path for item in self._wanted.files] if self._wanted else []
        return keep(layout, on_disk(paths)), ()

    def before(self, state: State, transaction: Transaction, deploy: str | None) -> str | None:
        """A deploy that is run again with other settings still returns to what was there before it."""
        same = deploy is not None and state.deploy == deploy
        return state.previous if same and state.previous else transaction.from_version

    def spares(self, state: State, deploy: str | None) -> bool:
        """Another deploy's files that wait for their activation stay, unless what lies beneath is to go."""
        found = state.transaction
        waits = found is not None and found.phase == "written"
        return waits and deploy not in (found.deploy if found else None, state.deploy)

    def undone(self, before: State, after: State, deploy: str | None) -> str | None:
        """The one that put the present files there, so that reverting twice does not go back twice."""
        return before.deploy if before.current == after.current else None

    def probed(self, layout: Layout, version: str) -> str:
        return link_version(_app(layout)) or ""

    def point(self, layout: Layout, version: str) -> None:
        for item in kept(layout, version).files:
            put(item)

    def remove(self, layout: Layout) -> None:
        """There is always a version before: that no file was there is one, too."""


def has_release(layout: Layout) -> bool:
    """Whether the app has a release that its unit could run."""
    return link_version(_app(layout)) is not None


def refuse_open_release(layout: Layout) -> None:
    """Raise StateError while a release is being switched by a process that died: nobody knows yet which one it is."""
    found = load(_app(layout)).transaction
    if found is not None:
        raise StateError(
            f"a deploy of {layout.app} to {found.to_version} was interrupted on this host in phase {found.phase}; "
            "run that deploy again, or wait for its dead-man switch, then run this again"
        )


def _app(layout: Layout) -> Layout:
    return Layout(layout.app, layout.root)
