# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated AWS of one lab: moto's server on the bridge, where controller and hosts reach it, and what is in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import LabError, end_process, start_time

REGION = "eu-west-1"
BUCKET = "dtk-releases"
START_SECONDS = 60


@dataclass(frozen=True)
class Moto:
    """A running server; pid and start time together name the process, so that no other one is ever ended."""

    pid: int
    started: str
    address: str
    port: int

    @classmethod
    def start(cls, address: str, log: Path) -> Moto:
        with socket.create_server((address, 0)) as probe:
            port = probe.getsockname()[1]
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", address, "-p", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"},
                start_new_session=True,
            )
        return cls(process.pid, start_time(process.pid) or "", address, port)

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}:{self.port}"

    def wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while start_time(self.pid) == self.started and time.monotonic() < deadline:
            try:
                socket.create_connection((self.address, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise LabError(f"moto's server does not answer at {self.endpoint}; its log ends with: {log.read_text()[-500:]}")

    def stop(self) -> None:
        end_process(self.pid, self.started)


def environ(endpoint: str, gateway: str) -> dict[str, str]:
    """What any AWS client needs to end up here, and nowhere else."""
    direct = ",".join(filter(None, [os.environ.get("no_proxy", ""), gateway, "127.0.0.0/8", "localhost"]))
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "no_proxy": direct,
        "NO_PROXY": direct,
    }


def client(service: str, endpoint: str) -> Any:
    import boto3

    return boto3.session.Session(aws_access_key_id="lab", aws_secret_access_key="lab", region_name=REGION).client(
        service, endpoint_url=endpoint
    )


def seed(endpoint: str, cidr: str, subnets: dict[str, str], hosts: Sequence[Any], tags: dict[str, str]) -> list[str]:
    """The bucket, a network, and one instance per host; returns the instance ids in the order of the hosts."""
    client("s3", endpoint).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    ec2 = client("ec2", endpoint)
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    subnet_ids = {
        az: ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=az)["Subnet"]["SubnetId"]
        for az, block in subnets.items()
    }
    image = ec2.register_image(Name="dtk-host", Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
    ids = []
    for host in hosts:
        all_tags = {**tags, "Name": host.name, "LabAddress": host.address}
        answer = ec2.run_instances(
            ImageId=image,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet_ids[host.az],
            PrivateIpAddress=host.private_ip,
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in all_tags.items()]}
            ],
        )
        ids.append(answer["Instances"][0]["InstanceId"])
    return ids
