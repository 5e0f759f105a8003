# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an activation switches. Here: the link `current` of an app, which points to one of its releases.

`config_switch.Files` is the other one: the files of an app's configuration. Its methods are those of `Link`.
"""

from __future__ import annotations

import os

from .errors import StateError
from .files import fsync_dir
from .layout import Layout
from .state import State, Transaction, link_version


class Link:
    """Versions are releases; switching is rename(2) of a symbolic link."""

    noun = "release"
    words: tuple[str, ...] = ()  # for the command line of the dead-man switch
    remedy = "deploy a release again"
    blames = True  # a version that failed is remembered
    repeats = True  # what is active but not well is activated again

    def shown(self, version: str | None) -> str:
        """A version in a sentence."""
        return version or "no release"

    def prepare(self, layout: Layout, state: State) -> None:
        """Called with the lock held, before anything is begun. A release is staged by somebody else."""

    def served(self, layout: Layout, like: str | None) -> str | None:
        """The version that is in place now. `like` is one that tells what to look at."""
        return link_version(layout)

    def origin(self, layout: Layout, state: State, served: str | None) -> tuple[str | None, tuple[str, ...]]:
        """Where to go back to if no transaction is open, and warnings."""
        if served is None or os.path.isdir(layout.release(served)):
            return served, ()
        return None, (f"{layout.current} pointed to release {served}, which is not on this host: there is no way back",)

    def before(self, state: State, transaction: Transaction, deploy: str | None) -> str | None:
        """What counts as the version before, once the transaction is committed."""
        return transaction.from_version

    def spares(self, state: State, deploy: str | None) -> bool:
        """Whether an open transaction is none of a revert's business."""
        return False

    def undone(self, before: State, after: State, deploy: str | None) -> str | None:
        """Which deploy the state names once a revert, which is part of `deploy`, is done."""
        return deploy

    def probed(self, layout: Layout, version: str) -> str:
        """What {version} stands for in a probe."""
        return version

    def point(self, layout: Layout, version: str) -> None:
        """Put a version in place in one step, durably."""
        temporary = os.path.join(layout.home, ".current.new")
        try:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            os.symlink(layout.link_target(version), temporary)
            os.rename(temporary, layout.current)
            fsync_dir(layout.home)
        except OSError as exc:
            raise StateError(f"cannot switch {layout.current} to {version}: {exc.strerror}; see {layout.home}") from exc

    def remove(self, layout: Layout) -> None:
        """Back to no version at all."""
        try:
            if os.path.lexists(layout.current):
                os.unlink(layout.current)
                fsync_dir(layout.home)
        except OSError as exc:
            raise StateError(f"cannot remove {layout.current}: {exc.strerror}; see {layout.home}") from exc


LINK = Link()
