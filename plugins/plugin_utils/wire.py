# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages between the broker of a run and those who ask it: a length, then JSON."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

VERSION = 1  # both sides are of one collection; this is for the day on which they are not
SOCKET = f"dtk-broker-{VERSION}.sock"
LOCK = f"dtk-broker-{VERSION}.lock"
_LENGTH = struct.Struct("!I")
_MAX_BYTES = 256 * 1024**2
_CREDENTIALS = struct.Struct("3i")


def packed(message: Any) -> bytes:
    body = json.dumps(message).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def receive(connection: socket.socket) -> bytes:
    """The text of the next message; EOFError if there is none any more, ValueError if it is none of ours.

    Each side speaks in turn, so nothing comes after a message before it is answered.
    """
    data = _more(connection)
    while len(data) < _LENGTH.size:
        data += _more(connection)
    end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    if end > _MAX_BYTES:
        raise ValueError("message too long")
    message = bytearray(data)
    while len(message) < end:
        message += _more(connection)
    del message[: _LENGTH.size]
    return bytes(message)


def peer_is_ours(connection: socket.socket) -> bool:
    """Whether the other side runs as the same user, where the system can tell.

    Elsewhere the modes of the folder and of the socket keep others away, as for ssh-agent.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(raw)
    return uid == os.geteuid()


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 16)
    if not data:
        raise EOFError
    return data
