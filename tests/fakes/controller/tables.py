# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Controller knows of itself beyond its schema, as data.

"Measured" is what was seen at a running AWX 24.6.1; "models", "serializers" and "views" are AWX 24.6.1's modules of
these names, which state the rule; "awx.awx" is what the collection of modules relies on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .schema import VERSION

ENCRYPTED = "$encrypted$"  # serializers: what is shown in place of a secret; awx.awx compares with it
TOKEN_CENSOR = "************"  # serializers: a token that was shown once, when it was made

# --- names ------------------------------------------------------------------------------------------------------

# `type` of an object is its model's name; collections whose name is not its plural.
TYPES = {
    "tokens": "o_auth2_access_token",
    "applications": "o_auth2_application",
    "receptor_addresses": "receptor_address",
}
# Several kinds share one sequence of ids, since their models inherit from one table (models: UnifiedJobTemplate,
# UnifiedJob), and are listed together there.
UNIONS = {
    "unified_job_templates": (
        "job_templates",
        "projects",
        "inventory_sources",
        "workflow_job_templates",
        "system_job_templates",
        "workflow_approval_templates",
    ),
    "unified_jobs": (
        "jobs",
        "project_updates",
        "inventory_updates",
        "workflow_jobs",
        "system_jobs",
        "workflow_approvals",
        "ad_hoc_commands",
    ),
}
# Jobs, by the kind of their template (models: `_get_unified_job_class`), and the job's field that names the template.
JOBS = {
    "job_templates": ("jobs", "job_template"),
    "projects": ("project_updates", "project"),
    "inventory_sources": ("inventory_updates", "inventory_source"),
    "workflow_job_templates": ("workflow_jobs", "workflow_job_template"),
    "system_job_templates": ("system_jobs", "system_job_template"),
    "workflow_approval_templates": ("workflow_approvals", "workflow_approval_template"),
}
TEMPLATES = {job: template for template, (job, _) in JOBS.items()}


def type_of(kind: str) -> str:
    if kind in TYPES:
        return TYPES[kind]
    return f"{kind[:-3]}y" if kind.endswith("ies") else kind.removesuffix("s")


def url(kind: str, id: int, below: str = "") -> str:
    return f"/api/{VERSION}/{kind}/{id}/" + (f"{below}/" if below else "")


def members(kind: str) -> tuple[str, ...]:
    """The kinds that a collection is made of."""
    return UNIONS.get(kind, (kind,))


def sequence(kind: str) -> str:
    return next((union for union, kinds in UNIONS.items() if kind in kinds), kind)


# Foreign keys that are not named as what they point to (models).
_TARGETS = {
    "default_environment": "execution_environments",
    "source_project": "projects",
    "webhook_credential": "credentials",
    "signature_validation_credential": "credentials",
    "source_credential": "credentials",
    "target_credential": "credentials",
    "source_project_update": "project_updates",
    "unified_job_template": "unified_job_templates",
    "job": "unified_jobs",
    "workflow_approval_template": "workflow_approval_templates",
    "organization": "organizations",
}
# Texts that only look like one: a token's secret, and the role of a task.
_NO_TARGETS = {("tokens", "token"), ("job_events", "role")}


def target(kinds: dict[str, str], kind: str, name: str, spec: dict[str, Any]) -> str | None:
    """The kind that a field points to; the schema writes foreign keys as integers, some as bare texts."""
    if spec["type"] not in {"integer", "string"} or set(spec) & {"enum", "format", "maxLength", "default"}:
        return None
    if (kind, name) in _NO_TARGETS:
        return None
    if name in _TARGETS:
        return _TARGETS[name]
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return plural if plural in kinds else None


