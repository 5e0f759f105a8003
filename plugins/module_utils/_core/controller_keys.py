# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an estate says of its Automation Controller (`dtk_controller`), and what a button is, key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .shape import Choice, Flag, Key, ListOf, MapOf, Number, Record, Shape, Text

TEAMS = ("developers", "approvers", "admins")
# What a button is made for: one for each app, server role or env, or one for the whole estate.
PER = ("app", "role", "env", "estate")
_NAME = r"[A-Za-z0-9][^\x00-\x1f\x7f+]{0,200}"
_WORD = r"[a-z][a-z0-9_-]{0,62}"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"

_OBJECT = Text(_NAME, "a name without +")
_VERB = Text(_WORD, "a name of a-z, 0-9, _ and -")
_OPTIONAL = Text(r"[^\x00-\x1f\x7f]*", "text on one line")


@dataclass(frozen=True)
class _Variables(Shape):
    """Variables of Ansible: what they hold is their user's business."""

    word: str = "a mapping of variables"

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


_NAMES = ListOf(_OBJECT)
_AWS = Record(
    {
        "role_arn": Key(
            Text(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+", "the ARN of an IAM role"), "The role to assume."
        ),
        "region": Key(Text(r"[a-z]{2}(-[a-z]+)+-[0-9]", "a region such as eu-west-1"), "The region of the env."),
        "source": Key(
            Choice(("Ec2InstanceMetadata", "EcsContainer", "Environment")),
            "Whose credentials assume it: those of the Controller's instance, container or environment.",
            "Ec2InstanceMetadata",
        ),
    },
    "aws",
)
_ENV = Record(
    {
        "production": Key(Flag(), "Developers look and ask; approvers deploy.", False),
        "roles": Key(ListOf(_VERB), "Server roles that the env has; without it all of them."),
        "credentials": Key(_NAMES, "Further credentials of its jobs, such as its SSH key.", []),
        "aws": Key(_AWS, "An IAM role that its jobs assume. Without it they have what the Controller's instance may."),
        "inventory": Key(_OPTIONAL, "Source file of its inventory, in the project; without it `inventory.path`."),
        "limit": Key(_OPTIONAL, "Which hosts of the source it takes; without it the group env_<env>."),
        "variables": Key(_Variables(), "Variables of its inventory, such as how its hosts are connected to.", {}),
        "extra_vars": Key(_Variables(), "Variables of all its jobs, such as a bucket of its own.", {}),
        "instance_groups": Key(_NAMES, "Where its jobs run; without it `instance_groups`."),
    },
    "an env",
)
_SCHEDULE = Record(
    {
        "button": Key(_VERB, "Which button is pressed: the name of its file.", required=True),
        "env": Key(_VERB, "In which env."),
        "app": Key(_VERB, "Of which app, where there is a button for each."),
        "role": Key(_VERB, "Of which server role, where there is a button for each."),
        "rrule": Key(
            Text(r"DTSTART.+RRULE:.+", "DTSTART… RRULE:… as the Controller writes it"), "When.", required=True
        ),
        "answers": Key(_Variables(), "Answers to the survey.", {}),
    },
    "a schedule",
)
SETTINGS = Record(
    {
        "organization": Key(_OBJECT, "The organization that owns everything.", required=True),
        "manage_organization": Key(Flag(), "false leaves the organization itself to others.", True),
        "label": Key(_VERB, "What marks that an object is ours: a label, or [label] in its description.", "dtk"),
        "url": Key(_OPTIONAL, "Where people find the Controller, for links to jobs.", ""),
        "teams": Key(
            Record(
                {
                    "developers": Key(
                        _OBJECT, "Who executes in envs that are not production, and asks there.", "Developers"
                    ),
                    "approvers": Key(_OBJECT, "Who approves, and executes in production.", "SysOps"),
                    "admins": Key(_OBJECT, "Who edits.", "Controller admins"),
                },
                "teams",
            ),
            "Names of the three teams.",
            {},
        ),
        "execution_environment": Key(
            Record(
                {
                    "name": Key(_OBJECT, "Its name.", "Deploy Toolkit"),
                    "image": Key(_OPTIONAL, "The image, best by digest.", required=True),
                    "pull": Key(Choice(("always", "missing", "never")), "When it is pulled.", "missing"),
                    "credential": Key(_OBJECT, "Credential of the registry."),
                },
                "an execution environment",
            ),
            "The image that jobs run in; meta/execution-environment.yml makes it.",
            required=True,
        ),
        "project": Key(
            Record(
                {
                    "name": Key(_OBJECT, "Its name.", "Estate"),
                    "url": Key(_OPTIONAL, "Where git finds the estate.", required=True),
                    "branch": Key(_OPTIONAL, "Branch, tag or commit.", ""),
                    "credential": Key(_OBJECT, "Credential of the repository."),
                    "playbooks": Key(_OPTIONAL, "Folder of the playbooks in it.", "playbooks"),
                    "cache": Key(Number(0), "Seconds for which a checkout is new enough for a job.", 60),
                },
                "a project",
            ),
            "The estate's repository.",
            required=True,
        ),
        "inventory": Key(
            Record(
                {
                    "path": Key(_OPTIONAL, "Source file in the project.", "fleet.dtk.yml"),
                    "cache": Key(Number(0), "Seconds for which the list of hosts is new enough for a job.", 60),
                },
                "inventory",
            ),
            "Source of all inventories.",
            {},
        ),
        "credentials": Key(_NAMES, "Credentials of all jobs; controller_credentials declares them.", []),
        "instance_groups": Key(_NAMES, "Where jobs run.", []),
        "roles": Key(ListOf(_VERB, least=1), "Server roles: the files group_vars/role_<name>.yml.", required=True),
        "envs": Key(MapOf(_ENV, _WORD, "a-z, 0-9, _ and -", "<env>"), "The envs.", required=True),
        "versions": Key(
            Record(
                {
                    "count": Key(Number(1, 200), "How many of the newest releases a survey offers.", 15),
                    "every": Key(Number(0, 1440), "Minutes between two looks for new releases; 0 for none.", 15),
                    "credentials": Key(
                        _NAMES, "Credentials of the job that looks; it needs one for this Controller, too.", []
                    ),
                },
                "versions",
            ),
            "The lists of published releases in surveys.",
            {},
        ),
        "approval_timeout": Key(Number(60), "Seconds after which a question to approvers counts as denied.", 86400),
        "notify": Key(_NAMES, "Who hears of plans, questions and failures: names of controller_notifications.", []),
        "webhook": Key(Choice(("github", "gitlab")), "Who may start a look for new releases by webhook."),
        "slices": Key(
            MapOf(Number(1, 100), _WORD, "the name of a button", "<button>"), "Slices of a job, by button.", {}
        ),
        "schedules": Key(ListOf(_SCHEDULE), "What is pressed by the clock.", []),
    },
    "dtk_controller",
)

_QUESTION = Record(
    {
        "variable": Key(
            Text(_VARIABLE, "the name of a variable"), "The variable that takes the answer.", required=True
        ),
        "question": Key(_OPTIONAL, "What is asked.", required=True),
        "about": Key(_OPTIONAL, "What helps to answer.", ""),
        "type": Key(
            Choice(("text", "textarea", "integer", "choice", "app", "role", "env", "version", "strategy")),
            "Of which kind the answer is.",
            "text",
        ),
        "choices": Key(ListOf(Text()), "Of a choice: its values.", []),
        "required": Key(Flag(), "Whether it must be answered.", True),
        "default": Key(_OPTIONAL, "What is taken when nobody answers.", ""),
    },
    "a question",
)
_NODE = Record(
    {
        "id": Key(_VERB, "Its name in the workflow.", required=True),
        "button": Key(_VERB, "Which button it presses."),
        "approval": Key(_OPTIONAL, "What it asks the approvers."),
        "success": Key(ListOf(_VERB), "What follows success.", []),
        "failure": Key(ListOf(_VERB), "What follows failure.", []),
        "always": Key(ListOf(_VERB), "What follows in any case.", []),
    },
    "a node",
)
_WHO = Choice((*TEAMS, "nobody"))
BUTTON = Record(
    {
        "title": Key(Text(), "Name of the template; {app}, {role} and {env} stand for theirs.", required=True),
        "about": Key(_OPTIONAL, "What it does, in a line.", ""),
        "playbook": Key(_VERB, "Which playbook of the collection; none for a workflow."),
        "per": Key(Choice(PER), "What there is one button for, in each env; `estate` for one in all.", required=True),
        "only": Key(Choice(("all", "production", "other")), "In which envs there is one.", "all"),
        "having": Key(Choice(("apps", "image", "fleet")), "What a server role must declare."),
        "asks": Key(ListOf(_QUESTION), "The survey.", []),
        "fixed": Key(_Variables(), "Variables that nobody is asked for.", {}),
        "needs": Key(ListOf(_VERB), "Variables that the playbook refuses to begin without.", []),
        "reads": Key(ListOf(_VERB), "Further variables that it reads.", []),
        "who": Key(
            Record(
                {
                    "production": Key(_WHO, "Who presses it in production.", "approvers"),
                    "other": Key(_WHO, "Who presses it elsewhere.", "developers"),
                },
                "who",
            ),
            "Who may press it. Approvers may press what developers may.",
            {},
        ),
        "slices": Key(
            Choice(("allowed", "refused")), "Whether parts of the fleet may be seen to by jobs of their own.", "refused"
        ),
        "check": Key(Flag(), "It runs in check mode.", False),
        "diff": Key(Flag(), "It shows differences.", False),
        "tells": Key(Flag(), "Its success is told, too, with what it found.", False),
        "every": Key(Flag(), "It runs by the clock, see versions.every.", False),
        "workflow": Key(ListOf(_NODE), "What it does step by step, instead of a playbook.", []),
    },
    "a button",
)
BUTTONS = MapOf(BUTTON, _WORD, "a-z, 0-9, _ and -", "<button>")
