# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Controller demands of objects beyond their fields (serializers: `validate`), by kind.

A rule looks at the values of a request, with what the object has already, raises `InvalidError`, and may complete
them: seal what is secret, and set what follows from them.
"""

from __future__ import annotations

import datetime
import re
import secrets
from collections.abc import Callable
from typing import Any

import jinja2
import jinja2.meta
from dateutil import rrule, tz

from . import tables
from .fields import InvalidError
from .prompts import PROMPTS, Prompts
from .store import Row, Store

Values = dict[str, Any]


class Rules:
    """The rules of all kinds."""

    def __init__(self, store: Store, prompts: Prompts, playbooks: Callable[[Row], list[str] | None]) -> None:
        self._store, self._prompts, self._playbooks = store, prompts, playbooks
        self._by_kind: dict[str, Callable[[Row | None, Values, Values], None]] = {
            "users": self._user,
            "credentials": self._credential,
            "credential_types": self._credential_type,
            "projects": self._project,
            "inventory_sources": self._inventory_source,
            "job_templates": self._job_template,
            "notification_templates": self._notification_template,
            "schedules": self._schedule,
            "workflow_job_template_nodes": self._node,
            "tokens": self._token,
        }

    def apply(self, kind: str, row: Row | None, values: Values) -> None:
        rule = self._by_kind.get(kind)
        if rule:
            rule(row, values, {**(row.values if row else {}), **values})
        self._unique(kind, row, {**(row.values if row else {}), **values})

    def _unique(self, kind: str, row: Row | None, merged: Values) -> None:
        unique = tables.UNIQUE.get(kind)
        if not unique or (kind == "instance_groups" and merged.get("name") is None):
            return
        same = self._store.where(kind, **{name: merged.get(name) for name in unique.fields})
        # Databases hold nothing for the same that is not there; the soft rules do.
        empty = any(merged.get(name) is None for name in unique.fields) and "combination" not in unique.text
        if not empty and any(other is not row for other in same):
            raise InvalidError({unique.where: [unique.text]})

    # --- people and secrets ---

    def _user(self, row: Row | None, values: Values, _merged: Values) -> None:
        if values.get("password") == tables.ENCRYPTED or (row and not values.get("password")):
            values.pop("password", None)
        elif not row and not values.get("password"):
            raise InvalidError({"password": ["Password required for new User."]})
        elif "password" in values:
            values["password"] = self._store.vault.seal(values["password"])

    @staticmethod
    def _token(row: Row | None, values: Values, _merged: Values) -> None:
        scopes = set(values.get("scope", "write").split())
        if not scopes <= {"read", "write"}:
            raise InvalidError(
                {"scope": ["Must be a simple space-separated string with allowed scopes ['read', 'write']."]}
            )
        if not row:
            in_a_thousand_years = datetime.datetime(3025, 1, 1, tzinfo=datetime.UTC)
            values["expires"] = in_a_thousand_years.strftime("%Y-%m-%dT%H:%M:%SZ")
            values["token"] = secrets.token_hex(15)

    def _credential(self, row: Row | None, values: Values, merged: Values) -> None:
        kind = self._store.get("credential_types", merged["credential_type"])
        if row and "credential_type" in values and values["credential_type"] != row["credential_type"]:
            raise InvalidError(
                {
                    "credential_type": [
                        "You cannot change the credential type of the credential, as it may break the functionality of "
                        "the resources using it."
                    ]
                }
            )
        if not row and not any(values.get(owner) for owner in ("organization", "user", "team")):
            raise InvalidError({"detail": ["Missing 'user', 'team', or 'organization'."]})
        values["kind"], values["cloud"] = kind["namespace"] or kind["kind"], kind["kind"] == "cloud"
        values["kubernetes"] = kind["kind"] == "kubernetes"
        values["credential_type_id"] = kind.id
        if "inputs" in values:
            values["inputs"] = self._inputs(kind, values["inputs"], row["inputs"] if row else {})

    def _inputs(self, kind: Row, inputs: Values, before: Values) -> Values:
        known = {field["id"]: field for field in (kind["inputs"] or {}).get("fields", [])}
        for name in inputs:
            if name not in known:
                raise InvalidError({"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]})
        kept = {}
        for name, value in inputs.items():
            field = known[name]
            if field.get("type", "string") == "boolean" and not isinstance(value, bool):
                raise InvalidError({"inputs": {name: [f"{value!r} is not of type 'boolean'"]}})
            if field.get("choices") and value not in field["choices"]:
                raise InvalidError({"inputs": {name: [f"{value!r} is not one of {field['choices']!r}"]}})
            kept[name] = value
            if field.get("secret"):
                kept[name] = before.get(name, "") if value == tables.ENCRYPTED else self._store.vault.seal(value)
        return kept

    def _credential_type(self, row: Row | None, values: Values, merged: Values) -> None:
        if row and row["managed"]:
            raise InvalidError({"detail": ["Modifications not allowed for managed credential types"]})
        used = row and self._store.where("credentials", credential_type=row.id)
        for name in ("inputs", "injectors"):
            if used and name == "inputs" and name in values and values[name] != row[name]:
                raise InvalidError(
                    {name: [f"Modifications to {name} are not allowed for credential types that are in use"]}
                )
        if merged["kind"] not in {"cloud", "net"}:
            raise InvalidError({"kind": [f"Must be 'cloud' or 'net', not {merged['kind']}"]})
        names = self._input_names(merged.get("inputs") or {})
        self._injectors(merged.get("injectors") or {}, names)

    @staticmethod
    def _input_names(inputs: Values) -> set[str]:
        extra = set(inputs) - {"fields", "required", "metadata", "dependencies"}
        if extra:
            raise InvalidError({"inputs": [f"Additional properties are not allowed ('{min(extra)}' was unexpected)"]})
        names = set()
        for field in inputs.get("fields", []):
            for needed in ("id", "label"):
                if needed not in field:
                    raise InvalidError({"inputs": [f"'{needed}' is a required property"]})
            if field["id"] in names:
                raise InvalidError({"inputs": [f"{field['id']} must be unique"]})
            if field["id"] == "tower" or not re.fullmatch(r"[a-zA-Z_]+[a-zA-Z0-9_]*", field["id"]):
                raise InvalidError({"inputs": [f"'{field['id']}' is not valid as an id"]})
            names.add(field["id"])
        return names

    @staticmethod
    def _injectors(injectors: Values, names: set[str]) -> None:
        extra = set(injectors) - {"file", "env", "extra_vars"}
        if extra:
            raise InvalidError(
                {"injectors": [f"Additional properties are not allowed ('{min(extra)}' was unexpected)"]}
            )
        environment = jinja2.Environment(autoescape=True)
        for group, entries in injectors.items():
            for name, text in entries.items():
                try:
                    used = jinja2.meta.find_undeclared_variables(environment.parse(str(text)))
                except jinja2.TemplateSyntaxError as error:
                    raise InvalidError(
                        {"injectors": [f"Syntax error rendering template for {name} inside of {group} ({error})"]}
                    ) from error
                unknown = used - names - {"tower", "awx_filename"}
                if unknown:
                    raise InvalidError(
                        {"injectors": [f"{name} uses an undefined field ('{min(unknown)}' is undefined)"]}
                    )

    def _notification_template(self, row: Row | None, values: Values, merged: Values) -> None:
        needed, secret = tables.NOTIFICATIONS[merged["notification_type"]]
        if row and "notification_configuration" not in values and "notification_type" not in values:
            return
        given = values.get("notification_configuration", (row["notification_configuration"] if row else {}))
        filled = tables.NOTIFICATION_DEFAULTS.get(merged["notification_type"], {}) | given
        missing = [name for name in needed if name not in filled]
        if missing:
            words = f"Missing required fields for Notification Configuration: {missing}."
            raise InvalidError({"notification_configuration": [words]})
        before = row["notification_configuration"] if row else {}
        for name in secret:
            if filled.get(name) == tables.ENCRYPTED:
                filled[name] = before.get(name, "")
            elif name in filled:
                filled[name] = self._store.vault.seal(filled[name])
        values["notification_configuration"] = filled

    # --- templates ---

    @staticmethod
    def _project(_row: Row | None, values: Values, merged: Values) -> None:
        if merged.get("scm_type") and merged["scm_type"] != "insights" and not merged.get("scm_url"):
            raise InvalidError({"scm_url": ["SCM URL is required."]})
        if not merged.get("scm_type") and merged.get("scm_update_on_launch"):
            values["scm_update_on_launch"] = False

    def _inventory_source(self, _row: Row | None, _values: Values, merged: Values) -> None:
        if merged.get("source") == "scm":
            if not merged.get("source_project"):
                raise InvalidError({"source_project": ["Project required for scm type sources."]})
        elif merged.get("source_project"):
            raise InvalidError({"source_project": ["Cannot set source_project if not SCM type."]})
        elif merged.get("source_path"):
            raise InvalidError({"detail": ["Cannot set source_path if not SCM type."]})
        inventory = self._store.get("inventories", merged.get("inventory"))
        if inventory and inventory["kind"] == "smart":
            raise InvalidError({"inventory": ["Cannot create Inventory Source for Smart Inventory"]})
        if not merged.get("source"):
            raise InvalidError({"source": ["This field may not be blank."]})

    def _job_template(self, _row: Row | None, values: Values, merged: Values) -> None:
        project = self._store.get("projects", merged.get("project"))
        if not project:
            raise InvalidError({"project": ["This field is required."]})
        known = self._playbooks(project)
        if not merged.get("playbook"):
            raise InvalidError({"playbook": ["Must select playbook for project."]})
        if known is not None and not project["allow_override"] and merged["playbook"] not in known:
            raise InvalidError({"playbook": ["Playbook not found for project."]})
        if merged.get("scm_branch") and not project["allow_override"]:
            raise InvalidError({"scm_branch": ["Project does not allow overriding branch."]})
        if not merged.get("inventory") and not merged.get("ask_inventory_on_launch"):
            raise InvalidError({"inventory": ["You must either set a default value or ask to prompt on launch."]})
        values["organization"] = project["organization"]

    # --- plans and workflows ---

    def _schedule(self, row: Row | None, values: Values, merged: Values) -> None:
        template = self._store.get("unified_job_templates", merged["unified_job_template"])
        if template.kind == "inventory_sources" and template["source"] == "file":
            raise InvalidError({"unified_job_template": ["Manual inventory source cannot have a schedule set."]})
        if "rrule" in values or not row:
            values.update(_times(merged["rrule"]))
        self._prompted(template, row, values, ())

    def _node(self, row: Row | None, values: Values, merged: Values) -> None:
        workflow = self._store.get("workflow_job_templates", merged.get("workflow_job_template"))
        if not row and not workflow:
            raise InvalidError({"workflow_job_template": ["This field may not be null."]})
        if not row and not values.get("identifier"):
            values["identifier"] = secrets.token_hex(16)
        template = self._store.get("unified_job_templates", merged.get("unified_job_template"))
        if template:
            self._prompted(template, row, values, ("required",))

    def _prompted(self, template: Row, row: Row | None, values: Values, tolerated: tuple[str, ...]) -> None:
        """Holds what is said of a template against what it asks, and seals answers that are secret."""
        vault, before = self._store.vault, row.values if row else {}
        old = before.get("extra_data") or {}
        given = dict(values.get("extra_data", old) or {})
        for name in self._prompts.secret_variables(template) & set(given):
            given[name] = old.get(name, "") if given[name] == tables.ENCRYPTED else vault.seal(given[name])
        merged = {**before, **values}
        fields = {name: value for name, value in merged.items() if name in PROMPTS and value not in (None, "")}
        said = self._prompts.heard(template, fields, vault.open(given), tolerated)
        if "extra_vars" in said.problems:
            said.problems["extra_data"] = said.problems.pop("extra_vars")
        if said.problems:
            raise InvalidError(said.problems)
        values["extra_data"] = given


_START = re.compile(r"DTSTART(;TZID=[^:]+)?:\d+T\d+Z?")


def rule_set(rule: str) -> rrule.rruleset:
    """The times of a schedule's rule (serializers: SchedulePreviewSerializer.validate_rrule)."""
    problem = next((words for test, words in _RULE_TESTS if test(rule)), None)
    if problem:
        raise InvalidError({"rrule": [problem]})
    try:
        return rrule.rrulestr(rule.replace(" ", "\n"), forceset=True)
    except ValueError as error:
        raise InvalidError({"rrule": [f"rrule parsing failed validation: {error}"]}) from error


