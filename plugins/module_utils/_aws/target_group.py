# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One target group of a load balancer. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import AwsError, ClientError, code_of, translated


class InUseError(AwsError):
    """A listener forwards to it."""


def read(client: Any, name: str) -> dict[str, Any] | None:
    """The target group as AWS describes it, with Attributes and Tags as mappings; None if there is none."""
    with translated(f"read the target group {name}", client):
        try:
            found = client.describe_target_groups(Names=[name])["TargetGroups"]
            if not found:
                return None
            arn = found[0]["TargetGroupArn"]
            attributes = client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
            tags = client.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        except ClientError as exc:
            if code_of(exc) == "TargetGroupNotFound":
                return None
            raise
    return {
        **found[0],
        "Attributes": {one["Key"]: one["Value"] for one in attributes},
        "Tags": {tag["Key"]: tag["Value"] for one in tags for tag in one.get("Tags", ())},
    }


def create(client: Any, name: str, request: Mapping[str, Any]) -> str:
    """Make it; returns its ARN."""
    with translated(f"create the target group {name}", client):
        return client.create_target_group(Name=name, **request)["TargetGroups"][0]["TargetGroupArn"]


def act(client: Any, name: str, call: str, arguments: Mapping[str, Any]) -> None:
    """One call that changes something, by botocore's name of it."""
    with translated(f"{call.replace('_', ' ')} of the target group {name}", client):
        getattr(client, call)(**arguments)


def delete(client: Any, name: str, arn: str) -> None:
    """Delete it; InUseError as long as a listener forwards to it."""
    with translated(f"delete the target group {name}", client):
        try:
            client.delete_target_group(TargetGroupArn=arn)
        except ClientError as exc:
            if code_of(exc) == "ResourceInUse":
                raise InUseError(name) from exc
            raise
