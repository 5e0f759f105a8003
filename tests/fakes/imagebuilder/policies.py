# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifecycle policies: which images go when."""

from __future__ import annotations

from typing import Any

from .named import Kind, refuse
from .region import Parameters, Region


def _complete(region: Region, parameters: Parameters) -> Parameters:
    selection = parameters["resourceSelection"]
    if ("recipes" in selection) == ("tagMap" in selection):
        refuse("You must specify exactly one of 'resourceSelection.recipes' and 'resourceSelection.tagMap'.")
    types = [detail["action"]["type"] for detail in parameters["policyDetails"]]
    if len(set(types)) != len(types):
        refuse("The value supplied for 'policyDetails' is not valid: at most one rule per action type.")
    for detail in parameters["policyDetails"]:
        _check_filter(detail["action"]["type"], detail["filter"])
        _check_action(parameters["resourceType"], detail["action"])
    held = region.state.of("lifecycle-policy").get(parameters.get("lifecyclePolicyArn", ""))
    if held and held["resourceType"] != parameters["resourceType"]:
        refuse("The value supplied for 'resourceType' is not valid: it must match that of the policy.")
    return {"status": parameters.get("status", "ENABLED")}


def _check_filter(action: str, rule: dict[str, Any]) -> None:
    if rule["type"] == "COUNT":
        if action != "DELETE":
            refuse(f"A COUNT filter is for DELETE only, not for {action}.")
        if {"unit", "retainAtLeast"} & set(rule):
            refuse("'unit' and 'retainAtLeast' are for AGE filters only.")
    elif "unit" not in rule:
        refuse("An AGE filter needs a 'unit'.")
    elif "retainAtLeast" in rule and action != "DELETE":
        refuse("'retainAtLeast' is for DELETE only.")


def _check_action(resource_type: str, action: dict[str, Any]) -> None:
    if resource_type == "CONTAINER_IMAGE" and action["type"] != "DELETE":
        refuse(f"Policies for containers support DELETE only, not {action['type']}.")
    included = {key for key, value in action.get("includeResources", {}).items() if value}
    if action["type"] != "DELETE" and included - {"amis"}:
        refuse(f"{action['type']} can include AMIs only.")
    if "snapshots" in included and "amis" not in included:
        refuse("Snapshots can be included together with AMIs only.")


def _filter(name: str) -> Any:
    return lambda item: item.get(name)


POLICY = Kind(
    kind="lifecycle-policy",
    noun="LifecyclePolicy",
    plural="LifecyclePolicies",
    key="lifecyclePolicyArn",
    member="lifecyclePolicy",
    items="lifecyclePolicySummaryList",
    complete=_complete,
    filters={name: _filter(name) for name in ("name", "resourceType", "status")},
    text_dates=False,
)
OPERATIONS = POLICY.operations()
