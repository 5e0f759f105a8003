# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated AWS: what it is told to do wrong reaches boto3 as AWS would say it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.emulation import REGION, Emulation
from tests.emulation.clients import ACCOUNT, make
from tests.emulation.protocols import Call
from tests.emulation.trouble import Trouble
from tests.fakes.imagebuilder.job import Job

ROOT = Path(__file__).resolve().parents[2]
THIS = "tests.unit.test_emulation"

OTHER = "eu-central-1"
# One call of each protocol, as boto3 names it.
CALLS = {
    "ec2:DescribeInstances": lambda client: client.describe_instances(),
    "autoscaling:DescribeAutoScalingInstances": lambda client: client.describe_auto_scaling_instances(),
    "elbv2:DescribeTargetGroups": lambda client: client.describe_target_groups(),
    "sts:GetCallerIdentity": lambda client: client.get_caller_identity(),
    "ssm:GetParametersByPath": lambda client: client.get_parameters_by_path(Path="/a"),
    "secretsmanager:ListSecrets": lambda client: client.list_secrets(),
    "s3:GET": lambda client: client.list_buckets(),
    "imagebuilder:ListComponents": lambda client: client.list_components(),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulation]:
    with Emulation.start() as aws:
        yield aws


@pytest.fixture
def aws(running: Emulation) -> Iterator[Emulation]:
    yield running
    running.reset()
    running.reset_data()


def ask(aws: Emulation, call: str, region: str = REGION, tries: int = 1) -> Any:
    """With a fresh client that tries so many times."""
    config = Config(retries={"mode": "standard", "total_max_attempts": tries})
    return CALLS[call](make(call.partition(":")[0], aws.endpoint, region, config))


def once(aws: Emulation, service: str, region: str = REGION) -> Any:
    """A client that tries once."""
    return make(service, aws.endpoint, region, Config(retries={"total_max_attempts": 1}))


def refusal(aws: Emulation, call: str, **settings: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        ask(aws, call, **settings)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.mark.parametrize("call", CALLS)
def test_calls_are_counted_by_service_action_and_region(aws: Emulation, call: str) -> None:
    ask(aws, call)
    ask(aws, call)
    assert aws.calls() == Counter({f"{call}:{REGION}": 2})
    aws.reset()
    assert aws.calls() == Counter()


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("ec2:DescribeInstances", (503, "RequestLimitExceeded")),
        ("autoscaling:DescribeAutoScalingInstances", (400, "Throttling")),
        ("elbv2:DescribeTargetGroups", (400, "Throttling")),
        ("sts:GetCallerIdentity", (400, "Throttling")),
        ("ssm:GetParametersByPath", (400, "ThrottlingException")),
        ("secretsmanager:ListSecrets", (400, "ThrottlingException")),
        ("s3:GET", (503, "SlowDown")),
        ("imagebuilder:ListComponents", (429, "CallRateLimitExceededException")),
    ],
)
def test_above_a_limit_each_service_throttles_in_its_own_words(
    aws: Emulation, call: str, answer: tuple[int, str]
) -> None:
    aws.limit(call.partition(":")[0], rate=0, burst=2)
    ask(aws, call)
    ask(aws, call)
    assert refusal(aws, call) == answer
    assert aws.calls() == Counter({f"{call}:{REGION}": 3})
    assert aws.throttled() == Counter({f"{call}:{REGION}": 1})


def test_a_limit_is_of_one_service_and_a_new_one_replaces_it(aws: Emulation) -> None:
    aws.limit("ssm", rate=0, burst=0)
    ask(aws, "secretsmanager:ListSecrets")
    refusal(aws, "ssm:GetParametersByPath")
    aws.limit("ssm", rate=0, burst=1)
    ask(aws, "ssm:GetParametersByPath")


