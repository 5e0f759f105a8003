# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Component documents of AWSTOE: read and held to its rules before anything runs. Nothing here knows of a host.

What AWSTOE has and toe.py does not carry out, such as loops, is refused here, so that no document seems to work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

# https://docs.aws.amazon.com/imagebuilder/latest/userguide/toe-use-documents.html
MAX_CHARACTERS = 16_000  # of a document that CreateComponent is given inline
STAGES = (("build", "validate"), ("test",))  # what runs on one and the same host
PHASES = tuple(phase for stage in STAGES for phase in stage)
ON_FAILURE = ("Abort", "Continue", "Ignore")
TIMEOUT_SECONDS = 7200
_NAME = re.compile(r"[A-Za-z0-9_-]{3,128}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,128}")
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_CHAIN = re.compile(
    r"(?P<phase>[\w-]+)\.(?P<step>[\w-]+)\.(?P<kind>inputs|outputs)(?:\[(?P<index>\d+)\])?\.(?P<key>\w+)"
)
_OUTPUT = "stdout"


class DocumentError(Exception):
    """All that is wrong with a document."""


@dataclass(frozen=True)
class Action:
    """The inputs of an action, by name: their type, and whether they must be there."""

    many: bool  # a list of inputs, such as files, or one set of them
    required: Mapping[str, type]
    optional: Mapping[str, type] = field(default_factory=dict)
    outputs: bool = False


_OWNED = {"owner": str, "group": str, "permissions": str, "overwrite": bool}
ACTIONS = {
    "CreateFile": Action(True, {"path": str}, {"content": str, **_OWNED}),
    "CreateFolder": Action(True, {"path": str}, _OWNED),
    "DeleteFile": Action(True, {"path": str}),
    "ExecuteBash": Action(False, {"commands": list}, outputs=True),
    "ExecuteBinary": Action(False, {"path": str}, {"arguments": list}, outputs=True),
    "Reboot": Action(False, {}, {"delaySeconds": int}),
    "S3Download": Action(True, {"source": str, "destination": str}, {"expectedBucketOwner": str, "overwrite": bool}),
}
_KEYS = {
    "the document": ({"schemaVersion", "phases"}, {"name", "description", "parameters", "constants"}),
    "phase": ({"name", "steps"}, set()),
    "step": ({"name", "action"}, {"inputs", "timeoutSeconds", "onFailure", "maxAttempts"}),
    "parameter": ({"type"}, {"default", "description"}),
    "constant": ({"type", "value"}, set()),
}
_NOT_CARRIED_OUT = {"loop": "loops", "if": "conditions"}


@dataclass(frozen=True)
class Step:
    phase: str
    name: str
    action: str
    inputs: Any
    timeout: int | None  # seconds; None: as long as it takes
    on_failure: str
    attempts: int

    def __str__(self) -> str:
        return f"{self.phase}.{self.name}"


@dataclass(frozen=True)
class Document:
    name: str
    parameters: Mapping[str, str | None]  # name: default, None without one
    constants: Mapping[str, str]
    steps: tuple[Step, ...]

    def of(self, phase: str) -> Iterator[Step]:
        return (step for step in self.steps if step.phase == phase)

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """What stands for each parameter and constant, with the recipe's values for parameters."""
        unknown = sorted(set(given) - set(self.parameters))
        found = self.parameters | self.constants | given if not unknown else {}
        missing = sorted(name for name, value in found.items() if value is None)
        if unknown:
            raise DocumentError(f"there is no parameter {unknown[0]}: declare it, or give it no value.")
        if missing:
            raise DocumentError(f"the parameter {missing[0]} has no default and is given no value.")
        return found


def parse(text: str) -> Document:
    """The document, if there is nothing wrong with it."""
    if len(text) > MAX_CHARACTERS:
        raise DocumentError(f"it has {len(text)} characters; inline there may be {MAX_CHARACTERS}.")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DocumentError(f"it is no YAML: {' '.join(str(error).split())}") from error
    problems = list(_problems(document))
    if not problems:
        found = _document(document)
        problems = list(_bad_references(found))
    if problems:
        raise DocumentError(" ".join(problems))
    return found


# --- shape ------------------------------------------------------------------------------------------------------------


def _problems(document: Any) -> Iterator[str]:
    yield from _bad_keys("the document", document)
    if not isinstance(document, dict):
        return
    if str(document.get("schemaVersion")) != "1.0":
        yield f"schemaVersion is {document.get('schemaVersion')!r} and must be 1.0."
    yield from _bad_declarations(document)
    phases = document.get("phases")
    if not isinstance(phases, list) or not phases:
        yield "phases must be a list, and not empty."
        return
    for phase in phases:
        yield from _bad_phase(phase)
    yield from _twice("phase", phases)


