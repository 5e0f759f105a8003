# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors of the on-host code: one class per thing that can go wrong, one sentence per message.

A message names the thing, the value and the remedy, and never the query string of a URL.
Callers translate any of them by catching `HostError`.
"""

from __future__ import annotations


class HostError(Exception):
    """Base of every error that the on-host code raises on purpose."""


class ManifestError(HostError):
    """An app name, a version or a manifest breaks the rules."""


class StateError(HostError):
    """The state file of an app can't be read, trusted or written."""


class LockError(HostError):
    """Another process holds the lock of an app."""


class ArchiveError(HostError):
    """An artifact holds something that a release may not hold, or is damaged."""


class FetchError(HostError):
    """An artifact can't be read from its source."""


class StageError(HostError):
    """A release can't be put on this host."""


class SpaceError(StageError):
    """The file system has not enough free bytes or inodes for a release."""


class FenceError(HostError):
    """A newer deploy has already acted on this host."""


class SpecError(HostError):
    """An activation, hook or health description can't be used."""


class HookError(HostError):
    """A hook of an activation failed or ran out of time."""


class UnitError(HostError):
    """systemd, or the unit of an app, did not do what it was asked to do."""


class ProbeError(HostError):
    """An app did not become healthy before the deadline."""


class ConfigError(HostError):
    """Settings, or what is asked of the files that hold them, can't be used."""
