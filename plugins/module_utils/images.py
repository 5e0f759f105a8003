# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: everything of EC2 Image Builder that makes a golden image, as one graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._aws import accounts, ec2, imagebuilder, ssm_image
from ._aws.errors import AwsError
from ._aws.imagebuilder import NeededError, TakenError
from ._aws.outcomes import MissingError
from ._core import image_build, image_graph, image_names, image_plan, image_prune, image_spec, image_view
from ._core.errors import CoreError, ImageError
from ._core.image_graph import Graph
from ._core.image_names import COMPONENT, DISTRIBUTION, INFRASTRUCTURE, LIFECYCLE, OWNER_TAG, PIPELINE, RECIPE, Home
from ._core.image_plan import Actual, Step
from ._core.image_prune import ComponentVersion, RecipeVersion

FAILURES = (AwsError, CoreError)

# What was written a moment ago may not be seen yet: so long it is looked for again. Seconds.
PAUSES = (0.5, 1, 2, 4, 8)
# Members that only make things better: left out where botocore does not know them.
_OPTIONAL = {PIPELINE: frozenset({"imageTags"})}
_OPTION_OF = {
    "ssmParameterConfigurations": "distribution.ssm_parameters",
    "launchTemplateConfigurations": "distribution.launch_templates",
    "organizationArns": "distribution.launch_permission.organizations",
    "organizationalUnitArns": "distribution.launch_permission.organizational_units",
    "executionRole": "execution_role",
    "throughput": "block_devices.ebs.throughput",
    "timezone": "schedule.timezone",
    "lifecycle policy": "lifecycle",
}

# Options of module image_pipeline; their documentation stands there.
_COMPONENT: dict[str, Any] = {
    "data": {"type": "str", "required": True},
    "parameters": {"type": "dict", "default": {}},
    "description": {"type": "str"},
}
_BUNDLE: dict[str, Any] = {
    "uri": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "owner": {"type": "str"},
}
_FURTHER: dict[str, Any] = {
    "arn": {"type": "str", "required": True},
    "parameters": {"type": "dict", "default": {}},
}
_EBS: dict[str, Any] = {
    "volume_size": {"type": "int"},
    "volume_type": {
        "type": "str",
        "choices": ["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"],
        "default": "gp3",
    },
    "encrypted": {"type": "bool"},
    "kms_key": {"type": "str", "no_log": False},
    "iops": {"type": "int"},
    "throughput": {"type": "int"},
    "snapshot_id": {"type": "str"},
    "delete_on_termination": {"type": "bool", "default": True},
}
_DEVICE: dict[str, Any] = {
    "device_name": {"type": "str", "required": True},
    "ebs": {"type": "dict", "required": True, "options": _EBS},
}
_INFRASTRUCTURE: dict[str, Any] = {
    "instance_profile": {"type": "str", "required": True},
    "instance_types": {"type": "list", "elements": "str", "default": []},
    "subnet": {"type": "str"},
    "security_groups": {"type": "list", "elements": "str", "default": []},
    "key_pair": {"type": "str", "no_log": False},
    "terminate_on_failure": {"type": "bool", "default": True},
    "hop_limit": {"type": "int", "default": 1},
    "logs": {
        "type": "dict",
        "options": {"bucket": {"type": "str", "required": True}, "prefix": {"type": "str"}},
    },
    "sns_topic": {"type": "str"},
    "resource_tags": {"type": "dict", "default": {}},
}
_PERMISSION: dict[str, Any] = {
    "accounts": {"type": "list", "elements": "str", "default": []},
    "organizations": {"type": "list", "elements": "str", "default": []},
    "organizational_units": {"type": "list", "elements": "str", "default": []},
}
_PARAMETER: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "account": {"type": "str"},
    "data_type": {"type": "str", "choices": ["aws:ec2:image", "text"], "default": "aws:ec2:image"},
}
_TEMPLATE: dict[str, Any] = {
    "id": {"type": "str", "required": True},
    "account": {"type": "str"},
    "set_default": {"type": "bool", "default": False},
}
_PLACE: dict[str, Any] = {
    "region": {"type": "str", "required": True},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "kms_key": {"type": "str", "no_log": False},
    "launch_permission": {"type": "dict", "options": _PERMISSION},
    "ami_name": {"type": "str"},
    "ami_tags": {"type": "dict", "default": {}},
    "ssm_parameters": {"type": "list", "elements": "dict", "default": [], "options": _PARAMETER},
    "launch_templates": {"type": "list", "elements": "dict", "default": [], "options": _TEMPLATE},
}
_TESTS: dict[str, Any] = {
    "enabled": {"type": "bool", "default": True},
    "minutes": {"type": "int", "default": 60},
}
_SCHEDULE: dict[str, Any] = {
    "cron": {"type": "str", "required": True},
    "timezone": {"type": "str", "default": "UTC"},
    "when": {"type": "str", "choices": ["always", "changes"], "default": "always"},
}
_LIFECYCLE: dict[str, Any] = {
    "role": {"type": "str", "required": True},
    "keep": {"type": "int", "default": 5},
    "unused_days": {"type": "int"},
    "keep_tags": {"type": "dict", "default": {"dtk:in-use": "true"}},
}
PIPELINE_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "pruned"], "default": "present"},
    "component": {"type": "dict", "options": _COMPONENT},
    "parent_image": {"type": "str"},
    "bundle": {"type": "dict", "options": _BUNDLE},
    "components": {"type": "list", "elements": "dict", "default": [], "options": _FURTHER},
    "block_devices": {"type": "list", "elements": "dict", "default": [], "options": _DEVICE},
    "working_directory": {"type": "str"},
    "user_data": {"type": "str"},
    "ami_tags": {"type": "dict", "default": {}},
    "infrastructure": {"type": "dict", "options": _INFRASTRUCTURE},
    "distribution": {"type": "list", "elements": "dict", "default": [], "options": _PLACE},
    "tests": {"type": "dict", "options": _TESTS, "apply_defaults": True},
    "schedule": {"type": "dict", "options": _SCHEDULE},
    "lifecycle": {"type": "dict", "options": _LIFECYCLE},
    "execution_role": {"type": "str"},
    "enabled": {"type": "bool", "default": True},
    "tags": {"type": "dict", "default": {}},
    "keep": {"type": "int", "default": 5},
}
PIPELINE_REQUIRED_IF = [("state", "present", ("component", "parent_image", "infrastructure"))]

