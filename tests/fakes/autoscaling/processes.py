# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of a group, suspended and resumed, and which metrics it sends."""

from __future__ import annotations

from collections.abc import Callable

from .region import Region, invalid
from .state import PROCESSES, Parameters

METRICS = (
    *(f"Group{what}" for what in ("MinSize", "MaxSize", "DesiredCapacity")),
    *(
        f"Group{state}{unit}"
        for state in ("InService", "Pending", "Standby", "Terminating", "Total")
        for unit in ("Instances", "Capacity")
    ),
    *(f"WarmPool{what}" for what in ("DesiredCapacity", "WarmedCapacity", "PendingCapacity", "TerminatingCapacity")),
    *("WarmPoolTotalCapacity", "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity"),
)


def _processes(parameters: Parameters) -> list[str]:
    names: list[str] = parameters.get("ScalingProcesses", []) or list(PROCESSES)
    unknown = [name for name in names if name not in PROCESSES]
    if unknown:
        raise invalid(f"Invalid process names: {', '.join(unknown)}. The valid ones are {', '.join(PROCESSES)}.")
    return names


def _suspend(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    reason = f"User suspended at {region.now.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    group.suspended |= dict.fromkeys(_processes(parameters), reason)
    region.touch()
    return {}


def _resume(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    for name in _processes(parameters):
        group.suspended.pop(name, None)
    region.touch()
    return {}


def _metrics(parameters: Parameters) -> list[str]:
    names: list[str] = parameters.get("Metrics", []) or list(METRICS)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise invalid(f"Invalid metric names: {', '.join(unknown)}")
    return names


def _enable_metrics(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    if parameters["Granularity"] != "1Minute":
        raise invalid("The valid granularity is 1Minute.")
    group.metrics |= dict.fromkeys(_metrics(parameters), parameters["Granularity"])
    region.touch()
    return {}


def _disable_metrics(region: Region, parameters: Parameters) -> Parameters:
    group = region.group(parameters["AutoScalingGroupName"])
    for name in _metrics(parameters):
        group.metrics.pop(name, None)
    region.touch()
    return {}


OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    "SuspendProcesses": _suspend,
    "ResumeProcesses": _resume,
    "EnableMetricsCollection": _enable_metrics,
    "DisableMetricsCollection": _disable_metrics,
}
