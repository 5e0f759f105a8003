# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated instance metadata service."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.utils import InstanceMetadataFetcher

from tests.emulation import ACCESS_KEY
from tests.fakes.imds import Imds, Listener, Tokens

from .fleet import WEB, Fleet

ROOT = Path(__file__).resolve().parents[3]
TTL, TOKEN = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token"
OPTIONS = {"HttpTokens": "required", "HttpEndpoint": "enabled", "InstanceMetadataTags": "enabled"}
Get = Callable[[str], str]


@pytest.fixture
def imds(fleet: Fleet) -> Iterator[Imds]:
    with Imds.start(fleet.aws.endpoint) as imds:
        yield imds


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def with_headers(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
    return ask(url, method, **{key.replace("-", "_"): value for key, value in (headers or {}).items()})


def token(url: str, ttl: str = "60") -> str:
    status, found = with_headers(f"{url}/latest/api/token", "PUT", {TTL: ttl})
    assert status == 200
    return found


def launched(fleet: Fleet, imds: Imds, *, options: dict[str, str] | None = None, **more: Any) -> str:
    """The instance that this process is from now on."""
    data = {
        "MetadataOptions": OPTIONS if options is None else options,
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "dtk:env", "Value": "test"}]}],
    }
    template = fleet.template(**data | more)
    fleet.group(1, LaunchTemplate={"LaunchTemplateId": template}, LifecycleHookSpecificationList=[fleet.hook()])
    instance = fleet.the("Pending:Wait").id
    imds.assign("127.0.0.1", instance)
    return instance


@pytest.fixture
def get(fleet: Fleet, imds: Imds) -> Get:
    launched(fleet, imds, UserData=base64.b64encode(b"#!/bin/sh\n").decode())
    found = token(imds.urls[0])

    def get(path: str) -> str:
        status, body = with_headers(f"{imds.urls[0]}/latest/{path}", headers={TOKEN: found})
        assert status == 200, path
        return body

    return get


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_told(fleet: Fleet, imds: Imds) -> None:
    launched(fleet, imds)
    (url,) = imds.urls
    path = f"{url}/latest/meta-data/instance-id"
    assert ask(path) == (401, "")
    assert with_headers(path, headers={TOKEN: "made-up"}) == (401, "")
    assert with_headers(path, headers={TOKEN: token(url)})[0] == 200


@pytest.mark.parametrize("ttl", ["0", "21601", "", "long", "-1"])
def test_a_token_needs_its_time(fleet: Fleet, imds: Imds, ttl: str) -> None:
    launched(fleet, imds)
    assert with_headers(f"{imds.urls[0]}/latest/api/token", "PUT", {TTL: ttl})[0] == 400


def test_a_token_is_made_by_put_and_for_no_proxy(fleet: Fleet, imds: Imds) -> None:
    launched(fleet, imds)
    path = f"{imds.urls[0]}/latest/api/token"
    assert with_headers(path, "PUT")[0] == 400
    assert with_headers(path, "PUT", {TTL: "60", "X-Forwarded-For": "10.0.0.1"})[0] == 403
    assert with_headers(f"{imds.urls[0]}/latest/meta-data", "PUT", {TTL: "60"})[0] == 405
    assert ask(path)[0] == 401


def test_a_token_is_of_one_instance_and_ends() -> None:
    now = [100.0]
    tokens = Tokens(lambda: now[0])
    made = tokens.make("i-1", 30)
    assert (tokens.left("i-1", made), tokens.left("i-2", made), tokens.left("i-1", "other")) == (30, 0, 0)
    now[0] += 29
    assert tokens.left("i-1", made) == 1
    now[0] += 1
    assert tokens.left("i-1", made) == 0


@pytest.mark.parametrize(
    ("options", "status"), [({"HttpTokens": "optional"}, 200), ({"HttpEndpoint": "disabled"}, 403)], ids=str
)
def test_the_options_of_the_instance_apply(fleet: Fleet, imds: Imds, options: dict[str, str], status: int) -> None:
    launched(fleet, imds, options=options)
    assert ask(f"{imds.urls[0]}/latest/meta-data/instance-id")[0] == status


# --- what there is ----------------------------------------------------------------------------------------------------


