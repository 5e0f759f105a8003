# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hello: a small web application that changes its release without losing a request.

    app.py           master: holds the listening socket and one worker (systemd starts this)
    app.py worker    answers requests from the release folder that this file lies in
    app.py reload    asks the master for a new worker and waits for the outcome (ExecReload)

The new worker comes from /srv/hello/current. Only when it accepts connections does the old one stop accepting;
what it has accepted before it still answers, with "Connection: close". If the new worker does not come up, the
old one stays. Imports are few on purpose: a fleet of these starts at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time

CURRENT = os.environ.get("HELLO_CURRENT", "/srv/hello/current")
CONTROL = os.path.join(os.environ.get("RUNTIME_DIRECTORY", "/run/hello"), "control")
POISON = "/etc/hello/poison"
SETTINGS = os.environ.get("HELLO_SETTINGS", "/etc/hello/config.json")
LISTEN_FD = 3  # the first descriptor that systemd passes
WORKER_START_SECONDS = 8.0
# How long a draining worker waits for the next request of an idle connection. At a stop it is short: a client that
# is waiting for the next start cannot use its other connections.
RELOAD_GRACE_SECONDS = 5.0
STOP_GRACE_SECONDS = 0.5
STOP_SECONDS = 10.0
IDLE_SECONDS = 60.0
MAX_HEAD = 16384


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- worker ---------------------------------------------------------------------------------------------------------


class Release:
    """What this release says about itself; read once, so a running worker never mixes two releases."""

    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "VERSION"), encoding="utf-8") as file:
            self.version = file.read().strip()
        self.broken = os.path.exists(os.path.join(folder, "BROKEN"))
        settings = read_settings()
        self.maintenance = bool(settings.get("maintenance"))
        self.says = f'"app": "hello", "release": "{self.version}", "host": "{socket.gethostname()}"'
        if "greeting" in settings:
            self.says += f', "greeting": "{text_of(settings["greeting"])}"'

    def healthy(self) -> bool:
        try:
            with open(POISON, encoding="utf-8") as file:
                return not self.broken and self.version not in file.read().split()
        except FileNotFoundError:
            return not self.broken

    def answer(self, path: str) -> tuple[str, str]:
        """Status line and body. /slow/SECONDS answers late, as a request in flight does."""
        if path.startswith("/slow/"):
            time.sleep(min(float(path.removeprefix("/slow/") or 0), 30.0))
        elif path not in ("/", "/health"):
            return "404 Not Found", '{"error": "not found"}\n'
        status = "200 OK"
        if path == "/health":
            status = "503 Service Unavailable" if self.maintenance else status
            status = status if self.healthy() else "500 Internal Server Error"
        return status, f"{{{self.says}}}\n"


def read_settings() -> dict:
    """The app's settings, empty without a file. A file that is no JSON object keeps the worker from coming up."""
    if not os.path.exists(SETTINGS):
        return {}
    import json  # here, since most hosts of the tests have no settings and start many at once

    with open(SETTINGS, encoding="utf-8") as file:
        return dict(json.load(file))


def text_of(value: object) -> str:
    if not isinstance(value, str) or '"' in value or "\\" in value or not (value.isascii() and value.isprintable()):
        raise ValueError("greeting must be plain ASCII text")
    return value


