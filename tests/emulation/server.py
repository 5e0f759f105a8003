# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""moto's application, and our own fakes beside it, behind counting, trouble, pages and replay; served by threads."""

from __future__ import annotations

import dataclasses
import io
import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import run_wsgi_app

from tests.fakes.autoscaling import SERVICE as AUTO_SCALING
from tests.fakes.autoscaling import AutoScaling, Options
from tests.fakes.elbv2 import SERVICE as BALANCERS
from tests.fakes.elbv2 import Options as BalancerOptions
from tests.fakes.elbv2 import TargetHealth
from tests.fakes.imagebuilder import SERVICE as IMAGE_BUILDER
from tests.fakes.imagebuilder import ImageBuilder

from .clients import ACCOUNT, BY_A_SERVICE, Clients
from .launch_templates import correct_launch_templates
from .load_balancers import release_target_groups
from .paging import Pager, limit_key
from .protocols import Answer, Call, error, parse, throttling
from .trouble import DROP, Trouble

# moto's own interface is no call to AWS.
NO_CALL = "/moto-api/"
RESET = "/moto-api/reset"
EVERYWHERE = "0.0.0.0"


class Application:
    """Answers requests; knows nothing of sockets, but for its own endpoint, which its services call."""

    def __init__(
        self, builder: Any = None, autoscaling: Options | None = None, balancers: BalancerOptions | None = None
    ) -> None:
        self.trouble = Trouble(self.throttling)
        self.pager = Pager()
        self.clients = Clients()
        self.image_builder = ImageBuilder(ACCOUNT, self.clients, builder)
        self.auto_scaling = AutoScaling(ACCOUNT, self.clients, autoscaling) if autoscaling else None
        self.balancers = TargetHealth(ACCOUNT, self.clients, balancers) if balancers else None
        correct_launch_templates()
        release_target_groups()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._memory: dict[tuple[Any, ...], Answer] | None = None

    def replay(self, on: bool) -> None:
        self._memory = {} if on else None

    def forget(self) -> None:
        """What was remembered of data that is no more."""
        self.image_builder.forget()
        if self.auto_scaling:
            self.auto_scaling.forget()
        if self.balancers:
            self.balancers.forget()
        self.pager.clear()
        if self._memory is not None:
            self._memory = {}

    def answer(self, environ: dict[str, Any], body: bytes) -> Answer:
        if environ["PATH_INFO"] == RESET:
            self.forget()
        if environ["PATH_INFO"].startswith(NO_CALL):
            return self._ask(environ, body)
        call = self._call(environ, body)
        if BY_A_SERVICE in environ.get("HTTP_USER_AGENT", ""):
            return self._autoscaling(call, quietly=True) if self._is_autoscaling(call) else self._ask(environ, body)
        try:
            answer = self.trouble.arrive(call)
            if answer is None:
                answer = self._replayed(call, environ, body)
                if self.trouble.loses(call):
                    return DROP
            return answer
        finally:
            self.trouble.leave()

    def error(self, call: Call, code: str | int, message: str) -> Answer:
        """An error as the service of this call words it."""
        if call.service == IMAGE_BUILDER and not str(code).isdigit():
            return Answer(*self.image_builder.error(call.action, str(code), message))
        if self._is_autoscaling(call) and not str(code).isdigit():
            return Answer(*self.auto_scaling.error(call.action, str(code), message))
        return error(call, code, message)

    def throttling(self, call: Call) -> Answer:
        if call.service == IMAGE_BUILDER:
            return Answer(*self.image_builder.throttling(call.action))
        if self._is_autoscaling(call):
            return Answer(*self.auto_scaling.throttling(call.action))
        return throttling(call)

    def _call(self, environ: dict[str, Any], body: bytes) -> Call:
        call = parse(environ, body)
        if self._is_autoscaling(call):
            action, parameters = self.auto_scaling.read(body)
            return dataclasses.replace(call, action=action or call.action, parameters=parameters)
        if call.service != IMAGE_BUILDER:
            return call
        headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key[:5] == "HTTP_"}
        action, parameters = self.image_builder.read(environ["REQUEST_METHOD"], environ["RAW_URI"], headers, body)
        return dataclasses.replace(call, action=action, parameters=parameters)

    def _is_autoscaling(self, call: Call) -> bool:
        return self.auto_scaling is not None and call.service == AUTO_SCALING

    def _autoscaling(self, call: Call, *, quietly: bool = False) -> Answer:
        asked = call.action, call.region, call.parameters
        if quietly:
            return Answer(*self.auto_scaling.answer(*asked))
        stale, at_most = self.trouble.is_stale(call), self.trouble.pages_of(call)
        return Answer(*self.auto_scaling.answer(*asked, stale=stale, at_most=at_most))

    def _imagebuilder(self, call: Call) -> Answer:
        parameters = call.parameters
        at_most = self.trouble.pages_of(call)
        if at_most is not None:
            key = limit_key(call.service, call.action)
            parameters = parameters | {key: min(at_most, parameters.get(key, at_most))}
        stale = self.trouble.is_stale(call)
        return Answer(*self.image_builder.answer(call.action, call.region, parameters, stale=stale))

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
        if call.service == IMAGE_BUILDER:
            return self._imagebuilder(call)
        if self._is_autoscaling(call):
            return self._autoscaling(call)
        return self.pager.answer(call, body, self.trouble.pages_of(call), lambda other: self._ask(environ, other))

    def _ask(self, environ: dict[str, Any], body: bytes) -> Answer:
        if self.balancers and environ["REQUEST_METHOD"] == "POST":
            call = parse(environ, body)
            if call.service == BALANCERS and self.balancers.takes(call.action):
                return Answer(*self.balancers.answer(call.region, body))
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

    def __init__(self, application: Application, host: str, port: int) -> None:
        self.application = application
        self._server: BaseWSGIServer = make_server(host, port, application, threaded=True, request_handler=Handler)
        reached_at = "127.0.0.1" if host == EVERYWHERE else host
        self.endpoint = f"http://{reached_at}:{self._server.server_port}"
        application.clients.endpoint = self.endpoint
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.application.trouble.end()
        # While their calls to us are still answered.
        self.application.image_builder.stop()
        if self.application.auto_scaling:
            self.application.auto_scaling.stop()
        if self.application.balancers:
            self.application.balancers.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