def test_an_instance_learns_what_it_is(fleet: Fleet, get: Get) -> None:
    found = fleet.in_ec2(fleet.the("Pending:Wait").id)
    zone = found["Placement"]["AvailabilityZone"]
    assert {path: get(f"meta-data/{path}") for path in ("instance-id", "ami-id", "instance-type", "local-ipv4")} == {
        "instance-id": found["InstanceId"],
        "ami-id": found["ImageId"],
        "instance-type": "t3.small",
        "local-ipv4": found["PrivateIpAddress"],
    }
    assert get("meta-data/placement/availability-zone") == zone
    assert get("meta-data/placement/availability-zone-id") == fleet.the("Pending:Wait").zone_id
    assert get("meta-data/placement/region") == "eu-west-1"
    assert get("user-data") == "#!/bin/sh\n"
    document = json.loads(get("dynamic/instance-identity/document"))
    assert (document["instanceId"], document["region"], document["accountId"]) == (
        found["InstanceId"],
        "eu-west-1",
        "123456789012",
    )


def test_folders_are_listed(get: Get) -> None:
    assert get("") == "dynamic/\nmeta-data/\nuser-data"
    listed = get("meta-data/").splitlines()
    assert {"ami-id", "autoscaling/", "placement/", "tags/"} <= set(listed)
    assert "iam/" not in listed, "it has no instance profile"
    assert get("meta-data/tags/") == "instance/"
    assert get("meta-data/tags/instance") == "dtk:env"
    assert get("meta-data/tags/instance/dtk:env") == "test"
    assert get("meta-data/tags/instance/dtk%3Aenv") == "test"


@pytest.mark.parametrize("path", ["latest/none", "latest/meta-data/none", "latest/meta-data/ami-id/x", "newest"])
def test_what_is_not_there_is_not_found(fleet: Fleet, imds: Imds, path: str) -> None:
    launched(fleet, imds)
    (url,) = imds.urls
    assert with_headers(f"{url}/{path}", headers={TOKEN: token(url)})[0] == 404


def test_tags_are_seen_where_the_instance_may_see_them(fleet: Fleet, imds: Imds) -> None:
    launched(fleet, imds, options={"HttpTokens": "required"})
    (url,) = imds.urls
    assert with_headers(f"{url}/latest/meta-data/tags/instance", headers={TOKEN: token(url)})[0] == 404


def test_credentials_of_the_role_reach_boto3(fleet: Fleet, imds: Imds) -> None:
    iam = fleet.client_of("iam")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="web-instances")
    iam.add_role_to_instance_profile(InstanceProfileName="web-instances", RoleName="web")
    launched(fleet, imds, IamInstanceProfile={"Name": "web-instances"})
    fetcher = InstanceMetadataFetcher(base_url=f"{imds.urls[0]}/", num_attempts=1)
    found = fetcher.retrieve_iam_role_credentials()
    assert (found["role_name"], found["access_key"]) == ("web", ACCESS_KEY)
    iam.remove_role_from_instance_profile(InstanceProfileName="web-instances", RoleName="web")
    iam.delete_role(RoleName="web")
    iam.delete_instance_profile(InstanceProfileName="web-instances")


# --- Auto Scaling -----------------------------------------------------------------------------------------------------


def test_an_instance_learns_where_it_is_going(fleet: Fleet, get: Get) -> None:
    path = "meta-data/autoscaling/target-lifecycle-state"
    instance = fleet.the("Pending:Wait").id
    assert get(path) == "InService"
    fleet.complete(instance)
    assert get(path) == "InService"
    fleet.ask("enter_standby", InstanceIds=[instance], ShouldDecrementDesiredCapacity=True)
    assert get(path) == "Standby"
    fleet.ask("put_lifecycle_hook", **fleet.hook("end", "autoscaling:EC2_INSTANCE_TERMINATING"))
    fleet.client.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=False)
    fleet.fake.settle()
    assert get(path) == "Terminated"


