# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading an artifact from where it lies: http(s), S3 or a file; a broken connection is resumed where it broke.

A presigned URL is a secret: its query string stands in no message, and no exception of a library, which may quote the
URL, is chained to ours.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import Any, Callable

from .errors import FetchError

_PROGRESS = 1024 * 1024  # bytes after which earlier failures are forgiven
_RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_S3_CODE = re.compile(rb"<Code>([A-Za-z]{1,40})</Code>")


class SourceChangedError(FetchError):
    """The artifact became another one between two connections: what was read so far is worth nothing."""


@dataclass(frozen=True)
class FetchOptions:
    """How to read. Times in seconds.

    attempts: tries in a row, the first included, that bring less than 1 MiB each. timeout_s: for connecting and for
    each wait for bytes. backoff_s doubles up to backoff_max_s, with jitter. deadline_s: for the whole artifact.
    region, endpoint_url, profile: only for s3:// sources.
    """

    attempts: int = 6
    timeout_s: float = 20.0
    backoff_s: float = 0.5
    backoff_max_s: float = 8.0
    deadline_s: float = 3600.0
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None


def redact(source: str) -> str:
    """A source without what may be secret: user, password, query and fragment."""
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def open_source(source: str, expected_size: int, options: FetchOptions | None = None) -> Source:
    """A stream of exactly expected_size bytes from an http(s):// or s3:// URL, or an absolute path (or file:// URL).

    Nothing is opened before the first read. Close it, or use it in a `with`. Raises FetchError for a source that
    can't be understood; reading raises FetchError too.
    """
    options = options or FetchOptions()
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        connect = _http_connector(source, options)
    elif scheme == "s3":
        connect = _s3_connector(source, options)
    elif scheme == "file" or source.startswith("/"):
        connect = _file_connector(source[len("file://") :] if scheme else source)
    else:
        raise FetchError(f"the source {redact(source)} is unknown; use https://…, s3://bucket/key or an absolute path")
    return Source(redact(source), connect, expected_size, options)


class _BrokenError(Exception):
    """A connection failed in a way that may pass. The text is fit for a message."""


@dataclass
class _Connection:
    """One answer. body: has read(n) and close(); start: offset of its first byte; total: bytes of the artifact."""

    body: Any
    start: int = 0
    total: int | None = None
    etag: str | None = None


_Connect = Callable[[int, "str | None"], _Connection]


class Source:
    """The artifact as a stream. `received`: bytes that came over all connections; `name`: fit for messages."""

    def __init__(self, name: str, connect: _Connect, expected_size: int, options: FetchOptions) -> None:
        self.name = name
        self.received = 0
        self._connect = connect
        self._expected = expected_size
        self._options = options
        self._connection: _Connection | None = None
        self._etag: str | None = None
        self._position = 0
        self._failures = 0
        self._failed_at = 0
        self._deadline = time.monotonic() + options.deadline_s

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection:
            connection.body.close()

    def read(self, size: int) -> bytes:
        """1 to `size` bytes, and none after the last one; raises FetchError or SourceChangedError."""
        while self._position < self._expected:
            if time.monotonic() > self._deadline:
                raise FetchError(
                    f"fetching {self.name} took longer than {self._options.deadline_s:g} s "
                    f"({self._position} of {self._expected} bytes came); check the network and run again"
                )
            try:
                data = self._receive(min(size, self._expected - self._position))
            except _BrokenError as exc:
                failure = str(exc)
            else:
                self._position += len(data)
                return data
            # Outside of the handler, so that no library's exception becomes the context of ours.
            self._recover(failure)
        return b""

    def _receive(self, size: int) -> bytes:
        if self._connection is None:
            self._connection = self._open()
        data = _read_body(self._connection, size)
        self.received += len(data)
        if not data:
            raise _BrokenError(f"the connection ended after {self._position} of {self._expected} bytes")
        return data

    def _open(self) -> _Connection:
        connection = self._connect(self._position, self._etag)
        try:
            self._compare(connection)
            self._skip(connection)
        except BaseException:
            connection.body.close()
            raise
        return connection

    def _compare(self, connection: _Connection) -> None:
        changed = self._position > 0 and self._etag is not None and connection.etag != self._etag
        if changed:
            raise SourceChangedError(f"{self.name} was replaced while it was read; run again")
        if connection.total is not None and connection.total != self._expected:
            raise FetchError(
                f"{self.name} has {connection.total} bytes and the manifest says {self._expected}; "
                "it is truncated or another artifact, publish the release again under a new version"
            )
        if connection.start > self._position:
            raise FetchError(
                f"{self.name} was answered from byte {connection.start} on, not {self._position}; run again"
            )
        self._etag = connection.etag

    def _skip(self, connection: _Connection) -> None:
        """A server without ranges begins again: pass over what is there already."""
        left = self._position - connection.start
        while left:
            data = _read_body(connection, min(left, _PROGRESS))
            self.received += len(data)
            if not data:
                raise _BrokenError(f"the connection ended again before byte {self._position}")
            left -= len(data)

    def _recover(self, failure: str) -> None:
        """Count the failure and wait, or give up."""
        self.close()
        if self._position - self._failed_at >= _PROGRESS:
            self._failures = 0
        self._failures += 1
        self._failed_at = self._position
        if self._failures >= self._options.attempts:
            raise FetchError(
                f"cannot fetch {self.name}: {failure}, {self._failures} attempts; "
                "check that this host reaches it and run again"
            )
        pause = min(self._options.backoff_s * 2 ** (self._failures - 1), self._options.backoff_max_s)
        # Half of it random, or all hosts that lost the same server come back at the same moment.
        time.sleep(pause * (0.5 + os.urandom(1)[0] / 510))