def test_a_bucket_fills_again(aws: Emulation) -> None:
    aws.limit("ssm", rate=1_000_000, burst=1)
    for _ in range(5):
        ask(aws, "ssm:GetParametersByPath")


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        ("ec2:DescribeInstances", "AuthFailure", 401),
        ("ec2:DescribeInstances", "UnauthorizedOperation", 403),
        ("ec2:DescribeInstances", "RequestExpired", 400),
        ("sts:GetCallerIdentity", "ExpiredToken", 403),
        ("sts:GetCallerIdentity", "AccessDenied", 403),
        ("ssm:GetParametersByPath", "ThrottlingException", 400),
        ("ssm:GetParametersByPath", "AccessDeniedException", 400),
        ("ssm:GetParametersByPath", "InternalServerError", 500),
        ("secretsmanager:ListSecrets", "ExpiredTokenException", 400),
        ("s3:GET", "AccessDenied", 403),
        ("imagebuilder:ListComponents", "ForbiddenException", 403),
        ("imagebuilder:ListComponents", 503, 503),
        ("ec2:DescribeInstances", 503, 503),
        ("autoscaling:DescribeAutoScalingInstances", "500", 500),
        ("ssm:GetParametersByPath", 500, 500),
        ("secretsmanager:ListSecrets", 503, 503),
    ],
)
def test_a_fault_reaches_boto3_as_its_code(aws: Emulation, call: str, code: str | int, status: int) -> None:
    aws.fault(call, code)
    assert refusal(aws, call) == (status, str(code))


def test_a_fault_says_the_message_that_it_was_given(aws: Emulation) -> None:
    aws.fault("ec2", "UnauthorizedOperation", message="not <you> & not here")
    with pytest.raises(ClientError, match="not <you> & not here"):
        ask(aws, "ec2:DescribeInstances")


def test_a_fault_ends_after_so_many_times_and_a_client_gets_over_it(aws: Emulation) -> None:
    aws.fault("ssm:GetParametersByPath", "ThrottlingException", times=2)
    ask(aws, "ssm:GetParametersByPath", tries=3)
    assert aws.calls() == Counter({f"ssm:GetParametersByPath:{REGION}": 3})
    assert aws.throttled() == Counter(), "a fault is no limit"


def test_a_fault_without_a_number_lasts_until_the_reset(aws: Emulation) -> None:
    aws.fault("ssm", "ThrottlingException")
    assert refusal(aws, "ssm:GetParametersByPath", tries=3) == (400, "ThrottlingException")
    aws.reset()
    ask(aws, "ssm:GetParametersByPath")


def test_a_fault_can_be_of_one_region(aws: Emulation) -> None:
    aws.fault("ec2:DescribeInstances", "AuthFailure", region=OTHER)
    ask(aws, "ec2:DescribeInstances")
    assert refusal(aws, "ec2:DescribeInstances", region=OTHER) == (401, "AuthFailure")


def test_a_fault_can_come_later(aws: Emulation) -> None:
    aws.fault("ssm:GetParametersByPath", "InternalServerError", times=1, after=1)
    ask(aws, "ssm:GetParametersByPath")
    refusal(aws, "ssm:GetParametersByPath")
    ask(aws, "ssm:GetParametersByPath")


@pytest.mark.parametrize("call", CALLS)
def test_a_dropped_connection_is_a_closed_one_and_may_be_tried_again(aws: Emulation, call: str) -> None:
    aws.drop(call, times=1)
    with pytest.raises(ConnectionClosedError):
        ask(aws, call)
    aws.drop(call, times=1)
    ask(aws, call, tries=2)
    assert aws.calls()[f"{call}:{REGION}"] == 3


def test_a_lost_answer_is_of_what_was_done(aws: Emulation) -> None:
    aws.lose("ssm:PutParameter", times=1, after=1)
    ssm = once(aws, "ssm")
    ssm.put_parameter(Name="/a/heard", Value="x", Type="String")
    with pytest.raises(ConnectionClosedError):
        ssm.put_parameter(Name="/a/lost", Value="x", Type="String")
    assert [one["Name"] for one in ssm.get_parameters_by_path(Path="/a")["Parameters"]] == ["/a/heard", "/a/lost"]


def test_a_lost_answer_can_be_of_one_region_and_ends_with_the_reset(aws: Emulation) -> None:
    aws.lose("ec2", region=OTHER)
    once(aws, "ec2").create_key_pair(KeyName="here")
    with pytest.raises(ConnectionClosedError):
        once(aws, "ec2", OTHER).create_key_pair(KeyName="there")
    aws.reset()
    assert len(once(aws, "ec2", OTHER).describe_key_pairs(KeyNames=["there"])["KeyPairs"]) == 1


