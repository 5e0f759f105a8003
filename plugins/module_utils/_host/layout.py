# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an app lives on a host. Paths only; nothing here touches the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .errors import ManifestError
from .manifest import check_app, check_version

MARKER = ".dtk-release.json"


@dataclass(frozen=True)
class Layout:
    """Paths of one app: `Layout("hello")` is /srv/hello and what is below. Raises ManifestError for a bad name."""

    app: str
    root: str = "/srv"

    def __post_init__(self) -> None:
        check_app(self.app)
        if not os.path.isabs(self.root):
            raise ManifestError(f"the root {self.root!r} of app {self.app} is not absolute; use a path such as /srv")

    @property
    def home(self) -> str:
        """Folder of the app."""
        return os.path.join(self.root, self.app)

    @property
    def releases(self) -> str:
        """Folder of the complete releases, and of partial ones with a leading dot."""
        return os.path.join(self.home, "releases")

    @property
    def current(self) -> str:
        """Symbolic link to the release that is served."""
        return os.path.join(self.home, "current")

    @property
    def shared(self) -> str:
        """Folder of what outlives releases."""
        return os.path.join(self.home, "shared")

    @property
    def state_file(self) -> str:
        """What is current, previous and last good, and the open transaction."""
        return os.path.join(self.home, "state.json")

    @property
    def lock_file(self) -> str:
        """Held while the state changes; see lock.app_lock."""
        return os.path.join(self.home, ".lock")

    @property
    def stage_lock_file(self) -> str:
        """Held while a release is put on the host; see lock.stage_lock."""
        return os.path.join(self.home, ".stage.lock")

    def release(self, version: str) -> str:
        """Folder of one complete release."""
        return os.path.join(self.releases, check_version(version))

    def partial(self, version: str) -> str:
        """Where a release is unpacked: the leading dot can't begin a version, so no release is ever taken for one."""
        return os.path.join(self.releases, f".{check_version(version)}.partial")

    def marker(self, version: str) -> str:
        """Manifest inside a complete release: it is written before the rename that makes the release visible."""
        return os.path.join(self.release(version), MARKER)

    def link_target(self, version: str) -> str:
        """What `current` holds for a version: relative, so that the tree can be moved or mounted elsewhere."""
        return os.path.join("releases", check_version(version))
