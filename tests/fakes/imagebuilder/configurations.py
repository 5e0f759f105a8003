# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where images are built, and where they go."""

from __future__ import annotations

import re
from typing import Any

from .named import Kind, pipelines_with, refuse
from .region import Parameters, Region

_RESERVED_TAGS = frozenset({"CreatedBy", "Ec2ImageBuilderArn", "Name", "Tags"})
BUILD_DATE = re.compile(r"\{\{\s*imagebuilder:buildDate\s*\}\}")


def _infrastructure(_region: Region, parameters: Parameters) -> Parameters:
    if "subnetId" in parameters and not parameters.get("securityGroupIds"):
        refuse("The value supplied for 'securityGroupIds' is not valid: a subnet needs at least one security group.")
    for key in parameters.get("resourceTags", {}):
        if key in _RESERVED_TAGS or key.startswith("aws:"):
            refuse(f"The value supplied for 'resourceTags' is not valid: the key '{key}' is reserved.")
    return {
        "terminateInstanceOnFailure": parameters.get("terminateInstanceOnFailure", True),
        "terminateInstanceOnCompletion": parameters.get("terminateInstanceOnCompletion", True),
    }


def _distribution(region: Region, parameters: Parameters) -> Parameters:
    regions = [one["region"] for one in parameters["distributions"]]
    if len(set(regions)) != len(regions):
        refuse("The value supplied for 'distributions' is not valid: a Region is in it more than once.")
    for one in parameters["distributions"]:
        _check_ami(one)
        _check_parameters(region, one)
    return {"timeoutMinutes": 720}


def _check_ami(one: dict[str, Any]) -> None:
    name = one.get("amiDistributionConfiguration", {}).get("name")
    if name is not None and not BUILD_DATE.search(name):
        refuse(
            f"The value '{name}' supplied for 'amiDistributionConfiguration.name' is not valid: it must include "
            "{{ imagebuilder:buildDate }}."
        )


def _check_parameters(region: Region, one: dict[str, Any]) -> None:
    accounts = one.get("amiDistributionConfiguration", {}).get("targetAccountIds", [region.account])
    for parameter in one.get("ssmParameterConfigurations", []):
        account = parameter.get("amiAccountId", region.account)
        if account not in {region.account, *accounts}:
            refuse(
                f"The value '{account}' supplied for 'ssmParameterConfigurations.amiAccountId' is not valid: it is no "
                f"target account of {one['region']}."
            )


def _summary(thing: dict[str, Any]) -> dict[str, Any]:
    return thing | {"regions": [one["region"] for one in thing["distributions"]]}


INFRASTRUCTURE = Kind(
    kind="infrastructure-configuration",
    noun="InfrastructureConfiguration",
    plural="InfrastructureConfigurations",
    key="infrastructureConfigurationArn",
    member="infrastructureConfiguration",
    items="infrastructureConfigurationSummaryList",
    complete=_infrastructure,
    users=pipelines_with("infrastructureConfigurationArn"),
)
DISTRIBUTION = Kind(
    kind="distribution-configuration",
    noun="DistributionConfiguration",
    plural="DistributionConfigurations",
    key="distributionConfigurationArn",
    member="distributionConfiguration",
    items="distributionConfigurationSummaryList",
    complete=_distribution,
    users=pipelines_with("distributionConfigurationArn"),
    summary=_summary,
)
OPERATIONS = INFRASTRUCTURE.operations() | DISTRIBUTION.operations()
