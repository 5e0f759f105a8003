# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated AWS by hand: python -m tests.emulation [--port N]; says on exit what was called."""

from __future__ import annotations

import argparse
import shlex
import signal

from tests.emulation import Emulation


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS", help="added to every call")
    parser.add_argument("--replay", action="store_true", help="answer repeated read requests from memory")
    parser.add_argument("--limit", action="append", default=[], metavar="SERVICE=RATE", help="calls a second")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    with Emulation.start(options.port) as aws:
        aws.latency(options.latency)
        aws.replay(options.replay)
        for service, _, rate in (limit.partition("=") for limit in options.limit):
            aws.limit(service, rate=float(rate), burst=float(rate))
        for name, value in aws.environ().items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            for call, count in sorted(aws.calls().items()):
                print(f"{count:6} {call}, {aws.throttled()[call]} of them throttled")


if __name__ == "__main__":
    main()
