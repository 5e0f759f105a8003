# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Controller's wire: HTTP and JSON."""

from __future__ import annotations

import json
import socket
import threading
import traceback
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import seeds
from .engine import Engine, Reply, Request
from .faults import Fault, Faults


@dataclass(frozen=True)
class Exchange:
    """A request and what was said to it, as they went over the wire."""

    method: str
    path: str
    query: str
    body: str
    status: int
    answer: str
    user: str


Told = Callable[[Exchange], None]
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Server:
    """Serves an engine on a port of loopback."""

    def __init__(self, engine: Engine, faults: Faults, told: Told, port: int = 0) -> None:
        self._engine, self._faults, self._told = engine, faults, told
        self.port = port
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def listen(self) -> None:
        self._http = _Http(("127.0.0.1", self.port), self._handler())
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._http:
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()
            self._http = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        def served(handler: BaseHTTPRequestHandler) -> None:
            self._serve(handler)

        return type("Handler", (_Handler,), {f"do_{method}": served for method in _METHODS})

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urllib.parse.urlsplit(handler.path)
        text = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        fault = self._faults.of(handler.command, url.path)
        reply = _broken(fault) if fault and not fault.carried_out else self._reply(handler, url, text)
        if fault and fault.carried_out:
            reply = _broken(fault)
        payload = b"" if reply.body is None else _payload(reply.body)
        self._told(Exchange(handler.command, url.path, url.query, text, reply.status, payload.decode(), reply.user))
        if fault and not fault.status:
            _hang_up(handler)
            return
        _send(handler, reply, payload)

    def _reply(self, handler: BaseHTTPRequestHandler, url: urllib.parse.SplitResult, text: str) -> Reply:
        try:
            body = json.loads(text) if text else None
        except ValueError as error:
            return Reply(400, {"detail": f"JSON parse error - {error}"})
        query = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        authorization = handler.headers.get("Authorization", "")
        path = urllib.parse.unquote(url.path)
        method = "GET" if handler.command == "HEAD" else handler.command
        try:
            return self._engine.answer(Request(method, path, query, body, authorization))
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__)[-2:])
            self._engine.violations.append(f"{handler.command} {handler.path}: {error!r}\n{where}")
            return Reply(500, {"detail": "A server error has occurred."})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are kept by whoever wants to know them."""


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


def _payload(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _broken(fault: Fault) -> Reply:
    words = {429: "Request was throttled. Expected available in 1 second.", 503: "Service Unavailable"}
    return Reply(fault.status, fault.body or {"detail": words.get(fault.status, "Server Error")})


def _send(handler: BaseHTTPRequestHandler, reply: Reply, payload: bytes) -> None:
    handler.send_response(reply.status)
    handler.send_header("Content-Type", "text/plain" if isinstance(reply.body, str) else "application/json")
    handler.send_header("Content-Length", str(len(payload)))
    handler.send_header("X-API-Product-Name", "AWX")
    handler.send_header("X-API-Product-Version", seeds.VERSION)
    handler.send_header("X-API-Node", seeds.NODE)
    if reply.status == 429:
        handler.send_header("Retry-After", "1")
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(payload)


def _hang_up(handler: BaseHTTPRequestHandler) -> None:
    """An answer that ends before its end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "4096")
    handler.end_headers()
    handler.wfile.write(b'{"count": 1, "results": [')
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)
