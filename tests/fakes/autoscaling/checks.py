# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group may be given: checked before anything is made of it."""

from __future__ import annotations

from typing import Any

from . import capacity
from .cloud import BY_PARAMETER, CloudError, specification
from .region import Region, invalid, not_emulated
from .state import Parameters

CONFIGS = ("LaunchTemplate", "MixedInstancesPolicy")
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
_HEALTH_CHECKS = frozenset({"EC2", "ELB", "EBS", "VPC_LATTICE"})
_ONE_CONFIG = (
    "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy "
    "parameter."
)
_CLEARED = -1


def check_sizes(sizes: dict[str, Any]) -> None:
    least, most, desired = (sizes[key] for key in SIZES)
    if least < 0 or most < 0:
        raise invalid("Min and max size must not be negative.")
    if most < least:
        raise invalid(f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if not least <= desired <= most:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")


def check_settings(settings: dict[str, Any]) -> None:
    unknown = set(settings["HealthCheckType"].split(",")) - _HEALTH_CHECKS
    if unknown:
        raise invalid(f"Invalid HealthCheckType(s): {', '.join(sorted(unknown))}")
    unknown = set(settings["TerminationPolicies"]) - capacity.TERMINATION_POLICIES
    if unknown:
        raise invalid(f"Invalid Termination policies: {', '.join(sorted(unknown))}")
    if settings["HealthCheckGracePeriod"] < 0 or settings["DefaultCooldown"] < 0:
        raise invalid("HealthCheckGracePeriod and DefaultCooldown must not be negative.")
    _check_maintenance(settings.get("InstanceMaintenancePolicy", {}))


def _check_maintenance(policy: dict[str, int]) -> None:
    if not policy or set(policy.values()) == {_CLEARED}:
        return
    least, most = policy.get("MinHealthyPercentage"), policy.get("MaxHealthyPercentage")
    if least is None or most is None or not 0 <= most - least <= 100 or most < 100:
        raise invalid(
            "MinHealthyPercentage (0 to 100) and MaxHealthyPercentage (100 to 200) must both be specified, and the "
            "difference between them cannot be greater than 100."
        )


def without_cleared(settings: dict[str, Any]) -> dict[str, Any]:
    """-1 takes some settings back."""
    policy = settings.get("InstanceMaintenancePolicy", {})
    return {
        key: value
        for key, value in settings.items()
        if not (key == "DefaultInstanceWarmup" and value == _CLEARED)
        and not (key == "InstanceMaintenancePolicy" and _CLEARED in policy.values())
    }


def checked_config(region: Region, parameters: Parameters) -> dict[str, Any]:
    """What to launch: one launch template or mixed instances policy, in which everything is to be found."""
    found = {key: parameters[key] for key in CONFIGS if key in parameters}
    if len(found) != 1:
        raise invalid(_ONE_CONFIG)
    mixed = found.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    if "MixedInstancesPolicy" in found and "LaunchTemplateSpecification" not in mixed:
        raise invalid("A mixed instances policy must have a launch template specification.")
    for override in mixed.get("Overrides", []):
        if set(override) - {"InstanceType"}:
            raise not_emulated(f"{', '.join(sorted(set(override) - {'InstanceType'}))} in overrides")
    spec = specification(found)
    if ("LaunchTemplateId" in spec) == ("LaunchTemplateName" in spec):
        raise invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    try:
        template = region.cloud.template(found)
        if not template.data.get("ImageId"):
            raise invalid("You must use a valid fully-formed launch template. The ImageId is missing.")
        if not region.cloud.image_exists(region.cloud.image(template)):
            raise invalid(_not_formed(f"The image id '[{template.data['ImageId']}]' does not exist"))
    except CloudError as error:
        raise invalid(_not_formed(error.message)) from error
    described = {key: value for key, value in template.described.items() if key != "Version"}
    spec |= described | {"Version": spec.get("Version", "$Default")}
    return found


def _not_formed(why: str) -> str:
    return f"You must use a valid fully-formed launch template. {why}"


def reversible(region: Region, config: dict[str, Any]) -> str:
    """Why a group cannot be rolled back to, or from, this configuration; empty where it can."""
    if specification(config)["Version"] in {"$Latest", "$Default"}:
        return "The launch template's version is $Latest or $Default"
    if region.cloud.template(config).data.get("ImageId", "").startswith(BY_PARAMETER):
        return "The launch template uses an AWS Systems Manager parameter instead of an AMI ID"
    return ""


def chosen_subnets(region: Region, parameters: Parameters) -> dict[str, tuple[str, str]]:
    named = [one.strip() for one in parameters.get("VPCZoneIdentifier", "").split(",") if one.strip()]
    zones = parameters.get("AvailabilityZones", [])
    if not named and not zones:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    try:
        found = region.cloud.subnets(named) if named else region.cloud.default_subnets(zones)
    except CloudError as error:
        raise invalid(error.message) from error
    missing = set(zones) - {zone for zone, _ in found.values()}
    if missing:
        raise invalid(f"There is no subnet in the Availability Zones [{', '.join(sorted(missing))}]")
    return {one: found[one] for one in named} if named else found