def _read_body(connection: _Connection, size: int) -> bytes:
    """What has come, up to `size` bytes. A library's error loses its text on the way: it may quote a URL."""
    # read1 gives what is there; read would wait for all of it, for hours if every second brings one byte.
    read = getattr(connection.body, "read1", connection.body.read)
    try:
        return read(size)
    except OSError as exc:
        failure = _os_reason(exc)
    except Exception as exc:
        # http.client.IncompleteRead, or the read errors of urllib3 and botocore, which are not there on every host.
        failure = type(exc).__name__
    raise _BrokenError(f"the connection broke ({failure})")


def _os_reason(exc: OSError) -> str:
    if isinstance(exc, TimeoutError) or "timed out" in str(exc):
        return "timed out"
    return exc.strerror or type(exc).__name__


# --- files -----------------------------------------------------------------------------------------------------------


def _file_connector(path: str) -> _Connect:
    import io

    def connect(offset: int, _etag: str | None) -> _Connection:
        try:
            body = io.FileIO(path)
        except OSError as exc:
            raise FetchError(f"cannot read {path}: {exc.strerror}; check the path and its mode on this host") from None
        body.seek(offset)
        return _Connection(body, offset, os.fstat(body.fileno()).st_size)

    return connect


# --- http ------------------------------------------------------------------------------------------------------------


