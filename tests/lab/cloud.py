# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An AWS in which hosts of a lab are instances that Auto Scaling launches: they have metadata, and are waited for.

The host is there already, and stands for one instance after the other: what `launch` returns has the host's address.
On the host, the metadata are where they are on any instance, at 169.254.169.254.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.emulation import REGION, Emulation
from tests.emulation.clients import make
from tests.fakes.imds import Imds, Listener

from .hosts import LabHost
from .machine import ROOT, LabError, end_process, start_time

GROUP, HOOK, BUCKET, PROFILE = "fleet", "dtk-converge", "dtk-releases", "dtk-instance"
METADATA = {"HttpTokens": "required", "HttpEndpoint": "enabled", "InstanceMetadataTags": "enabled"}
START_SECONDS = 60
# Packets to the address that every instance knows go to the emulated service; the table is there again after a reboot.
REDIRECT = """\
#!/usr/sbin/nft -f
flush ruleset
table ip metadata {{
  chain output {{
    type nat hook output priority -100;
    ip daddr 169.254.169.254 tcp dport 80 dnat to {service}
  }}
}}
"""
# Once through what an instance may ask for: from then on the emulated service is as quick as the real one.
WARM_UP = """
token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
ask() { curl -fsS -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"; }
crawl() {
    for name in $(ask "$1"); do
        case $name in
            autoscaling/) ;;
            */) crawl "$1$name" ;;
            *) ask "$1$name" >/dev/null ;;
        esac
    done
}
crawl ''
"""


@dataclass(frozen=True)
class Process:
    """pid and start time name it for good."""

    pid: int
    started: str

    def stop(self) -> None:
        end_process(self.pid, self.started)


