# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel parameters: what a server role wants, beside what the kernel of a host says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import CoreError

_ROOT = "/proc/sys/"
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_NUMBERS = re.compile(r"-?\d+( -?\d+)*")


class KernelParameterError(CoreError):
    """A name that is no kernel parameter."""


def compare(wanted: Mapping[str, Any], said: Iterable[str]) -> dict[str, Any]:
    """What is wanted beside what the kernel said, in lines of `<path>:<value>`, as grep prints them.

    paths: where the parameters are; unknown: names that it does not have; misfits: text where it has numbers;
    differing: what has another value, each as `<name> = <wanted>, not <found>`.
    """
    places = {name: path(name) for name in wanted}
    found = {place: _plain(value) for place, _colon, value in (line.partition(":") for line in said)}
    known = {name: (_plain(value), found[places[name]]) for name, value in wanted.items() if places[name] in found}
    return {
        "paths": list(places.values()),
        "unknown": [name for name in wanted if name not in known],
        "misfits": [f"{name} = {value}" for name, (value, now) in known.items() if _misfit(value, now)],
        "differing": [f"{name} = {value}, not {now}" for name, (value, now) in known.items() if value != now],
    }


def path(name: str) -> str:
    """Where a parameter is. Whichever of dot and slash comes first parts the name; the other one stands for a dot."""
    first = re.search(r"[./]", name)
    parts = (name if first and first.group() == "/" else name.translate(str.maketrans("./", "/."))).split("/")
    if len(parts) < 2 or not all(_PART.fullmatch(part) for part in parts):
        raise KernelParameterError(
            f"dtk_server_role.sysctl has {name!r}, which is no kernel parameter; write it as sysctl does, "
            "such as net.core.somaxconn."
        )
    return _ROOT + "/".join(parts)


def _plain(value: Any) -> str:
    return " ".join(str(value).split())


def _misfit(value: str, now: str) -> bool:
    return bool(_NUMBERS.fullmatch(now)) and not _NUMBERS.fullmatch(value)
