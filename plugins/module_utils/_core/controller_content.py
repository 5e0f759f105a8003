# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that an Automation Controller should hold, made from the estate: its settings, envs, server roles, apps.

What comes out are the variables that infra.aap_configuration reads (controller_templates and so on), in files by what
is released together: one that all share, one for each env and one for each button.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import controller_kinds as kinds
from .controller_buttons import button as _button
from .controller_estate import Content, Estate, aws_name, inventory_name, without_nothing
from .controller_keys import BUTTONS, SETTINGS
from .controller_rules import wrong
from .errors import CoreError
from .strategies import names as strategy_names

OWN = "estate"  # the file of what the estate declares itself
AWS_TYPE = "AWS by an assumed role"
# The Controller writes this file for a job, and fills in what the credential says.
_AWS_FILE = "[default]\nrole_arn = {{ role_arn }}\ncredential_source = {{ source }}\nregion = {{ region }}\n"
_AWS_INPUTS = [
    {"id": "role_arn", "label": "Role to assume", "type": "string"},
    {"id": "source", "label": "Whose credentials assume it", "type": "string"},
    {"id": "region", "label": "Region", "type": "string"},
]
# What edits everything of an organization; the Controller does not let a team be its administrator.
_EDITS = tuple(
    f"{what}_admin"
    for what in (
        *("job_template", "workflow", "project", "inventory", "credential", "notification"),
        "execution_environment",
    )
)
# Not every job that is told has a plan, and the Controller tries the message with a job that has nothing.
_PLAN_TEXT = (
    "{{ job.name }}: {{ job.status }}\n"
    "{% if job.artifacts is defined and job.artifacts.dtk_result_plan is defined %}"
    "{{ job.artifacts.dtk_result_plan.text }}\n{% endif %}{{ url }}"
)
_MESSAGES = {"success": {"message": _PLAN_TEXT}}


class ContentError(CoreError):
    """Settings or buttons that cannot be used. The message has all that is wrong with them."""


def content(files: Mapping[str, Content]) -> Content:
    """The files as one."""
    found: Content = {}
    for name in files:
        for variable, items in files[name].items():
            found.setdefault(variable, []).extend(items)
    return {variable: found[variable] for variable in kinds.VARIABLES if variable in found}


def make_files(
    settings: Any,
    rows: Sequence[Mapping[str, Any]],
    buttons: Any,
    published: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    objects: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    strategies: Mapping[str, Any] | None = None,
) -> dict[str, Content]:
    """File to variable to objects, or ContentError with everything that is wrong.

    objects: what the estate declares itself, such as controller_credentials.
    """
    _refuse("dtk_controller", [*SETTINGS.problems(settings, "dtk_controller"), *BUTTONS.problems(buttons, "buttons")])
    estate = Estate(
        SETTINGS.resolved(settings), rows, BUTTONS.resolved(buttons), published or {}, strategy_names(strategies or {})
    )
    _refuse("dtk_controller", list(wrong(estate, objects or {})))
    found = {"shared": _shared(estate)}
    for env in estate.envs:
        found[f"env_{env}"] = _env(estate, env)
    for name, button in estate.buttons.items():
        made = _button(estate, name, button)
        if made:
            found[f"button_{name}"] = made
    found[OWN] = _objects(estate, objects or {})
    return {name: made for name, made in found.items() if made}


def _refuse(what: str, problems: list[str]) -> None:
    if problems:
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        raise ContentError("\n".join([f"{what} has {count}:", *(f"- {problem}" for problem in problems)]))


