# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of warm pools; capacity.py keeps them at their sizes."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.contract import RefusalError

from . import capacity, groups, lifecycle, words
from .region import Region, invalid
from .state import Group, Parameters, Pool

_UNLIMITED = -1


def _put(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if group.refresh:
        raise RefusalError("InstanceRefreshInProgress", "An active Instance Refresh blocks changes of the warm pool.")
    if group.pool and group.pool.status:
        raise invalid(f"The warm pool of {group.name} is being deleted.")
    if "MixedInstancesPolicy" in group.config:
        raise invalid("You can't add a warm pool to an Auto Scaling group that has a mixed instances policy.")
    pool = group.pool or Pool()
    prepared = parameters.get("MaxGroupPreparedCapacity", pool.prepared)
    least = parameters.get("MinSize", pool.minimum)
    if least < 0 or (prepared is not None and prepared < _UNLIMITED):
        raise invalid("MinSize and MaxGroupPreparedCapacity must not be negative.")
    group.pool = Pool(
        minimum=least,
        prepared=None if prepared == _UNLIMITED else prepared,
        state=parameters.get("PoolState", pool.state),
        reuse=parameters.get("InstanceReusePolicy", {}).get("ReuseOnScaleIn", pool.reuse),
    )
    region.touch()
    return {}


def _describe(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    found = groups.described_instances(group.warm)
    answer = region.page("DescribeWarmPool", "Instances", found, parameters, size=50, most=50)
    shown = capacity.described_pool(group)
    return answer | ({"WarmPoolConfiguration": shown} if shown else {})


def _delete(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if group.pool is None:
        raise invalid(f"No warm pool found for Auto Scaling group {group.name}.")
    group.pool.status = "PendingDelete"
    if parameters.get("ForceDelete"):
        _empty(region, group)
    region.touch()
    return {}


def _empty(region: Region, group: Group) -> None:
    for instance in group.warm:
        if not instance.ending:
            cause = words.by_user(instance.id, "taken out of service", 0, 0)
            lifecycle.take_out(region, group, instance, words.at(region.now, cause))
        instance.hooked, instance.actions = False, []


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "PutWarmPool": _put,
    "DescribeWarmPool": _describe,
    "DeleteWarmPool": _delete,
}
