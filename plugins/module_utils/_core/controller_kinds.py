# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of objects that an Automation Controller has, in the order in which they need each other.

A kind is called by the variable that infra.aap_configuration reads it from. The keys of an object are options of the
kind's module in awx.awx; nearly all of them are fields of the API by the same name, and what is not stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ORGANIZATIONS = "controller_organizations"
LABELS = "controller_labels"
TEAMS = "controller_teams"
GROUPS = "controller_instance_groups"
TYPES = "controller_credential_types"
CREDENTIALS = "controller_credentials"
ENVIRONMENTS = "controller_execution_environments"
NOTIFICATIONS = "controller_notifications"
PROJECTS = "controller_projects"
INVENTORIES = "controller_inventories"
SOURCES = "controller_inventory_sources"
TEMPLATES = "controller_templates"
WORKFLOWS = "controller_workflows"
SCHEDULES = "controller_schedules"
ROLES = "controller_roles"

_NOTIFIED = {f"notification_templates_{when}": NOTIFICATIONS for when in ("started", "success", "error")}
_ASKED = {**_NOTIFIED, "notification_templates_approvals": NOTIFICATIONS}


@dataclass(frozen=True)
class Kind:
    """refs: fields that name one other object; lists: related lists, which name many; encoded: text that holds a
    mapping; foreign: options of the module that are no field. mark: how one sees that an object is ours.
    """

    word: str
    module: str
    path: str
    stage: int
    mark: str = "description"  # or label, or none
    owned: bool = True  # an organization owns it
    refs: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    encoded: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


_ORG = {"organization": ORGANIZATIONS}
_RUN = {"execution_environment": ENVIRONMENTS, "inventory": INVENTORIES}

KINDS: dict[str, Kind] = {
    ORGANIZATIONS: Kind("organization", "organization", "organizations", 1, owned=False, lists=_ASKED),
    LABELS: Kind("label", "label", "labels", 2, mark="none", refs=_ORG),
    TEAMS: Kind("team", "team", "teams", 2, refs=_ORG),
    GROUPS: Kind("instance group", "instance_group", "instance_groups", 2, mark="none", owned=False),
    TYPES: Kind("credential type", "credential_type", "credential_types", 2, owned=False),
    CREDENTIALS: Kind(
        *("credential", "credential", "credentials", 3),
        refs={**_ORG, "credential_type": TYPES},
        foreign=("update_secrets",),
        secrets=("inputs",),
    ),
    ENVIRONMENTS: Kind(
        *("execution environment", "execution_environment", "execution_environments", 4),
        refs={**_ORG, "credential": CREDENTIALS},
    ),
    NOTIFICATIONS: Kind(
        *("notification template", "notification_template", "notification_templates", 4),
        refs=_ORG,
        secrets=("notification_configuration",),
    ),
    INVENTORIES: Kind(
        *("inventory", "inventory", "inventories", 4),
        refs=_ORG,
        lists={"instance_groups": GROUPS},
        encoded=("variables",),
    ),
    PROJECTS: Kind(
        *("project", "project", "projects", 5),
        refs={**_ORG, "credential": CREDENTIALS, "default_environment": ENVIRONMENTS},
        lists=_NOTIFIED,
        foreign=("wait", "update_project", "interval"),
    ),
    SOURCES: Kind(
        *("inventory source", "inventory_source", "inventory_sources", 6),
        owned=False,
        refs={**_RUN, "credential": CREDENTIALS, "source_project": PROJECTS},
        lists=_NOTIFIED,
        encoded=("source_vars",),
        foreign=("organization",),
    ),
    TEMPLATES: Kind(
        *("job template", "job_template", "job_templates", 6, "label"),
        refs={**_ORG, **_RUN, "project": PROJECTS},
        lists={"credentials": CREDENTIALS, "labels": LABELS, "instance_groups": GROUPS, **_NOTIFIED},
        encoded=("extra_vars",),
    ),
    WORKFLOWS: Kind(
        *("workflow", "workflow_job_template", "workflow_job_templates", 7, "label"),
        refs={**_ORG, "inventory": INVENTORIES},
        lists={"labels": LABELS, **_ASKED},
        encoded=("extra_vars",),
        foreign=("destroy_current_nodes",),
    ),
    SCHEDULES: Kind(
        *("schedule", "schedule", "schedules", 8),
        owned=False,
        refs={"unified_job_template": TEMPLATES, **_RUN},
        lists={"credentials": CREDENTIALS, "labels": LABELS, "instance_groups": GROUPS},
        foreign=("organization",),
    ),
}
# Grants are no objects; they come last.
GRANTS = Kind("grant", "role", "roles", 8)
# How the module of grants calls the lists of what is granted.
GRANTED = {
    "job_templates": TEMPLATES,
    "workflows": WORKFLOWS,
    "inventories": INVENTORIES,
    "projects": PROJECTS,
    "credentials": CREDENTIALS,
    "organizations": ORGANIZATIONS,
}
VARIABLES = (*KINDS, ROLES)


def parent(kind: str, item: Mapping[str, object]) -> str:
    """What makes a name unique beyond its organization: the inventory of a source, the template of a schedule."""
    if kind == SOURCES:
        return str(item.get("inventory", ""))
    return str(item.get("unified_job_template", "")) if kind == SCHEDULES else ""