Client = Callable[[str], Any]
Clock = Callable[[], datetime]


@dataclass
class Progress:
    """What was done so far."""

    steps: list[Step] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        return {
            "changed": bool(self.steps),
            "steps": [step.shown() for step in self.steps],
            "kept": self.kept,
        }


def answer_pipeline(options: dict[str, Any], client: Client, _clock: Clock, check: bool) -> dict[str, Any]:
    """The result of module image_pipeline."""
    act = {"present": _present, "absent": _absent, "pruned": _pruned}[options["state"]]
    progress = Progress()
    try:
        return act(options, client, progress, check)
    except FAILURES as exc:
        if not progress.steps:
            return {"failed": True, "msg": str(exc)}
        text = f"{exc} What the steps of the result name is done; running this again does the rest."
        return {"failed": True, "msg": text, **progress.told()}


def home_of(ib: Any, sts: Any) -> Home:
    """Where the credentials and the region lead to."""
    partition, account = accounts.identity(sts)
    return Home(partition, ib.meta.region_name, account)


def builder(client: Client) -> Any:
    """A client of Image Builder that waits when it is asked too often."""
    return imagebuilder.patient(client("imagebuilder"))


def read_actual(ib: Any, kind: str, arn: str) -> Actual | None:
    document = imagebuilder.read(ib, kind, arn)
    return None if document is None else Actual(document, document.get("tags") or {})


def patiently(call: Callable[[], Any], pauses: Iterable[float]) -> Any:
    """The result of a call, made again after each pause while something that it needs is not there."""
    for pause in pauses:
        try:
            return call()
        except MissingError:
            time.sleep(pause)
    return call()


# --- present ------------------------------------------------------------------------------------------------------


