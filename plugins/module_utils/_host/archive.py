# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Artifacts: what may be in one, and unpacking it while it arrives.

The publisher scans with the very code that a host extracts with, so what was published can be unpacked. A release is
plain data: files, folders, and links that stay inside. Everything else is refused by name before it touches the disk.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .errors import ArchiveError, HostError
from .layout import MARKER

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator

CHUNK = 256 * 1024  # bytes per read: large enough that Python's cost per call vanishes, small enough for 100 hosts

_HEADER_MAX = 1024 * 1024  # bytes of one extended header: tarfile reads it whole, so its claimed size is not trusted
_ENTRY_OVERHEAD = 4096  # bytes of header and padding that an entry may add to what is unpacked
_PATH_MAX = 3072  # bytes of a path inside a release: PATH_MAX is 4096 with the folders above
_NAME_MAX = 255
_TIME_MAX = 2**33  # seconds since 1970
_ZSTD_BEGIN = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # a frame, or a skippable one: pzstd
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_BLOCK = 512
_AHEAD = 8  # chunks that may be decompressed before they are wanted
FOLDER_MODE = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH  # 0755

_FOLDER, _FILE, _SYMLINK, _HARDLINK = "folder", "file", "symlink", "hardlink"


class Readable(Protocol):
    """What bytes come from: `read(n)` gives 1 to n bytes, and none at the end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


@dataclass(frozen=True)
class Limits:
    """What one release may take. entries: files, folders and links; unpacked_size: bytes of all files."""

    entries: int = 200_000
    unpacked_size: int = 8 * 1024**3


@dataclass(frozen=True)
class Scan:
    """What an archive holds: the manifest's `files` and `unpacked_size`.

    entries: entries of the archive, and the folders that it only implies. unpacked_size: bytes of all files.
    """

    entries: int
    unpacked_size: int


def scan(path: str, archive_format: str, limits: Limits | None = None) -> Scan:
    """Read an archive to its end and check it as extract would; raises ArchiveError."""
    try:
        with open(path, "rb", buffering=0) as stream:
            return _walk(stream, archive_format, limits or Limits(), _skip)
    except OSError as exc:
        raise ArchiveError(f"cannot read the archive {path}: {exc.strerror}; check the path and its mode") from exc


def extract(
    stream: Readable,
    archive_format: str,
    dest: str,
    limits: Limits | None = None,
    owner: tuple[int, int] | None = None,
) -> Scan:
    """Unpack a stream into the existing, empty folder `dest`, in one pass, to the stream's end.

    Files get mode 0755 if anybody may execute them, else 0644, and keep their time; folders get 0755. `owner` is
    (uid, gid) for all of them; None leaves them to the running user. Nothing is synced.
    Nobody else may be able to enter `dest` meanwhile: paths are trusted to be what was made a moment before.
    Raises ArchiveError for what the archive holds, OSError for what the file system refuses, and what `stream` raises.
    """
    return _walk(stream, archive_format, limits or Limits(), _Writer(dest, owner).write)


@dataclass(frozen=True)
class _Entry:
    """One thing to make. name: relative, normal form; new_folders: parents that are not there yet, outermost first."""

    kind: str
    name: str
    new_folders: tuple[str, ...] = ()
    target: str = ""
    executable: bool = False
    size: int = 0
    mtime: float = 0


def _walk(stream: Readable, archive_format: str, limits: Limits, handle: Any) -> Scan:
    """Check every entry and hand it to `handle(entry, input)`; the input stands at the entry's bytes."""
    decompressed = _decompressor(archive_format, stream)
    try:
        source = _Input(decompressed, limits.unpacked_size + limits.entries * _ENTRY_OVERHEAD + _HEADER_MAX)
        rules = _Rules(limits)
        for member in _members(source):
            entry = rules.admit(member)
            if entry is not None:
                handle(entry, source)
        source.drain()
    finally:
        decompressed.close()
    if rules.entries == 0:
        raise ArchiveError("the archive holds no file; pack the release again")
    return Scan(rules.entries, rules.unpacked_size)


