# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts: whose credentials are used, and clients in any region of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import NO_REGION, AwsError, client_options, fail_fast, translated

# STS answers the same in every region; any will do if none is known.
_ANY_REGION = "us-east-1"


@dataclass(frozen=True)
class Access:
    """How AWS is reached. What is not given comes from where botocore looks: environment, profile, instance."""

    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    max_connections: int = 10


@dataclass(frozen=True)
class Account:
    """A role to assume; without one, the credentials themselves."""

    role_arn: str = ""
    external_id: str = ""
    session_name: str = "sysops.dtk.ec2_fleet"
    name: str = ""
    duration: int = 3600

    @property
    def label(self) -> str:
        """What a user calls it."""
        return self.name or self.role_arn or "own account"


class Sessions:
    """Makes clients. A botocore session is no matter for several threads, so only one of them may use this."""

    def __init__(self, access: Access, loader: Any) -> None:
        from botocore.session import Session

        self._access = access
        self._loader = loader
        self._own = Session(profile=access.profile)
        self._own.register_component("data_loader", loader)
        if access.access_key:
            self._own.set_credentials(access.access_key, access.secret_key, access.session_token)

    def own_region(self) -> str:
        """The region of the option, the environment or the profile; AwsError if there is none."""
        region = self._configured_region()
        if not region:
            raise AwsError(f"Cannot list instances: {NO_REGION} Or name regions in the option regions.")
        return region

    def any_region(self, regions: Sequence[str]) -> str:
        """A region of the right partition for what is the same in all of them."""
        return self._configured_region() or next(iter(regions), _ANY_REGION)

    def _configured_region(self) -> str:
        with translated("find the AWS region"):
            return self._access.region or self._own.get_config_variable("region") or ""

    def client(self, service: str, region: str, credentials: dict[str, str] | None = None) -> Any:
        """A client with our own credentials, or with those of a role."""
        from botocore.config import Config

        config = client_options()["config"].merge(Config(max_pool_connections=self._access.max_connections))
        with translated(f"reach the AWS service {service}"):
            client = self._own.create_client(
                service,
                region_name=region,
                endpoint_url=self._access.endpoint_url,
                config=config,
                **(credentials or {}),
            )
        return fail_fast(client)


def identity(sts: Any) -> tuple[str, str]:
    """Partition and id of the account whose credentials are used. No permission is needed for that."""
    with translated("find out the AWS account", sts):
        answer = sts.get_caller_identity()
    return answer["Arn"].split(":")[1], answer["Account"]


def assume(sts: Any, account: Account) -> dict[str, str]:
    """Credentials of the account's role, as arguments of a client."""
    arguments: dict[str, Any] = {
        "RoleArn": account.role_arn,
        "RoleSessionName": account.session_name,
        "DurationSeconds": account.duration,
    }
    if account.external_id:
        arguments["ExternalId"] = account.external_id
    with translated(f"assume the role {account.role_arn}", sts):
        answer = sts.assume_role(**arguments)["Credentials"]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }
