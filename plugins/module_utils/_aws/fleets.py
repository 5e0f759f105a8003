# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is of a fleet, and what it stands on. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ClientError, code_of, translated
from .paging import pages

_PAGE = 200
_ALARMS = 100
_ACTIVITIES = 50
_TAGGED_AT_ONCE = 20
_NO_TEMPLATE = frozenset({"InvalidLaunchTemplateName.NotFoundException", "InvalidLaunchTemplateId.NotFound"})
_BOOT = "dtk:boot"
_KEPT = 24  # characters of a target group's name that are never cut


def subnets(client: Any, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Subnet to its VPC and zone. What is not there is left out."""
    with translated(f"read the subnets {', '.join(ids)}", client):
        # By filter: asked by id, AWS fails for all of them if one is not there.
        found = client.describe_subnets(Filters=[{"Name": "subnet-id", "Values": list(ids)}])["Subnets"]
    return {one["SubnetId"]: {"vpc": one["VpcId"], "zone": one["AvailabilityZone"]} for one in found}


def vpc_ranges(client: Any, vpc: str) -> list[str]:
    """The addresses of a VPC."""
    with translated(f"read the VPC {vpc}", client):
        found = client.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"]
    if not found:
        return []
    associated = [
        one["CidrBlock"]
        for one in found[0].get("CidrBlockAssociationSet") or ()
        if one.get("CidrBlockState", {}).get("State", "associated") == "associated"
    ]
    return sorted({found[0]["CidrBlock"], *associated})


def security_groups(client: Any, ids: Sequence[str]) -> dict[str, str]:
    """Security group to its VPC. What is not there is left out."""
    if not ids:
        return {}
    with translated(f"read the security groups {', '.join(ids)}", client):
        filters = [{"Name": "group-id", "Values": sorted(set(ids))}]
        found = client.describe_security_groups(Filters=filters)["SecurityGroups"]
    return {one["GroupId"]: one["VpcId"] for one in found}


def image(client: Any, image_id: str) -> dict[str, Any] | None:
    """What a launch template must know of an AMI; None if it is not there, or not for this account."""
    with translated(f"read the image {image_id}", client):
        filters = [{"Name": "image-id", "Values": [image_id]}]
        found = client.describe_images(Filters=filters, IncludeDeprecated=True)["Images"]
    if not found:
        return None
    device = found[0].get("RootDeviceName") or "/dev/xvda"
    sizes = {
        one.get("DeviceName"): one.get("Ebs", {}).get("VolumeSize") for one in found[0].get("BlockDeviceMappings", ())
    }
    return {
        "image_id": found[0]["ImageId"],
        "name": found[0].get("Name", ""),
        "state": found[0].get("State", "available"),
        "root_device": device,
        "size": sizes.get(device) or 0,
    }


def template(client: Any, name: str) -> dict[str, Any] | None:
    """The newest version of a launch template; None if there is none of this name."""
    with translated(f"read the launch template {name}", client):
        try:
            found = client.describe_launch_template_versions(LaunchTemplateName=name, Versions=["$Latest"])
        except ClientError as exc:
            if code_of(exc) in _NO_TEMPLATE:
                return None
            raise
    if not found["LaunchTemplateVersions"]:
        return None
    newest = found["LaunchTemplateVersions"][0]
    return {
        "id": newest["LaunchTemplateId"],
        "version": str(newest["VersionNumber"]),
        "description": newest.get("VersionDescription") or "",
        "image_id": newest["LaunchTemplateData"].get("ImageId", ""),
    }


def instances(client: Any, env: str, role: str) -> dict[str, dict[str, str]]:
    """Instances of the fleet by their id, those included that ended not long ago, with what they say of their boot."""
    filters = [{"Name": f"tag:dtk:{key}", "Values": [value]} for key, value in (("env", env), ("role", role))]
    found: dict[str, dict[str, str]] = {}
    with translated(f"list the instances of {role} in {env}", client):
        for page in pages(client, "describe_instances", _PAGE, Filters=filters):
            for reservation in page["Reservations"]:
                for one in reservation["Instances"]:
                    tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
                    reason = one.get("StateReason", {}).get("Message", "")
                    known = {"state": one["State"]["Name"], "boot": tags.get(_BOOT, ""), "reason": reason}
                    found[one["InstanceId"]] = {**known, "launched": one["LaunchTime"].isoformat()}
    return found


def activities(client: Any, group: str) -> list[dict[str, str]]:
    """What Auto Scaling did and tried in the group, the newest first."""
    with translated(f"read the scaling activities of {group}", client):
        found = client.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=_ACTIVITIES)["Activities"]
    return [
        {
            "status": one["StatusCode"],
            "what": one.get("Description", ""),
            "message": one.get("StatusMessage") or "",
            "at": one["StartTime"].isoformat(),
        }
        for one in found
    ]


def target_groups(client: Any, env: str, role: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Those of these names or ARNs, and those that carry the tags of the fleet, which it has made."""
    # A long name is cut, and ends with a hash then.
    begins = f"dtk-{env}-".replace("_", "-")[:_KEPT].rstrip("-")
    with translated(f"list the target groups of {client.meta.region_name}", client):
        listed = [
            one
            for page in client.get_paginator("describe_target_groups").paginate()
            for one in page["TargetGroups"]
            if {one["TargetGroupName"], one["TargetGroupArn"]} & set(names) or one["TargetGroupName"].startswith(begins)
        ]
        tags = _tags(client, [one["TargetGroupArn"] for one in listed])
    found = [_target_group(one, tags[one["TargetGroupArn"]], env, role) for one in listed]
    return [one for one in found if one["owned"] or {one["name"], one["arn"]} & set(names)]


def _tags(client: Any, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {arn: {} for arn in arns}
    for start in range(0, len(arns), _TAGGED_AT_ONCE):
        answer = client.describe_tags(ResourceArns=list(arns[start : start + _TAGGED_AT_ONCE]))
        for one in answer["TagDescriptions"]:
            found[one["ResourceArn"]] = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
    return found


def _target_group(found: Mapping[str, Any], tags: Mapping[str, str], env: str, role: str) -> dict[str, Any]:
    arns = found.get("LoadBalancerArns") or []
    return {
        "arn": found["TargetGroupArn"],
        "name": found["TargetGroupName"],
        "protocol": found.get("Protocol", ""),
        "port": found.get("Port"),
        "vpc": found.get("VpcId", ""),
        "kind": found.get("TargetType", "instance"),
        "owned": (tags.get("dtk:env"), tags.get("dtk:role")) == (env, role),
        # As metrics and policies name them: app/<name>/<id> and targetgroup/<name>/<id>.
        "balancers": [arn.partition(":loadbalancer/")[2] for arn in arns],
        "label": found["TargetGroupArn"].rpartition(":")[2],
    }


def alarms(client: Any, prefix: str) -> dict[str, str]:
    """The alarms whose name begins with the prefix, and how they stand."""
    with translated(f"list the alarms {prefix}*", client):
        return {
            one["AlarmName"]: one["StateValue"]
            for page in pages(client, "describe_alarms", _ALARMS, AlarmNamePrefix=prefix)
            for one in page["MetricAlarms"]
        }


def role(client: Any, name: str) -> dict[str, str] | None:
    """The role of the instances, with its boundary; None if it is not there."""
    with translated(f"read the role {name}", client):
        try:
            found = client.get_role(RoleName=name)["Role"]
        except ClientError as exc:
            if code_of(exc) == "NoSuchEntity":
                return None
            raise
    return {"arn": found["Arn"], "boundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")}
