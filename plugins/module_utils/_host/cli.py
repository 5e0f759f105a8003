# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command line of the code that is left on a host; the dead-man switch runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .layout import Layout
    from .switch import Link


def main(arguments: Sequence[str] | None = None) -> int:
    """`revert [--kind config] --root /srv --app hello --transaction ID [--grace SECONDS]`; returns the exit code."""
    import argparse

    parser = argparse.ArgumentParser(prog="dtk-host", description="The on-host part of the deploy toolkit.")
    commands = parser.add_subparsers(dest="command", required=True)
    revert = commands.add_parser("revert", help="return to the release before, if a transaction was abandoned")
    revert.add_argument("--kind", choices=("release", "config"), default="release", help="what was switched")
    revert.add_argument("--root", default="/srv")
    revert.add_argument("--app", required=True)
    revert.add_argument("--transaction", required=True, help="act only while this transaction is open")
    revert.add_argument("--grace", type=float, default=0.0, help="seconds that its process may still take")
    options = parser.parse_args(arguments)
    return _revert(options)


def _revert(options: object) -> int:
    from .activate import finish_abandoned
    from .errors import HostError

    try:
        layout, switch = _subject(options)
        done = finish_abandoned(layout, options.transaction, options.grace, switch)
    except HostError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.write(f"{done}\n")
    return 0


def _subject(options: object) -> tuple[Layout, Link]:
    if options.kind == "config":
        from .config_files import ConfigLayout
        from .config_switch import Files

        return ConfigLayout(options.app, options.root), Files()
    from .layout import Layout
    from .switch import LINK

    return Layout(options.app, options.root), LINK