class Cloud:
    """An emulated AWS with Auto Scaling on the bridge, and the metadata of its instances beside it.

    assign(peer, instance): who calls for metadata from that address is this instance from now on.
    """

    def __init__(self, endpoint: str, metadata: str, assign: Callable[[str, str], None]) -> None:
        self.endpoint = endpoint
        self.metadata = metadata
        self.processes: list[Process] = []
        self._assign = assign

    @classmethod
    @contextlib.contextmanager
    def within(cls, address: str) -> Iterator[tuple[Cloud, Emulation]]:
        """In this process: it can be counted and broken."""
        with (
            Emulation.start(host=address, autoscaling=True) as aws,
            Imds.start(aws.endpoint, Listener(address)) as imds,
        ):
            cloud = cls(aws.endpoint, imds.urls[0].removeprefix("http://"), imds.assign)
            cloud.seed()
            yield cloud, aws

    @classmethod
    @contextlib.contextmanager
    def apart(cls, address: str, folder: Path) -> Iterator[Cloud]:
        """In processes of their own, as quick as they can be. `folder` keeps their logs, and who is which instance."""
        folder.mkdir(parents=True, exist_ok=True)
        instances = folder / "instances.json"
        instances.write_text("{}")
        port, metadata = _free_port(address), f"{address}:{_free_port(address)}"
        endpoint = f"http://{address}:{port}"
        cloud = cls(endpoint, metadata, lambda peer, one: _write(instances, {peer: one}))
        with contextlib.ExitStack() as stack:
            for name, arguments in (
                ("aws", ["tests.emulation", "--host", address, "--port", str(port), "--autoscaling"]),
                ("imds", ["tests.lab.metadata", endpoint, metadata, str(instances)]),
            ):
                process = _started(arguments, folder / f"{name}.log")
                stack.callback(process.stop)
                cloud.processes.append(process)
                _wait_for(address, port if name == "aws" else int(metadata.rpartition(":")[2]), folder / f"{name}.log")
            cloud.seed()
            yield cloud

    def client(self, service: str) -> Any:
        return make(service, self.endpoint, REGION)

    # --- what is in it ----------------------------------------------------------------------------------------------

    def seed(self) -> None:
        """A bucket, and a profile whose credentials instances find in their metadata."""
        where = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        iam = self.client("iam")
        iam.create_instance_profile(InstanceProfileName=PROFILE)
        iam.create_role(RoleName=PROFILE, AssumeRolePolicyDocument="{}")
        iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=PROFILE)

    def group(self, tags: dict[str, str]) -> None:
        """An empty group, whose instances have these tags and are waited for."""
        ec2 = self.client("ec2")
        data = {
            "ImageId": ec2.register_image(Name="host", RootDeviceName="/dev/sda1")["ImageId"],
            "InstanceType": "t3.small",
            "MetadataOptions": METADATA,
            "IamInstanceProfile": {"Name": PROFILE},
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            ],
        }
        ec2.create_launch_template(LaunchTemplateName=GROUP, LaunchTemplateData=data)
        hook = {
            "LifecycleHookName": HOOK,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            "HeartbeatTimeout": 300,
            "DefaultResult": "ABANDON",
        }
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateName": GROUP, "Version": "1"},
            MinSize=0,
            MaxSize=1,
            DesiredCapacity=0,
            VPCZoneIdentifier=subnet,
            LifecycleHookSpecificationList=[hook],
        )

    def launch(self, host: LabHost) -> str:
        """A new instance, in place of the one before; the host is it from now on."""
        self.resize(0)
        self.resize(1)
        instance = str(self.instances()[0]["InstanceId"])
        return self.enter(host, instance)

    def enter(self, host: LabHost, instance: str) -> str:
        """The host is that instance from now on."""
        self._assign(host.private_ip, instance)
        host.exec(["sh", "-ec", WARM_UP])
        return instance

    def into_warm_pool(self, host: LabHost) -> str:
        """A new instance that is not to serve yet; the host is it from now on."""
        self.resize(0)
        settings = {"MaxGroupPreparedCapacity": 1, "PoolState": "Stopped"}
        self.client("autoscaling").put_warm_pool(AutoScalingGroupName=GROUP, **settings)
        self.wait_for(lambda: list(self.pool().values()) == ["Warmed:Pending:Wait"])
        return self.enter(host, next(iter(self.pool())))

    def without_warm_pool(self) -> None:
        self.client("autoscaling").delete_warm_pool(AutoScalingGroupName=GROUP, ForceDelete=True)

    def pool(self) -> dict[str, str]:
        """{instance: state} of the warm pool."""
        found = self.client("autoscaling").describe_warm_pool(AutoScalingGroupName=GROUP)["Instances"]
        return {str(one["InstanceId"]): str(one["LifecycleState"]) for one in found}

    def resize(self, size: int) -> None:
        self.client("autoscaling").set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=size)
        states = {"Pending:Wait"} if size else set()
        self.wait_for(lambda: {one["LifecycleState"] for one in self.instances()} == states)

    def instances(self) -> list[dict[str, Any]]:
        found = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
        return list(found["AutoScalingGroups"][0]["Instances"])

    def tags(self, instance: str) -> dict[str, str]:
        (found,) = self.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
        return {tag["Key"]: tag["Value"] for tag in found["Instances"][0]["Tags"]}

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f"not within {seconds} s; the group has {self.instances()}")
            time.sleep(0.05)

    # --- on a host --------------------------------------------------------------------------------------------------

    def show_metadata(self, host: LabHost) -> None:
        """Where every instance looks for them, now and after each reboot."""
        host.write("/etc/nftables.conf", REDIRECT.format(service=self.metadata))
        host.exec(["systemctl", "enable", "--now", "nftables.service"])


def _started(arguments: list[str], log: Path) -> Process:
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Process(process.pid, start_time(process.pid) or "")


def _wait_for(address: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.05)
    raise LabError(f"Nobody answers at {address}:{port}; the log ends with: {log.read_text()[-500:]}")


def _write(path: Path, content: dict[str, str]) -> None:
    path.write_text(json.dumps(content))


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
