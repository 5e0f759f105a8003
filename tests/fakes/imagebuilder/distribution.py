# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a finished build goes: AMIs in EC2, parameters in SSM, versions of launch templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .configurations import BUILD_DATE
from .region import Region

# Distribution settings that a configuration may have, and that no image goes through here.
NOT_CARRIED_OUT = (
    "containerDistributionConfiguration",
    "fastLaunchConfigurations",
    "licenseConfigurationArns",
    "s3ExportConfiguration",
)


class DistributionError(Exception):
    """It did not get to one region."""

    def __init__(self, region: str, account: str, message: str, step: str | None = None) -> None:
        super().__init__(f"In region '{region}' - '{message}'")
        failure = {"region": region, "status": "FAILED", "errorMessage": message, "targetAccountId": account}
        self.failure = failure | ({"imageConfigurationStep": step} if step else {})

    @property
    def context(self) -> dict[str, Any]:
        return {"distributionFailure": {"errorMessage": str(self), "regionFailures": [self.failure]}}


@dataclass(frozen=True)
class Distributor:
    """Takes one image to every region and account of its configuration."""

    region: Region
    image: dict[str, Any]
    snapshot: str

    @property
    def _targets(self) -> list[dict[str, Any]]:
        configured = self.image.get("distributionConfiguration", {}).get("distributions")
        return configured or [{"region": self.region.name}]

    @property
    def first(self) -> str:
        return str(self._targets[0]["region"])

    @property
    def integrates(self) -> bool:
        return any(
            target.get(key)
            for target in self._targets
            for key in ("ssmParameterConfigurations", "launchTemplateConfigurations")
        )

    def amis(self) -> Iterator[dict[str, Any]]:
        """Register them, one by one, as `outputResources.amis` has them."""
        for target in self._targets:
            settings = target.get("amiDistributionConfiguration", {})
            for account in settings.get("targetAccountIds", [self.region.account]):
                unknown = [key for key in NOT_CARRIED_OUT if target.get(key)]
                if unknown:
                    raise DistributionError(
                        target["region"], account, f"the emulated Image Builder does not carry out {unknown[0]}"
                    )
                try:
                    yield self._registered(target["region"], account, settings)
                except (BotoCoreError, ClientError) as error:
                    raise DistributionError(target["region"], account, f"EC2 Client Error: '{error}'") from error

    def _registered(self, region: str, account: str, settings: dict[str, Any]) -> dict[str, Any]:
        ec2 = self.region.client("ec2", region=region, account=account)
        date = self.region.clock.text().replace(":", "-")
        name = BUILD_DATE.sub(date, settings.get("name") or f"{self.image['name']} {date}")
        description = settings.get("description") or self.image["imageRecipe"].get("description")
        described = {"Description": description} if description else {}
        image = ec2.register_image(Name=name, RootDeviceName="/dev/sda1", **described)["ImageId"]
        ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value} for key, value in self._tags(settings)])
        self._share(ec2, image, settings.get("launchPermission", {}))
        ami = {"region": region, "image": image, "name": name, "accountId": account, "state": {"status": "AVAILABLE"}}
        return ami | ({"description": description} if description else {})

    def _tags(self, settings: dict[str, Any]) -> list[tuple[str, str]]:
        of_service = {
            "Ec2ImageBuilderArn": self.image["arn"],
            "CreatedBy": "EC2 Image Builder",
            "LabImage": self.snapshot,
        }
        chosen = self.image["imageRecipe"].get("amiTags", {}) | settings.get("amiTags", {})
        return list((chosen | of_service).items())

    def _share(self, ec2: Any, image: str, permission: dict[str, Any]) -> None:
        added = [
            {key: value}
            for member, key in (
                ("userIds", "UserId"),
                ("userGroups", "Group"),
                ("organizationArns", "OrganizationArn"),
                ("organizationalUnitArns", "OrganizationalUnitArn"),
            )
            for value in permission.get(member, [])
        ]
        if added:
            ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": added})

    def integrate(self, amis: list[dict[str, Any]]) -> None:
        for target in self._targets:
            here = {ami["accountId"]: ami["image"] for ami in amis if ami["region"] == target["region"]}
            for template in target.get("launchTemplateConfigurations", []):
                self._update_template(target["region"], template, here)
            for parameter in target.get("ssmParameterConfigurations", []):
                self._put_parameter(target["region"], parameter, here)

    def _update_template(self, region: str, template: dict[str, Any], amis: dict[str, str]) -> None:
        account = template.get("accountId", self.region.account)
        identity = template["launchTemplateId"]
        ec2 = self.region.client("ec2", region=region, account=account)
        try:
            made = ec2.create_launch_template_version(
                LaunchTemplateId=identity,
                SourceVersion="$Latest",
                LaunchTemplateData={"ImageId": amis[account]},
            )
            if template.get("setDefaultVersion", True):
                number = made["LaunchTemplateVersion"]["VersionNumber"]
                ec2.modify_launch_template(LaunchTemplateId=identity, DefaultVersion=str(number))
        except (BotoCoreError, ClientError) as error:
            raise DistributionError(
                region, account, f"EC2 Client Error: '{error}'", "UPDATE_LAUNCH_TEMPLATES"
            ) from error

    def _put_parameter(self, region: str, parameter: dict[str, Any], amis: dict[str, str]) -> None:
        account = parameter.get("amiAccountId", self.region.account)
        try:
            self.region.client("ssm", region=region, account=account).put_parameter(
                Name=parameter["parameterName"],
                Value=amis[account],
                Type="String",
                DataType=parameter.get("dataType", "text"),
                Overwrite=True,
            )
        except (BotoCoreError, ClientError) as error:
            raise DistributionError(region, account, f"SSM Client Error: '{error}'", "PUT_SSM_PARAMETERS") from error