class Worker:
    def __init__(self, release: Release, listener: socket.socket, ready_fd: int) -> None:
        self.release = release
        self.listener = listener
        self.ready_fd = ready_fd
        self.draining = threading.Event()
        self.grace = STOP_GRACE_SECONDS
        self.drain_read, self.drain_write = os.pipe()
        self.connections = 0
        self.changed = threading.Condition()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._drain(STOP_GRACE_SECONDS))
        signal.signal(signal.SIGUSR1, lambda *_: self._drain(RELOAD_GRACE_SECONDS))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.listener.setblocking(False)
        os.write(self.ready_fd, b"ready\n")
        while not self.draining.is_set():
            self._accept_one()
        os.write(self.ready_fd, b"drained\n")
        with self.changed:
            self.changed.wait_for(lambda: self.connections == 0, timeout=STOP_SECONDS * 3)

    def _drain(self, grace: float) -> None:
        self.grace = grace
        if not self.draining.is_set():
            self.draining.set()
            os.write(self.drain_write, b"x")  # never read: wakes every thread that polls the other end

    def _accept_one(self) -> None:
        readable = wait_readable([self.listener.fileno(), self.drain_read, self.ready_fd], None)
        if self.ready_fd in readable:  # the master is gone
            self._drain(STOP_GRACE_SECONDS)
        if self.listener.fileno() not in readable or self.draining.is_set():
            return
        try:
            connection, _peer = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the other worker took it, or the client gave up
        with self.changed:
            self.connections += 1
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(IDLE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._conversation(connection)
        except (OSError, ValueError):
            pass  # the client went away or does not speak HTTP
        finally:
            connection.close()
            with self.changed:
                self.connections -= 1
                self.changed.notify_all()

    def _conversation(self, connection: socket.socket) -> None:
        buffer = b""
        while self._request_comes(connection, buffer):
            while b"\r\n\r\n" not in buffer:
                data = connection.recv(MAX_HEAD)
                buffer += data
                if not data or len(buffer) > MAX_HEAD:
                    return
            head, buffer = buffer.split(b"\r\n\r\n", 1)
            method, path, keep = parse_head(head.decode("latin-1"))
            status, body = self.release.answer(path) if method in ("GET", "HEAD") else ("405 Method Not Allowed", "\n")
            keep = keep and status.startswith("200") and not self.draining.is_set()
            connection.sendall(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n{'' if method == 'HEAD' else body}".encode()
            )
            if not keep:
                return

    def _request_comes(self, connection: socket.socket, buffer: bytes) -> bool:
        """Wait for the next request. A draining worker waits too: closing an idle connection would race with it."""
        if buffer:
            return True
        if not self.draining.is_set():
            readable = wait_readable([connection.fileno(), self.drain_read], IDLE_SECONDS)
            if connection.fileno() in readable or not readable:
                return bool(readable)
        return bool(wait_readable([connection.fileno()], self.grace))


def parse_head(head: str) -> tuple[str, str, bool]:
    """Method, path and whether the client wants to keep the connection."""
    first, *lines = head.split("\r\n")
    method, path, protocol = first.split(" ")
    headers = dict(line.lower().replace(" ", "").split(":", 1) for line in lines)
    wanted = headers.get("connection", "keep-alive" if protocol == "HTTP/1.1" else "close")
    return method, path.partition("?")[0], wanted == "keep-alive"


def wait_readable(fds: list[int], timeout: float | None) -> list[int]:
    poll = select.poll()  # select() ends at descriptor 1023
    for fd in fds:
        poll.register(fd, select.POLLIN | select.POLLHUP)
    return [fd for fd, _event in poll.poll(None if timeout is None else max(0.0, timeout) * 1000)]


# --- master ---------------------------------------------------------------------------------------------------------


class WorkerError(Exception):
    """A worker did not come up."""


class Child:
    """A worker process, and the socket pair on which it says "ready" and "drained"."""

    def __init__(self, listen_fd: int) -> None:
        ours, theirs = socket.socketpair()
        program = os.path.join(os.path.realpath(CURRENT), "app.py")
        self.channel = ours
        self.pid = os.fork()
        if self.pid == 0:
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, [])
                for fd in (listen_fd, theirs.fileno()):
                    os.set_inheritable(fd, True)
                python = [sys.executable, "-IS", program]
                os.execv(sys.executable, [*python, "worker", str(listen_fd), str(theirs.fileno())])
            finally:
                os._exit(127)
        theirs.close()

    def wait_for(self, word: bytes, seconds: float) -> bool:
        readable = wait_readable([self.channel.fileno()], seconds)
        return bool(readable) and word in self.channel.recv(64)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.channel.close()


