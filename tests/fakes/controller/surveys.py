# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surveys: what a specification may be, and what answers to it may be. The words are the Controller's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from . import tables
from .store import Row, Vault

# views: `JobTemplateSurveySpec.ALLOWED_TYPES`, and the type of a default
_TYPES: dict[str, tuple[Any, str]] = {
    "text": (str, "string"),
    "textarea": (str, "string"),
    "password": (str, "string"),
    "multiplechoice": (str, "string"),
    "multiselect": (str, "string"),
    "integer": (int, "integer"),
    "float": ((int, float), "float"),
}
_CHOICES = {"multiplechoice", "multiselect"}
_WHOLE = (("name", str, "string"), ("description", str, "string"), ("spec", list, "list of items"))
_NEEDED = (
    ("type", str, "string"),
    ("question_name", str, "string"),
    ("variable", str, "string"),
    ("required", bool, "boolean"),
)


class BadSurveyError(Exception):
    """A specification that is refused."""


def accepted(spec: Any, before: dict[str, Any], vault: Vault) -> dict[str, Any]:
    """A specification as it is kept: defaults of passwords sealed, or as they were where they came as asterisks."""
    if not isinstance(spec, dict):
        raise BadSurveyError("Field 'name' is missing from survey spec.")
    for name, kind, words in _WHOLE:
        if name not in spec:
            raise BadSurveyError(f"Field '{name}' is missing from survey spec.")
        if not isinstance(spec[name], kind):
            raise BadSurveyError(f"Expected {words} for field '{name}', received {_name(spec[name])} type.")
    if not spec["spec"]:
        raise BadSurveyError("'spec' doesn't contain any items.")
    old = {question["variable"]: question for question in before.get("spec", [])}
    kept = copy.deepcopy(spec)
    variables: set[str] = set()
    for number, question in enumerate(kept["spec"]):
        problem = next(_problems(number, question, variables), None)
        if problem:
            raise BadSurveyError(problem)
        variables.add(question["variable"])
        if question["type"] == "password" and question.get("default"):
            question["default"] = _password(number, question, old, vault)
    return kept


def _name(value: Any) -> str:
    return type(value).__name__


def _password(number: int, question: dict[str, Any], old: dict[str, Any], vault: Vault) -> str:
    if question["default"] != tables.ENCRYPTED:
        return vault.seal(question["default"])
    before = old.get(question["variable"], {})
    if before.get("type") != "password":
        raise BadSurveyError(
            f"$encrypted$ is a reserved keyword, may not be used for new default in position {number}."
        )
    return before.get("default", "")


def _problems(number: int, question: Any, variables: set[str]) -> Iterator[str]:
    if not isinstance(question, dict):
        yield f"Survey question {number} is not a json object."
        return
    for name, kind, words in _NEEDED:
        if name not in question:
            yield f"'{name}' missing from survey question {number}"
        elif not isinstance(question[name], kind):
            yield f"'{name}' in survey question {number} expected to be {words}."
    type_name = question["type"]
    if type_name not in _TYPES:
        yield (
            f"'{type_name}' in survey question {number} is not one of '{', '.join(sorted(_TYPES))}' allowed question "
            "types."
        )
    if question["variable"] in variables:
        yield f"'variable' '{question['variable']}' duplicated in survey question {number}."
    yield from _problems_of_values(number, question)


def _problems_of_values(number: int, question: dict[str, Any]) -> Iterator[str]:
    kind, words = _TYPES[question["type"]]
    default = question.get("default")
    if default not in {None, ""} and (not isinstance(default, kind) or isinstance(default, bool)):
        yield f"Default value {default} in survey question {number} expected to be {words}."
    for limit in ("min", "max"):
        if question.get(limit) not in {None, ""} and not isinstance(question[limit], int):
            yield f"The {limit} limit in survey question {number} expected to be integer."
    if question["type"] in _CHOICES:
        if not question.get("choices"):
            yield f"Survey question {number} of type {question['type']} must specify choices."
        elif default and any(one not in choices(question) for one in str(default).split("\n")):
            yield "Default choice must be answered from the choices listed."


def choices(question: dict[str, Any]) -> list[Any]:
    found = question.get("choices") or []
    return found.split("\n") if isinstance(found, str) else found


# --- answers ----------------------------------------------------------------------------------------------------


def questions(template: Row) -> list[dict[str, Any]]:
    """Those that a template asks."""
    return template.hidden.get("survey_spec", {}).get("spec", []) if template["survey_enabled"] else []


def defaults(template: Row) -> dict[str, Any]:
    """What a job has of questions that nobody answers (models: `_update_unified_job_kwargs`)."""
    found = {}
    for question in questions(template):
        default = question.get("default")
        if default not in {None, ""}:
            found[question["variable"]] = _list(default) if question["type"] == "multiselect" else default
    return found


def _list(value: Any) -> list[str]:
    return value.split("\n") if isinstance(value, str) else value


def refusals(question: dict[str, Any], answers: dict[str, Any], *, needed: bool) -> list[str]:
    """What is wrong with the answer to a question."""
    variable = question["variable"]
    if variable not in answers:
        return [f"'{variable}' value missing"] if needed and question["required"] else []
    value = answers[variable]
    if question["type"] == "password" and value == tables.ENCRYPTED:
        return []
    return list(_ANSWERS[question["type"]](question, variable, value))


def _limit(question: dict[str, Any], name: str) -> int | None:
    return int(question[name]) if question.get(name) not in {None, ""} else None


def _text(question: dict[str, Any], variable: str, value: Any) -> Iterator[str]:
    shown = tables.ENCRYPTED if question["type"] == "password" else value
    if not isinstance(value, str):
        yield f"Value {shown} for '{variable}' expected to be a string."
        return
    least, most = _limit(question, "min"), _limit(question, "max")
    if least is not None and len(value) < least:
        yield f"'{variable}' value {shown} is too small (length is {len(value)} must be at least {least})."
    if most is not None and len(value) > most:
        yield f"'{variable}' value {shown} is too large (must be no more than {most})."


def _number(question: dict[str, Any], variable: str, value: Any) -> Iterator[str]:
    kind, words = (int, "an integer") if question["type"] == "integer" else ((int, float), "a numeric type")
    if not isinstance(value, kind) or isinstance(value, bool):
        yield f"Value {value} for '{variable}' expected to be {words}."
        return
    least, most = _limit(question, "min"), _limit(question, "max")
    if least is not None and value < least:
        yield f"'{variable}' value {value} is too small (must be at least {least})."
    if most is not None and value > most:
        yield f"'{variable}' value {value} is too large (must be no more than {most})."


def _one(question: dict[str, Any], variable: str, value: Any) -> Iterator[str]:
    possible = choices(question)
    if value not in possible:
        yield f"Value {value} for '{variable}' expected to be one of {possible}."


def _several(question: dict[str, Any], variable: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"'{variable}' value is expected to be a list."
        return
    for one in value:
        yield from _one(question, variable, one)


_ANSWERS = {
    "text": _text,
    "textarea": _text,
    "password": _text,
    "integer": _number,
    "float": _number,
    "multiplechoice": _one,
    "multiselect": _several,
}
