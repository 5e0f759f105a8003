# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated AWS as a process: python -m tests.emulation [--host A] [--port N]; says on exit what was called."""

from __future__ import annotations

import argparse
import importlib
import shlex
import signal
from typing import Any

from tests.emulation import Emulation
from tests.fakes.autoscaling import Options
from tests.fakes.elbv2 import Options as BalancerOptions


def made(path: str) -> Any:
    """What `module:Name` makes when it is called."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; default: %(default)s")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS", help="added to every call")
    parser.add_argument("--replay", action="store_true", help="answer repeated read requests from memory")
    parser.add_argument("--limit", action="append", default=[], metavar="SERVICE=RATE", help="calls a second")
    parser.add_argument("--builder", type=made, metavar="MODULE:NAME", help="makes images; default: simulated")
    parser.add_argument("--autoscaling", action="store_true", help="ours, in real time, instead of moto's")
    parser.add_argument("--launcher", type=made, metavar="MODULE:NAME", help="boots hosts for its instances")
    parser.add_argument("--probe", type=made, metavar="MODULE:NAME", help="asks targets; without it they are moto's")
    options = parser.parse_args()
    # Set for both: a shell starts what runs in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if options.launcher and not options.autoscaling:
        parser.error("--launcher needs --autoscaling: moto's instances have no hosts")
    scaling = Options(launcher=options.launcher) if options.autoscaling else False
    balancers = BalancerOptions(probe=options.probe, thread=True) if options.probe else None
    served = {"host": options.host, "builder": options.builder, "autoscaling": scaling, "balancers": balancers}
    with Emulation.start(options.port, **served) as aws:
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