def _present(options: dict[str, Any], client: Client, progress: Progress, check: bool) -> dict[str, Any]:
    image_spec.check(options)
    ib = builder(client)
    home = home_of(ib, client("sts"))
    parent = _parent(options["parent_image"], client, ib, home)
    graph = _supported(ib, image_graph.desired(options, home, parent))
    policy_arn = home.arn(LIFECYCLE, options["name"])
    arns = {**{node.kind: node.arn for node in graph.nodes}, LIFECYCLE: policy_arn}
    actual = {kind: read_actual(ib, kind, arn) for kind, arn in arns.items()}
    updatable = {kind: imagebuilder.updatable(ib, kind) for kind in image_names.KINDS}
    steps = image_plan.plan(actual, graph, updatable)
    diff = _diff(ib, graph, actual, steps)
    if check:
        progress.steps.extend(steps)
    else:
        _Work(ib, graph, updatable, progress).do(steps)
    image = imagebuilder.image(ib, graph.image_arn)
    return {**_described(graph, home, parent, image), **progress.told(), "diff": diff}


def _parent(given: str, client: Client, ib: Any, home: Home) -> str:
    """The id of the AMI that an image is made from; an ImageError that names it if it is not there."""
    image_id = given
    if given.startswith("ssm:"):
        pointer = ssm_image.read(client("ssm"), given[len("ssm:") :])
        if pointer is None:
            raise ImageError(f"The parent image {given} is not there: no such parameter in {home.region}. {_CORRECT}")
        image_id = pointer.value
    elif given.startswith("arn:"):
        image_id = _ami_of_image(given, ib, home)
    if not image_id.startswith("ami-"):
        raise ImageError(f"The parent image {given} says {image_id!r}, which is no id of an AMI. {_CORRECT}")
    found = ec2.image(client("ec2"), image_id)
    what = given if given == image_id else f"{given} ({image_id})"
    if found is None:
        raise ImageError(
            f"The parent image {what} is not there: {home.account} sees no such AMI in {home.region}. {_CORRECT}"
        )
    if found["state"] != "available":
        raise ImageError(f"The parent image {what} is {found['state']}, not available. {_CORRECT}")
    return image_id


_CORRECT = "Correct the option parent_image."


def _ami_of_image(given: str, ib: Any, home: Home) -> str:
    record = imagebuilder.image(ib, given)
    if record is None:
        raise ImageError(f"The parent image {given} is not there, or no build of it is available. {_CORRECT}")
    image_id = image_view.image(record, home.region, home.account)["image_id"]
    if image_id is None:
        raise ImageError(f"The parent image {record['arn']} has no AMI in {home.region}. {_CORRECT}")
    return image_id


def _supported(ib: Any, graph: Graph) -> Graph:
    """The graph without what is optional and not known to botocore; an ImageError for what was asked for."""
    nodes = []
    for node in graph.nodes:
        unknown = imagebuilder.unknown(ib, node.kind, node.request())
        optional = [member for member in unknown if member in _OPTIONAL.get(node.kind, ())]
        needed = [member for member in unknown if member.partition(".")[0] not in optional]
        if needed:
            options = [_OPTION_OF.get(member.rpartition(".")[2], member) for member in needed]
            raise ImageError(
                f"The botocore that is installed does not know {', '.join(needed)} of Image Builder. "
                f"Update boto3 and botocore, or leave out {', '.join(options)}."
            )
        nodes.append(image_plan.only_known(node, optional))
    return Graph(tuple(nodes), graph.content_sha256, graph.image_arn)


