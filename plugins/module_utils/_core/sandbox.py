# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an app's unit may do to its host: the hardened set, and which of its directives a server role may override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .shape import Choice, Either, Flag, Key, ListOf, Record, Shape, Text

# The address of the instance metadata service, where the credentials of the whole instance are to be had.
METADATA = ("169.254.169.254", "fd00:ec2::254")

# In the order in which they stand in the unit. A list stands for one line each. Known to systemd 250 and newer.
HARDENED: dict[str, Any] = {
    "NoNewPrivileges": True,
    "UMask": "0027",
    "KeyringMode": "private",
    "RemoveIPC": True,
    # What it sees of the file system, of other processes and of the kernel.
    "ProtectSystem": "strict",
    "ProtectHome": True,
    "PrivateTmp": True,
    "PrivateDevices": True,
    "PrivateMounts": True,
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "ProtectKernelTunables": True,
    "ProtectKernelModules": True,
    "ProtectKernelLogs": True,
    "ProtectControlGroups": True,
    "ProtectClock": True,
    "ProtectHostname": True,
    # What it may ask of the kernel.
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
    "RestrictNamespaces": True,
    "RestrictRealtime": True,
    "RestrictSUIDSGID": True,
    "LockPersonality": True,
    "MemoryDenyWriteExecute": True,
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    # An error, where the default is to kill: most programs that try one of these can do without.
    "SystemCallErrorNumber": "EPERM",
    "IPAddressDeny": [" ".join(METADATA)],
}

_WORD = r"[^\x00-\x1f\x7f]+"
_LINES: Shape = Either((Text(_WORD, "text"), ListOf(Text(_WORD, "text"))))
_FLAG = Flag()
_FLAGS = (
    *("LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices", "PrivateIPC", "PrivateMounts"),
    *("PrivateNetwork", "PrivateTmp", "PrivateUsers", "ProtectClock", "ProtectControlGroups", "ProtectHostname"),
    *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "RemoveIPC", "RestrictRealtime"),
    "RestrictSUIDSGID",
)
_SEVERAL = (
    *("DeviceAllow", "ExecPaths", "InaccessiblePaths", "IPAddressAllow", "IPAddressDeny", "NoExecPaths"),
    *("ReadOnlyPaths", "RestrictAddressFamilies", "RestrictFileSystems", "SocketBindAllow", "SocketBindDeny"),
    *("SystemCallArchitectures", "SystemCallFilter", "TemporaryFileSystem"),
)
_WORDS: dict[str, Shape] = {
    "DevicePolicy": Choice(("auto", "closed", "strict")),
    "KeyringMode": Choice(("inherit", "private", "shared")),
    "ProcSubset": Choice(("all", "pid")),
    "ProtectHome": Either((_FLAG, Choice(("read-only", "tmpfs")))),
    "ProtectProc": Choice(("noaccess", "invisible", "ptraceable", "default")),
    "ProtectSystem": Either((_FLAG, Choice(("full", "strict")))),
    "RestrictNamespaces": Either((_FLAG, Text(r"~?[a-z]+( [a-z]+)*", "true, false or types of namespaces"))),
    "SystemCallErrorNumber": Text(r"[A-Z0-9]+|kill", "the name of an error, such as EPERM, or kill"),
    "UMask": Text(r"[0-7]{3,4}", 'an octal number such as "0027"'),
}
_SHAPES: dict[str, Shape] = {
    **dict.fromkeys(_FLAGS, _FLAG),
    **dict.fromkeys(_SEVERAL, _LINES),
    **_WORDS,
}
# Directives that other keys of a service write.
_ELSEWHERE = {
    "AmbientCapabilities": "capabilities",
    "CapabilityBoundingSet": "capabilities",
    "LimitCORE": "limits",
    "LimitNOFILE": "limits",
    "MemoryMax": "memory_max",
    "ReadWritePaths": "writable",
    "RuntimeDirectory": "runtime_dir",
    "StateDirectory": "state",
}

SANDBOX = Record(
    {name: Key(_SHAPES[name], f"Directive {name}= of systemd.exec.") for name in sorted(_SHAPES)},
    "sandbox",
    {name: f"use the key {key} of the service." for name, key in _ELSEWHERE.items()},
)


def directives(overrides: Mapping[str, Any], metadata: bool) -> list[tuple[str, str]]:
    """The lines of a unit, as pairs. metadata: whether the app may ask the instance metadata service."""
    wanted = dict(HARDENED)
    if metadata:
        del wanted["IPAddressDeny"]
    wanted.update({name: overrides[name] for name in sorted(overrides)})
    return [(name, line) for name, value in wanted.items() for line in _lines(value)]


def _lines(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
