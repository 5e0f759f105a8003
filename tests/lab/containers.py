# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as hosts: how one boots systemd, and how all of a lab are removed."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from .machine import ROOT, podman

SNAPSHOTS = "localhost/dtk-ami"


def of_lab(name: str) -> str:
    """The label of everything of one lab of this checkout. A single one: podman finds images that have any of two."""
    return f"dtk.lab={ROOT}#{name}"


def of_checkout() -> str:
    return f"dtk.root={ROOT}"


def start(
    lab: str,
    image: str,
    *,
    container: str,
    hostname: str,
    ip: str,
    keys: Path,
    options: Sequence[str] = (),
    command: Sequence[str] = (),
) -> None:
    """keys: the lab's folder with its host key and who may log in."""
    podman(
        *("run", "--detach", "--systemd=always", "--privileged", "--pids-limit=0", "--pull=never"),
        *("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"),
        *(f"--name={container}", f"--hostname={hostname}", f"--ip={ip}", f"--mac-address={_mac(ip)}"),
        *(f"--label={of_lab(lab)}", f"--label={of_checkout()}"),
        f"--env=HOSTNAME={hostname}",  # an image that was baked has that of its build instance
        f"--volume={keys}:/etc/dtk-lab:ro",
        *options,
        image,
        *command,
    )


def _mac(ip: str) -> str:
    """The same for each container that ever has this address: the machine remembers for half a minute who had it."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *ipaddress.IPv4Address(ip).packed))


def listed(label: str) -> list[str]:
    return podman("ps", "--all", "--format={{.Names}}", f"--filter=label={label}").stdout.split()


def remove(*containers: str) -> None:
    if containers:
        podman("rm", "--force", "--ignore", "--time=0", "--volumes", *containers)


def commit(container: str, snapshot: str) -> None:
    """An image of its disk, with its labels; what is mounted there, such as /run and the lab's keys, is not part."""
    podman("commit", "--quiet", container, snapshot)


def snapshots(label: str) -> list[str]:
    asked = ("images", "--format={{.Repository}}:{{.Tag}}", f"--filter=reference={SNAPSHOTS}")
    return podman(*asked, f"--filter=label={label}").stdout.split()


def remove_snapshots(*names: str) -> None:
    if names:
        podman("rmi", *names)


def remove_all(label: str) -> list[str]:
    """Containers, and the snapshots that were made of them."""
    found = listed(label)
    remove(*found)
    made = snapshots(label)
    remove_snapshots(*made)
    return [*found, *made]
