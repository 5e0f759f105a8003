# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m tests.lab up|launch|down|ls|exec|env|image|clean|ns: labs by hand; those made here stay until ended."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys

from . import image
from .lab import LABS, Lab, clean
from .machine import LabError, inside


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Fleets of real hosts for tests.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="boot a lab that stays")
    up.add_argument("name")
    up.add_argument("--hosts", type=int, default=4)
    up.add_argument("--role", default="web")
    up.add_argument("--env", default="demo")
    launch = verbs.add_parser("launch", help="boot more hosts in a lab that is up")
    launch.add_argument("name")
    launch.add_argument("--hosts", type=int, default=1)
    launch.add_argument("--image", default="", metavar="AMI", help="one that was baked in the lab; default: as `up`")
    for verb, text in (("down", "end a lab"), ("env", "print its variables, for eval")):
        verbs.add_parser(verb, help=text).add_argument("name")
    execute = verbs.add_parser("exec", help="run a command on a host")
    execute.add_argument("name")
    execute.add_argument("host")
    execute.add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("ls", help="list labs and hosts")
    verbs.add_parser("image", help="build the images of hosts if needed and print their names")
    verbs.add_parser("clean", help="remove what ended runs left")
    namespace = verbs.add_parser("ns", help="run a command, such as podman, as root where the hosts live")
    namespace.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _show(lab: Lab) -> None:
    print(f"{lab.name}: env {lab.env}, AWS at {lab.endpoint}")
    for host in lab.hosts:
        print(f"  {host.name:10} {host.az:12} {host.address:14} {host.instance_id}")


def _command(words: list[str]) -> list[str]:
    return words[1:] if words[:1] == ["--"] else words


def _ls() -> None:
    for file in sorted(LABS.glob("*/lab.json")):
        _show(Lab.attach(file.parent.name))


def _launch(options: argparse.Namespace) -> None:
    lab = Lab.attach(options.name)
    lab.launch(options.hosts, options.image)
    _show(lab)


def _exec(options: argparse.Namespace) -> None:
    hosts = {host.name: host for host in Lab.attach(options.name).hosts}
    if options.host not in hosts:
        raise LabError(f"Lab {options.name} has no host {options.host}, only {', '.join(hosts)}.")
    argv = inside(["podman", "exec", "-i", hosts[options.host].container, *_command(options.command)])
    os.execvp(argv[0], argv)


def _clean() -> None:
    removed, busy = clean()
    print("Removed:", ", ".join(removed) or "nothing was left.")
    if busy:
        raise LabError(f"Still in use: {', '.join(busy)}. End the runs they belong to first.")


def _ns(options: argparse.Namespace) -> None:
    argv = inside(_command(options.command))
    os.execvp(argv[0], argv)


def main() -> None:
    options = _parser().parse_args()
    verbs = {
        "up": lambda: _show(Lab.up(options.name, options.hosts, role=options.role, env=options.env, keep=True)),
        "launch": lambda: _launch(options),
        "down": lambda: Lab.attach(options.name).down(),
        "env": lambda: print(
            *(f"export {key}={shlex.quote(value)}" for key, value in Lab.attach(options.name).environ.items()), sep="\n"
        ),
        "exec": lambda: _exec(options),
        "ls": _ls,
        "image": lambda: print(*dataclasses.astuple(image.ensure()), sep="\n"),
        "clean": _clean,
        "ns": lambda: _ns(options),
    }
    try:
        verbs[options.verb]()
    except LabError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
