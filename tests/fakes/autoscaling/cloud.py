# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Auto Scaling does in other services: instances in EC2, targets in ELB, alarms in CloudWatch, messages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

BY_PARAMETER = "resolve:ssm:"
# Of a launch template: what the emulated RunInstances does not take from it by itself.
_SAID_AGAIN = ("MetadataOptions", "IamInstanceProfile", "Monitoring", "EbsOptimized", "HibernationOptions")
_IN_ONE_CALL = 100


class CloudError(Exception):
    """Another service refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise CloudError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
    except BotoCoreError as error:
        raise CloudError(type(error).__name__, str(error)) from error


@dataclass(frozen=True)
class Template:
    """A version of a launch template, resolved."""

    id: str
    name: str
    version: str  # its number
    data: dict[str, Any]

    @property
    def described(self) -> dict[str, str]:
        return {"LaunchTemplateId": self.id, "LaunchTemplateName": self.name, "Version": self.version}


@dataclass(frozen=True)
class Born:
    """What a launch made."""

    id: str
    zone: str
    subnet: str
    type: str
    image: str
    tags: dict[str, str]
    template: Template


def specification(config: dict[str, Any]) -> dict[str, str]:
    """The launch template in a configuration of a group."""
    if "LaunchTemplate" in config:
        return config["LaunchTemplate"]
    return config["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]


def wanted_types(config: dict[str, Any]) -> list[str]:
    """The instance types that a configuration has instead of the template's, the best first."""
    overrides = config.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", [])
    return [one["InstanceType"] for one in overrides if "InstanceType" in one]