def _bad_keys(what: str, thing: Any, kind: str | None = None) -> Iterator[str]:
    required, optional = _KEYS[kind or what]
    if not isinstance(thing, dict):
        yield f"{what} must be a mapping of {', '.join(sorted(required | optional))}."
        return
    for key in thing:
        if key in _NOT_CARRIED_OUT and kind == "step":
            yield f"{what} has {key}: {_NOT_CARRIED_OUT[key]} are AWSTOE's, and are not carried out here."
        elif key not in required | optional:
            yield f"{what} has the unknown key {key}; known are {', '.join(sorted(required | optional))}."
    for key in sorted(required - set(thing)):
        yield f"{what} has no {key}."


def _bad_declarations(document: dict[str, Any]) -> Iterator[str]:
    names = []
    for section, kind in (("parameters", "parameter"), ("constants", "constant")):
        entries = document.get(section) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) and len(entry) == 1 for entry in entries):
            yield f"{section} must be a list, each entry of which is one name with its details."
            continue
        for entry in entries:
            ((name, details),) = entry.items()
            names.append(name)
            yield from _bad_declaration(kind, name, details)
    for name in sorted({name for name in names if names.count(name) > 1}, key=str):
        yield f"{name} is declared more than once."


def _bad_declaration(kind: str, name: Any, details: Any) -> Iterator[str]:
    what = f"the {kind} {name}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"{what} must be named with 3 to 128 letters, digits, - and _."
    yield from _bad_keys(what, details, kind)
    if isinstance(details, dict):
        if details.get("type") != "string":
            yield f"{what} has the type {details.get('type')!r}; there is string alone."
        for key in ("default", "value"):
            if key in details and not isinstance(details[key], str):
                yield f"{what} has the {key} {details[key]!r}, which is no string: put it into quotes."


def _bad_phase(phase: Any) -> Iterator[str]:
    what = f"the phase {phase.get('name')}" if isinstance(phase, dict) else "a phase"
    yield from _bad_keys(what, phase, "phase")
    if not isinstance(phase, dict):
        return
    if phase.get("name") not in PHASES:
        yield f"{what} is none of {', '.join(PHASES)}."
    steps = phase.get("steps")
    if not isinstance(steps, list) or not steps:
        yield f"{what} must have a list of steps, and not an empty one."
        return
    for step in steps:
        yield from _bad_step(phase.get("name"), step)
    yield from _twice(f"step of {what}", steps)


def _twice(what: str, things: list[Any]) -> Iterator[str]:
    names = [thing.get("name") for thing in things if isinstance(thing, dict)]
    for name in sorted({name for name in names if names.count(name) > 1}, key=str):
        yield f"there is more than one {what} with the name {name}."


def _bad_step(phase: Any, step: Any) -> Iterator[str]:
    what = f"the step {phase}.{step.get('name')}" if isinstance(step, dict) else f"a step of the phase {phase}"
    yield from _bad_keys(what, step, "step")
    if not isinstance(step, dict):
        return
    if not isinstance(step.get("name"), str) or not _WORD.fullmatch(step["name"]):
        yield f"{what} must be named with letters, digits, - and _."
    yield from _bad_control(what, step)
    action = step.get("action")
    if action in ACTIONS:
        yield from _bad_inputs(what, ACTIONS[action], step.get("inputs"))
    elif action is not None:
        yield f"{what} has the action {action}, which is not carried out here; {', '.join(ACTIONS)} are."


def _bad_control(what: str, step: dict[str, Any]) -> Iterator[str]:
    timeout, attempts = step.get("timeoutSeconds", TIMEOUT_SECONDS), step.get("maxAttempts", 1)
    if type(timeout) is not int or (timeout < 1 and timeout != -1):
        yield f"{what} has the timeoutSeconds {timeout!r}; it must be a number of seconds, or -1 for no limit."
    if type(attempts) is not int or attempts < 1:
        yield f"{what} has the maxAttempts {attempts!r}; it must be a number from 1 on."
    if step.get("onFailure", "Abort") not in ON_FAILURE:
        yield f"{what} has the onFailure {step['onFailure']!r}; it must be one of {', '.join(ON_FAILURE)}."


def _bad_inputs(what: str, action: Action, inputs: Any) -> Iterator[str]:
    if action.many:
        if not isinstance(inputs, list) or not inputs:
            yield f"the inputs of {what} must be a list, and not empty."
            return
        for index, one in enumerate(inputs):
            yield from _bad_input(f"inputs[{index}] of {what}", action, one)
    elif action.required or inputs is not None:
        yield from _bad_input(f"the inputs of {what}", action, inputs)