def test_requests_under_way_at_the_same_time_are_counted(aws: Emulation) -> None:
    assert aws.most_in_flight() == 0
    ask(aws, "sts:GetCallerIdentity")
    assert aws.most_in_flight() == 1
    aws.latency(0.5)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda region: ask(aws, "ec2:DescribeInstances", region), [REGION, OTHER]))
    assert aws.most_in_flight() == 2


def test_a_server_that_stops_does_not_wait_out_its_latency() -> None:
    trouble = Trouble()
    trouble.latency = 3600
    trouble.end()
    assert trouble.arrive(Call("ssm", "GetParameter", REGION, "", "json", {})) is None


def run_instances(aws: Emulation, count: int, region: str = REGION) -> list[str]:
    answer = aws.client("ec2", region).run_instances(ImageId="ami-12c6146b", MinCount=count, MaxCount=count)
    return [instance["InstanceId"] for instance in answer["Instances"]]


def pages_of_instances(aws: Emulation, **settings: Any) -> list[list[str]]:
    pages = aws.client("ec2").get_paginator("describe_instances").paginate(**settings)
    return [[one["InstanceId"] for part in page["Reservations"] for one in part["Instances"]] for page in pages]


def test_instances_are_paged_by_instance_and_a_reservation_may_go_on_over_pages(aws: Emulation) -> None:
    ids = run_instances(aws, 7) + run_instances(aws, 2)
    aws.page("ec2:DescribeInstances", 4)
    pages = pages_of_instances(aws)
    assert pages == [ids[:4], ids[4:8], ids[8:]]
    first = aws.client("ec2").describe_instances()
    assert first["Reservations"][0]["OwnerId"]


def test_a_request_may_ask_for_smaller_pages_but_not_for_larger_ones(aws: Emulation) -> None:
    run_instances(aws, 6)
    aws.page("ec2:DescribeInstances", 5)
    assert [len(page) for page in pages_of_instances(aws, MaxResults=2)] == [2, 2, 2]
    assert [len(page) for page in pages_of_instances(aws, MaxResults=100)] == [5, 1]


def test_instances_asked_for_by_id_come_in_one_page(aws: Emulation) -> None:
    ids = run_instances(aws, 3)
    aws.page("ec2:DescribeInstances", 1)
    assert pages_of_instances(aws, InstanceIds=ids) == [ids]


def test_many_reservations_come_in_one_page_as_from_aws(aws: Emulation) -> None:
    """moto alone would make two pages of 101 reservations."""
    ids = [run_instances(aws, 1)[0] for _ in range(101)]
    assert pages_of_instances(aws) == [ids]


def test_no_instances_are_one_empty_page(aws: Emulation) -> None:
    assert pages_of_instances(aws) == [[]]


def test_a_token_that_nobody_gave_out_is_refused(aws: Emulation) -> None:
    with pytest.raises(ClientError, match="InvalidNextToken"):
        aws.client("ec2").describe_instances(NextToken="mine")


def test_instances_of_auto_scaling_come_by_fifty(aws: Emulation) -> None:
    autoscaling = aws.client("autoscaling")
    autoscaling.create_launch_configuration(
        LaunchConfigurationName="any", ImageId="ami-12c6146b", InstanceType="t3.micro"
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="many",
        LaunchConfigurationName="any",
        MinSize=60,
        MaxSize=60,
        AvailabilityZones=[f"{REGION}a"],
    )
    paginator = autoscaling.get_paginator("describe_auto_scaling_instances")
    pages = [[one["InstanceId"] for one in page["AutoScalingInstances"]] for page in paginator.paginate()]
    assert [len(page) for page in pages] == [50, 10]
    assert len({one for page in pages for one in page}) == 60


def test_parameters_come_in_smaller_pages(aws: Emulation) -> None:
    ssm = aws.client("ssm")
    for number in range(5):
        ssm.put_parameter(Name=f"/a/{number}", Value="x", Type="String")
    aws.page("ssm:GetParametersByPath", 2)
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/a")
    assert [len(page["Parameters"]) for page in pages][:3] == [2, 2, 1]