@pytest.mark.parametrize("state", ["Stopped", "Running"])
def test_an_instance_of_a_warm_pool_learns_that_as_well(fleet: Fleet, imds: Imds, state: str) -> None:
    template = fleet.template(MetadataOptions=OPTIONS)
    fleet.group(0, LaunchTemplate={"LaunchTemplateId": template}, LifecycleHookSpecificationList=[fleet.hook()])
    fleet.ask("put_warm_pool", MinSize=1, MaxGroupPreparedCapacity=1, PoolState=state)
    instance = fleet.the("Warmed:Pending:Wait").id
    imds.assign("127.0.0.1", instance)
    (url,) = imds.urls
    path = f"{url}/latest/meta-data/autoscaling/target-lifecycle-state"
    assert with_headers(path, headers={TOKEN: token(url)}) == (200, f"Warmed:{state}")
    fleet.complete(instance)
    if state == "Stopped":
        assert with_headers(f"{url}/latest/api/token", "PUT", {TTL: "60"})[0] == 404, "it is off"
    fleet.resize(1)
    assert with_headers(path, headers={TOKEN: token(url)}) == (200, "InService")


def test_what_it_asks_counts_for_nobody(fleet: Fleet, get: Get) -> None:
    fleet.aws.reset()
    fleet.aws.fault("autoscaling", "Throttling")
    get("meta-data/autoscaling/target-lifecycle-state")
    assert not fleet.aws.calls()


def test_an_instance_of_no_group_has_no_such_state(fleet: Fleet, imds: Imds) -> None:
    instance = launched(fleet, imds)
    fleet.complete(instance)
    fleet.ask("detach_instances", InstanceIds=[instance], ShouldDecrementDesiredCapacity=True)
    (url,) = imds.urls
    path = f"{url}/latest/meta-data/autoscaling/target-lifecycle-state"
    assert with_headers(path, headers={TOKEN: token(url)})[0] == 404


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_a_stranger_is_told_nothing(imds: Imds) -> None:
    assert with_headers(f"{imds.urls[0]}/latest/api/token", "PUT", {TTL: "60"})[0] == 404


def test_many_instances_are_told_apart_by_the_address_that_they_call(fleet: Fleet) -> None:
    fleet.group(2)
    first, second = fleet.ids()
    listeners = Listener("127.0.0.1", 0, first), Listener("127.0.0.2", 0, second)
    with Imds.start(fleet.aws.endpoint, *listeners) as imds:
        told = [
            with_headers(f"{url}/latest/meta-data/instance-id", headers={TOKEN: token(url)})[1] for url in imds.urls
        ]
        assert told == [first, second]
        stolen = token(imds.urls[0])
        assert with_headers(f"{imds.urls[1]}/latest/meta-data/instance-id", headers={TOKEN: stolen})[0] == 401


def test_who_calls_from_the_private_address_of_an_instance_is_that_instance(fleet: Fleet, imds: Imds) -> None:
    asked = {"MinCount": 1, "MaxCount": 1, "ImageId": fleet.image()}
    made = [fleet.aws.client("ec2").run_instances(**asked)["Instances"][0] for _ in range(2)]
    assert [imds.who(one["PrivateIpAddress"]) for one in made] == [one["InstanceId"] for one in made]
    fleet.aws.client("ec2").terminate_instances(InstanceIds=[made[0]["InstanceId"]])
    assert imds.who(made[0]["PrivateIpAddress"]) == ""


@pytest.mark.parametrize(
    ("text", "listener"),
    [
        ("10.88.0.1", Listener("10.88.0.1", 80)),
        ("127.0.0.1:8080", Listener("127.0.0.1", 8080)),
        ("127.0.0.1:0=i-1", Listener("127.0.0.1", 0, "i-1")),
        ("127.0.0.1=i-1", Listener("127.0.0.1", 80, "i-1")),
    ],
)
def test_listeners_are_named(text: str, listener: Listener) -> None:
    assert Listener.parse(text) == listener


def test_as_a_process_it_reads_its_map_again_when_that_changes(fleet: Fleet, tmp_path: Path) -> None:
    fleet.group(2)
    first, second = fleet.ids()
    known = tmp_path / "instances.json"
    command = [sys.executable, "-m", "tests.fakes.imds", "--endpoint", fleet.aws.endpoint, "--map", str(known)]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert with_headers(f"{url}/latest/api/token", "PUT", {TTL: "60"})[0] == 404
            for number, instance in enumerate((first, second)):
                known.write_text(json.dumps({"127.0.0.1": instance}), encoding="utf-8")
                os.utime(known, ns=(number + 1, number + 1))
                found = with_headers(f"{url}/latest/meta-data/instance-id", headers={TOKEN: token(url)})
                assert found == (200, instance)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert fleet.described()["AutoScalingGroupName"] == WEB
