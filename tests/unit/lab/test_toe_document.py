# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Component documents: what is taken, what is refused in which words, and what expressions stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.toe_document import MAX_CHARACTERS, Chain, DocumentError, Step, expressions, parse, resolved, strings

ROOT = Path(__file__).resolve().parents[3]
OURS = (ROOT / "roles/golden_image/files/component.yml", ROOT / "tests/hosts/component.yml")


def bash(name: str, *commands: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "action": "ExecuteBash", "inputs": {"commands": list(commands)}, **keys}


def good() -> dict[str, Any]:
    return {
        "name": "good",
        "schemaVersion": 1.0,
        "parameters": [{"Source": {"type": "string"}}, {"Say": {"type": "string", "default": "hello"}}],
        "constants": [{"Folder": {"type": "string", "value": "/opt/x"}}],
        "phases": [
            {"name": "test", "steps": [bash("Prove", "true")]},
            {
                "name": "build",
                "steps": [
                    {
                        "name": "Get",
                        "action": "S3Download",
                        "maxAttempts": 3,
                        "timeoutSeconds": -1,
                        "inputs": [{"source": "{{ Source }}", "destination": "{{Folder}}/a", "overwrite": False}],
                    },
                    bash("Say", "cat '{{ build.Get.inputs[0].destination }}'", "echo {{ Say }}", onFailure="Continue"),
                ],
            },
            {"name": "validate", "steps": [bash("Check", "test '{{ build.Say.outputs.stdout }}' = hello")]},
        ],
    }


def refused(document: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        parse(document if isinstance(document, str) else yaml.safe_dump(document))
    return str(caught.value)


def test_a_good_document_is_what_it_says() -> None:
    document = parse(yaml.safe_dump(good()))
    assert [str(step) for step in document.steps] == ["build.Get", "build.Say", "validate.Check", "test.Prove"]
    get, say, *_others = document.steps
    assert (get.attempts, get.timeout, get.on_failure) == (3, None, "Abort")
    assert (say.attempts, say.timeout, say.on_failure) == (1, 7200, "Continue")
    assert list(document.of("test")) == [document.steps[-1]]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.parent.parent.name)
def test_our_own_documents_are_good(path: Path) -> None:
    assert {step.phase for step in parse(path.read_text()).steps} == {"build", "validate", "test"}


