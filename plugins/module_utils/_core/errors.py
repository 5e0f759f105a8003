# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the pure part. Their text is what a user reads, so each one is a whole sentence with its remedy."""

from __future__ import annotations


class CoreError(Exception):
    """Base of everything that this package raises on purpose."""


class PlanError(CoreError):
    """A deploy that cannot be planned as asked."""


class LogError(CoreError):
    """A deploy log that cannot be read or written."""


class HeldError(LogError):
    """Another deploy holds the app."""


class NotOursError(LogError):
    """A deploy went on although its claim is no longer its own."""


class LostRaceError(LogError):
    """Somebody else wrote the slot that we wanted to write."""


class StaleReadError(LogError):
    """The log as read is older than what this reader has already seen."""


class ConfigTreeError(CoreError):
    """Settings that cannot be made a tree, or a tree that cannot be kept in Parameter Store."""


class ImageError(CoreError):
    """An image, or what makes images, that cannot be had as asked."""


class RefreshError(CoreError):
    """An instance refresh that cannot be had as asked, or that did not end well."""
