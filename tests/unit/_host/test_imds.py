# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the metadata service, with one that misbehaves. tests/unit/converge has it ask an emulated one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import imds
from ansible_collections.sysops.dtk.plugins.module_utils._host.imds import Metadata, MetadataError

TOKEN = "X-aws-ec2-metadata-token"
Answer = tuple[int, str]


@dataclass
class Service:
    """Answers with what it holds; `moods` are what it does first, one for each request."""

    held: dict[str, str] = field(default_factory=dict)
    moods: list[Callable[[Any], None]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    tokens: int = 0
    url: str = ""

    def answer(self, method: str, path: str, token: str | None) -> Answer:
        if method == "PUT":
            self.tokens += 1
            return 200, f"token-{self.tokens}"
        if token != f"token-{self.tokens}":
            return 401, ""
        return (200, self.held[path]) if path in self.held else (404, "")


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self.service.seen.append((self.command, self.path))
        mood = self.service.moods.pop(0) if self.service.moods else None
        if mood and mood(self):
            return
        path = self.path.removeprefix("/latest/")
        self.reply(*self.service.answer(self.command, path, self.headers.get(TOKEN)))

    def do_PUT(self) -> None:
        self.do_GET()

    def reply(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_unused: Any) -> None:
        """The service remembers."""


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service}))
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield service
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imds, "_PAUSE_S", 0.01)


def status(number: int) -> Callable[[_Handler], bool]:
    def mood(handler: _Handler) -> bool:
        handler.reply(number, "")
        return True

    return mood


def hangs_up(handler: _Handler) -> bool:
    handler.close_connection = True
    return True


def well(_handler: _Handler) -> bool:
    return False


def test_one_token_serves_many_questions(service: Service) -> None:
    service.held = {"meta-data/a": "1", "meta-data/b": "2"}
    metadata = Metadata(service.url)
    assert [metadata.get(f"meta-data/{name}") for name in "abc"] == ["1", "2", None]
    assert [method for method, _path in service.seen] == ["PUT", "GET", "GET", "GET"]


def test_a_token_that_is_over_is_renewed_once(service: Service) -> None:
    service.held = {"meta-data/a": "1"}
    metadata = Metadata(service.url)
    assert metadata.get("meta-data/a") == "1"
    service.tokens = 7  # as after a stop and a start
    assert metadata.get("meta-data/a") == "1"
    service.moods = [status(401), well, status(401)]
    with pytest.raises(MetadataError, match="answered 401 for meta-data/a; check the metadata options"):
        metadata.get("meta-data/a")


@pytest.mark.parametrize("mood", [status(500), status(503), status(429), hangs_up])
def test_what_passes_is_tried_again(service: Service, mood: Callable[[_Handler], bool]) -> None:
    service.held = {"meta-data/a": "1"}
    service.moods = [mood, well, mood, mood]
    assert Metadata(service.url).get("meta-data/a") == "1"


def test_what_does_not_pass_is_told(service: Service) -> None:
    service.moods = [status(503)] * 4
    with pytest.raises(MetadataError, match=r"does not answer \(status 503, 4 tries\); outside of EC2"):
        Metadata(service.url).get("meta-data/a")


def test_a_service_that_is_silent_costs_a_few_seconds_at_most(service: Service) -> None:
    released = threading.Event()
    service.moods = [lambda handler: bool(released.wait(5))] * 2
    began = time.monotonic()
    with pytest.raises(MetadataError, match="timed out"):
        Metadata(service.url, timeout=0.2, tries=2).get("meta-data/a")
    assert time.monotonic() - began < 3
    released.set()


@pytest.mark.parametrize("number", [400, 403, 405])
def test_a_service_without_tokens_is_told(service: Service, number: int) -> None:
    service.moods = [status(number)]
    with pytest.raises(MetadataError, match=rf"gives no token \({number}\); switch it on"):
        Metadata(service.url).get("meta-data/a")


def test_identity_and_tags(service: Service) -> None:
    document = {"instanceId": "i-1", "region": "eu-west-1", "accountId": "1"}
    service.held = {
        "dynamic/instance-identity/document": json.dumps(document),
        "meta-data/tags/instance/dtk:env": "prod",
        "meta-data/tags/instance/dtk:prefix": "/dtk",
    }
    metadata = Metadata(service.url)
    assert metadata.identity() == {"instance_id": "i-1", "region": "eu-west-1"}
    assert metadata.tags(("dtk:env", "dtk:prefix", "dtk:bucket")) == {"dtk:env": "prod", "dtk:prefix": "/dtk"}
    assert metadata.lifecycle() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"instanceId": "i-1"}'])
def test_no_identity_is_told(service: Service, text: str) -> None:
    service.held = {"dynamic/instance-identity/document": text}
    with pytest.raises(MetadataError, match="has no identity document"):
        Metadata(service.url).identity()


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert imds.endpoint() == "http://169.254.169.254"
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/")
    assert imds.endpoint() == "http://127.0.0.1:1338/"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert imds.endpoint() is None
