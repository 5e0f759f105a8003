# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import fetch
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import FetchError
from ansible_collections.sysops.dtk.plugins.module_utils._host.fetch import (
    FetchOptions,
    SourceChangedError,
    open_source,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit._host.support import CANARY, QUICK, ArtifactServer, Reply

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
BODY = hashlib.shake_128(b"artifact").digest(200_000)


@pytest.fixture
def server() -> Iterator[ArtifactServer]:
    running = ArtifactServer()
    yield running
    running.close()


def read_all(source: str, size: int = len(BODY), options: FetchOptions = QUICK) -> bytes:
    with open_source(source, size, options) as stream:
        return b"".join(iter(lambda: stream.read(65536), b""))


def failure(source: str, size: int = len(BODY), options: FetchOptions = QUICK) -> str:
    """The message of the failure, after a look for secrets in all that could be printed about it."""
    with pytest.raises(FetchError) as caught:
        read_all(source, size, options)
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert CANARY not in everything
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_an_artifact_is_read_whole_with_one_request(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY)]
    with open_source(server.url, len(BODY)) as stream:
        assert b"".join(iter(lambda: stream.read(7000), b"")) == BODY
        assert stream.received == len(BODY)
        assert stream.read(1) == b"", "the end stays the end"
    assert len(server.requests) == 1
    assert "Range" not in server.requests[0]


@pytest.mark.parametrize("cut", [0, 1, 100_000, 99_999, len(BODY) - 1])
def test_a_broken_connection_is_resumed_where_it_broke(server: ArtifactServer, cut: int) -> None:
    server.replies = [Reply(BODY, cut=cut), Reply(BODY)]
    assert read_all(server.url) == BODY
    second = server.requests[1]
    if "Range" in second:
        # A reset may destroy what was sent but not yet read.
        assert 0 < int(second["Range"][len("bytes=") : -1]) <= cut
        assert second["If-Match"] == '"one"'


def test_many_breaks_are_survived_as_long_as_bytes_come(server: ArtifactServer) -> None:
    big = BODY * 20
    server.replies = [Reply(big, cut=1_200_000)] * 3 + [Reply(big)]
    assert read_all(server.url, len(big), dataclasses.replace(QUICK, attempts=2)) == big


def test_a_server_without_ranges_begins_again_and_nothing_is_read_twice(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, cut=150_000), Reply(BODY, ranges=False)]
    with open_source(server.url, len(BODY), QUICK) as stream:
        assert b"".join(iter(lambda: stream.read(65536), b"")) == BODY
        assert stream.received == len(BODY) + 150_000


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(Reply(BODY, etag='"two"'), id="the server refuses If-Match"),
        pytest.param(Reply(BODY, etag='"two"', ranges=False), id="with no range either"),
        pytest.param(Reply(BODY, etag=None), id="the tag is gone"),
        pytest.param(Reply(status=416), id="the range is beyond the end"),
    ],
)
def test_an_artifact_that_is_replaced_meanwhile_is_not_mixed(server: ArtifactServer, second: Reply) -> None:
    server.replies = [Reply(BODY, cut=100_000), second]
    with pytest.raises(SourceChangedError, match="was replaced while it was read"):
        read_all(server.url)


def test_weak_tags_are_compared_but_not_sent(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, etag='W/"w"', cut=100_000), Reply(BODY, etag='W/"w"')]
    assert read_all(server.url) == BODY
    assert "If-Match" not in server.requests[1]
    assert server.requests[1]["Range"] == "bytes=100000-"


def test_without_any_tag_the_range_is_trusted_to_the_hash(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, etag=None, cut=100_000), Reply(BODY, etag=None)]
    assert read_all(server.url) == BODY


def test_a_chunkless_answer_without_length_is_read_to_its_size(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, length=False)]
    assert read_all(server.url) == BODY


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
def test_another_length_than_promised_ends_at_once(server: ArtifactServer, size: int) -> None:
    server.replies = [Reply(BODY)]
    assert f"has {len(BODY)} bytes and the manifest says {size}" in failure(server.url, size)
    assert len(server.requests) == 1


