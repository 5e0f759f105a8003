# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EC2 Image Builder: its resources and builds. The client is passed in, plain data comes out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .errors import CALL_TRIES, AwsError, ClientError, code_of, translated
from .outcomes import MissingError

PAGE = 100
_THROTTLED = "CallRateLimitExceededException"
_LONGEST_PAUSE = 20.0

# The model declares for hardly any operation that there is no such thing, so only code and text tell.
_MISSING = frozenset({"ResourceNotFoundException", "NotFoundException"})
_UNSAID = frozenset({"InvalidRequestException", "InvalidParameterException", "InvalidParameterValueException"})
_MISSING_WORDS = ("does not exist", "cannot be found", "could not be found", "not found")
_TAKEN = frozenset({"ResourceAlreadyExistsException"})
_TAKEN_WORDS = ("already exists",)
_NEEDED = frozenset({"ResourceDependencyException", "ResourceInUseException"})
_MISMATCH = "IdempotentParameterMismatchException"
_REMEDIES = {
    "ServiceQuotaExceededException": (
        "Delete what is of no more use, for instance by image_pipeline with state: pruned, or ask for a higher quota."
    ),
}


class TakenError(AwsError):
    """There is a resource of this name already."""


class NeededError(AwsError):
    """Something else still needs the resource."""


class MismatchError(AwsError):
    """Somebody else made another request with the same token."""


@dataclass(frozen=True)
class Kind:
    """How the operations of one kind of resource are called."""

    noun: str  # in the names of operations
    arn: str  # the member that holds its ARN, and its answer to a create
    member: str  # the member of the answer to a get
    words: str

    def call(self, verb: str) -> str:
        return f"{verb}_{self.noun}"


KINDS = {
    "component": Kind("component", "componentBuildVersionArn", "component", "component"),
    "recipe": Kind("image_recipe", "imageRecipeArn", "imageRecipe", "image recipe"),
    "infrastructure": Kind(
        "infrastructure_configuration",
        "infrastructureConfigurationArn",
        "infrastructureConfiguration",
        "infrastructure configuration",
    ),
    "distribution": Kind(
        "distribution_configuration",
        "distributionConfigurationArn",
        "distributionConfiguration",
        "distribution configuration",
    ),
    "pipeline": Kind("image_pipeline", "imagePipelineArn", "imagePipeline", "image pipeline"),
    "lifecycle": Kind("lifecycle_policy", "lifecyclePolicyArn", "lifecyclePolicy", "lifecycle policy"),
}


def patient(client: Any) -> Any:
    """The client, trying again when it is throttled: botocore's standard mode does not know the code for it."""
    client.meta.events.register("needs-retry.imagebuilder", _pause, unique_id="sysops.dtk.patient")
    return client


def _pause(response: Any = None, attempts: int = 0, **_event: Any) -> float | None:
    error = (response[1] if response else {}).get("Error", {})
    if error.get("Code") != _THROTTLED or attempts >= CALL_TRIES:
        return None
    # As botocore does it: up to twice as long each time, and each client for another while.
    return secrets.SystemRandom().uniform(0, min(_LONGEST_PAUSE, 2 ** (attempts - 1)))


@contextmanager
def _told(doing: str, client: Any) -> Iterator[None]:
    """As translated(), with the answers that a caller may live with told apart."""
    try:
        with translated(doing, client):
            yield
    except AwsError as exc:
        code = code_of(exc.__cause__) if isinstance(exc.__cause__, ClientError) else ""
        text = " ".join(part for part in (str(exc), _REMEDIES.get(code, "")) if part)
        raise _kind_of(code, str(exc))(text) from exc.__cause__


def _kind_of(code: str, text: str) -> type[AwsError]:
    if code in _MISSING or (code in _UNSAID and any(words in text for words in _MISSING_WORDS)):
        return MissingError
    if code in _TAKEN or (code and any(words in text for words in _TAKEN_WORDS)):
        return TakenError
    if code in _NEEDED:
        return NeededError
    return MismatchError if code == _MISMATCH else AwsError


# --- resources ----------------------------------------------------------------------------------------------------


def read(client: Any, kind: str, arn: str) -> dict[str, Any] | None:
    """A resource with its tags, None if there is none."""
    known = KINDS[kind]
    if not hasattr(client, known.call("get")):
        return None  # a botocore older than the kind
    try:
        with _told(f"read the {known.words} {arn}", client):
            return getattr(client, known.call("get"))(**{known.arn: arn}).get(known.member)
    except MissingError:
        return None


def create(client: Any, kind: str, request: Mapping[str, Any]) -> str:
    """Create a resource and return its ARN; TakenError if there is one, MissingError if it needs what is not there."""
    known = KINDS[kind]
    with _told(f"create the {known.words} {request['name']}", client):
        return getattr(client, known.call("create"))(**request)[known.arn]


def update(client: Any, kind: str, arn: str, request: Mapping[str, Any]) -> None:
    """Replace a resource as a whole: what is not in the request is reset."""
    known = KINDS[kind]
    with _told(f"update the {known.words} {arn}", client):
        getattr(client, known.call("update"))(**{known.arn: arn}, **request)


def delete(client: Any, kind: str, arn: str) -> bool:
    """Delete a resource, False if it is gone already; NeededError if something else still needs it."""
    known = KINDS[kind]
    try:
        with _told(f"delete the {known.words} {arn}", client):
            getattr(client, known.call("delete"))(**{known.arn: arn})
    except MissingError:
        return False
    return True


