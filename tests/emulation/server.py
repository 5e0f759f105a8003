# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""moto's application behind counting, trouble, pages and replay, served by threads of this process."""

from __future__ import annotations

import io
import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import run_wsgi_app

from .paging import Pager
from .protocols import Answer, Call, parse
from .trouble import DROP, Trouble

# moto's own interface is no call to AWS.
NO_CALL = "/moto-api/"


class Application:
    """Answers requests; knows nothing of sockets."""

    def __init__(self) -> None:
        self.trouble = Trouble()
        self.pager = Pager()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._memory: dict[tuple[Any, ...], Answer] | None = None

    def replay(self, on: bool) -> None:
        self._memory = {} if on else None

    def forget(self) -> None:
        """What was remembered of data that is no more."""
        self.pager.clear()
        if self._memory is not None:
            self._memory = {}

    def answer(self, environ: dict[str, Any], body: bytes) -> Answer:
        if environ["PATH_INFO"].startswith(NO_CALL):
            return self._ask(environ, body)
        call = parse(environ, body)
        try:
            return self.trouble.arrive(call) or self._replayed(call, environ, body)
        finally:
            self.trouble.leave()

    def _replayed(self, call: Call, environ: dict[str, Any], body: bytes) -> Answer:
        memory = self._memory
        if memory is None or not call.reads:
            return self._paged(call, environ, body)
        key = (str(call), call.access_key, environ["RAW_URI"], self.trouble.pages_of(call), body)
        if key not in memory:
            answer = self._paged(call, environ, body)
            if answer.status != 200:
                return answer
            memory[key] = answer
        return memory[key]

    def _paged(self, call: Call, environ: dict[str, Any], body: bytes) -> Answer:
        return self.pager.answer(call, body, self.trouble.pages_of(call), lambda other: self._ask(environ, other))

    def _ask(self, environ: dict[str, Any], body: bytes) -> Answer:
        asked = environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        parts, status, headers = run_wsgi_app(self._moto, asked)
        return Answer(int(status.split()[0]), tuple(headers.items()), b"".join(parts))


class Handler(MotoRequestHandler):
    """Keeps connections open between requests, as AWS does; werkzeug's own handler closes each."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        if "HTTP_TRANSFER_ENCODING" in environ:
            body = environ["wsgi.input"].read()
        else:
            body = self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = self.server.app.answer(environ, body)
        if answer is DROP:
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        bodiless = self.command == "HEAD"
        for name, value in answer.headers:
            if name.lower() not in {"connection", "transfer-encoding"} and (
                bodiless or name.lower() != "content-length"
            ):
                self.send_header(name, value)
        if not bodiless:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not bodiless:
            self.wfile.write(answer.body)

    def log_request(self, *_unused: Any) -> None:
        """A test that wants to know asks for the counts."""


class Server:
    """The listening socket and the thread that accepts."""

    def __init__(self, application: Application, port: int) -> None:
        self.application = application
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=Handler
        )
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.application.trouble.end()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