def test_a_body_that_always_ends_early_ends_after_the_attempts(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, cut=1000), Reply(BODY[:1000], length=False, ranges=False)]
    message = failure(server.url)
    assert "1000 of 200000 bytes" in message
    assert "3 attempts" in message


@pytest.mark.parametrize(
    ("status", "says", "requests"),
    [
        pytest.param(400, "expired", 1, id="400"),
        pytest.param(401, "expired", 1, id="401"),
        pytest.param(403, "run the deploy again for a fresh one", 1, id="403"),
        pytest.param(404, "publish the release", 1, id="404"),
        pytest.param(410, "publish the release", 1, id="410"),
        pytest.param(418, "check the source", 1, id="418"),
        pytest.param(429, "3 attempts", 3, id="429"),
        pytest.param(500, "3 attempts", 3, id="500"),
        pytest.param(503, "3 attempts", 3, id="503"),
    ],
)
def test_a_status_says_what_to_do(server: ArtifactServer, status: int, says: str, requests: int) -> None:
    body = f"<Error><Code>AccessDenied</Code><CanonicalRequest>{CANARY}</CanonicalRequest></Error>".encode()
    server.replies = [Reply(body, status=status)]
    message = failure(server.url)
    assert f"answered {status} AccessDenied" in message
    assert says in message
    assert server.url.partition("?")[0] in message, "the part that is no secret names the thing"
    assert len(server.requests) == requests


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_trouble_passes(server: ArtifactServer, status: int) -> None:
    server.replies = [Reply(status=status), Reply(BODY, cut=50_000), Reply(status=status), Reply(BODY)]
    assert read_all(server.url, options=dataclasses.replace(QUICK, attempts=4)) == BODY


def test_a_url_that_expires_in_the_middle_is_an_error(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, cut=50_000), Reply(status=403)]
    assert "the URL has expired" in failure(server.url)


def test_redirects_are_followed(server: ArtifactServer) -> None:
    server.replies = [Reply(status=302, headers={"Location": server.url}), Reply(BODY)]
    assert read_all(server.url) == BODY


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", f"gopher://x/?{CANARY}"])
def test_redirects_lead_to_http_only(server: ArtifactServer, target: str) -> None:
    server.replies = [Reply(status=302, headers={"Location": target})]
    assert str(failure(server.url)).startswith("cannot fetch")


def test_a_redirect_loop_ends(server: ArtifactServer) -> None:
    server.replies = [Reply(status=302, headers={"Location": server.url})]
    assert "answered 302" in failure(server.url)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    message = failure(f"http://127.0.0.1:{port}/a?sig={CANARY}")
    assert f"cannot fetch http://127.0.0.1:{port}/a: no answer (Connection refused), 3 attempts" in message


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a?sig={CANARY}"
        began = time.monotonic()
        message = failure(url, options=dataclasses.replace(QUICK, attempts=2, timeout_s=0.2))
    assert "no answer (timed out), 2 attempts" in message
    assert time.monotonic() - began < 3


def test_a_trickle_ends_at_the_deadline(server: ArtifactServer) -> None:
    server.replies = [Reply(BODY, trickle_s=0.01)]
    began = time.monotonic()
    message = failure(server.url, options=dataclasses.replace(QUICK, deadline_s=0.2))
    assert "took longer than 0.2 s" in message
    assert "of 200000 bytes came" in message
    assert time.monotonic() - began < 1.5


