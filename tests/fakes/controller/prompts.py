# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever starts a template, plans it, or puts it into a workflow may say beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import surveys
from .store import Row, Store

# models: `get_ask_mapping`, by the kind of the template
ASKED = {
    "job_templates": {
        "diff_mode": "ask_diff_mode_on_launch",
        "execution_environment": "ask_execution_environment_on_launch",
        "forks": "ask_forks_on_launch",
        "instance_groups": "ask_instance_groups_on_launch",
        "inventory": "ask_inventory_on_launch",
        "job_slice_count": "ask_job_slice_count_on_launch",
        "job_tags": "ask_tags_on_launch",
        "job_type": "ask_job_type_on_launch",
        "labels": "ask_labels_on_launch",
        "limit": "ask_limit_on_launch",
        "scm_branch": "ask_scm_branch_on_launch",
        "skip_tags": "ask_skip_tags_on_launch",
        "timeout": "ask_timeout_on_launch",
        "verbosity": "ask_verbosity_on_launch",
        "credentials": "ask_credential_on_launch",
    },
    "workflow_job_templates": {
        "inventory": "ask_inventory_on_launch",
        "job_tags": "ask_tags_on_launch",
        "labels": "ask_labels_on_launch",
        "limit": "ask_limit_on_launch",
        "scm_branch": "ask_scm_branch_on_launch",
        "skip_tags": "ask_skip_tags_on_launch",
    },
}
PROMPTS = set(ASKED["job_templates"]) - {"credentials", "labels", "instance_groups"}
_TITLES = {"job_templates": "Job Template", "workflow_job_templates": "Workflow Job Template"}


@dataclass
class Said:
    """What of it holds, what does not, and what is wrong."""

    fields: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    ignored: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)


class Prompts:
    """Holds what is said against what templates ask."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def heard(
        self, template: Row, fields: dict[str, Any], variables: dict[str, Any], tolerated: Iterable[str] = ()
    ) -> Said:
        """`tolerated`: "prompts" what is not asked for, "required" answers that are missing."""
        said = Said()
        tolerated = set(tolerated)
        for name, value in fields.items():
            self._field(template, name, value, said, "prompts" in tolerated)
        self._variables(template, dict(variables), said, tolerated)
        return said

    def _field(self, template: Row, name: str, value: Any, said: Said, tolerated: bool) -> None:
        asks = ASKED.get(template.kind, {}).get(name)
        if self._as_it_is(template, name, value):
            return
        if asks and template[asks]:
            said.fields[name] = value
            return
        said.ignored[name] = value
        if not tolerated:
            said.problems[name] = ["Field is not configured to prompt on launch."]

    def _as_it_is(self, template: Row, name: str, value: Any) -> bool:
        if isinstance(value, list):
            held = [row.id for row in self._store.linked(template, name)]
            return set(value) <= set(held)
        return value == template[name]

    @staticmethod
    def _variables(template: Row, variables: dict[str, Any], said: Said, tolerated: set[str]) -> None:
        wrong = []
        for question in surveys.questions(template):
            variable = question["variable"]
            refusals = surveys.refusals(question, variables, needed="required" not in tolerated)
            wrong += refusals
            if variable in variables:
                (said.ignored if refusals else said.variables)[variable] = variables.pop(variable)
        if wrong:
            said.problems["variables_needed_to_start"] = wrong
        if template["ask_variables_on_launch"]:
            said.variables |= variables
        elif variables:
            said.ignored.setdefault("extra_vars", {}).update(variables)
            if "prompts" not in tolerated:
                title = _TITLES.get(template.kind, template.kind)
                said.problems["extra_vars"] = [
                    f"Variables {', '.join(variables)} are not allowed on launch. Check the Prompt on Launch setting "
                    f"on the {title} to include Extra Variables."
                ]

    def secret_variables(self, template: Row) -> set[str]:
        return {question["variable"] for question in surveys.questions(template) if question["type"] == "password"}
