# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives, a server that misbehaves on request, and small file systems for the tests of the on-host code."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import lzma
import os
import re
import socket
import stat
import struct
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.sysops.dtk.plugins.module_utils._host.fetch import FetchOptions
from ansible_collections.sysops.dtk.plugins.module_utils._host.manifest import Manifest
from hypothesis import strategies as st

CANARY = "CANARYc0ffee"
QUICK = FetchOptions(attempts=3, timeout_s=2.0, backoff_s=0.01, backoff_max_s=0.02)


def member(
    name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    """One archive entry, however evil."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, target, len(data)
    return info, data


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.SYMTYPE, mode=0o777, target=target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.LNKTYPE, target=target)


def tar(*members: tuple[tarfile.TarInfo, bytes], style: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style, encoding="utf-8", errors="surrogateescape") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def compress(data: bytes, archive_format: str = "tar.gz") -> bytes:
    if archive_format == "tar.gz":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if archive_format == "tar.xz":
        return lzma.compress(data, preset=0)
    return subprocess.run(["zstd", "-1cq"], input=data, check=True, capture_output=True).stdout


def pack(*members: tuple[tarfile.TarInfo, bytes], archive_format: str = "tar.gz") -> bytes:
    return compress(tar(*members), archive_format)


def sample(size: int = 300_000, archive_format: str = "tar.gz", seed: bytes = b"sample") -> bytes:
    """A plain release of 3 entries: a folder, a program and bytes that don't compress."""
    noise = hashlib.shake_128(seed).digest(size)
    return pack(
        folder("bin"),
        member("bin/run", b"#!/bin/sh\n", mode=0o755),
        member("noise", noise),
        archive_format=archive_format,
    )


def manifest_of(artifact: bytes, *, files: int, unpacked_size: int, **changes: object) -> Manifest:
    values = {
        "app": "hello",
        "version": "1.0.0",
        "sha256": hashlib.sha256(artifact).hexdigest(),
        "size": len(artifact),
        "unpacked_size": unpacked_size,
        "files": files,
        "format": "tar.gz",
        "created": "2026-01-31T12:00:00Z",
    }
    return Manifest(**{**values, **changes})


def sample_manifest(artifact: bytes, size: int = 300_000, **changes: object) -> Manifest:
    return manifest_of(artifact, files=3, unpacked_size=size + 10, **changes)


_part = st.sampled_from(["a", "b", "l", "..", ".", "", "x" * 300, "n\n", "s\udcff"])
_paths = st.builds(
    lambda lead, parts: lead + "/".join(parts), st.sampled_from(["", "", "", "/", "./"]), st.lists(_part, max_size=4)
)
_kinds = st.sampled_from(
    [
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        tarfile.CONTTYPE,
        b"Z",
    ]
)
_modes = st.sampled_from([0o644, 0o755, 0o644, 0o755, 0o4755, 0o1777])


@st.composite
def hostile_members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    """Entries of every type with names that try everything."""
    kind = draw(_kinds)
    data = draw(st.binary(max_size=600)) if kind in (tarfile.REGTYPE, tarfile.CONTTYPE) else b""
    return member(draw(_paths), data, kind=kind, mode=draw(_modes), target=draw(_paths))


def tree(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder: kind, mode and content of each name, following nothing."""
    found: dict[str, tuple[object, ...]] = {}
    for top, folders, names in os.walk(os.fsencode(path)):
        for name in folders + names:
            item = os.path.join(top, name)
            status = os.lstat(item)
            content: object = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(item)
            elif stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(item)).read_bytes()
            key = os.fsdecode(os.path.relpath(item, os.fsencode(path)))
            found[key] = (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), content)
    return found


@contextlib.contextmanager
def small_disk(path: Path, options: str) -> Iterator[Path]:
    """A tmpfs of a given size: the only disk that can be filled without harm."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@dataclass
class Reply:
    """How to answer one request.

    cut: bytes of the body that are sent before the connection ends. trickle_s: seconds between single bytes.
    hold: keep the connection open after the cut until the server is closed.
    """

    body: bytes = b""
    status: int = 200
    etag: str | None = '"one"'
    ranges: bool = True
    cut: int | None = None
    trickle_s: float = 0
    hold: bool = False
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)


class ArtifactServer:
    """Answers the n-th request with the n-th reply, and all later ones with the last reply."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, str]] = []
        self._closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(dict(self.headers))
                outer._answer(self, outer.replies[min(len(outer.requests), len(outer.replies)) - 1])

            def log_message(self, *_args: object) -> None:
                """The test's output is not the place."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hello/1.0.0.tar.gz?X-Amz-Signature={CANARY}"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> None:
        wanted = handler.headers.get("If-Match")
        if reply.status == 200 and wanted and wanted != reply.etag:
            reply = Reply(status=412)
        start = self._start(handler, reply)
        body = reply.body[start:]
        handler.send_response(206 if start else reply.status)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(reply.body) - 1}/{len(reply.body)}")
        if reply.length:
            handler.send_header("Content-Length", str(len(body)))
        if reply.etag:
            handler.send_header("ETag", reply.etag)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        if reply.trickle_s:
            self._trickle(handler, body, reply.trickle_s)
            return
        handler.wfile.write(body[: reply.cut])
        if reply.hold:
            self._closing.wait()
        if reply.cut is not None and reply.cut % 2:
            # An odd cut ends with RST instead of FIN.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _trickle(self, handler: http.server.BaseHTTPRequestHandler, body: bytes, pause_s: float) -> None:
        with contextlib.suppress(ConnectionError):
            for byte in body:
                handler.wfile.write(bytes([byte]))
                if self._closing.wait(pause_s):
                    return

    def _start(self, handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        return int(found[1]) if found and reply.ranges and reply.status == 200 else 0