class Master:
    def __init__(self, listen_fd: int) -> None:
        self.listen_fd = listen_fd
        self.old: set[int] = set()  # workers that only finish what they have accepted
        self.control = self._open_control()
        self.wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)  # handled in run(), by way of the wake-up descriptor
        self.worker = self._start_worker()

    @staticmethod
    def _open_control() -> socket.socket:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(CONTROL):
            os.unlink(CONTROL)
        control.bind(CONTROL)
        os.chmod(CONTROL, 0o600)
        return control

    def _start_worker(self) -> Child:
        child = Child(self.listen_fd)
        if child.wait_for(b"ready", WORKER_START_SECONDS):
            return child
        child.kill()
        raise WorkerError(f"the worker of {os.path.realpath(CURRENT)} did not come up in {WORKER_START_SECONDS:g} s")

    def run(self) -> int:
        notify("READY=1")
        while True:
            readable = wait_readable([self.wake_read, self.control.fileno()], None)
            if self.control.fileno() in readable:
                _request, peer = self.control.recvfrom(64)
                self._reply(peer, self.reload())
            signals = os.read(self.wake_read, 64) if self.wake_read in readable else b""
            if signal.SIGTERM in signals or signal.SIGINT in signals:
                return self.stop()
            if signal.SIGHUP in signals:
                self.reload()
            if signal.SIGCHLD in signals and self._worker_died():
                log("the worker died")
                return 1

    def reload(self) -> str:
        notify("RELOADING=1")
        try:
            new = self._start_worker()
        except (WorkerError, OSError) as error:
            log(f"reload failed, the old worker stays: {error}")
            return f"failed: {error}"
        finally:
            notify("READY=1")
        previous, self.worker = self.worker, new
        self.old.add(previous.pid)
        os.kill(previous.pid, signal.SIGUSR1)
        if not previous.wait_for(b"drained", STOP_SECONDS):
            log("the old worker did not stop accepting in time")
        return "ok"

    def _reply(self, peer: str | bytes | None, text: str) -> None:
        if peer:
            try:
                self.control.sendto(text.encode(), peer)
            except OSError as error:
                log(f"nobody waits for the outcome of the reload: {error}")

    def _worker_died(self) -> bool:
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.worker.pid:
                return True
            self.old.discard(pid)

    def stop(self) -> int:
        """Answer what was accepted. New connections wait in systemd's socket for the next start."""
        notify("STOPPING=1")
        deadline = time.monotonic() + STOP_SECONDS
        remaining = self.old | {self.worker.pid}
        for pid in remaining:
            os.kill(pid, signal.SIGTERM)
        while remaining and time.monotonic() < deadline:
            if wait_readable([self.wake_read], deadline - time.monotonic()):
                os.read(self.wake_read, 64)
            remaining = {pid for pid in remaining if os.waitpid(pid, os.WNOHANG)[0] == 0}
        return 0


def notify(state: str) -> None:
    """sd_notify(3) without its library."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def ask_reload() -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind("")  # an abstract name of the kernel's choice, so that the master can answer
        client.settimeout(WORKER_START_SECONDS + STOP_SECONDS + 1)
        client.connect(CONTROL)
        client.send(b"reload")
        outcome = client.recv(4096).decode()
    if outcome != "ok":
        log(outcome)
    return 0 if outcome == "ok" else 1


def listening_fd() -> int:
    if os.environ.get("LISTEN_FDS") == "1":
        return LISTEN_FD
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("HELLO_PORT", "8080"))), backlog=1024)
    return listener.detach()


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["worker"]:
        listener = socket.socket(fileno=int(arguments[1]))
        Worker(Release(os.path.dirname(os.path.realpath(__file__))), listener, int(arguments[2])).run()
        return 0
    if arguments == ["reload"]:
        return ask_reload()
    return Master(listening_fd()).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