def _members(source: _Input) -> Iterator[tarfile.TarInfo]:
    """The entries in order. tarfile takes damage after the first entry for the end: the end mark is asked for here."""
    tar = None
    while True:
        tar, member = _next_member(tar, source)
        if member is None:
            break
        yield member
    if source.last_block.strip(b"\0") or len(source.last_block) != _BLOCK:
        raise ArchiveError("the archive ends before its end mark; it is truncated or damaged, publish it again")


def _next_member(tar: Any, source: _Input) -> tuple[Any, tarfile.TarInfo | None]:
    import tarfile

    try:
        if tar is None:
            tar = tarfile.TarFile(fileobj=source, mode="r", encoding="utf-8", errors="surrogateescape")
        member = tar.next()
        tar.members = []  # it remembers every entry, and a hostile archive has many
    except (HostError, OSError):
        raise
    except Exception as exc:
        # The parser meets hostile bytes: besides TarError it answers with ValueError, OverflowError, RecursionError, …
        raise ArchiveError(f"the archive is damaged ({type(exc).__name__}: {exc}); pack the release again") from exc
    return tar, member


class _Rules:
    """What may be in a release. Remembers what is there so far, since later entries build on earlier ones."""

    def __init__(self, limits: Limits) -> None:
        self.entries = 0
        self.unpacked_size = 0
        self._limits = limits
        self._kinds: dict[str, str] = {"": _FOLDER}

    def admit(self, member: tarfile.TarInfo) -> _Entry | None:
        """What to make of an entry, or None if it is there already; raises ArchiveError."""
        self._count(member.name)
        kind = _kind(member)
        name = _clean(member.name, member.name)
        if name in self._kinds:
            if kind == self._kinds[name] == _FOLDER:
                return None
            raise _refused(member.name, "appears twice", "a release needs one meaning per name")
        if name == MARKER:
            raise _refused(member.name, "has the name of the toolkit's own file", "leave it out")
        parent, _slash, last = name.rpartition("/")
        new_folders = self._new_folders(parent, member.name)
        if _longer(last, _NAME_MAX):
            raise _refused(member.name, f"has a name above {_NAME_MAX} bytes", "shorten it")
        target = self._target(kind, name, member)
        self._kinds[name] = kind
        return _Entry(
            kind, name, new_folders, target, bool(member.mode & 0o111), self._size(kind, member), member.mtime
        )

    def _count(self, name: str) -> None:
        self.entries += 1
        if self.entries > self._limits.entries:
            raise _refused(
                name, f"is above the limit of {self._limits.entries} entries", "raise limits.entries if that is right"
            )

    def _new_folders(self, parent: str, shown: str) -> tuple[str, ...]:
        """Parents to make. Each one that is there must be a real folder: a link could lead anywhere."""
        found = self._kinds.get(parent)
        if found == _FOLDER:
            return ()
        if found is not None:
            raise _refused(shown, f"lies below {parent!r}, which is a {found}", "a parent must be a folder")
        above, _slash, last = parent.rpartition("/")
        folders = self._new_folders(above, shown)
        if _longer(last, _NAME_MAX):
            raise _refused(shown, f"has a folder above {_NAME_MAX} bytes", "shorten it")
        self._count(shown)
        self._kinds[parent] = _FOLDER
        return (*folders, parent)

    def _target(self, kind: str, name: str, member: tarfile.TarInfo) -> str:
        if kind == _SYMLINK:
            return _symlink_target(name, member.linkname)
        if kind != _HARDLINK:
            return ""
        target = _clean(member.linkname, member.name)
        if self._kinds.get(target) not in (_FILE, _HARDLINK):
            raise _refused(
                member.name, f"is a hard link to {target!r}, no earlier file of the archive", "pack it again"
            )
        return target

    def _size(self, kind: str, member: tarfile.TarInfo) -> int:
        if kind != _FILE:
            return 0
        self.unpacked_size += member.size
        if self.unpacked_size > self._limits.unpacked_size:
            raise _refused(
                member.name,
                f"takes the unpacked size above the limit of {self._limits.unpacked_size} bytes",
                "raise limits.unpacked_size if that is right",
            )
        return member.size