# Definitions that describe an object of a kind which has another one in its own path.
DEFINITIONS = {
    "JobList": "jobs",
    "ProjectUpdateList": "project_updates",
    "InventoryUpdateList": "inventory_updates",
    "WorkflowJobList": "workflow_jobs",
    "WorkflowApprovalList": "workflow_approvals",
    "WorkflowJobNodeList": "workflow_job_nodes",
    "WorkflowJobTemplateNode": "workflow_job_template_nodes",
    "SystemJobList": "system_jobs",
    "AdHocCommandList": "ad_hoc_commands",
    "UnifiedJobList": "unified_jobs",
    "UnifiedJobTemplate": "unified_job_templates",
    "CredentialSerializerCreate": "credentials",
    "OrganizationCredentialSerializerCreate": "credentials",
    "TeamCredentialSerializerCreate": "credentials",
    "UserCredentialSerializerCreate": "credentials",
    "OAuth2Token": "tokens",
    "UserAuthorizedToken": "tokens",
    "UserPersonalToken": "tokens",
    "RoleSerializerWithParentAccess": "roles",
    "ResourceAccessListElement": "users",
}

# --- values -----------------------------------------------------------------------------------------------------

# Texts that lose their outer spaces (serializers: CharField trims; the long ones are VerbatimField).
TRIMMED = {"name", "username", "identifier", "email", "first_name", "last_name", "hostname"}
# How a text that breaks its pattern is told (Django's validators).
PATTERNS = {
    "username": "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
}
# The schema's default is one that was made when it was asked (models: `default=uuid4`).
RANDOM_DEFAULTS = {("workflow_job_template_nodes", "identifier")}
# What the schema says wrongly of a field, by kind ("" for any).
FIELD_TYPES = {
    # serializers: `vars_validate_or_raise`
    ("", "variables"): "variables",
    ("", "source_vars"): "variables",
    ("job_templates", "extra_vars"): "variables",
    ("workflow_job_templates", "extra_vars"): "variables",
    # serializers: VerbatimField, DictField; awx.awx sends mappings
    ("launch", "extra_vars"): "mapping",
    ("launch", "credential_passwords"): "mapping",
    ("notification_templates", "messages"): "mapping",
    ("", "extra_data"): "mapping",
}
# Texts and choices that are nothing where nobody said anything, and not empty: what a template, a plan or a node of a
# workflow says of the jobs to come (serializers: LaunchConfigurationBaseSerializer, `char_prompts`), and a filter.
NOTHING = {
    (kind, name)
    for kind in (
        "schedules",
        "workflow_job_template_nodes",
        "workflow_job_templates",
        "workflow_job_nodes",
        "workflow_jobs",
    )
    for name in ("job_tags", "job_type", "limit", "scm_branch", "skip_tags", "verbosity")
} | {("inventories", "host_filter")}
# Read by whoever made it only as ENCRYPTED (serializers: UserSerializer.to_representation shows a password so, and
# awx.awx compares with it; LOG_AGGREGATOR_PASSWORD and the like are `encrypted=True` in settings).
ENCRYPTED_FIELDS = {"users": ("password",)}
# In bodies that make an object, and nowhere else (serializers: write_only).
WRITE_ONLY = {"credentials": ("user", "team")}
# Of notifications (models: `init_parameters` and `password_parameters` of each backend): what a configuration must
# have, and which of it is secret.
NOTIFICATIONS = {
    "email": (("host", "port", "username", "password", "use_tls", "use_ssl", "sender", "recipients"), ("password",)),
    "grafana": (("grafana_url", "grafana_key"), ("grafana_key",)),
    "irc": (("server", "port", "nickname", "password", "use_ssl", "targets"), ("password",)),
    "mattermost": (("mattermost_url", "mattermost_no_verify_ssl"), ()),
    "pagerduty": (("token", "service_key", "subdomain", "client_name"), ("token",)),
    "rocketchat": (("rocketchat_url", "rocketchat_no_verify_ssl"), ()),
    "slack": (("token", "channels"), ("token",)),
    "twilio": (("account_sid", "account_token", "from_number", "to_numbers"), ("account_token",)),
    "webhook": (("url", "headers"), ("password",)),
    "awssns": ((), ("aws_secret_access_key", "aws_session_token")),
}
# And what it may have beyond: with defaults that are filled in (models: `init_parameters` with "default").
NOTIFICATION_DEFAULTS: dict[str, dict[str, Any]] = {
    "email": {"timeout": 30},
    "webhook": {"disable_ssl_verification": False, "http_method": "POST", "username": "", "password": ""},
    "awssns": {
        "aws_region": "",
        "aws_access_key_id": "",
        "aws_secret_access_key": "",
        "aws_session_token": "",
        "sns_topic_arn": "",
    },
}
# Where nothing else says what an answer has in a read-only field: by kind ("" for any).
INITIAL: dict[tuple[str, str], Any] = {
    ("job_templates", "status"): "never updated",  # models: UnifiedJobTemplate.status; templates start so
    ("workflow_job_templates", "status"): "never updated",
    ("system_job_templates", "status"): "never updated",
    ("projects", "status"): "never updated",
    ("inventory_sources", "status"): "never updated",
    ("", "managed"): False,
    ("", "pending_deletion"): False,
    ("", "custom_virtualenv"): None,
    ("users", "ldap_dn"): "",
    ("users", "external_account"): None,
    ("credentials", "cloud"): False,
    ("credentials", "kubernetes"): False,
    ("instance_groups", "instances"): 0,
    ("instance_groups", "capacity"): 0,
    ("instance_groups", "consumed_capacity"): 0.0,
    ("instance_groups", "percent_capacity_remaining"): 0.0,
    ("instance_groups", "jobs_running"): 0,
    ("credential_types", "namespace"): None,
    ("", "launched_by"): {},
    ("", "artifacts"): {},
    ("", "passwords_needed_to_start"): [],
    ("", "playbook_counts"): {"play_count": 0, "task_count": 0},
    ("workflow_job_template_nodes", "identifier"): "",
    ("", "elapsed"): 0.0,  # measured: a number, although the schema calls it a text
}
# Numbers and mappings which an answer has as such, although the schema calls them texts (serializers: FloatField,
# and choices that are numbers).
LOOSE = {"elapsed", "verbosity", "capacity_adjustment", "messages"}

