# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an instance of a fleet may do in AWS: what dtk-converge does for the apps of its server role, and no more.

What apps do themselves, and customer keys of KMS that settings, secrets or artifacts are encrypted with, stand in
dtk_fleet.statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import boot_facts

Statement = dict[str, Any]
ASSUMED_BY_INSTANCES: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_READ_PARAMETERS = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
# Secrets Manager puts six characters of its own after the name of a secret.
_SUFFIX = "-??????"


@dataclass(frozen=True)
class Place:
    """Where in AWS the fleet is."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def policy(fleet: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The policy of a resolved fleet's instances."""
    statements = [
        *_deploy_logs(fleet, place),
        *_settings(fleet, place),
        *_secrets(fleet, place),
        *_releases(fleet, place),
        *_report(fleet, place),
        *_group(fleet, place),
        *(dict(one) for one in fleet["statements"]),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str], **condition: Any) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
        **({"Condition": condition} if condition else {}),
    }


def _parameters(place: Place, paths: Sequence[str]) -> list[str]:
    """A path and all below it. Listing is asked of the path itself, and then IAM looks no deeper."""
    return [place.arn("ssm", f"parameter{path}{tail}") for path in paths for tail in ("", "/*")]


def _deploy_logs(fleet: Mapping[str, Any], place: Place) -> list[Statement]:
    paths = [f"{fleet['prefix']}/{fleet['env']}/{app}/deploy" for app in sorted(fleet["apps"])]
    return [_allow("ReadDeployLogs", _READ_PARAMETERS, _parameters(place, paths))] if paths else []


def _settings(fleet: Mapping[str, Any], place: Place) -> list[Statement]:
    """Those layers that its apps have settings in, in the very order in which a host reads them."""
    facts = boot_facts.Facts(fleet["env"], fleet["role"], fleet["prefix"], fleet["bucket"])
    apps = [name for name, app in sorted(fleet["apps"].items()) if "config" in app]
    paths = list(dict.fromkeys(path for app in apps for path in facts.settings_paths(app)))
    return [_allow("ReadSettings", _READ_PARAMETERS, _parameters(place, paths))] if paths else []


def _secrets(fleet: Mapping[str, Any], place: Place) -> list[Statement]:
    ids = {
        secret["secret"].replace("{env}", fleet["env"]) for app in fleet["apps"].values() for secret in app["secrets"]
    }
    arns = [one if one.startswith("arn:") else place.arn("secretsmanager", f"secret:{one}{_SUFFIX}") for one in ids]
    return [_allow("ReadSecrets", ["secretsmanager:GetSecretValue"], sorted(arns))] if arns else []


def _releases(fleet: Mapping[str, Any], place: Place) -> list[Statement]:
    bucket, apps = fleet["bucket"], sorted(fleet["apps"])
    if not bucket or not apps:
        return []
    arn = f"arn:{place.partition}:s3:::{bucket}"
    return [
        _allow("ReadReleases", ["s3:GetObject"], [f"{arn}/{app}/*" for app in apps]),
        # So that a release which is not there can be told from one that must not be read, and the others be named.
        _allow("ListReleases", ["s3:ListBucket"], [arn], StringLike={"s3:prefix": [f"{app}/*" for app in apps]}),
    ]


def _report(fleet: Mapping[str, Any], place: Place) -> list[Statement]:
    """Tags of the instance itself, and of these only those that are a report.

    Said twice, since which keys AWS fills in for CreateTags it tells nowhere in one place, and an instance that may not
    report could not come up. A key that is not there makes its statement allow nothing, so each alone is as narrow.
    The first compares the instance from which the call comes with the one that it is about as AWS itself does in its
    managed policy AWSEC2VssSnapshotPolicy, the second by the ARN of the resource.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSEC2VssSnapshotPolicy.html
    """
    keys = [boot_facts.BOOT, *(f"{boot_facts.APP}{app}" for app in sorted(fleet["apps"]))]
    only = {"ForAllValues:StringLike": {"aws:TagKeys": keys}}
    any_instance, itself = place.arn("ec2", "instance/*"), place.arn("ec2", "instance/${ec2:InstanceId}")
    conditions = {
        "ReportOfItself": {"ArnEquals": {"ec2:SourceInstanceARN": itself}},
        "ReportOfItselfByArn": {"StringEquals": {"aws:ARN": "${ec2:SourceInstanceARN}"}},
    }
    return [_allow(sid, ["ec2:CreateTags"], [any_instance], **same, **only) for sid, same in conditions.items()]


def _group(fleet: Mapping[str, Any], place: Place) -> list[Statement]:
    group = place.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{fleet['name']}")
    acts = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
    return [
        _allow("AnswerItsGroup", acts, [group]),
        # AWS knows no resource for this one.
        _allow("AskForItsGroup", ["autoscaling:DescribeAutoScalingInstances"], ["*"]),
    ]
