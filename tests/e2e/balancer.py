# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small load balancer in front of a lab's hosts: it obeys the target group in the emulated AWS, and checks for real.

Two servers on loopback. One is the AWS of elbv2: what it says about targets is the truth about the other one, which
passes requests on to healthy targets in turn. A request that has no good answer is a failure of the deploy.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.elbv2 import Check, Options, TargetHealth
from tests.lab import Lab

REGION = "eu-west-1"
ACCOUNT = "123456789012"
PORT = 8080
_CHECK_SECONDS = 2
_ANSWER_SECONDS = 15


class Balancer:
    """Running as long as its `with` block."""

    def __init__(self, lab: Lab, *, delay: int) -> None:
        self.lab = lab
        self.addresses = {host.instance_id: host.address for host in lab.hosts}
        self.ids = {host.name: host.instance_id for host in lab.hosts}
        self.arn = self._target_group(delay)
        self.health = TargetHealth(
            ACCOUNT,
            lambda service, _region, _account: lab.boto(service),
            Options(probe=self._answers_well, thread=True),
        )
        self._api = _serve(_Api, balancer=self)
        self._front = Front(self._healthy)
        self.endpoint, self.front = f"http://localhost:{self._api.server_port}", self._front.url

    @classmethod
    @contextmanager
    def up(cls, lab: Lab, *, delay: int) -> Iterator[Balancer]:
        balancer = cls(lab, delay=delay)
        try:
            yield balancer
        finally:
            balancer.stop()

    def stop(self) -> None:
        self._front.stop()
        self._api.shutdown()
        self._api.server_close()
        self.health.stop()

    def register_all(self) -> None:
        """As an Auto Scaling group does with its instances."""
        places = [{"Id": one} for one in self.ids.values()]
        body = {"Action": "RegisterTargets", "Version": "2015-12-01", "TargetGroupArn": self.arn}
        body |= {f"Targets.member.{number}.Id": place["Id"] for number, place in enumerate(places, 1)}
        self.health.answer(REGION, urllib.parse.urlencode(body).encode())

    def states(self) -> dict[str, str]:
        """Host to the state of its target; empty for one that is not registered."""
        return {name: self.health.state(self.arn, one) for name, one in self.ids.items()}

    def wait_until_healthy(self, timeout: float = 20) -> None:
        deadline = time.monotonic() + timeout
        while set(self.states().values()) != {"healthy"}:
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.1)

    def _healthy(self) -> list[str]:
        return [self.addresses[place["Id"]] for place in self.health.healthy(self.arn)]

    # --- parts ---

    def _target_group(self, delay: int) -> str:
        elb, ec2 = self.lab.boto("elbv2"), self.lab.boto("ec2")
        (instance,) = ec2.describe_instances(InstanceIds=[self.lab.hosts[0].instance_id])["Reservations"][0][
            "Instances"
        ]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [instance["VpcId"]]}])["Subnets"]
        made = elb.create_target_group(
            Name="hello",
            Protocol="HTTP",
            Port=PORT,
            VpcId=instance["VpcId"],
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=_CHECK_SECONDS,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )
        arn: str = made["TargetGroups"][0]["TargetGroupArn"]
        attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[attribute])
        balancer = elb.create_load_balancer(Name="hello", Subnets=[one["SubnetId"] for one in subnets])
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
        )
        return arn

    def _answers_well(self, check: Check) -> bool:
        connection = http.client.HTTPConnection(self.addresses[check.id], check.port, timeout=_CHECK_SECONDS)
        try:
            connection.request("GET", check.path, headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Front:
    """Passes requests on to the addresses that are healthy at that moment, in turn."""

    def __init__(self, healthy: Callable[[], Sequence[str]]) -> None:
        self._healthy = healthy
        self._turn = itertools.count()
        self._server = _serve(_Proxy, front=self)
        self.url = f"http://localhost:{self._server.server_port}"

    def target(self) -> str | None:
        """The address that the next request goes to."""
        healthy = self._healthy()
        return healthy[next(self._turn) % len(healthy)] if healthy else None

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _serve(handler: type[_Handler], **known: Any) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type(handler.__name__, (handler,), known))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_unused: Any) -> None:
        """Failures are counted by the client."""


class _Api(_Handler):
    """Elastic Load Balancing: what is about targets is answered here, all else by the lab's AWS."""

    balancer: Balancer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        action = urllib.parse.parse_qs(body.decode()).get("Action", [""])[0]
        if TargetHealth.takes(action):
            answer = self.balancer.health.answer(REGION, body)
            self.send(answer.status, answer.body, "text/xml")
            return
        place = urllib.parse.urlsplit(self.balancer.lab.endpoint)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=_ANSWER_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection.request("POST", self.path, body, headers)
        response = connection.getresponse()
        self.send(response.status, response.read(), response.headers["Content-Type"])
        connection.close()


class _Proxy(_Handler):
    front: Front

    def do_GET(self) -> None:
        address = self.front.target()
        if address is None:
            self.send(503, b"no healthy target", "text/plain")
            return
        connection = http.client.HTTPConnection(address, PORT, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", self.path, headers={"Connection": "close"})
            response = connection.getresponse()
            self.send(response.status, response.read(), "application/json")
        except (OSError, http.client.HTTPException) as error:
            self.send(502, f"{address}: {type(error).__name__}: {error}".encode(), "text/plain")
        finally:
            connection.close()


class Clients:
    """Some that ask in quick succession, and some whose requests take a second."""

    def __init__(self, front: str, *, quick: int = 3, slow: int = 3) -> None:
        place = urllib.parse.urlsplit(front)
        self._place = place.hostname, place.port
        self._end, self._lock = threading.Event(), threading.Lock()
        self.requests = 0
        self.failures: list[str] = []
        paths = ["/"] * quick + ["/slow/1"] * slow
        self._threads = [threading.Thread(target=self._ask, args=(path,), daemon=True) for path in paths]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, path: str) -> None:
        while not self._end.wait(0.05):
            answer = self._answer(path)
            with self._lock:
                self.requests += 1
                self.failures += [answer] if answer else []

    def _answer(self, path: str) -> str:
        """What was wrong with it; empty if nothing was."""
        connection = http.client.HTTPConnection(*self._place, timeout=2 * _ANSWER_SECONDS)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            text = response.read().decode()
            return "" if response.status == http.client.OK else f"{path}: {response.status} {text}"
        except (OSError, http.client.HTTPException) as error:
            return f"{path}: {error!r}"
        finally:
            connection.close()