# --- uniqueness -------------------------------------------------------------------------------------------------


class Unique(NamedTuple):
    """Fields that together no two objects of a kind have, and how a clash is told."""

    fields: tuple[str, ...]
    where: str
    text: str


def _together(model: str, words: str, *fields: str) -> Unique:
    return Unique(fields, "__all__", f"{model} with this {words} already exists.")


def _softly(model: str, *fields: str) -> Unique:
    """models: SOFT_UNIQUE_TOGETHER, told by `validate_unique`."""
    return Unique(fields, "__all__", f"{model} with this ({', '.join(fields)}) combination already exists.")


# models: `unique=True`, `unique_together`; the texts are Django's.
UNIQUE = {
    "organizations": Unique(("name",), "name", "Organization with this Name already exists."),
    "users": Unique(("username",), "username", "A user with that username already exists."),
    "execution_environments": Unique(("name",), "name", "Execution environment with this Name already exists."),
    "instance_groups": Unique(("name",), "name", "Instance group with this Name already exists."),
    "instances": Unique(("hostname",), "hostname", "Instance with this Hostname already exists."),
    "teams": _together("Team", "Organization and Name", "organization", "name"),
    "inventories": _together("Inventory", "Name and Organization", "name", "organization"),
    "hosts": _together("Host", "Name and Inventory", "name", "inventory"),
    "groups": _together("Group", "Name and Inventory", "name", "inventory"),
    "credentials": _together(
        "Credential", "Organization, Name and Credential Type", "organization", "name", "credential_type"
    ),
    "credential_types": _together("Credential type", "Name and Kind", "name", "kind"),
    "credential_input_sources": _together(
        "Credential input source", "Target credential and Input field name", "target_credential", "input_field_name"
    ),
    "labels": _together("Label", "Name and Organization", "name", "organization"),
    "notification_templates": _together("Notification template", "Organization and Name", "organization", "name"),
    "schedules": _together("Schedule", "Unified job template and Name", "unified_job_template", "name"),
    "workflow_job_template_nodes": _together(
        "Workflow job template node",
        "Identifier and Workflow job template",
        "identifier",
        "workflow_job_template",
    ),
    "applications": _together("Application", "Name and Organization", "name", "organization"),
    "role_definitions": Unique(("name",), "name", "Role definition with this Name already exists."),
    "job_templates": _softly("JobTemplate", "name", "organization"),
    "projects": _softly("Project", "name", "organization"),
    "workflow_job_templates": _softly("WorkflowJobTemplate", "name", "organization"),
    "inventory_sources": _softly("InventorySource", "name", "inventory"),
}

