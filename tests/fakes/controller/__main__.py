# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves a Controller until it is stopped, and tells how the awx.awx modules reach it."""

from __future__ import annotations

import argparse
import threading

from . import ControllerFake


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.controller", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="where to listen; any free port if not given")
    with ControllerFake.start(parser.parse_args().port) as controller:
        for name, value in controller.login(controller.token).items():
            print(f"export {name}={value}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(flush=True)


if __name__ == "__main__":
    main()