def _times(rule: str) -> Values:
    """What a schedule says of its times."""
    found = rule_set(rule)
    start = next(iter(found), None)
    zone = re.search(r"TZID=([^:]+):", rule)
    after = found.after(datetime.datetime.now(datetime.UTC).replace(tzinfo=start.tzinfo if start else None))
    return {
        "dtstart": _text(start),
        "dtend": None,
        "next_run": _text(after),
        "timezone": zone[1] if zone else "UTC",
        "until": "",
    }


def _text(time: datetime.datetime | None) -> str | None:
    if time is None:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=tz.UTC)
    return aware.astimezone(tz.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_RULE_TESTS: tuple[tuple[Callable[[str], Any], str], ...] = (
    (
        lambda rule: not _START.search(rule),
        "Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ",
    ),
    (
        lambda rule: re.search(r"DTSTART:\d+T\d+(?!\d*Z)(?:\s|$)", rule),
        "DTSTART cannot be a naive datetime.  Require ;TZINFO= or YYYYMMDDTHHMMSSZZ.",
    ),
    (lambda rule: len(_START.findall(rule)) > 1, "Multiple DTSTART is not supported."),
    (lambda rule: "RRULE:" not in rule, "RRULE required in rrule."),
    (lambda rule: "INTERVAL" not in rule.upper(), "INTERVAL required in rrule."),
    (lambda rule: "SECONDLY" in rule.upper(), "SECONDLY is not supported."),
    (lambda rule: "COUNT=" in rule.upper() and "UNTIL=" in rule.upper(), "RRULE may not contain both COUNT and UNTIL"),
)