def _bad_input(what: str, action: Action, given: Any) -> Iterator[str]:
    known = {**action.required, **action.optional}
    if not isinstance(given, dict):
        yield f"{what} must be a mapping of {', '.join(known)}."
        return
    for key in sorted(set(action.required) - set(given)):
        yield f"{what} have no {key}."
    for key, value in given.items():
        if key not in known:
            yield f"{what} have the unknown key {key}; known are {', '.join(known)}."
        elif type(value) is not known[key]:
            yield f"{key} in {what} is {value!r} and must be of the type {known[key].__name__}."
        elif known[key] is list and not all(isinstance(item, str) for item in value):
            yield f"{key} in {what} must be a list of strings."


def _document(document: dict[str, Any]) -> Document:
    """Of what has the right shape."""
    sections = {
        section: {name: details for entry in document.get(section) or [] for name, details in entry.items()}
        for section in ("parameters", "constants")
    }
    order = sorted(document["phases"], key=lambda phase: PHASES.index(phase["name"]))
    return Document(
        name=document.get("name", ""),
        parameters={name: details.get("default") for name, details in sections["parameters"].items()},
        constants={name: details["value"] for name, details in sections["constants"].items()},
        steps=tuple(_step(phase["name"], step) for phase in order for step in phase["steps"]),
    )


def _step(phase: str, step: dict[str, Any]) -> Step:
    timeout = step.get("timeoutSeconds", TIMEOUT_SECONDS)
    return Step(
        phase=phase,
        name=step["name"],
        action=step["action"],
        inputs=step.get("inputs") or {},
        timeout=None if timeout == -1 else timeout,
        on_failure=step.get("onFailure", "Abort"),
        attempts=step.get("maxAttempts", 1),
    )


# --- expressions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chain:
    """What another step was given, or what it said."""

    phase: str
    step: str
    kind: str
    index: int | None
    key: str

    @classmethod
    def of(cls, expression: str) -> Chain | None:
        found = _CHAIN.fullmatch(expression)
        if not found:
            return None
        index = found["index"]
        return cls(found["phase"], found["step"], found["kind"], None if index is None else int(index), found["key"])

    def input_of(self, step: Step) -> str | None:
        """The text of that input, None if the step has none there."""
        inputs = step.inputs
        if isinstance(inputs, list):
            inputs = inputs[self.index] if self.index is not None and self.index < len(inputs) else {}
        elif self.index is not None:
            return None
        value = inputs.get(self.key)
        return value if isinstance(value, str) else None


def strings(value: Any) -> Iterator[str]:
    """Every text in the inputs of a step."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def expressions(text: str) -> Iterator[str]:
    return (found[1].strip() for found in _EXPRESSION.finditer(text))


def resolved(value: Any, meaning: Mapping[str, str]) -> Any:
    """The same with each expression replaced by what it stands for."""
    if isinstance(value, str):
        return _EXPRESSION.sub(lambda found: meaning[found[1].strip()], value)
    if isinstance(value, list):
        return [resolved(item, meaning) for item in value]
    if isinstance(value, dict):
        return {key: resolved(item, meaning) for key, item in value.items()}
    return value


def _bad_references(document: Document) -> Iterator[str]:
    declared = {**document.parameters, **document.constants}
    before: dict[tuple[str, str], Step] = {}
    for step in document.steps:
        for text in strings(step.inputs):
            for expression in expressions(text):
                why = None if expression in declared else _bad_reference(expression, step, before)
                if why:
                    yield f"the step {step} has {{{{ {expression} }}}}: {why}"
        before[step.phase, step.name] = step


def _bad_reference(expression: str, step: Step, before: Mapping[tuple[str, str], Step]) -> str | None:
    chain = Chain.of(expression)
    if chain is None:
        return "that is neither a declared parameter or constant, nor the inputs or outputs of a step."
    source = before.get((chain.phase, chain.step))
    if source is None:
        return "no such step comes before this one."
    if not any({chain.phase, step.phase} <= set(stage) for stage in STAGES):
        return f"{chain.phase} does not run on the instance that {step.phase} runs on."
    if chain.kind == "inputs" and chain.input_of(source) is None:
        return f"the step {source} has no such input."
    if chain.kind == "outputs" and (chain.key, chain.index, ACTIONS[source.action].outputs) != (_OUTPUT, None, True):
        return f"the step {source} has no such output."
    return None
