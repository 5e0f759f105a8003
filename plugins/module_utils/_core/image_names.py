# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the resources of EC2 Image Builder are called, and the version that follows from a content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What our resources carry: who made them, of which content, and why a content was built again.
OWNER_TAG = "dtk:pipeline"
CONTENT_TAG = "dtk:content-sha256"
BUNDLE_TAG = "dtk:bundle-sha256"
REBUILD_TAG = "dtk:rebuild"
OWN_TAGS = frozenset({OWNER_TAG, CONTENT_TAG, BUNDLE_TAG, REBUILD_TAG})

# In the order in which they need each other.
COMPONENT, RECIPE = "component", "recipe"
INFRASTRUCTURE, DISTRIBUTION = "infrastructure", "distribution"
PIPELINE, LIFECYCLE, IMAGE = "pipeline", "lifecycle", "image"
KINDS = (COMPONENT, RECIPE, INFRASTRUCTURE, DISTRIBUTION, PIPELINE, LIFECYCLE)

_IN_ARNS = {
    COMPONENT: "component",
    RECIPE: "image-recipe",
    INFRASTRUCTURE: "infrastructure-configuration",
    DISTRIBUTION: "distribution-configuration",
    PIPELINE: "image-pipeline",
    LIFECYCLE: "lifecycle-policy",
    IMAGE: "image",
}
_NODE_BITS = 30  # major, minor and patch may each be up to 2^30 - 1
_VERSION_BITS = 2 * _NODE_BITS
_SHA256_BITS = 256
_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):imagebuilder:(?P<region>[^:]+):(?P<account>[^:]+):"
    r"(?P<kind>[a-z-]+)/(?P<name>[^/]+)(?:/(?P<version>[0-9x]+\.[0-9x]+\.[0-9x]+)(?:/(?P<build>\d+))?)?"
)


@dataclass(frozen=True)
class Home:
    """The account and region that resources are in."""

    partition: str
    region: str
    account: str

    def arn(self, kind: str, name: str, version: str = "") -> str:
        """Known before the resource is there, since names are those of the ARN."""
        whole = f"arn:{self.partition}:imagebuilder:{self.region}:{self.account}:{_IN_ARNS[kind]}/{name}"
        return f"{whole}/{version}" if version else whole


@dataclass(frozen=True)
class Arn:
    """The parts of one; version and build are empty where the kind has none."""

    kind: str
    name: str
    version: str
    build: int
    region: str
    account: str


def parsed(arn: str) -> Arn | None:
    """The parts of an ARN of Image Builder, None if it is something else."""
    found = _ARN.fullmatch(arn)
    kind = next((kind for kind, part in _IN_ARNS.items() if found and found["kind"] == part), None)
    if found is None or kind is None:
        return None
    return Arn(kind, found["name"], found["version"] or "", int(found["build"] or 0), found["region"], found["account"])


def without_build(arn: str) -> str:
    """`…/1.2.3/4` -> `…/1.2.3`: what a version says, whichever of its builds is meant."""
    known = parsed(arn)
    return arn.rpartition("/")[0] if known and known.build else arn


def image_version_arn(recipe_arn: str) -> str:
    """The images of a recipe's version."""
    return recipe_arn.replace(f":{_IN_ARNS[RECIPE]}/", f":{_IN_ARNS[IMAGE]}/", 1)


def digest(content: Any) -> str:
    """The SHA-256 of data, the same for the same data on every machine."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def version_of(sha256: str) -> str:
    """The version that the first 60 bits of a hash make: `1.<30 bits>.<30 bits>`."""
    bits = int(sha256, 16) >> (_SHA256_BITS - _VERSION_BITS)
    return f"1.{bits >> _NODE_BITS}.{bits & (2**_NODE_BITS - 1)}"


def texts(value: Any) -> list[str]:
    """The value of a component's parameter as Image Builder has it: a list of texts, also if there is but one."""
    return [text(item) for item in (value if isinstance(value, (list, tuple)) else [value])]


def tag_map(*maps: Mapping[str, Any] | None) -> dict[str, str]:
    """Tags as texts; later ones win."""
    return {key: text(value) for tags in maps for key, value in (tags or {}).items()}


def parameters(values: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The parameters of a component in a recipe, in the order of their names."""
    return [{"name": name, "value": texts(value)} for name, value in sorted((values or {}).items())]


def sorted_by(items: Iterable[Mapping[str, Any]], *keys: str) -> list[Mapping[str, Any]]:
    """Lists whose order means nothing, in one that is always the same."""
    return sorted(items, key=lambda item: tuple(str(item.get(key) or "") for key in keys))


def text(value: Any) -> str:
    """What YAML made a number or a truth of is a text again."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