# --- relations --------------------------------------------------------------------------------------------------

# Lists below an object whose members have a foreign key to it that is not named as the object's kind (models:
# `related_name`): the member's field.
REVERSE = {
    ("projects", "scm_inventory_sources"): "source_project",
    ("credentials", "input_sources"): "target_credential",
    ("job_templates", "schedules"): "unified_job_template",
    ("workflow_job_templates", "schedules"): "unified_job_template",
    ("projects", "schedules"): "unified_job_template",
    ("inventory_sources", "schedules"): "unified_job_template",
    ("system_job_templates", "schedules"): "unified_job_template",
    ("workflow_job_templates", "workflow_nodes"): "workflow_job_template",
    ("workflow_job_templates", "workflow_jobs"): "workflow_job_template",
    ("job_templates", "slice_workflow_jobs"): "job_template",
    ("workflow_jobs", "workflow_nodes"): "workflow_job",
    ("workflow_approval_templates", "approvals"): "unified_job_template",
    ("system_job_templates", "jobs"): "unified_job_template",
    ("jobs", "job_events"): "job",
}
# Lists that hold objects on their own, although their members have a foreign key of the fitting name (models:
# ManyToManyField).
MANY = {
    ("organizations", "instance_groups"),
    ("organizations", "galaxy_credentials"),
    ("organizations", "notification_templates_approvals"),
    ("organizations", "notification_templates_error"),
    ("organizations", "notification_templates_started"),
    ("organizations", "notification_templates_success"),
    ("inventories", "input_inventories"),
    ("inventories", "labels"),
    ("inventories", "instance_groups"),
    ("groups", "hosts"),
    ("groups", "children"),
}
# The same relation seen from its other end: the list whose members hold it.
MIRRORED = {
    ("hosts", "groups"): ("groups", "hosts"),
    ("hosts", "all_groups"): ("groups", "hosts"),
    ("groups", "all_hosts"): ("groups", "hosts"),
    ("instances", "instance_groups"): ("instance_groups", "instances"),
}
# Lists of users and teams that stand for a role: of the object in the path (access: a member is whoever has it).
ROLE_LISTS = {
    ("organizations", "users"): "member_role",
    ("organizations", "admins"): "admin_role",
    ("teams", "users"): "member_role",
    ("credentials", "owner_users"): "admin_role",
    ("credentials", "owner_teams"): "admin_role",
}
# And lists of the objects in which the user or team of the path has a role.
HELD_LISTS = {
    ("users", "organizations"): ("organizations", "member_role"),
    ("users", "admin_of_organizations"): ("organizations", "admin_role"),
    ("users", "teams"): ("teams", "member_role"),
    ("users", "projects"): ("projects", "read_role"),
    ("users", "credentials"): ("credentials", "admin_role"),
    ("teams", "projects"): ("projects", "read_role"),
    ("teams", "credentials"): ("credentials", "admin_role"),
}

# What deleting an object does to whoever points to it (models: `on_delete`), by the pointer: those not named here are
# emptied (SET_NULL).
CASCADES = {
    ("teams", "organization"),
    ("credentials", "organization"),
    ("notification_templates", "organization"),
    ("labels", "organization"),
    ("execution_environments", "organization"),
    ("applications", "organization"),
    ("hosts", "inventory"),
    ("groups", "inventory"),
    ("inventory_sources", "inventory"),
    ("inventory_sources", "source_project"),
    ("schedules", "unified_job_template"),
    ("workflow_job_template_nodes", "workflow_job_template"),
    ("workflow_job_nodes", "workflow_job"),
    ("credentials", "credential_type"),
    ("credential_input_sources", "target_credential"),
    ("credential_input_sources", "source_credential"),
    ("project_updates", "project"),
    ("inventory_updates", "inventory_source"),
    ("job_events", "job"),
    ("tokens", "user"),
    ("tokens", "application"),
}
# Objects that are not deleted while something points to them, or at all (views).
IN_USE = {"credential_types": "Credential types that are in use cannot be deleted"}
MANAGED = {
    "credential_types": "Deletion not allowed for managed credential types",
    "credentials": "Deletion not allowed for managed credentials",
    "instance_groups": "Deletion not allowed for managed instance groups",
}
# Templates cannot be deleted while a job of theirs, or of what is below them, is active (views:
# RelatedJobsPreventDeleteMixin, UnifiedJobDeletionMixin answer 409).
BUSY = ("job_templates", "projects", "inventory_sources", "workflow_job_templates", "inventories", "organizations")
ACTIVE = ("new", "pending", "waiting", "running")
# 202 where the rest says 204 (views: an inventory is deleted by a task in the background).
DELETED_LATER = {"inventories"}