def tag(client: Any, arn: str, tags: Mapping[str, str]) -> None:
    with _told(f"tag {arn}", client):
        client.tag_resource(resourceArn=arn, tags=dict(tags))


def untag(client: Any, arn: str, keys: list[str]) -> None:
    with _told(f"remove tags of {arn}", client):
        client.untag_resource(resourceArn=arn, tagKeys=keys)


def updatable(client: Any, kind: str) -> frozenset[str]:
    """The members that an update of the kind may set; none where there is no such operation."""
    known = KINDS[kind]
    shape = _input(client, known.call("update"))
    return frozenset(shape.members) - {known.arn, "clientToken", "dryRun"} if shape else frozenset()


def unknown(client: Any, kind: str, request: Mapping[str, Any]) -> list[str]:
    """The members of a request to create that this botocore does not know, like `distributions[].x`."""
    shape = _input(client, KINDS[kind].call("create"))
    if shape is None:
        return [KINDS[kind].words]
    return sorted(set(_unknown(shape, request, "")))


def _input(client: Any, call: str) -> Any:
    operation = client.meta.method_to_api_mapping.get(call)
    return client.meta.service_model.operation_model(operation).input_shape if operation else None


def _unknown(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, item in value.items():
            below = f"{path}.{name}" if path else name
            if name in shape.members:
                yield from _unknown(shape.members[name], item, below)
            else:
                yield below
    elif shape.type_name == "list":
        for item in value:
            yield from _unknown(shape.member, item, f"{path}[]")


def _pages(client: Any, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Every page of a list. Not by botocore's paginators, which Image Builder has only in newer versions of it."""
    while True:
        page = getattr(client, operation)(maxResults=PAGE, **arguments)
        yield page
        if not page.get("nextToken"):
            return
        arguments["nextToken"] = page["nextToken"]


# --- lists --------------------------------------------------------------------------------------------------------


def recipes(client: Any, name: str) -> list[dict[str, Any]]:
    """ARN, time and tags of every version of a recipe."""
    return _of_name(client, "list_image_recipes", "imageRecipeSummaryList", "image recipes", name)


def components(client: Any, name: str) -> list[dict[str, Any]]:
    """Every version of a component; builds are listed by component_builds()."""
    return _of_name(client, "list_components", "componentVersionList", "components", name)


def component_builds(client: Any, version_arn: str) -> list[dict[str, Any]]:
    """ARN and tags of every build of a component's version."""
    with _told(f"list the builds of {version_arn}", client):
        answers = _pages(client, "list_component_build_versions", componentVersionArn=version_arn)
        return [item for page in answers for item in page.get("componentSummaryList", ())]


def pipelines(client: Any, name: str = "") -> list[dict[str, Any]]:
    """The pipelines of this name, or all."""
    return _of_name(client, "list_image_pipelines", "imagePipelineList", "image pipelines", name)


def image_versions(client: Any, name: str) -> list[str]:
    """The ARN of every version of which there is an image."""
    return [item["arn"] for item in _of_name(client, "list_images", "imageVersionList", "images", name)]


def _of_name(client: Any, operation: str, member: str, words: str, name: str) -> list[dict[str, Any]]:
    wanted = {"filters": [{"name": "name", "values": [name]}]} if name else {}
    with _told(f"list the {words} {name}".rstrip(), client):
        answers = _pages(client, operation, **wanted)
        return [item for page in answers for item in page.get(member, ()) if not name or item.get("name") == name]


# --- builds -------------------------------------------------------------------------------------------------------


def image(client: Any, arn: str) -> dict[str, Any] | None:
    """A build, or of a version the newest build that is available; None if there is none."""
    try:
        with _told(f"read the image {arn}", client):
            return client.get_image(imageBuildVersionArn=arn).get("image")
    except MissingError:
        return None


def builds(client: Any, version_arn: str) -> list[dict[str, Any]]:
    """Every build of a version, whatever became of it."""
    with _told(f"list the builds of {version_arn}", client):
        answers = _pages(client, "list_image_build_versions", imageVersionArn=version_arn)
        return [item for page in answers for item in page.get("imageSummaryList", ())]


def start(client: Any, request: Mapping[str, Any], token: str) -> str:
    """Start a build and return its ARN; MismatchError if the token was used for another request."""
    with _told(f"build an image of {request['imageRecipeArn']}", client):
        return client.create_image(**request, clientToken=token)["imageBuildVersionArn"]


def cancel(client: Any, arn: str) -> None:
    """Ask for the end of a build."""
    with _told(f"cancel the build {arn}", client):
        client.cancel_image_creation(imageBuildVersionArn=arn)


def workflows(client: Any, arn: str) -> list[dict[str, Any]]:
    """The workflows of a build and how many of their steps are done."""
    with _told(f"read the workflows of {arn}", client):
        answers = _pages(client, "list_workflow_executions", imageBuildVersionArn=arn)
        return [item for page in answers for item in page.get("workflowExecutions", ())]


def steps(client: Any, workflow: str) -> list[dict[str, Any]]:
    """The steps of one of them."""
    with _told(f"read the steps of the workflow {workflow}", client):
        answers = _pages(client, "list_workflow_step_executions", workflowExecutionId=workflow)
        return [item for page in answers for item in page.get("steps", ())]
