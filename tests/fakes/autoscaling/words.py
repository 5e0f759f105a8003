# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Auto Scaling words what it did and why: as its activities are quoted in its guide and by people who met them."""

from __future__ import annotations

from .state import Time

LONGEST_CAUSE, LONGEST_MESSAGE = 1023, 255
ABANDONED = "Lifecycle Action Completed with ABANDON Result"
TIMED_OUT = "Heartbeat Timeout"
ALL_PROTECTED = "Could not scale to desired capacity because all remaining instances are protected from scale-in."
DRAINING = " - Waiting For ELB Connection Draining"

REPLACED = "an instance was launched in response to an unhealthy instance needing to be replaced."
REFRESHED = "an instance was launched in response to an instance refresh."
TAKEN_BY_REFRESH = "an instance was taken out of service in response to an instance refresh."
SICK_EC2 = (
    "an instance was taken out of service in response to an EC2 health check indicating it has been terminated or "
    "stopped."
)
SICK_ELB = "an instance was taken out of service in response to an ELB system health check failure."
SICK_USER = "an instance was taken out of service in response to a user health-check."


def at(now: Time, *sentences: str) -> str:
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return "  ".join(f"At {stamp} {sentence}" for sentence in sentences)


def join(*causes: str) -> str:
    return "  ".join(cause for cause in causes if cause)[:LONGEST_CAUSE]


def created(desired: int) -> str:
    return f"a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}."


def updated(least: int, most: int, was: int, desired: int) -> str:
    return (
        f"a user request update of AutoScalingGroup constraints to min: {least}, max: {most}, desired: {desired} "
        f"changing the desired capacity from {was} to {desired}."
    )


def set_to(was: int, desired: int) -> str:
    return (
        f"a user request explicitly set group desired capacity changing the desired capacity from {was} to {desired}."
    )


def scheduled(name: str, was: int, desired: int) -> str:
    return f"the scheduled action {name} executed. Changing the desired capacity from {was} to {desired}."


def started(was: int, becomes: int) -> str:
    return (
        "an instance was started in response to a difference between desired and actual capacity, increasing the "
        f"capacity from {was} to {becomes}."
    )


def shrunk(was: int, becomes: int) -> str:
    return (
        "an instance was taken out of service in response to a difference between desired and actual capacity, "
        f"shrinking the capacity from {was} to {becomes}."
    )


def selected(instance_id: str) -> str:
    return f"instance {instance_id} was selected for termination."


def rebalanced(zone: str) -> str:
    return (
        f"instances were launched to balance instances in zones {zone} with other zones resulting in more than desired "
        "number of instances in the group."
    )


def by_user(instance_id: str, what: str, was: int, becomes: int) -> str:
    """`what` as in `moved to standby`."""
    done = f"instance {instance_id} was {what} in response to a user request"
    if becomes == was:
        return f"{done}."
    return f"{done}, {'shrinking' if becomes < was else 'increasing'} the capacity from {was} to {becomes}."


def attached(desired: int) -> str:
    return f"an instance was added in response to user request. Keeping the capacity at the new {desired}."


def abandoned(token: str, because: str) -> str:
    return (
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "
        f"{token} was abandoned: {because}"
    )


def died(reason: str) -> str:
    return (
        "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: " + reason
    )


def does_not_fit(name: str, sizes: dict[str, int], what: str, count: int) -> str:
    """`what` as in `place into standby`."""
    return (
        f"AutoScalingGroup {name} has min-size={sizes['MinSize']}, max-size={sizes['MaxSize']}, and "
        f"desired-size={sizes['DesiredCapacity']}. To {what} {count} instance{'s' if count > 1 else ''}, please update "
        "the AutoScalingGroup sizes appropriately."
    )