def _http_connector(url: str, options: FetchOptions) -> _Connect:
    name = redact(url)

    def connect(offset: int, etag: str | None) -> _Connection:
        headers = {"User-Agent": "sysops.dtk", "Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            # A weak tag never matches If-Match; the comparison afterwards does for it.
            if etag and not etag.startswith("W/"):
                headers["If-Match"] = etag
        return _http_connection(name, offset, _http_answer(name, url, headers, options))

    return connect


def _http_answer(name: str, url: str, headers: dict[str, str], options: FetchOptions) -> Any:
    """The answer with any status; raises _BrokenError if there was none, FetchError if asking again is useless."""
    import http.client
    import urllib.error
    import urllib.request

    try:
        return _http_opener().open(urllib.request.Request(url, headers=headers), timeout=options.timeout_s)
    except urllib.error.HTTPError as exc:
        return exc
    except urllib.error.URLError as exc:
        reason = exc.reason
    except (http.client.HTTPException, OSError) as exc:
        reason = exc
    except ValueError:
        reason = None
    if reason is None or isinstance(reason, http.client.InvalidURL):
        raise FetchError(f"the URL {name} is malformed; check the source")
    if "certificate" in str(reason).lower():
        raise FetchError(f"{name} has a certificate that this host does not trust; install the authority's certificate")
    text = _os_reason(reason) if isinstance(reason, OSError) else type(reason).__name__
    raise _BrokenError(f"no answer ({text})")


def _http_opener() -> Any:
    """Proxies and redirects as usual, but http and https only: the default opener also follows to ftp."""
    from urllib import request

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _http_connection(name: str, offset: int, answer: Any) -> _Connection:
    status = answer.code
    if status not in (200, 206):
        _refuse_status(name, offset, status, _error_code(answer))
    headers = answer.headers
    etag = headers.get("ETag")
    if status == 206:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if not found:
            answer.close()
            raise _BrokenError("a range was answered without Content-Range")
        return _Connection(answer, int(found[1]), None if found[2] == "*" else int(found[2]), etag)
    length = headers.get("Content-Length", "")
    return _Connection(answer, 0, int(length) if length.isdigit() else None, etag)


def _error_code(answer: Any) -> str:
    """S3's word for an error, such as " AccessDenied"; nothing else of the body, which may quote the request."""
    try:
        found = _S3_CODE.search(answer.read(4096))
    except Exception:
        # The status is known already; whatever breaks while reading the explanation must not hide it.
        found = None
    finally:
        answer.close()
    return f" {found[1].decode('ascii')}" if found else ""


def _refuse_status(name: str, offset: int, status: int, code: str) -> None:
    """Raise what a status that is no success means."""
    if status in _RETRIED_STATUS:
        raise _BrokenError(f"the server answered {status}{code}")
    if offset and status in (412, 416):
        raise SourceChangedError(f"{name} was replaced while it was read ({status}); run again")
    raise FetchError(f"cannot fetch {name}: the server answered {status}{code}; {_remedy(status)}")


def _remedy(status: int) -> str:
    if status in (400, 401, 403):
        return "the URL has expired or its signer may not read it, run the deploy again for a fresh one"
    if status in (404, 410):
        return "publish the release, or check its version"
    return "check the source and run again"


# --- s3 --------------------------------------------------------------------------------------------------------------


def _s3_connector(source: str, options: FetchOptions) -> _Connect:
    bucket, _slash, key = source[len("s3://") :].partition("/")
    if not bucket or not key:
        raise FetchError(f"the source {redact(source)} names no object; use s3://bucket/key")
    name = f"s3://{bucket}/{key}"
    client = None

    def connect(offset: int, etag: str | None) -> _Connection:
        nonlocal client
        client = client or _s3_client(name, options)
        request = {"Bucket": bucket, "Key": key}
        if offset:
            request["Range"] = f"bytes={offset}-"
            request["IfMatch"] = etag or "*"
        answer = _s3_answer(name, client, request)
        found = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        total = int(found[2]) if found else answer["ContentLength"]
        return _Connection(answer["Body"], int(found[1]) if found else 0, total, answer.get("ETag"))

    return connect


def _s3_client(name: str, options: FetchOptions) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise FetchError(
            f"{name} needs the Python package boto3 on this host; install it, or pass a presigned https URL"
        ) from None
    config = Config(
        connect_timeout=options.timeout_s, read_timeout=options.timeout_s, retries={"total_max_attempts": 1}
    )
    try:
        session = boto3.session.Session(profile_name=options.profile, region_name=options.region)
        return session.client("s3", endpoint_url=options.endpoint_url, config=config)
    except (BotoCoreError, ValueError) as exc:
        failure = str(exc)
    raise FetchError(f"cannot fetch {name}: {failure}; check region, profile and endpoint_url")


def _s3_answer(name: str, client: Any, request: dict[str, Any]) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        return client.get_object(**request)
    except ClientError as exc:
        status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(exc.response.get("Error", {}).get("Code", ""))
    except HTTPClientError as exc:
        raise _BrokenError(f"no answer ({type(exc).__name__})") from None
    except BotoCoreError as exc:
        raise FetchError(f"cannot fetch {name}: {exc}; give this host credentials that may read it") from None
    word = "" if code.isdigit() else f" {code}"
    _refuse_status(name, 1 if "Range" in request else 0, status, word)
    raise FetchError(f"cannot fetch {name}: {code}; check the source and run again")