def test_what_aws_does_not_page_cannot_be_paged(aws: Emulation) -> None:
    with pytest.raises(ValueError, match="sts:GetCallerIdentity has no pages"):
        aws.page("sts:GetCallerIdentity", 2)


def test_replay_answers_from_memory_and_still_counts_and_fails(aws: Emulation) -> None:
    run_instances(aws, 3)
    aws.page("ec2:DescribeInstances", 2)
    aws.replay(True)
    before = pages_of_instances(aws)
    run_instances(aws, 1)
    assert pages_of_instances(aws) == before
    assert aws.calls()[f"ec2:DescribeInstances:{REGION}"] == 4
    aws.fault("ec2:DescribeInstances", "AuthFailure")
    refusal(aws, "ec2:DescribeInstances")
    aws.reset()
    assert sum(map(len, pages_of_instances(aws))) == 4


def test_an_empty_aws_has_nothing_of_before(aws: Emulation) -> None:
    aws.replay(True)
    run_instances(aws, 1)
    assert pages_of_instances(aws) != [[]]
    aws.reset_data()
    assert pages_of_instances(aws) == [[]]


def test_a_connection_is_used_again(aws: Emulation) -> None:
    """As with AWS; a client that makes a connection for each call should look as expensive here as there."""
    client = aws.client("ssm")
    made = []
    pool = client._endpoint.http_session._manager.connection_from_url(aws.endpoint)
    for _ in range(3):
        client.get_parameters_by_path(Path="/a")
        made.append(pool.num_connections)
    assert made == [1, 1, 1]


def test_bodies_and_links_of_s3_arrive_whole(aws: Emulation) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": REGION})
    data = bytes(range(256)) * 1000
    s3.put_object(Bucket="things", Key="a key/with+signs", Body=data)
    assert s3.get_object(Bucket="things", Key="a key/with+signs")["Body"].read() == data
    assert s3.head_object(Bucket="things", Key="a key/with+signs")["ContentLength"] == len(data)


@pytest.mark.parametrize(("host", "reached"), [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1")])
def test_it_can_listen_elsewhere(host: str, reached: str) -> None:
    with Emulation.start(host=host) as aws:
        assert aws.endpoint.startswith(f"http://{reached}:")
        assert aws.client("sts").get_caller_identity()["Account"] == ACCOUNT


class Nothing:
    """Makes images of nothing."""

    def run(self, _job: Job) -> str:
        return "of-nothing"


def test_it_can_be_a_process_with_a_builder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    command = [sys.executable, "-m", "tests.emulation", "--host", "127.0.0.2", "--builder", f"{THIS}:Nothing"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            environ = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines(process, 7))
            ec2 = make("ec2", environ["AWS_ENDPOINT_URL"], REGION)
            assert ec2.describe_images()["Images"] == []
            parent = ec2.register_image(Name="parent", RootDeviceName="/dev/sda1")["ImageId"]
            images = make("imagebuilder", environ["AWS_ENDPOINT_URL"], REGION)
            recipe = images.create_image_recipe(name="web", semanticVersion="1.0.0", parentImage=parent)
            place = images.create_infrastructure_configuration(name="here", instanceProfileName="builder")
            images.create_image(
                imageRecipeArn=recipe["imageRecipeArn"],
                infrastructureConfigurationArn=place["infrastructureConfigurationArn"],
            )
            arn = "arn:aws:imagebuilder:eu-west-1:123456789012:image/web/1.0.0/1"
            images.get_waiter("image_available").wait(
                imageBuildVersionArn=arn, WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200}
            )
            made = ec2.describe_images(Filters=[{"Name": "tag:LabImage", "Values": ["of-nothing"]}])["Images"]
            assert len(made) == 1
        finally:
            process.terminate()
        said = process.stdout.read()
    assert process.returncode == 0
    assert "1 imagebuilder:CreateImage:eu-west-1, 0 of them throttled" in said


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    return [process.stdout.readline() for _ in range(count)]