def set_(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what is at the path to the last one of it."""
    *way, key, value = path

    def change(document: Any) -> None:
        for one in way:
            document = document[one]
        document[key] = value

    return change


BUILD, GET, SAY, TEST = ("phases", 1), ("phases", 1, "steps", 0), ("phases", 1, "steps", 1), ("phases", 0, "steps", 0)
BAD = {
    "schema version": (set_("schemaVersion", 1.1), "schemaVersion is 1.1 and must be 1.0."),
    "unknown key": (set_("author", "me"), "the document has the unknown key author; known are constants, description,"),
    "phases": (set_("phases", []), "phases must be a list, and not empty."),
    "unknown phase": (set_(*BUILD, "name", "deploy"), "the phase deploy is none of build, validate, test."),
    "a phase twice": (set_(*BUILD, "name", "test"), "there is more than one phase with the name test."),
    "key of a phase": (set_(*BUILD, "when", "x"), "the phase build has the unknown key when; known are name, steps."),
    "no steps": (set_(*BUILD, "steps", []), "the phase build must have a list of steps, and not an empty one."),
    "no step": (set_(*BUILD, "steps", ["x"]), "a step of the phase build must be a mapping of action, inputs,"),
    "step twice": (
        set_(*SAY, "name", "Get"),
        "there is more than one step of the phase build with the name Get.",
    ),
    "name of a step": (
        set_(*SAY, "name", "Say it"),
        "the step build.Say it must be named with letters, digits, - and _.",
    ),
    "key of a step": (
        set_(*SAY, "retries", 3),
        "the step build.Say has the unknown key retries; known are action, inputs,",
    ),
    "loop": (
        set_(*SAY, "loop", {"for": {}}),
        "the step build.Say has loop: loops are AWSTOE's, and are not carried out here.",
    ),
    "condition": (set_(*SAY, "if", {}), "the step build.Say has if: conditions are AWSTOE's, and are not carried out"),
    "action": (
        set_(*SAY, "action", "UpdateOS"),
        "the step build.Say has the action UpdateOS, which is not carried out here; CreateFile, CreateFolder,",
    ),
    "timeout": (
        set_(*SAY, "timeoutSeconds", "60"),
        "the step build.Say has the timeoutSeconds '60'; it must be a number",
    ),
    "no attempt": (
        set_(*SAY, "maxAttempts", 0),
        "the step build.Say has the maxAttempts 0; it must be a number from 1",
    ),
    "a boolean": (set_(*SAY, "maxAttempts", True), "the step build.Say has the maxAttempts True; it must be a number"),
    "on failure": (
        set_(*SAY, "onFailure", "Retry"),
        "the step build.Say has the onFailure 'Retry'; it must be one of Abort, Continue, Ignore.",
    ),
    "commands": (
        set_(*SAY, "inputs", {"commands": "true"}),
        "commands in the inputs of the step build.Say is 'true' and must be of the type list.",
    ),
    "a command": (
        set_(*SAY, "inputs", {"commands": ["true", 1]}),
        "commands in the inputs of the step build.Say must be a list of strings.",
    ),
    "no commands": (set_(*SAY, "inputs", {}), "the inputs of the step build.Say have no commands."),
    "no inputs": (set_(*GET, "inputs", None), "the inputs of the step build.Get must be a list, and not empty."),
    "one input": (set_(*GET, "inputs", {"source": "x"}), "the inputs of the step build.Get must be a list"),
    "input": (
        set_(*GET, "inputs", 0, {"source": "s3://b/k", "to": "/x"}),
        "inputs[0] of the step build.Get have no destination. "
        "inputs[0] of the step build.Get have the unknown key to; known are source, destination, expectedBucketOwner,",
    ),
    "type of an input": (
        set_(*GET, "inputs", 0, "expectedBucketOwner", 123456789012),
        "expectedBucketOwner in inputs[0] of the step build.Get is 123456789012 and must be of the type str.",
    ),
    "parameters": (set_("parameters", {"A": 1}), "parameters must be a list, each entry of which is one name with its"),
    "short name": (set_("parameters", 1, {"A": {"type": "string"}}), "the parameter A must be named with 3 to 128"),
    "long name": (
        set_("parameters", 1, {"a" * 129: {"type": "string"}}),
        "must be named with 3 to 128 letters, digits",
    ),
    "odd name": (set_("parameters", 1, {"a.b": {"type": "string"}}), "the parameter a.b must be named with 3 to 128"),
    "type": (
        set_("parameters", 1, "Say", "type", "number"),
        "the parameter Say has the type 'number'; there is string",
    ),
    "default": (set_("parameters", 1, "Say", "default", 1), "the parameter Say has the default 1, which is no string"),
    "key of a parameter": (set_("parameters", 1, "Say", "min", 1), "the parameter Say has the unknown key min;"),
    "no value": (set_("constants", 0, "Folder", {"type": "string"}), "the constant Folder has no value."),
    "declared twice": (
        set_("constants", 0, {"Say": {"type": "string", "value": "x"}}),
        "Say is declared more than once.",
    ),
    "undeclared": (
        set_(*SAY, "inputs", "commands", 0, "echo {{ Sai }}"),
        "the step build.Say has {{ Sai }}: that is neither a declared parameter or constant, nor the inputs or outputs",
    ),
    "later step": (
        set_(*GET, "inputs", 0, "destination", "{{ build.Say.outputs.stdout }}"),
        "the step build.Get has {{ build.Say.outputs.stdout }}: no such step comes before this one.",
    ),
    "another host": (
        set_(*TEST, "inputs", "commands", 0, "echo {{ build.Say.outputs.stdout }}"),
        "the step test.Prove has {{ build.Say.outputs.stdout }}: build does not run on the instance that test runs on.",
    ),
    "no such input": (
        set_(*SAY, "inputs", "commands", 0, "echo {{ build.Get.inputs[1].destination }}"),
        "the step build.Say has {{ build.Get.inputs[1].destination }}: the step build.Get has no such input.",
    ),
    "no output": (
        set_(*SAY, "inputs", "commands", 0, "echo {{ build.Get.outputs.stdout }}"),
        "the step build.Say has {{ build.Get.outputs.stdout }}: the step build.Get has no such output.",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_a_bad_document_is_refused(change: Callable[[dict[str, Any]], None], message: str) -> None:
    document = good()
    change(document)
    assert message in refused(document)


def test_all_that_is_wrong_is_told_at_once() -> None:
    document = good()
    set_("schemaVersion", "2")(document)
    set_(*SAY, "action", "Loop")(document)
    assert refused(document).startswith("schemaVersion is '2' and must be 1.0. the step build.Say has the action Loop,")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phases: [", "it is no YAML: while parsing a flow node"),
        ("just a text", "the document must be a mapping of constants, description,"),
        ("#" * (MAX_CHARACTERS + 1), "it has 16001 characters; inline there may be 16000."),
    ],
)
def test_what_is_no_document_is_refused(text: str, message: str) -> None:
    assert message in refused(text)


def test_values_of_the_recipe_go_over_defaults() -> None:
    document = parse(yaml.safe_dump(good()))
    assert document.values({"Source": "s3://b/k"}) == {"Source": "s3://b/k", "Say": "hello", "Folder": "/opt/x"}
    assert document.values({"Source": "s3://b/k", "Say": "bye"})["Say"] == "bye"
    with pytest.raises(DocumentError, match="the parameter Source has no default and is given no value"):
        document.values({})
    for name in ("Sorce", "Folder"):
        with pytest.raises(DocumentError, match=f"there is no parameter {name}"):
            document.values({"Source": "x", name: "y"})


def test_expressions_are_replaced_wherever_they_stand() -> None:
    inputs = {"commands": ["echo {{ A1 }}{{B2}}", "{ not this }"], "deep": [{"er": "{{  A1  }}"}], "number": 3}
    found = [one for text in strings(inputs) for one in expressions(text)]
    assert found == ["A1", "B2", "A1"]
    assert resolved(inputs, {"A1": "x", "B2": "{{ A1 }}"}) == {
        "commands": ["echo x{{ A1 }}", "{ not this }"],  # what a value says is no expression
        "deep": [{"er": "x"}],
        "number": 3,
    }


def test_chains_point_to_inputs() -> None:
    many = Step("build", "Get", "S3Download", [{"source": "a"}, {"source": "b", "overwrite": True}], None, "Abort", 1)
    one = Step("build", "Run", "ExecuteBinary", {"path": "/bin/x", "arguments": ["y"]}, None, "Abort", 1)
    asked = {
        "build.Get.inputs[1].source": (many, "b"),
        "build.Get.inputs[2].source": (many, None),
        "build.Get.inputs.source": (many, None),
        "build.Get.inputs[1].overwrite": (many, None),
        "build.Run.inputs.path": (one, "/bin/x"),
        "build.Run.inputs[0].path": (one, None),
        "build.Run.inputs.arguments": (one, None),
    }
    for expression, (step, value) in asked.items():
        chain = Chain.of(expression)
        assert chain is not None and chain.input_of(step) == value, expression
    assert Chain.of("build.Get.source") is None