class _Work:
    """Does steps. Each may meet what an earlier run, or another controller, has done in the meantime."""

    def __init__(self, ib: Any, graph: Graph, updatable: Mapping[str, frozenset[str]], progress: Progress) -> None:
        self._ib = ib
        self._graph = graph
        self._updatable = updatable
        self._progress = progress

    def do(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.action == image_plan.CREATE:
                self._create(step)
            else:
                self._change(step)

    def _create(self, step: Step) -> None:
        try:
            self._patiently(lambda: imagebuilder.create(self._ib, step.kind, step.request))
        except TakenError as exc:
            self._adopt(step, exc)
        else:
            self._progress.steps.append(step)

    def _adopt(self, step: Step, refusal: TakenError) -> None:
        """Somebody made it since we looked, or we looked at what was before: compare, and put right what differs."""
        node = self._graph.node(step.kind)
        actual = self._look(step)
        if node is None or actual is None:
            raise refusal
        self.do(image_plan.steps_of(node, actual, self._updatable[step.kind]))

    def _look(self, step: Step) -> Actual | None:
        for pause in (*PAUSES, None):
            actual = read_actual(self._ib, step.kind, step.arn)
            if actual is not None or pause is None:
                return actual
            time.sleep(pause)
        return None

    def _change(self, step: Step) -> None:
        if step.action == image_plan.DELETE:
            clear(self._ib, [step], self._progress)
            return
        calls: dict[str, Callable[[], None]] = {
            image_plan.UPDATE: lambda: imagebuilder.update(self._ib, step.kind, step.arn, step.request),
            image_plan.TAG: lambda: imagebuilder.tag(self._ib, step.arn, step.request),
            image_plan.UNTAG: lambda: imagebuilder.untag(self._ib, step.arn, list(step.request)),
        }
        self._patiently(calls[step.action])
        self._progress.steps.append(step)

    def _patiently(self, call: Callable[[], Any]) -> None:
        """What this run has made a moment ago may not be seen yet by what refers to it."""
        patiently(call, PAUSES if self._progress.steps else ())


def _described(graph: Graph, home: Home, parent: str, record: Mapping[str, Any] | None) -> dict[str, Any]:
    nodes = {kind: graph.node(kind) for kind in image_names.KINDS}
    pipeline = nodes[PIPELINE].document
    return {
        "pipeline": {
            "arn": nodes[PIPELINE].arn,
            "name": nodes[PIPELINE].name,
            "enabled": pipeline["status"] == "ENABLED",
            "recipe_arn": pipeline["imageRecipeArn"],
            "schedule": (pipeline["schedule"] or {}).get("scheduleExpression"),
        },
        "component": {"arn": nodes[COMPONENT].arn, "version": nodes[COMPONENT].version},
        "recipe": {"arn": nodes[RECIPE].arn, "version": nodes[RECIPE].version},
        "infrastructure_arn": nodes[INFRASTRUCTURE].arn,
        "distribution_arn": nodes[DISTRIBUTION].arn,
        "lifecycle_arn": nodes[LIFECYCLE].arn if nodes[LIFECYCLE] else None,
        "parent_image_id": parent,
        "version": graph.version,
        "content_sha256": graph.content_sha256,
        "image": None if record is None else image_view.image(record, home.region, home.account),
    }


def _diff(ib: Any, graph: Graph, actual: Mapping[str, Actual | None], steps: Iterable[Step]) -> dict[str, Any]:
    """What changes, resource by resource; a new version is compared with the one that the pipeline has now."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    touched = {step.kind for step in steps}
    for kind in (kind for kind in image_names.KINDS if kind in touched):
        node, there = graph.node(kind), actual.get(kind)
        if there is None and kind in image_graph.IMMUTABLE:
            there = _previous(ib, kind, graph, actual)
        ours = node.document if node else (there.document if there else {})
        if there is not None:
            before.update(image_plan.shown(kind, there.document, ours, there.tags))
        if node is not None:
            after.update(image_plan.shown(kind, node.document, ours, node.tags))
    return {"before": before, "after": after}


def _previous(ib: Any, kind: str, graph: Graph, actual: Mapping[str, Actual | None]) -> Actual | None:
    """The recipe that the pipeline has now, or the component of our name in it."""
    pipeline = actual.get(PIPELINE)
    arn = pipeline.document.get("imageRecipeArn") if pipeline else None
    recipe = read_actual(ib, RECIPE, arn) if arn else None
    if recipe is None or kind == RECIPE:
        return recipe
    name = graph.nodes[0].name
    for one in recipe.document.get("components") or ():
        known = image_names.parsed(one["componentArn"])
        if known is not None and known.name == name:
            return read_actual(ib, COMPONENT, one["componentArn"])
    return None


# --- absent and pruned ----------------------------------------------------------------------------------------------


def _pruned(options: dict[str, Any], client: Client, progress: Progress, check: bool) -> dict[str, Any]:
    name = image_spec.check_name(options["name"])
    if options["keep"] < 0:
        raise ImageError(f"keep is {options['keep']}; it must be 0 or more versions.")
    ib = builder(client)
    home = home_of(ib, client("sts"))
    pipeline = read_actual(ib, PIPELINE, home.arn(PIPELINE, name))
    current = str(pipeline.document.get("imageRecipeArn", "")) if pipeline else ""
    versions = imagebuilder.image_versions(ib, name)
    recipes = _recipes(ib, name, versions)
    clearing = image_prune.pruning(recipes, _components(ib, name), current, options["keep"])
    return _cleared(ib, clearing, progress, check)


def _absent(options: dict[str, Any], client: Client, progress: Progress, check: bool) -> dict[str, Any]:
    name = image_spec.check_name(options["name"])
    ib = builder(client)
    home = home_of(ib, client("sts"))
    kinds = (kind for kind in image_names.KINDS if kind not in image_graph.IMMUTABLE)
    single = {kind: read_actual(ib, kind, home.arn(kind, name)) for kind in kinds}
    versions = imagebuilder.image_versions(ib, name)
    records = [record for version in versions for record in imagebuilder.builds(ib, version)]
    busy = [record["arn"] for record in records if _is_under_way(record)]
    clearing = image_prune.removal(single, _recipes(ib, name, versions), _components(ib, name), busy)
    images = image_view.newest_first([image_view.image(record, home.region, home.account) for record in records])
    return {**_cleared(ib, clearing, progress, check), "images": images}


def _cleared(ib: Any, clearing: image_prune.Clearing, progress: Progress, check: bool) -> dict[str, Any]:
    progress.kept.extend(clearing.kept)
    if check:
        progress.steps.extend(clearing.steps)
    else:
        clear(ib, clearing.steps, progress)
    gone = {"deleted": [step.arn for step in progress.steps]}
    return {**progress.told(), "diff": {"before": gone, "after": {"deleted": []}} if progress.steps else {}}


def clear(ib: Any, steps: Iterable[Step], progress: Progress) -> None:
    """Delete; what something else still needs stays and is told."""
    for step in steps:
        try:
            if imagebuilder.delete(ib, step.kind, step.arn):
                progress.steps.append(step)
        except NeededError as exc:
            progress.kept.append({"arn": step.arn, "reason": str(exc)})


def _recipes(ib: Any, name: str, image_versions: Iterable[str]) -> list[RecipeVersion]:
    made = set(image_versions)
    found = []
    for summary in imagebuilder.recipes(ib, name):
        document = imagebuilder.read(ib, RECIPE, summary["arn"])
        if document is None:
            continue
        version = image_names.image_version_arn(summary["arn"])
        builds = imagebuilder.builds(ib, version) if version in made else []
        found.append(
            RecipeVersion(
                arn=summary["arn"],
                created=str(document.get("dateCreated", "")),
                is_ours=(document.get("tags") or {}).get(OWNER_TAG) == name,
                components=tuple(one["componentArn"] for one in document.get("components") or ()),
                images=tuple(record["arn"] for record in builds),
                unfinished=tuple(record["arn"] for record in builds if _is_under_way(record)),
            )
        )
    return found


def _components(ib: Any, name: str) -> list[ComponentVersion]:
    found = []
    for version in imagebuilder.components(ib, name):
        builds = imagebuilder.component_builds(ib, version["arn"])
        if builds:
            ours = any((build.get("tags") or {}).get(OWNER_TAG) == name for build in builds)
            found.append(
                ComponentVersion(
                    image_names.without_build(version["arn"]), ours, tuple(build["arn"] for build in builds)
                )
            )
    return found


def _is_under_way(record: Mapping[str, Any]) -> bool:
    return record.get("state", {}).get("status") in image_build.UNDER_WAY
