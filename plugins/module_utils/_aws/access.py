# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients for whatever region, credentials and role a user names; what is not named comes from the environment."""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass, field
from typing import Any

from .errors import NO_REGION, AwsError, client_options, fail_fast, translated

_RENEW_BEFORE = 300  # seconds


@dataclass(frozen=True)
class Access:
    """All that decides which account and region answer; equal accesses get equal answers within a run."""

    region: str | None = None
    profile: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    aws_ca_bundle: str | None = None
    validate_certs: bool = True
    assume_role_arn: str | None = None
    external_id: str | None = None


@dataclass
class Connection:
    """A client and the time at which its credentials must be renewed."""

    client: Any
    expires: float = float("inf")

    def is_good(self) -> bool:
        return time.time() < self.expires - _RENEW_BEFORE


def connect(service: str, access: Access) -> Connection:
    """A patient client of the service; a role is assumed right away."""
    if access.profile and access.access_key:
        raise AwsError("The options profile and access_key exclude each other. Give one of them.")
    try:
        from botocore.session import Session
    except ImportError:
        raise AwsError("The Python that runs Ansible has no botocore. Install boto3 for it.") from None
    with translated(f"reach the AWS service {service}"):
        session = Session(profile=access.profile)
        if not (access.region or session.get_config_variable("region")):
            raise AwsError(f"Cannot reach the AWS service {service}: {NO_REGION}")
        keys = {
            "aws_access_key_id": access.access_key,
            "aws_secret_access_key": access.secret_key,
            "aws_session_token": access.session_token,
        }
        if not access.assume_role_arn:
            return Connection(_client(session, service, access, keys))
    return _as_role(session, service, access, keys)


def _as_role(session: Any, service: str, access: Access, keys: dict[str, Any]) -> Connection:
    sts = _client(session, "sts", access, keys)
    arguments = {"RoleArn": access.assume_role_arn, "RoleSessionName": f"dtk-{getpass.getuser()}"[:64]}
    if access.external_id:
        arguments["ExternalId"] = access.external_id
    with translated(f"assume the role {access.assume_role_arn}", sts):
        given = sts.assume_role(**arguments)["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        return Connection(_client(session, service, access, keys), given["Expiration"].timestamp())


def _client(session: Any, service: str, access: Access, keys: dict[str, Any]) -> Any:
    verify = access.aws_ca_bundle if access.validate_certs else False
    return fail_fast(
        session.create_client(
            service,
            region_name=access.region,
            endpoint_url=access.endpoint_url,
            verify=verify,
            **keys,
            **client_options(),
        )
    )