def test_a_certificate_that_nobody_signed_ends_at_once(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    request = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            connection, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                pass

        thread = threading.Thread(target=shake_hands)
        thread.start()
        message = failure(f"https://127.0.0.1:{listener.getsockname()[1]}/a?sig={CANARY}")
        thread.join()
    assert "has a certificate that this host does not trust" in message


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"http://127.0.0.1:1/a b?{CANARY}\n", id="control character"),
        pytest.param(f"http://127.0.0.1:port/?{CANARY}", id="port"),
        pytest.param(f"http://[::1/?{CANARY}", id="bracket"),
        pytest.param(f"http://?{CANARY}", id="no host"),
        pytest.param(f"https://user:{CANARY}@127.0.0.1:1/x", id="password"),
        pytest.param(f"ftp://127.0.0.1/x?{CANARY}", id="scheme"),
        pytest.param("relative/path", id="relative path"),
        pytest.param("", id="nothing"),
    ],
)
def test_an_odd_source_is_one_clear_error(url: str) -> None:
    assert failure(url)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://b.example/k?X-Amz-Signature=s", "https://b.example/k"),
        ("https://b.example?s", "https://b.example"),
        ("https://b.example/k#s", "https://b.example/k"),
        ("https://user:word@b.example/k", "https://b.example/k"),
        ("https://b.example/a@b?s", "https://b.example/a@b"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("/a/path", "/a/path"),
    ],
)
def test_redact(source: str, shown: str) -> None:
    assert fetch.redact(source) == shown


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.builds(
            Reply,
            body=st.just(BODY),
            status=st.sampled_from([200, 200, 200, 503]),
            etag=st.sampled_from(['"one"', '"one"', '"two"', None]),
            ranges=st.booleans(),
            cut=st.none() | st.integers(0, len(BODY)),
            length=st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_a_server_does_the_bytes_are_right_or_there_is_an_error(replies: list[Reply]) -> None:
    server = ArtifactServer()
    try:
        server.replies = replies
        assert read_all(server.url) == BODY
    except FetchError as exc:
        assert CANARY not in str(exc)
    finally:
        server.close()


# --- files and S3 ---


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_file_is_read(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "a").write_bytes(BODY)
    assert read_all(f"{prefix}{tmp_path / 'a'}") == BODY


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"cannot read {tmp_path}/a: No such file" in failure(f"{tmp_path}/a")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "Is a directory" in failure(str(tmp_path))


def test_a_short_file_is_named_with_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BODY[:100])
    assert "has 100 bytes and the manifest says 200000" in failure(f"{tmp_path}/a")


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environ, moto.mock_aws():
        for name in CREDENTIALS:
            environ.setenv(name, "testing")
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="releases")
        client.put_object(Bucket="releases", Key="hello/1.tar.gz", Body=BODY)
        yield client


@pytest.mark.usefixtures("bucket")
class TestS3:
    """Against an emulated S3."""

    options = dataclasses.replace(QUICK, region="us-east-1")

    def test_an_object_is_read(self) -> None:
        assert read_all("s3://releases/hello/1.tar.gz", options=self.options) == BODY

    def test_a_broken_body_is_resumed_with_a_range(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        requests = []

        class Breaking:
            def get_object(self, **request: str) -> dict[str, Any]:
                requests.append(request)
                answer = bucket.get_object(**request)
                if len(requests) == 1:
                    answer["Body"] = io.BytesIO(BODY[:70_000])
                return answer

        monkeypatch.setattr(fetch, "_s3_client", lambda *_args: Breaking())
        assert read_all("s3://releases/hello/1.tar.gz", options=self.options) == BODY
        assert requests[1]["Range"] == "bytes=70000-"
        assert requests[1]["IfMatch"].startswith('"')

    @pytest.mark.parametrize("source", ["s3://releases/none", "s3://nobucket/x"])
    def test_what_is_not_there(self, source: str) -> None:
        message = failure(source, options=self.options)
        assert f"cannot fetch {source}: the server answered 404 NoSuch" in message
        assert "publish the release" in message

    def test_no_credentials(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in CREDENTIALS:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        assert "Unable to locate credentials; give this host credentials" in failure(
            "s3://releases/hello/1.tar.gz", options=self.options
        )

    def test_an_unknown_profile(self) -> None:
        options = dataclasses.replace(self.options, profile="nobody")
        assert "profile (nobody) could not be found" in failure("s3://releases/hello/1.tar.gz", options=options)

    def test_no_boto3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)
        assert "needs the Python package boto3 on this host; install it" in failure("s3://releases/hello/1.tar.gz")

    @pytest.mark.parametrize("source", ["s3://releases", "s3://releases/", "s3:///key"])
    def test_no_key(self, source: str) -> None:
        assert "use s3://bucket/key" in failure(source)