# --- roles ------------------------------------------------------------------------------------------------------

# The roles of an object (models: ImplicitRoleField), each with those that imply it: of the same object, and of its
# organization after "organization.".
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "organizations": {
        "admin_role": (),
        "execute_role": ("admin_role",),
        "project_admin_role": ("admin_role",),
        "inventory_admin_role": ("admin_role",),
        "credential_admin_role": ("admin_role",),
        "workflow_admin_role": ("admin_role",),
        "notification_admin_role": ("admin_role",),
        "job_template_admin_role": ("admin_role",),
        "execution_environment_admin_role": ("admin_role",),
        "auditor_role": (),
        "member_role": ("admin_role",),
        "read_role": (
            "member_role",
            "auditor_role",
            "execute_role",
            "project_admin_role",
            "inventory_admin_role",
            "credential_admin_role",
            "workflow_admin_role",
            "notification_admin_role",
            "job_template_admin_role",
            "execution_environment_admin_role",
            "approval_role",
        ),
        "approval_role": ("admin_role",),
    },
    "teams": {
        "admin_role": ("organization.admin_role",),
        "member_role": ("admin_role",),
        "read_role": ("organization.auditor_role", "member_role"),
    },
    "projects": {
        "admin_role": ("organization.project_admin_role",),
        "use_role": ("admin_role",),
        "update_role": ("admin_role",),
        "read_role": ("organization.auditor_role", "use_role", "update_role"),
    },
    "inventories": {
        "admin_role": ("organization.inventory_admin_role",),
        "update_role": ("admin_role",),
        "adhoc_role": ("admin_role",),
        "use_role": ("adhoc_role",),
        "read_role": ("organization.auditor_role", "update_role", "use_role"),
    },
    "job_templates": {
        "admin_role": ("organization.job_template_admin_role",),
        "execute_role": ("admin_role", "organization.execute_role"),
        "read_role": ("organization.auditor_role", "execute_role"),
    },
    "workflow_job_templates": {
        "admin_role": ("organization.workflow_admin_role",),
        "execute_role": ("admin_role", "organization.execute_role"),
        "read_role": ("organization.auditor_role", "execute_role", "approval_role"),
        "approval_role": ("organization.approval_role", "admin_role"),
    },
    "credentials": {
        "admin_role": ("organization.credential_admin_role",),
        "use_role": ("admin_role",),
        "read_role": ("organization.auditor_role", "use_role"),
    },
    "instance_groups": {
        "admin_role": (),
        "use_role": ("admin_role",),
        "read_role": ("use_role",),
    },
}
# What others than superusers may change: the role of the object itself, and the role of its organization without which
# they may not make one (access).
ADMINS = {
    "organizations": ("admin_role", None),
    "teams": ("admin_role", "admin_role"),
    "projects": ("admin_role", "project_admin_role"),
    "inventories": ("admin_role", "inventory_admin_role"),
    "job_templates": ("admin_role", "job_template_admin_role"),
    "workflow_job_templates": ("admin_role", "workflow_admin_role"),
    "credentials": ("admin_role", "credential_admin_role"),
    "instance_groups": ("admin_role", None),
    "notification_templates": (None, "notification_admin_role"),
    "execution_environments": (None, "execution_environment_admin_role"),
    "labels": (None, "member_role"),
    "applications": (None, "admin_role"),
}
# Objects that are read and changed as what they belong to: by the field that names it.
BELONGS = {
    "hosts": "inventory",
    "groups": "inventory",
    "inventory_sources": "inventory",
    "ad_hoc_commands": "inventory",
    "schedules": "unified_job_template",
    "workflow_job_template_nodes": "workflow_job_template",
    "jobs": "job_template",
    "project_updates": "project",
    "inventory_updates": "inventory_source",
    "workflow_jobs": "workflow_job_template",
    "workflow_job_nodes": "workflow_job",
    "workflow_approvals": "unified_job_template",
    "job_events": "job",
    "credential_input_sources": "target_credential",
    "tokens": "user",
}
# Seen by everybody who is logged in (access).
PUBLIC = {"credential_types", "execution_environments", "instances", "role_definitions", "users", "labels", "roles"}
# Seen by those to whom they belong, and nobody else (access): the field that names them.
OWN = {"tokens": "user"}
# What an action on an object takes (access: `can_start`, `can_approve_or_deny`).
ACTION_ROLES = {
    "launch": "execute_role",
    "relaunch": "execute_role",
    "cancel": "execute_role",
    "update": "update_role",
    "approve": "approval_role",
    "deny": "approval_role",
}
# What referring to an object in a body takes of whoever sends it (access: `check_related`).
USE_ROLES = {"projects": "use_role", "inventories": "use_role", "credentials": "use_role"}