def _shared(estate: Estate) -> Content:
    settings = estate.settings
    org, label = settings["organization"], estate.label()
    teams, image, project = settings["teams"], settings["execution_environment"], settings["project"]
    found: Content = {
        kinds.LABELS: [{"name": label, "organization": org}],
        kinds.TEAMS: [{"name": teams[key], "description": estate.marked(), "organization": org} for key in teams],
        kinds.ENVIRONMENTS: [
            without_nothing(
                name=image["name"],
                description=estate.marked(),
                organization=org,
                image=image["image"],
                pull=image["pull"],
                credential=image.get("credential"),
            )
        ],
        kinds.PROJECTS: [
            without_nothing(
                name=project["name"],
                description=estate.marked(),
                organization=org,
                scm_type="git",
                scm_url=project["url"],
                scm_branch=project["branch"],
                credential=project.get("credential"),
                scm_update_on_launch=True,
                scm_update_cache_timeout=project["cache"],
                default_environment=image["name"],
            )
        ],
        kinds.ROLES: [{"teams": [teams["admins"]], "role": role, "organizations": [org]} for role in _EDITS],
    }
    if settings["manage_organization"]:
        found[kinds.ORGANIZATIONS] = [{"name": org, "description": estate.marked()}]
    if any(env.get("aws") for env in estate.envs.values()):
        found[kinds.TYPES] = [
            {
                "name": AWS_TYPE,
                "description": estate.marked("Credentials of an IAM role, by those of the Controller's instance"),
                "kind": "cloud",
                "inputs": {"fields": _AWS_INPUTS, "required": ["role_arn", "region", "source"]},
                "injectors": {
                    "file": {"template": _AWS_FILE},
                    "env": {"AWS_CONFIG_FILE": "{{ tower.filename }}", "AWS_REGION": "{{ region }}"},
                },
            }
        ]
    return found


def _env(estate: Estate, env: str) -> Content:
    settings, item = estate.settings, estate.envs[env]
    org = settings["organization"]
    aws = item.get("aws")
    found: Content = {}
    if aws:
        found[kinds.CREDENTIALS] = [
            {
                "name": aws_name(estate, env),
                "description": estate.marked(),
                "organization": org,
                "credential_type": AWS_TYPE,
                "inputs": {key: aws.get(key, "") for key in ("role_arn", "source", "region")},
                "update_secrets": False,
            }
        ]
    found[kinds.INVENTORIES] = [
        {
            "name": inventory_name(estate, env),
            "description": estate.marked(f"Hosts of {env}"),
            "organization": org,
            "variables": dict(item["variables"]),
        }
    ]
    found[kinds.SOURCES] = [
        without_nothing(
            name=f"Fleet of {env}",
            description=estate.marked(),
            inventory=inventory_name(estate, env),
            organization=org,
            source="scm",
            source_project=settings["project"]["name"],
            source_path=item.get("inventory") or settings["inventory"]["path"],
            limit=item.get("limit", f"env_{env}"),
            credential=aws_name(estate, env) if aws else None,
            execution_environment=settings["execution_environment"]["name"],
            overwrite=True,
            overwrite_vars=True,
            update_on_launch=True,
            update_cache_timeout=settings["inventory"]["cache"],
        )
    ]
    return found


def _objects(estate: Estate, objects: Mapping[str, Sequence[Mapping[str, Any]]]) -> Content:
    """What the estate declares itself, with our mark. A credential's secrets are written once, unless rotated."""
    found: Content = {}
    org = estate.settings["organization"]
    for variable, items in objects.items():
        whole = [dict(item) for item in items]
        for item in whole:
            if variable in kinds.KINDS and kinds.KINDS[variable].owned:
                item.setdefault("organization", org)
            if variable in kinds.KINDS and kinds.KINDS[variable].mark != "none":
                item["description"] = estate.marked(item.get("description") or "")
            if variable in (kinds.TEMPLATES, kinds.WORKFLOWS):
                item["labels"] = sorted({*item.get("labels", ()), estate.label()})
            if variable == kinds.CREDENTIALS:
                item.setdefault("update_secrets", False)
            if variable == kinds.NOTIFICATIONS:
                item.setdefault("messages", _MESSAGES)
        if whole:
            found[variable] = whole
    return found