class Cloud:
    """One region of it, by clients of the same endpoint."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    # --- EC2 ---

    def template(self, config: dict[str, Any]) -> Template:
        spec = specification(config)
        by = {key: value for key, value in spec.items() if key != "Version"}
        with _translated():
            answer = self._client("ec2").describe_launch_template_versions(
                **by, Versions=[spec.get("Version", "$Default")]
            )
        found = answer["LaunchTemplateVersions"]
        if not found:
            missing = f"Could not find the specified version {spec.get('Version')} for the launch template {by}."
            raise CloudError("InvalidLaunchTemplateId.VersionNotFound", missing)
        one = found[0]
        return Template(
            one["LaunchTemplateId"],
            one["LaunchTemplateName"],
            str(one["VersionNumber"]),
            one["LaunchTemplateData"],
        )

    def image(self, template: Template) -> str:
        """The AMI of a template, looked up where it is named by a parameter."""
        named: str = template.data.get("ImageId", "")
        if not named.startswith(BY_PARAMETER):
            return named
        with _translated():
            value: str = self._client("ssm").get_parameter(Name=named.removeprefix(BY_PARAMETER))["Parameter"]["Value"]
        return value

    def image_exists(self, image: str) -> bool:
        with _translated():
            return bool(self._client("ec2").describe_images(ImageIds=[image])["Images"])

    def run(self, config: dict[str, Any], subnet: str, tags: dict[str, str]) -> Born:
        template = self.template(config)
        image = self.image(template)
        asked: dict[str, Any] = {
            "LaunchTemplate": {"LaunchTemplateId": template.id, "Version": template.version},
            "ImageId": image,
            "MinCount": 1,
            "MaxCount": 1,
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            ],
            **{key: template.data[key] for key in _SAID_AGAIN if key in template.data},
            **_network(template.data.get("NetworkInterfaces", []), subnet),
        }
        for kind in wanted_types(config)[:1]:
            asked["InstanceType"] = kind
        with _translated():
            (instance,) = self._client("ec2").run_instances(**asked)["Instances"]
        return Born(
            instance["InstanceId"],
            instance["Placement"]["AvailabilityZone"],
            subnet,
            instance["InstanceType"],
            image,
            {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])},
            template,
        )

    def terminate(self, instance_id: str) -> None:
        # One that somebody else has terminated and that EC2 has forgotten is as gone as it can be.
        with contextlib.suppress(CloudError), _translated():
            self._client("ec2").terminate_instances(InstanceIds=[instance_id])

    def stop(self, instance_id: str, *, hibernate: bool) -> None:
        with contextlib.suppress(CloudError), _translated():
            self._client("ec2").stop_instances(InstanceIds=[instance_id], Hibernate=hibernate)

    def start(self, instance_id: str) -> None:
        with contextlib.suppress(CloudError), _translated():
            self._client("ec2").start_instances(InstanceIds=[instance_id])

    def described(self, instance_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What EC2 knows about those that it knows."""
        wanted = sorted(instance_ids)
        found = {}
        for start in range(0, len(wanted), _IN_ONE_CALL):
            some = [{"Name": "instance-id", "Values": wanted[start : start + _IN_ONE_CALL]}]
            with _translated():
                pages = self._client("ec2").get_paginator("describe_instances").paginate(Filters=some)
                found |= {
                    one["InstanceId"]: one
                    for page in pages
                    for reservation in page["Reservations"]
                    for one in reservation["Instances"]
                }
        return found

    def subnets(self, subnet_ids: list[str]) -> dict[str, tuple[str, str]]:
        """Zone and zone id of each."""
        with _translated():
            found = self._client("ec2").describe_subnets(SubnetIds=subnet_ids)["Subnets"]
        return {one["SubnetId"]: (one["AvailabilityZone"], one["AvailabilityZoneId"]) for one in found}

    def default_subnets(self, zones: list[str]) -> dict[str, tuple[str, str]]:
        by = [{"Name": "default-for-az", "Values": ["true"]}, {"Name": "availability-zone", "Values": zones}]
        with _translated():
            found = self._client("ec2").describe_subnets(Filters=by)["Subnets"]
        return {one["SubnetId"]: (one["AvailabilityZone"], one["AvailabilityZoneId"]) for one in found}

    # --- ELB ---

    def target_groups_exist(self, arns: list[str]) -> bool:
        try:
            self._client("elbv2").describe_target_groups(TargetGroupArns=arns)
        except ClientError:
            return False
        return True

    def register(self, arn: str, instance_ids: list[str]) -> None:
        with _translated():
            self._client("elbv2").register_targets(TargetGroupArn=arn, Targets=[{"Id": one} for one in instance_ids])

    def deregister(self, arn: str, instance_ids: list[str]) -> None:
        # The target group may be gone by now, and its targets with it.
        with contextlib.suppress(CloudError), _translated():
            self._client("elbv2").deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one} for one in instance_ids])

    def delay(self, arn: str) -> float:
        """For how many seconds a target group lets connections end."""
        try:
            found = self._client("elbv2").describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        except ClientError:
            return 0
        return next((float(one["Value"]) for one in found if one["Key"] == "deregistration_delay.timeout_seconds"), 300)

    def target_states(self, arn: str) -> dict[str, str]:
        try:
            found = self._client("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        except ClientError:
            return {}
        return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in found}

    # --- CloudWatch ---

    def alarm_states(self, names: Iterable[str]) -> dict[str, str]:
        wanted = sorted(names)
        if not wanted:
            return {}
        with _translated():
            pages = self._client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=wanted)
            return {alarm["AlarmName"]: alarm["StateValue"] for page in pages for alarm in page["MetricAlarms"]}

    def put_alarm(self, **alarm: Any) -> str:
        client = self._client("cloudwatch")
        with _translated():
            client.put_metric_alarm(**alarm)
            (made,) = client.describe_alarms(AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
        return str(made["AlarmArn"])

    def delete_alarms(self, names: list[str]) -> None:
        with _translated():
            self._client("cloudwatch").delete_alarms(AlarmNames=names)

    # --- messages ---

    def notify(self, arn: str, message: dict[str, Any]) -> None:
        """Tell a queue or a topic; one that is not there is told nothing."""
        text = json.dumps(message)
        with contextlib.suppress(CloudError), _translated():
            if arn.split(":")[2] == "sqs":
                sqs = self._client("sqs")
                url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody=text)
            else:
                self._client("sns").publish(TopicArn=arn, Message=text)


def _network(interfaces: list[dict[str, Any]], subnet: str) -> dict[str, Any]:
    """The subnet, where RunInstances takes it: beside network interfaces it belongs into the first of them."""
    if not interfaces:
        return {"SubnetId": subnet}
    first, *others = interfaces
    return {"NetworkInterfaces": [first | {"SubnetId": subnet}, *others]}