# Not served: the newer system of roles, whose grants this Controller would keep and not heed; awx.awx's `role` uses the
# one that is served.
UNSERVED = {"role_definitions", "role_user_assignments", "role_team_assignments"}

# --- answers ----------------------------------------------------------------------------------------------------

# What a summary of an object has beside id, name and description (serializers: SUMMARIZABLE_FK_FIELDS).
SUMMARIES = {
    "users": ("username", "first_name", "last_name"),
    "credentials": ("kind", "cloud", "credential_type_id"),
    "execution_environments": ("image",),
    "inventories": (
        "has_active_failures",
        "total_hosts",
        "hosts_with_active_failures",
        "total_groups",
        "has_inventory_sources",
        "total_inventory_sources",
        "inventory_sources_with_failures",
        "organization_id",
        "kind",
    ),
    "projects": ("status", "scm_type", "allow_override"),
    "inventory_sources": ("source", "last_updated", "status"),
    "job_templates": (),
    "workflow_job_templates": (),
    "jobs": ("status", "failed", "elapsed"),
    "project_updates": ("status", "failed"),
    "inventory_updates": ("status", "failed"),
    "workflow_jobs": ("status", "failed", "elapsed"),
    "workflow_approvals": ("status", "failed", "elapsed"),
    "workflow_approval_templates": ("timeout",),
    "instance_groups": ("is_container_group",),
}
# What a summary calls the class of a template (models: `get_ui_terse_type`; serializers add it for nodes).
JOB_TYPES = {
    "job_templates": "job",
    "projects": "project_update",
    "inventory_sources": "inventory_update",
    "workflow_job_templates": "workflow_job",
    "system_job_templates": "system_job",
    "workflow_approval_templates": "workflow_approval",
}
# Lists that are summed up in `summary_fields`, and whether as {count, results} (serializers).
LISTED = {
    "job_templates": {"labels": True, "credentials": False},
    "workflow_job_templates": {"labels": True},
    "inventories": {"labels": True},
    "jobs": {"labels": True, "credentials": False},
    "workflow_jobs": {"labels": True},
    "inventory_sources": {"credentials": False},
    "schedules": {},
}
# Numbers of an answer that count a list below the object.
COUNTED = {
    ("inventories", "total_hosts"): "hosts",
    ("inventories", "total_groups"): "groups",
    ("inventories", "total_inventory_sources"): "inventory_sources",
    ("instance_groups", "instances"): "instances",
}
# Objects without `user_capabilities`.
UNCHANGEABLE = {"roles", "users", "job_events", "credential_types", "instances", "labels", "tokens"}
# Paths below an object that `related` does not name, or by another name (serializers: `get_related`).
UNRELATED = {"github", "gitlab", "bitbucket_dc", "test", "potential_children", "create_schedule", "install_bundle"}
# Lists of users with what they may do, below an object (views: ResourceAccessList).
ACCESS_LIST = "access_list"
# Fields of an answer which a list holds the ids of (serializers: nodes).
NODE_LISTS = ("success_nodes", "failure_nodes", "always_nodes")

# --- requests that are not of the schema's own making ---------------------------------------------------------------