def _kind(member: tarfile.TarInfo) -> str:
    if member.sparse is not None:
        raise _refused(member.name, "is a sparse file", "pack it without holes")
    if member.size < 0:
        raise _refused(member.name, "has a negative size", "pack it again")
    if member.issym():
        return _SYMLINK
    if member.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise _refused(member.name, f"has mode {member.mode & 0o7777:04o}", "remove setuid, setgid and sticky bits")
    if member.isreg():
        # Only a real file has bytes; a type that tarfile does not know would be read as one.
        return _FILE
    if member.isdir():
        return _FOLDER
    if member.islnk():
        return _HARDLINK
    raise _refused(member.name, f"is a {_SPECIAL.get(member.type, 'thing of unknown type')}", "leave it out")


_SPECIAL = {b"3": "character device", b"4": "block device", b"6": "named pipe"}


def _clean(path: str, shown: str) -> str:
    """'./a//b/' -> 'a/b', the root -> ''; raises ArchiveError for a path that could lead out."""
    if _CONTROL.search(path):
        raise _refused(shown, "has a control character in its path", "rename it")
    if path.startswith("/"):
        raise _refused(shown, "has an absolute path", "pack it relative to the release")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(shown, "has '..' in its path", "pack it relative to the release")
    if _longer(path, _PATH_MAX):
        raise _refused(shown, f"has a path above {_PATH_MAX} bytes", "shorten it")
    return "/".join(parts)


def _symlink_target(name: str, target: str) -> str:
    """The target if it can only lead inside, whatever else is a link: leading '..' only, and not above the root.

    Entries lie in real folders, so leading '..' walk up real folders. A '..' after a name could follow a link first:
    with 'd -> ..' in 'a/b', 'a/b/d/../x' is not 'a/b/x'.
    """
    if _CONTROL.search(target) or not target:
        raise _refused(name, "is a link with an empty target or a control character in it", "link it again")
    if _longer(target, _PATH_MAX):
        raise _refused(name, f"is a link with a target above {_PATH_MAX} bytes", "shorten it")
    if target.startswith("/"):
        raise _refused(name, f"links to the absolute path {target!r}", "link relatively and inside of the release")
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    if up > name.count("/"):
        raise _refused(name, f"links to {target!r}, outside of the release", "link inside of the release")
    if ".." in parts[up:]:
        raise _refused(name, f"links to {target!r} with '..' after a name", "put '..' only at the beginning")
    return target


def _raw(path: str) -> bytes:
    """The archive's own bytes, so that the locale of the host changes nothing."""
    return path.encode("utf-8", "surrogateescape")


def _longer(path: str, limit: int) -> bool:
    return len(path) * 4 > limit and len(_raw(path)) > limit


def _refused(name: str, why: str, remedy: str) -> ArchiveError:
    return ArchiveError(f"the archive entry {_shown(name)} {why}; {remedy}")


