# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of Auto Scaling, really booted: each is a systemd host of its AMI's container image, at the address that
EC2 gave it, with its metadata; and load balancers' questions, really asked.

The emulated AWS of a lab with `scaling` runs this. An instance is left to itself: it converges, and tells its group.
"""

from __future__ import annotations

import functools
import http.client
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

from tests.fakes.autoscaling import Launcher
from tests.fakes.elbv2 import Check

from . import aws, containers, metadata
from .hosts import LabHost
from .lab import STARTS_AT_ONCE, Lab
from .machine import LabError, podman

ADDRESS_SECONDS = 60
CHECK_SECONDS = 2
INIT = "/lib/systemd/systemd"


class HostLauncher(Launcher):
    """The hosts of one lab. Each call has a thread of the emulated AWS."""

    def __init__(self, lab: str = "") -> None:
        self._name = lab or os.environ[aws.LAB]
        self._starting = threading.Semaphore(STARTS_AT_ONCE)
        self._changed = threading.Condition()
        self._running: dict[str, LabHost] = {}

    def launch(self, instance_id: str, image_id: str, tags: Mapping[str, str], az: str) -> None:
        lab = self._lab
        ec2 = lab.boto("ec2")
        image = aws.container_image(ec2, image_id)
        host = lab.host_of(aws.instance(ec2, instance_id))
        self._take(host)
        try:
            ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "LabAddress", "Value": host.address}])
            metadata.serve(lab)
            # A manager in a container takes its arguments for those of a kernel. AWS's own endpoints need no telling.
            init = (INIT, f"systemd.setenv=AWS_ENDPOINT_URL={lab.endpoint}")
            with self._starting:
                lab.start_container(host.name, image, host.private_ip, command=init)
        except BaseException:
            self.terminate(instance_id)
            raise

    def terminate(self, instance_id: str) -> None:
        host = self._running.get(instance_id)
        if host:
            containers.remove(host.container)
            with self._changed:
                del self._running[instance_id]
                self._changed.notify_all()

    def stop(self, instance_id: str) -> None:
        podman("stop", "--time=10", self._running[instance_id].container)

    def start(self, instance_id: str) -> None:
        podman("start", self._running[instance_id].container)

    @functools.cached_property
    def _lab(self) -> Lab:
        return Lab.attach(self._name)

    def _take(self, host: LabHost) -> None:
        """EC2 may give away an address whose last host is still being removed."""
        with self._changed:
            free = self._changed.wait_for(lambda: host.private_ip not in self._addresses(), ADDRESS_SECONDS)
            if not free:
                raise LabError(f"The address {host.private_ip} of {host.instance_id} is still another host's.")
            self._running[host.instance_id] = host

    def _addresses(self) -> set[str]:
        return {host.private_ip for host in self._running.values()}


class HostProbe:
    """A load balancer's question to an instance of the lab."""

    def __init__(self, lab: str = "") -> None:
        self._name = lab or os.environ[aws.LAB]
        self._addresses: dict[str, str] = {}

    def __call__(self, check: Check) -> bool:
        try:
            return self._asked(check, self._address(check.id))
        except (OSError, http.client.HTTPException):
            return False

    def _asked(self, check: Check, address: str) -> bool:
        if not check.protocol.startswith("HTTP"):
            socket.create_connection((address, check.port), timeout=CHECK_SECONDS).close()
            return True
        connection = http.client.HTTPConnection(address, check.port, timeout=CHECK_SECONDS)
        try:
            connection.request("GET", check.path, headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()

    def _address(self, instance_id: str) -> str:
        if instance_id not in self._addresses:
            lab = Lab.attach(self._name)
            self._addresses[instance_id] = lab.host_of(aws.instance(lab.boto("ec2"), instance_id)).address
        return self._addresses[instance_id]


def described(lab: Lab, group: str) -> dict[str, Any]:
    """An Auto Scaling group now."""
    (found,) = lab.boto("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    return dict(found)
