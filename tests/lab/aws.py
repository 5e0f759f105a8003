# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated AWS of one lab: a server on the bridge, where controller and hosts reach it, and what is in it."""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .hosts import LabHost
from .image import Images
from .machine import ROOT, LabError, end_process, signal_process, start_time, wait_for_process

REGION = "eu-west-1"
BUCKET = "dtk-releases"
BASE_PARAMETER = "/dtk/base/debian-12"
PROFILE = "dtk-image-builder"
IMAGE_TAG = "LabImage"  # of an AMI: the container image behind it
OF_LAB = {"Name": "lab"}
BUILDER, LAB = "tests.lab.bakery:HostBuilder", "DTK_LAB"  # what builds images, and the variable that tells it where
# What boots the instances of Auto Scaling, and asks them how they are; for these, too.
SCALING = ("--autoscaling", "--launcher=tests.lab.fleet:HostLauncher", "--probe=tests.lab.fleet:HostProbe")
START_SECONDS = 60
END_SECONDS = 30

_MAY_BE_ASSUMED_BY_EC2 = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Moto:
    """A running server; pid and start time together name the process, so that no other one is ever ended."""

    pid: int
    started: str
    address: str
    port: int

    @classmethod
    def start(cls, lab: str, address: str, log: Path, *options: str) -> Moto:
        with socket.create_server((address, 0)) as probe:
            port = probe.getsockname()[1]
        with log.open("w") as output:
            program = (sys.executable, "-m", "tests.emulation", "--host", address, "--port", str(port))
            process = subprocess.Popen(
                [*program, "--builder", BUILDER, *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false", LAB: lab},
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
        said = log.read_text()[-500:]
        raise LabError(f"The emulated AWS does not answer at {self.endpoint}; its log ends with: {said}")

    def ask_to_end(self) -> None:
        """What it builds is cancelled, and the hosts of that removed, before it ends."""
        signal_process(self.pid, self.started, signal.SIGTERM)

    def stop(self) -> None:
        self.ask_to_end()
        wait_for_process(self.pid, self.started, END_SECONDS)
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


@functools.cache
def client(service: str, endpoint: str, region: str = REGION) -> Any:
    """Making one takes longer than most calls, and threads may share it."""
    import boto3

    return boto3.session.Session(aws_access_key_id="lab", aws_secret_access_key="lab", region_name=region).client(
        service, endpoint_url=endpoint
    )


# --- what is in it ----------------------------------------------------------------------------------------------------


def seed(endpoint: str, cidr: str, subnets: dict[str, str], images: Images) -> str:
    """What an account has before its first host: a bucket, a network, a base image, a profile for building images;
    returns the AMI of a host with hello."""
    client("s3", endpoint).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    ec2 = client("ec2", endpoint)
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    for az, block in subnets.items():
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=az, TagSpecifications=_tags("subnet", OF_LAB))
    parent = _register(ec2, "debian-12-amd64", images.parent)
    client("ssm", endpoint).put_parameter(Name=BASE_PARAMETER, Value=parent, Type="String", DataType="aws:ec2:image")
    _create_profile(client("iam", endpoint))
    return _register(ec2, "dtk-host", images.hello)


def _register(ec2: Any, name: str, tag: str) -> str:
    """An AMI that says which container image it is."""
    image_id = ec2.register_image(Name=name, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
    ec2.create_tags(Resources=[image_id], Tags=[{"Key": IMAGE_TAG, "Value": tag}])
    return image_id


def _create_profile(iam: Any) -> None:
    iam.create_role(RoleName=PROFILE, AssumeRolePolicyDocument=json.dumps(_MAY_BE_ASSUMED_BY_EC2))
    iam.create_instance_profile(InstanceProfileName=PROFILE)
    iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=PROFILE)


def container_image(ec2: Any, image_id: str) -> str:
    """The container image behind an AMI."""
    found = ec2.describe_images(Filters=[{"Name": "image-id", "Values": [image_id]}])["Images"]
    tags = {tag["Key"]: tag["Value"] for image in found for tag in image.get("Tags", [])}
    if IMAGE_TAG not in tags:
        raise LabError(
            f"The AMI {image_id} has no tag {IMAGE_TAG} in {REGION}: a lab boots what was registered or baked in it."
        )
    return tags[IMAGE_TAG]


def run_instances(ec2: Any, hosts: Sequence[LabHost], image_id: str, tags: dict[str, str]) -> list[str]:
    """One instance per host; returns their ids in the order of the hosts."""
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in _subnets(ec2)}
    return [
        run_instance(
            ec2,
            image_id,
            {**tags, "Name": host.name, "LabAddress": host.address},
            SubnetId=subnets[host.az],
            PrivateIpAddress=host.private_ip,
            InstanceType="t3.micro",
        )
        for host in hosts
    ]


def run_instance(ec2: Any, image_id: str, tags: dict[str, str], **settings: Any) -> str:
    tagged = _tags("instance", tags)
    answer = ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, TagSpecifications=tagged, **settings)
    return answer["Instances"][0]["InstanceId"]


def instance(ec2: Any, instance_id: str) -> dict[str, Any]:
    (reservation,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    return dict(reservation["Instances"][0])


def scaled_instances(ec2: Any) -> list[dict[str, Any]]:
    """Those of Auto Scaling that run, the oldest first."""
    filters = [
        {"Name": "tag-key", "Values": ["aws:autoscaling:groupName"]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = [one for page in ec2.describe_instances(Filters=filters)["Reservations"] for one in page["Instances"]]
    return sorted(found, key=lambda one: one["LaunchTime"])


def place(ec2: Any, address: str) -> dict[str, str]:
    """Where an instance with this address of the lab belongs; nowhere in particular in regions that have no hosts."""
    for subnet in _subnets(ec2):
        if ipaddress.ip_address(address) in ipaddress.ip_network(subnet["CidrBlock"]):
            return {"SubnetId": subnet["SubnetId"], "PrivateIpAddress": address}
    return {}


def _subnets(ec2: Any) -> list[dict[str, Any]]:
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in OF_LAB.items()]
    return ec2.describe_subnets(Filters=filters)["Subnets"]


def terminate_instances(ec2: Any, hosts: Sequence[LabHost]) -> None:
    """Those of hosts that did not come up, as far as there are any yet."""
    filters = [{"Name": "private-ip-address", "Values": [host.private_ip for host in hosts]}]
    found = ec2.describe_instances(Filters=filters)["Reservations"] if hosts else []
    ids = [instance["InstanceId"] for reservation in found for instance in reservation["Instances"]]
    if ids:
        ec2.terminate_instances(InstanceIds=ids)


def _tags(kind: str, tags: dict[str, str]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