class Answer(NamedTuple):
    """What really comes back, where the schema says something else (it names every POST's answer after its body)."""

    status: int
    definition: str | None
    beyond: tuple[str, ...] = ()


ANSWERS: dict[tuple[str, str, str], Answer] = {
    # Measured: a launch answers with the job, `job` and what it took no notice of.
    ("job_templates", "launch", "POST"): Answer(201, "JobDetail", ("job", "ignored_fields")),
    ("workflow_job_templates", "launch", "POST"): Answer(201, "WorkflowJob", ("workflow_job", "ignored_fields")),
    ("jobs", "relaunch", "POST"): Answer(201, "JobDetail", ("job",)),
    ("workflow_jobs", "relaunch", "POST"): Answer(201, "WorkflowJob", ("workflow_job",)),
    # awx.awx waits for 202
    ("projects", "update", "POST"): Answer(202, "ProjectUpdateDetail", ("project_update",)),
    ("inventory_sources", "update", "POST"): Answer(202, "InventoryUpdateDetail", ("inventory_update",)),
    ("inventories", "update_inventory_sources", "GET"): Answer(200, None),
    ("inventories", "update_inventory_sources", "POST"): Answer(202, None),
    ("jobs", "cancel", "POST"): Answer(202, None),
    ("project_updates", "cancel", "POST"): Answer(202, None),
    ("inventory_updates", "cancel", "POST"): Answer(202, None),
    ("workflow_jobs", "cancel", "POST"): Answer(202, None),
    ("ad_hoc_commands", "cancel", "POST"): Answer(202, None),
    # awx.awx: 204
    ("workflow_approvals", "approve", "POST"): Answer(204, None),
    ("workflow_approvals", "deny", "POST"): Answer(204, None),
    # awx.awx: 200 for all three
    ("job_templates", "survey_spec", "GET"): Answer(200, None),
    ("job_templates", "survey_spec", "POST"): Answer(200, None),
    ("job_templates", "survey_spec", "DELETE"): Answer(200, None),
    ("workflow_job_templates", "survey_spec", "GET"): Answer(200, None),
    ("workflow_job_templates", "survey_spec", "POST"): Answer(200, None),
    ("workflow_job_templates", "survey_spec", "DELETE"): Answer(200, None),
    ("job_templates", "webhook_key", "GET"): Answer(200, None),
    ("job_templates", "webhook_key", "POST"): Answer(201, None),
    ("workflow_job_templates", "webhook_key", "GET"): Answer(200, None),
    ("workflow_job_templates", "webhook_key", "POST"): Answer(201, None),
    # awx.awx takes `url` and `id` of it, and of the node's `related.unified_job_template` afterwards
    ("workflow_job_template_nodes", "create_approval_template", "POST"): Answer(201, "WorkflowApprovalTemplate"),
    # serializers: copying answers with what was made, and may be asked whether it would do
    ("*", "copy", "POST"): Answer(201, ""),
    ("*", "copy", "GET"): Answer(200, None),
    # views: the names, as a plain list
    ("projects", "playbooks", "GET"): Answer(200, None),
    ("projects", "inventories", "GET"): Answer(200, None),
    ("*", "stdout", "GET"): Answer(200, None),
    ("inventories", "script", "GET"): Answer(200, None),
    ("schedules", "preview", "POST"): Answer(200, None),
    ("workflow_jobs", "relaunch", "GET"): Answer(200, None),
    ("*", "variable_data", "GET"): Answer(200, None),
    ("*", "variable_data", "PUT"): Answer(200, None),
    ("*", "variable_data", "PATCH"): Answer(200, None),
}

# What a body may have beyond its definition: the Controller takes no notice of it. That it does was measured with the
# awx.awx modules, which send these.
UNHEEDED = {
    "workflow_job_templates": {"state"},
    "workflow_job_template_nodes": {"state"},
    # a node's own fields, again
    "create_approval_template": {"identifier", "workflow_job_template", "all_parents_must_converge", "state"},
    "workflow_approval_templates": {"identifier", "workflow_job_template", "all_parents_must_converge", "state"},
}


def answer(kind: str, below: str, method: str) -> Answer | None:
    return ANSWERS.get((kind, below, method)) or ANSWERS.get(("*", below, method))
