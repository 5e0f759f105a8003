# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an image is being made: its workflows, and their steps."""

from __future__ import annotations

from typing import Any

from tests.fakes.contract import RefusalError

from .region import Parameters, Region


def _execution(region: Region, identity: str) -> dict[str, Any]:
    if identity not in region.state.workflows:
        raise RefusalError("InvalidRequestException", f"The workflow execution '{identity}' does not exist.")
    return region.state.workflows[identity]


def get(region: Region, parameters: Parameters) -> Parameters:
    execution = _execution(region, parameters["workflowExecutionId"])
    known = region.contract.operation("GetWorkflowExecution").output_shape.members
    return {key: value for key, value in execution.items() if key in known}


def get_step(region: Region, parameters: Parameters) -> Parameters:
    identity = parameters["stepExecutionId"]
    if identity not in region.state.steps:
        raise RefusalError("InvalidRequestException", f"The workflow step execution '{identity}' does not exist.")
    return region.state.steps[identity]


def listed(region: Region, parameters: Parameters) -> Parameters:
    arn = parameters["imageBuildVersionArn"]
    image = region.referred(arn)
    found = [one for one in region.state.workflows.values() if one["imageBuildVersionArn"] == arn]
    reason = image["state"].get("reason", "")[:500]
    page = region.page("ListWorkflowExecutions", "workflowExecutions", found, parameters)
    return page | {"imageBuildVersionArn": arn} | ({"message": reason} if reason else {})


def listed_steps(region: Region, parameters: Parameters) -> Parameters:
    execution = _execution(region, parameters["workflowExecutionId"])
    identity = execution["workflowExecutionId"]
    found = [one for one in region.state.steps.values() if one["workflowExecutionId"] == identity]
    return region.page("ListWorkflowStepExecutions", "steps", found, parameters) | {
        key: execution[key] for key in ("workflowBuildVersionArn", "workflowExecutionId", "imageBuildVersionArn")
    }


OPERATIONS = {
    "GetWorkflowExecution": get,
    "GetWorkflowStepExecution": get_step,
    "ListWorkflowExecutions": listed,
    "ListWorkflowStepExecutions": listed_steps,
}
