# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of Image Builder's things: ARNs, semantic versions and their wildcards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.fakes.contract import RefusalError

LARGEST_NODE = 2**30 - 1
_ARN = re.compile(
    r"arn:aws[^:]*:imagebuilder:(?P<region>[^:]+):(?P<account>[^:]+):(?P<kind>[a-z-]+)/(?P<name>[a-z0-9-_]+)"
    r"(?:/(?P<version>[0-9x]+\.[0-9x]+\.[0-9x]+)(?:/(?P<build>\d+))?)?"
)


@dataclass(frozen=True)
class Arn:
    region: str
    account: str
    kind: str
    name: str
    version: str | None = None
    build: int | None = None

    def __str__(self) -> str:
        parts = [self.kind, self.name, self.version, self.build]
        tail = "/".join(str(part) for part in parts if part is not None)
        return f"arn:aws:imagebuilder:{self.region}:{self.account}:{tail}"

    @classmethod
    def parse(cls, text: str) -> Arn:
        """What the contract has found to be an ARN of Image Builder."""
        found = _ARN.fullmatch(text)
        if found is None:
            raise RefusalError("InvalidRequestException", f"'{text}' is not an ARN of Image Builder.")
        parts = found.groupdict()
        return cls(**parts | {"build": int(parts["build"]) if parts["build"] else None})

    @property
    def nodes(self) -> tuple[int, ...]:
        """To compare versions by; the build is the last one."""
        return (*map(int, (self.version or "0").split(".")), self.build or 0)

    @property
    def of_version(self) -> Arn:
        return replace(self, build=None)

    def means(self, other: Arn) -> bool:
        """Whether this one, which may lack a build or have wildcards, stands for the other one."""
        if (self.kind, self.name, self.account) != (other.kind, other.name, other.account):
            return False
        if self.build is not None:
            return self == other
        wanted, given = (self.version or "").split("."), (other.version or "").split(".")
        return all(node in {"x", its} for node, its in zip(wanted, given, strict=True))


def slug(name: str) -> str:
    """The form of a name in ARNs; names with the same one are the same name."""
    return re.sub(r"[ _]", "-", name.lower())


def check_wildcards(text: str) -> None:
    """Everything right of the first wildcard has to be one as well."""
    version = Arn.parse(text).version or ""
    if re.search(r"x\.\d", version):
        raise RefusalError(
            "InvalidRequestException",
            f"The version '{version}' of '{text}' is not valid: all nodes to the right of the first wildcard must also "
            "be wildcards.",
        )


def check_version(version: str) -> None:
    if any(int(node) > LARGEST_NODE for node in version.split(".") if node != "x"):
        raise RefusalError(
            "InvalidVersionNumberException",
            f"The semantic version '{version}' is not valid: each node is at most {LARGEST_NODE}.",
        )


def newest(pattern: str, candidates: Iterable[str]) -> str | None:
    """The newest of these ARNs that an ARN with wildcards, or without a build, stands for."""
    wanted = Arn.parse(pattern)
    matching = [one for one in map(Arn.parse, candidates) if wanted.means(one)]
    return str(max(matching, key=lambda one: one.nodes)) if matching else None


def incremented(version: str, taken: Iterable[str]) -> str:
    """The version that a single `x` asks for: one more than the largest one that there is, or 0."""
    nodes = version.split(".")
    if nodes.count("x") != 1:
        raise RefusalError("InvalidVersionNumberException", f"The semantic version '{version}' may have one wildcard.")
    place = nodes.index("x")
    used = [int(other.split(".")[place]) for other in taken if other.split(".")[:place] == nodes[:place]]
    nodes[place] = str(max(used, default=-1) + 1)
    return ".".join(nodes)


def references(arn: str) -> dict[str, str]:
    """`latestVersionReferences` of a thing with a version."""
    whole = Arn.parse(arn)
    major, minor, patch = (whole.version or "").split(".")
    versions = {
        "latestVersionArn": "x.x.x",
        "latestMajorVersionArn": f"{major}.x.x",
        "latestMinorVersionArn": f"{major}.{minor}.x",
        "latestPatchVersionArn": f"{major}.{minor}.{patch}",
    }
    return {name: str(replace(whole, version=version, build=None)) for name, version in versions.items()}