def _shown(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _skip(_entry: _Entry, _source: _Input) -> None:
    """Scan only looks; the parser passes over the bytes of a file."""


class _Writer:
    """Makes entries below a folder. The rules have made sure that every parent is a folder made here."""

    def __init__(self, dest: str, owner: tuple[int, int] | None) -> None:
        self._base = os.fsencode(dest) + b"/"
        self._owner = owner
        self._makers = {
            _FOLDER: self._folder,
            _FILE: self._file,
            _SYMLINK: self._symlink,
            _HARDLINK: self._hardlink,
        }

    def write(self, entry: _Entry, source: _Input) -> None:
        """Make one entry and the folders above it."""
        for folder in entry.new_folders:
            self._make_folder(self._path(folder))
        self._makers[entry.kind](entry, self._path(entry.name), source)

    def _path(self, name: str) -> bytes:
        return self._base + _raw(name)

    def _make_folder(self, path: bytes) -> None:
        os.mkdir(path)
        os.chmod(path, FOLDER_MODE)  # whatever the umask
        if self._owner:
            os.chown(path, *self._owner)

    def _folder(self, _entry: _Entry, path: bytes, _source: _Input) -> None:
        self._make_folder(path)

    def _file(self, entry: _Entry, path: bytes, source: _Input) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            left = entry.size
            while left:
                left -= _write_all(descriptor, source.some(left))
            if self._owner:
                os.fchown(descriptor, *self._owner)
            os.fchmod(descriptor, FOLDER_MODE if entry.executable else 0o644)
            # Compiled Python files and web caches compare times.
            seconds = entry.mtime if 0 <= entry.mtime <= _TIME_MAX else 0
            os.utime(descriptor, (seconds, seconds))
        finally:
            os.close(descriptor)

    def _symlink(self, entry: _Entry, path: bytes, _source: _Input) -> None:
        os.symlink(_raw(entry.target), path)
        if self._owner:
            os.lchown(path, *self._owner)

    def _hardlink(self, entry: _Entry, path: bytes, _source: _Input) -> None:
        os.link(self._path(entry.target), path, follow_symlinks=False)


def _write_all(descriptor: int, data: memoryview) -> int:
    size = len(data)
    done = 0
    while done < size:
        done += os.write(descriptor, data[done:])
    return size


class _Input:
    """The unpacked stream as the file that tarfile wants: read, tell, and seek forward. Counts against a bomb."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self.last_block = b""
        self._stream = stream
        self._limit = limit
        self._buffer = memoryview(b"")
        self._position = 0
        self._received = 0

    def tell(self) -> int:
        """Bytes consumed so far."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip forward to a position; a damaged header may ask for one that was passed."""
        if position < self._position:
            raise ArchiveError("the archive is damaged (a header points backwards); pack the release again")
        while self._position < position:
            self.some(position - self._position)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end: headers."""
        if not 0 <= size <= _HEADER_MAX:
            raise ArchiveError(f"the archive has a header of {size} bytes, above {_HEADER_MAX}; pack the release again")
        parts = []
        while size and self._fill():
            part = self._take(size)
            size -= len(part)
            parts.append(bytes(part))
        data = b"".join(parts)
        if len(data) != 1:  # one byte is tarfile's check that a file is there to its end
            self.last_block = data
        return data

    def some(self, size: int) -> memoryview:
        """1 to `size` bytes without copying; raises ArchiveError at the end."""
        if not self._fill():
            raise ArchiveError("the archive ends in the middle of a file; it is truncated, publish it again")
        return self._take(size)

    def drain(self) -> None:
        """Read to the end: checksums of the compression stand there, and the caller hashes every byte."""
        while self._fill():
            self._take(CHUNK)

    def _take(self, size: int) -> memoryview:
        part = self._buffer[:size]
        self._buffer = self._buffer[size:]
        self._position += len(part)
        return part

    def _fill(self) -> bool:
        if not self._buffer:
            data = self._stream.read(CHUNK)
            self._received += len(data)
            if self._received > self._limit:
                raise ArchiveError(
                    f"the archive unpacks to more than {self._limit} bytes; raise limits.unpacked_size if that is right"
                )
            self._buffer = memoryview(data)
        return len(self._buffer) > 0


class _Gzip:
    """Decompresses gzip, of one member or several."""

    name = "gzip"

    def __init__(self) -> None:
        import zlib

        self.error: type[Exception] = zlib.error
        self._zlib = zlib
        self._inner = zlib.decompressobj(31)  # 31: gzip header and trailer, largest window

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes) -> tuple[bytes, bytes]:
        """(output of at most CHUNK bytes, input that is left)."""
        output = self._inner.decompress(data, CHUNK)
        return output, self._inner.unconsumed_tail or self._inner.unused_data


class _Xz:
    """Decompresses xz, of one stream or several."""

    name = "xz"

    def __init__(self) -> None:
        import lzma

        self.error: type[Exception] = lzma.LZMAError
        # A header may ask for 4 GiB of dictionary; level 9, the largest preset, needs 65 MiB.
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 * 1024**2)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    def decompress(self, data: bytes) -> tuple[bytes, bytes]:
        """(output of at most CHUNK bytes, input that is left); the rest of the input may be kept inside."""
        output = self._inner.decompress(data, CHUNK)
        return output, self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input


class _Decompressed:
    """Readable over a codec of the standard library."""

    def __init__(self, codec: Any, stream: Readable) -> None:
        self._codec_type = codec
        self._codec = codec()
        self._stream = stream
        self._left = b""

    def read(self, _size: int) -> bytes:
        """The next bytes, at most CHUNK; none at the end of the whole stream."""
        while True:
            if self._codec.eof:
                if not self._next_stream():
                    return b""
            elif not self._left and getattr(self._codec, "hungry", True):
                self._left = self._stream.read(CHUNK)
                if not self._left:
                    raise ArchiveError(
                        f"the {self._codec.name} stream ends too early; it is truncated, publish it again"
                    )
            output = self._step()
            if output:
                return output

    def close(self) -> None:
        """Nothing to close; the caller owns the stream."""

    def _step(self) -> bytes:
        try:
            output, self._left = self._codec.decompress(self._left)
        except self._codec.error as exc:
            raise ArchiveError(f"the {self._codec.name} stream is damaged ({exc}); publish it again") from exc
        return output

    def _next_stream(self) -> bool:
        """Whether another stream follows; NUL bytes between and after them are padding."""
        while True:
            self._left = self._left.lstrip(b"\0")
            if self._left:
                self._codec = self._codec_type()
                return True
            self._left = self._stream.read(CHUNK)
            if not self._left:
                return False


class _Ahead:
    """Readable over another one, read by a thread: fetching and decompressing go on while files are written."""

    def __init__(self, source: Any) -> None:
        import collections
        import threading

        self._source = source
        self._chunks: collections.deque[bytes] = collections.deque()
        self._changed = threading.Condition()
        self._closed = self._ended = False
        self._failure: BaseException | None = None
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reader.start()

    def read(self, _size: int) -> bytes:
        """The next chunk, none at the end; raises what the source raised, once all before it is read."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._ended)
            if self._chunks:
                self._changed.notify()
                return self._chunks.popleft()
        if self._failure:
            raise self._failure
        return b""

    def close(self) -> None:
        """Stop, also in the middle, and give the stream back to the caller."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._reader.join()
        self._source.close()

    def _read_all(self) -> None:
        try:
            while not self._closed:
                data = self._source.read(CHUNK)
                if not data:
                    break
                with self._changed:
                    self._changed.wait_for(lambda: len(self._chunks) < _AHEAD or self._closed)
                    self._chunks.append(data)
                    self._changed.notify()
        except BaseException as exc:
            self._failure = exc
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()


class _Zstd:
    """Readable over the zstd program, fed by a thread: Python has no zstd of its own before 3.14."""

    def __init__(self, stream: Readable) -> None:
        import subprocess
        import threading

        try:
            self._process: Any = subprocess.Popen(
                ["zstd", "-dcq"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except FileNotFoundError:
            raise ArchiveError(
                "the program zstd is missing and the format is tar.zst; install the package zstd or publish tar.gz"
            ) from None
        self._stream = stream
        self._failure: BaseException | None = None
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end of a good stream."""
        data = self._process.stdout.read(size)
        if not data:
            self._finish()
        return data

    def close(self) -> None:
        """End the program, also in the middle, and give the stream back to the caller."""
        self._process.kill()
        self._process.wait()
        self._feeder.join()
        self._process.stdout.close()
        self._process.stderr.close()

    def _feed(self) -> None:
        try:
            with self._process.stdin as pipe:
                data = self._first_bytes()
                while data:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[pipe.write(rest) :]
                    data = self._stream.read(CHUNK)
        except BrokenPipeError:
            return  # the program ended early; its status says why
        except BaseException as exc:
            self._failure = exc
            self._process.kill()

    def _first_bytes(self) -> bytes:
        """Enough to see that it is zstd: the program also unpacks gzip and xz, but not on every host."""
        data = self._stream.read(CHUNK)
        while len(data) < 4:
            more = self._stream.read(CHUNK)
            if not more:
                break
            data += more
        if not _ZSTD_BEGIN.match(data):
            raise ArchiveError("the zstd stream is damaged (it does not begin as one); publish it again")
        return data

    def _finish(self) -> None:
        self._feeder.join()
        if self._failure:
            raise self._failure
        errors = self._process.stderr.read(500).decode("utf-8", "replace").strip()
        if self._process.wait() != 0:
            raise ArchiveError(f"the zstd stream is damaged or truncated ({errors}); publish it again")


def _decompressor(archive_format: str, stream: Readable) -> Any:
    if archive_format == "tar.gz":
        return _Ahead(_Decompressed(_Gzip, stream))
    if archive_format == "tar.xz":
        return _Ahead(_Decompressed(_Xz, stream))
    if archive_format == "tar.zst":
        return _Zstd(stream)
    raise ArchiveError(f"the archive format {archive_format!r} is unknown; use tar.gz, tar.xz or tar.zst")
