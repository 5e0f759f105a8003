# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done so that the resources of Image Builder are as they should be.

Nothing is deleted before what replaces it is there, and whatever is interrupted is continued by planning again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import image_names
from .errors import ImageError
from .image_graph import IMMUTABLE, Graph, Node, given
from .image_names import DISTRIBUTION, LIFECYCLE, OWNER_TAG, PIPELINE

CREATE, UPDATE, TAG, UNTAG, DELETE = "create", "update", "tag", "untag", "delete"

# Lists whose order means nothing to Image Builder; those of structures are sorted by these members.
_SETS = frozenset(
    {
        "instanceTypes",
        "securityGroupIds",
        "targetAccountIds",
        "userIds",
        "organizationArns",
        "organizationalUnitArns",
    }
)
_SORTED_BY = {
    "distributions": ("region",),
    "launchTemplateConfigurations": ("launchTemplateId", "accountId"),
    "ssmParameterConfigurations": ("parameterName", "amiAccountId"),
}
_ROLES = frozenset({"executionRole"})
# Image Builder answers with these where they were not sent.
_FALSE_BY_DEFAULT = frozenset({"amis", "snapshots", "containers", "isPublic"})


@dataclass(frozen=True)
class Actual:
    """A resource as it is."""

    document: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        return OWNER_TAG in self.tags


@dataclass(frozen=True)
class Step:
    """One call that changes something."""

    action: str
    kind: str
    arn: str
    request: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()  # the members that are not as they should be

    def shown(self) -> dict[str, Any]:
        """As part of a result."""
        shown: dict[str, Any] = {"action": self.action, "kind": self.kind, "arn": self.arn}
        return {**shown, "changes": list(self.changes)} if self.changes else shown


def plan(
    actual: Mapping[str, Actual | None], graph: Graph, updatable: Mapping[str, Collection[str]]
) -> tuple[Step, ...]:
    """The steps from what is there to the graph.

    updatable: by kind, the members that an update can set. It replaces the whole, so those that are not ours are sent
    as they are.
    """
    steps: list[Step] = []
    for node in graph.nodes:
        steps += steps_of(node, actual.get(node.kind), updatable.get(node.kind, ()))
    policy = actual.get(LIFECYCLE)
    if graph.node(LIFECYCLE) is None and policy is not None and policy.is_ours:
        steps.append(Step(DELETE, LIFECYCLE, str(policy.document["arn"])))
    return tuple(steps)


def steps_of(node: Node, actual: Actual | None, updatable: Collection[str]) -> list[Step]:
    """Those of one resource."""
    if actual is None:
        return [Step(CREATE, node.kind, node.arn, node.request())]
    if node.kind in IMMUTABLE:
        refuse_another_content(node, actual)
        return _tag_steps(node, actual)
    wanted = merged(node, actual.document, updatable)
    changes = differing(wanted, actual.document, node.document)
    steps = [Step(UPDATE, node.kind, node.arn, wanted, changes)] if changes else []
    return steps + _tag_steps(node, actual)


def merged(node: Node, actual: Mapping[str, Any], updatable: Collection[str]) -> dict[str, Any]:
    """The whole document for an update: ours, and what else is set there."""
    theirs = {key: value for key, value in actual.items() if key in updatable and key not in node.document}
    ours = dict(node.document)
    if node.kind == PIPELINE and ours.get("schedule"):
        ours["schedule"] = _with_rest(ours["schedule"], actual.get("schedule") or {})
    if node.kind == DISTRIBUTION:
        there = {place["region"]: place for place in actual.get("distributions") or ()}
        ours["distributions"] = [
            _with_rest(place, there.get(place["region"], {})) for place in node.document["distributions"]
        ]
    return given({**theirs, **ours})


def differing(wanted: Mapping[str, Any], actual: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, ...]:
    """The members of ours that are another in what is there."""
    return tuple(
        sorted(key for key in ours if _normal(key, given(wanted.get(key))) != _normal(key, given(actual.get(key))))
    )


def refuse_another_content(node: Node, actual: Actual) -> None:
    """A version follows from the content; something else under it was made by hand."""
    wanted = {key: value for key, value in given(node.document).items() if key != "description"}
    wrong = sorted(key for key, value in wanted.items() if not _holds(actual.document.get(key), value))
    if wrong:
        raise ImageError(
            f"{node.arn} is there with another content: {', '.join(wrong)} differ. Its version follows from its "
            "content, so something else made it. Delete it, or choose another name."
        )


def only_known(node: Node, unknown: Collection[str]) -> Node:
    """Without members that are no part of a user's wish and that this botocore does not know."""
    document = {key: value for key, value in node.document.items() if key not in unknown}
    return replace(node, document=document)


def shown(kind: str, document: Mapping[str, Any] | None, ours: Collection[str], tags: Mapping[str, str]) -> Any:
    """A resource as part of a diff."""
    if document is None:
        return {}
    members = given({key: value for key, value in document.items() if key in ours})
    if "data" in members:
        members["data"] = members["data"].splitlines()  # compared line by line
    return {kind: {**_ordered(members), "tags": dict(sorted(own_tags(tags).items()))}}


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those that a user can set."""
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _tag_steps(node: Node, actual: Actual) -> list[Step]:
    there = own_tags(actual.tags)
    arn = str(actual.document.get("arn", node.arn))  # of a component, the build: that is what has tags
    wrong = {key: value for key, value in node.tags.items() if there.get(key) != value}
    extra = sorted(set(there) - set(node.tags))
    steps = [Step(TAG, node.kind, arn, wrong, tuple(sorted(wrong)))] if wrong else []
    return steps + ([Step(UNTAG, node.kind, arn, dict.fromkeys(extra), tuple(extra))] if extra else [])


def _with_rest(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in theirs.items() if key not in ours}, **ours}


def _normal(key: str, value: Any) -> Any:
    """The same for what means the same."""
    if isinstance(value, Mapping):
        set_ones = {name: item for name, item in value.items() if not (name in _FALSE_BY_DEFAULT and item is False)}
        return {name: _normal(name, item) for name, item in set_ones.items()}
    if isinstance(value, (list, tuple)):
        return _normal_list(key, [_normal("", item) for item in value])
    if key in _ROLES and isinstance(value, str):
        return value.rpartition("/")[2]  # its name or its ARN: an account has no two roles of one name
    return value


def _normal_list(key: str, items: list[Any]) -> list[Any]:
    if key in _SETS:
        return sorted(items)
    return image_names.sorted_by(items, *_SORTED_BY[key]) if key in _SORTED_BY else items


def _ordered(members: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _normal(key, value) if key not in _ROLES else value for key, value in sorted(members.items())}


def _holds(there: Any, wanted: Any) -> bool:
    """Whether what is there says what is wanted, and perhaps more: Image Builder fills in defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(_holds(there.get(key), item) for key, item in wanted.items())
    if isinstance(wanted, (list, tuple)):
        return isinstance(there, (list, tuple)) and all(any(_holds(one, item) for one in there) for item in wanted)
    if isinstance(wanted, str) and isinstance(there, str) and wanted.startswith("arn:"):
        return image_names.without_build(there) == image_names.without_build(wanted)
    return there == wanted
