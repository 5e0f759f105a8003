# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An AWS on loopback that can be slow, busy, broken and counted: moto behind a layer of our own, over real HTTP.

    with Emulation.start() as aws:
        aws.fault("ssm:GetParameter", "ThrottlingException", times=2)
        aws.client("ssm").get_parameter(Name="/a")
        aws.calls()     # Counter({"ssm:GetParameter:eu-west-1": 3})

A call is named `service:Action`, with boto3's name of the service, and `service` alone means all of its calls. REST
services such as S3 name no action in a request; theirs is the HTTP method: `s3:PUT`. Image Builder's have their names.

moto has no EC2 Image Builder; `aws.image_builder` is ours (tests/fakes/imagebuilder). It keeps to botocore's model,
makes its AMIs in moto's EC2, and what it calls there by itself is neither counted nor troubled.

moto's Auto Scaling has neither lifecycle actions nor refreshes, and its instances are in service at once. Started with
`autoscaling`, `aws.autoscaling` is ours (tests/fakes/autoscaling), held to its model in the same way:

    with Emulation.start(autoscaling=Options(clock=ManualClock())) as aws:
        aws.client("autoscaling").create_auto_scaling_group(…)
        aws.autoscaling.advance(60)
"""

from __future__ import annotations

import contextlib
import functools
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.fakes.autoscaling import SERVICE as AUTO_SCALING
from tests.fakes.autoscaling import AutoScaling, Options
from tests.fakes.elbv2 import Options as BalancerOptions
from tests.fakes.elbv2 import TargetHealth
from tests.fakes.imagebuilder import SERVICE as IMAGE_BUILDER
from tests.fakes.imagebuilder.job import Builder

from .clients import ACCESS_KEY, SECRET_KEY, close, make
from .paging import CUT_HERE, limit_key
from .server import RESET, Application, Server
from .trouble import Rule

REGION = "eu-west-1"


class Emulation:
    """One running server. What it holds is moto's, so all servers of one process hold the same, but for images."""

    def __init__(self, server: Server) -> None:
        self.endpoint = server.endpoint
        self._application = server.application
        self._trouble = server.application.trouble
        self.image_builder = server.application.image_builder
        self._auto_scaling = server.application.auto_scaling
        self._balancers = server.application.balancers

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        builder: Builder | None = None,
        autoscaling: Options | bool = False,
        balancers: BalancerOptions | None = None,
    ) -> Iterator[Emulation]:
        """builder: what makes images, in a thread for each; by default they are simulated.

        autoscaling: ours, with these options, instead of moto's. balancers: targets that become healthy and drain in
        their time, instead of moto's, which are well at once.
        """
        options = Options() if autoscaling is True else autoscaling or None
        server = Server(Application(builder, options, balancers), host, port)
        try:
            yield cls(server)
        finally:
            server.stop()
            close(server.endpoint)

    @property
    def balancers(self) -> TargetHealth:
        if self._balancers is None:
            raise AttributeError("this emulation was started without balancers: its targets are moto's")
        return self._balancers

    @property
    def autoscaling(self) -> AutoScaling:
        if self._auto_scaling is None:
            raise AttributeError("this emulation was started without autoscaling=True: its Auto Scaling is moto's")
        return self._auto_scaling

    def client(self, service: str, region: str = REGION) -> Any:
        return _client(self.endpoint, service, region)

    def environ(self) -> dict[str, str]:
        """What leads the AWS clients of another process here, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    def calls(self) -> Counter[str]:
        """How often each `service:Action:region` was asked for, refused ones and retries included."""
        return self._trouble.snapshot(self._trouble.calls)

    def throttled(self) -> Counter[str]:
        """How many of them were above a limit."""
        return self._trouble.snapshot(self._trouble.throttled)

    def most_in_flight(self) -> int:
        """How many requests were under way at the same time, at most; a latency makes it show who works in parallel."""
        return self._trouble.most_in_flight

    def reset(self) -> None:
        """No counts, faults, limits, latency, small pages or replay any more. The data stays."""
        self._trouble.reset()
        self.image_builder.reset()
        if self._auto_scaling:
            self._auto_scaling.reset()
        self.replay(False)

    def reset_data(self) -> None:
        """An empty AWS, in every server of this process but for the images of the others."""
        urllib.request.urlopen(urllib.request.Request(self.endpoint + RESET, method="POST"), timeout=60).close()

    def limit(self, pattern: str, *, rate: float, burst: float) -> None:
        """Throttle above so many calls a second, after a first burst; rate 0 allows the burst and no more."""
        self._trouble.limit(pattern, rate, burst)

    def fault(
        self,
        pattern: str,
        code: str | int,
        *,
        message: str = "",
        times: int | None = None,
        region: str | None = None,
        after: int = 0,
    ) -> None:
        """Answer with this error code, or with the page of a load balancer for a status such as 503.

        times: None means for ever. after: so many calls are answered well before.
        """
        self._trouble.add(
            Rule(pattern, region, times, after, lambda call: self._application.error(call, code, message))
        )

    def drop(self, pattern: str, *, times: int | None = None, region: str | None = None, after: int = 0) -> None:
        """Close the connection without an answer, and without having done anything."""
        self._trouble.add(Rule(pattern, region, times, after))

    def lose(self, pattern: str, *, times: int | None = None, region: str | None = None, after: int = 0) -> None:
        """Do what was asked for, and close the connection without an answer."""
        self._trouble.lose(Rule(pattern, region, times, after))

    def stale(self, pattern: str, *, times: int | None = None, region: str | None = None, after: int = 0) -> None:
        """Let reads see Image Builder, or our Auto Scaling, as it was before the last change."""
        ours = {IMAGE_BUILDER, AUTO_SCALING} if self._auto_scaling else {IMAGE_BUILDER}
        if pattern.partition(":")[0] not in ours:
            raise ValueError(f"{pattern}: only {' and '.join(sorted(ours))} remember what was before a change")
        self._trouble.make_stale(Rule(pattern, region, times, after))

    def latency(self, seconds: float) -> None:
        """Every call takes this much longer."""
        self._trouble.latency = seconds

    def page(self, call: str, size: int) -> None:
        """Answer `service:Action` in pages of at most this many items."""
        if call not in CUT_HERE and limit_key(*call.split(":")) is None:
            raise ValueError(f"{call} has no pages in AWS")
        self._trouble.pages[call] = size

    def replay(self, on: bool) -> None:
        """Answer a read request that came before from memory, whatever was written since."""
        self._application.replay(on)


@functools.cache
def _client(endpoint: str, service: str, region: str) -> Any:
    """One for all threads."""
    return make(service, endpoint, region)
