# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters that name the golden AMI of a server role in an env: what is tried next and what is in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import ImageError

CANDIDATE, CURRENT = "candidate", "current"
IN_USE = {"dtk:in-use": "true"}
PART = "/ami/"  # of the name of each pointer

_ENV = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ROLE = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PREFIX = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}")


def name(prefix: str, env: str, role: str, pointer: str) -> str:
    """The parameter's name; an ImageError if one of its parts is not allowed."""
    if not _PREFIX.fullmatch(prefix):
        raise ImageError(f"prefix is {prefix!r}. Give a path like /dtk, without a slash at its end.")
    if not _ENV.fullmatch(env):
        raise ImageError(f"The env {env!r} is not allowed. Use 1 to 32 of a-z, 0-9, '_' and '-', a letter first.")
    if not _ROLE.fullmatch(role):
        raise ImageError(f"The role {role!r} is not allowed. Use 1 to 31 of a-z, 0-9 and '-', a letter first.")
    return f"{prefix}/{env}/{role}{PART}{pointer}"


def source(options: Mapping[str, Any]) -> str:
    """The parameter whose image is promoted where no image is given; empty if there is none."""
    chosen = options["from"] or {}
    if chosen or options["to"] == CURRENT:
        env, pointer = chosen.get("env") or options["env"], chosen.get("pointer") or CANDIDATE
        return name(options["prefix"], env, options["role"], pointer)
    return ""


def images(options: Mapping[str, Any], region: str) -> dict[str, str]:
    """Region to the AMI that is given for it; empty where it is what the source says."""
    given = options["regions"] or {region: options["image_id"] or ""}
    chosen = {place: str(image or "") for place, image in sorted(given.items())}
    if options["image_id"]:
        if options["from"]:
            raise ImageError("image_id and from are given. Leave one of them out.")
        if region not in chosen:
            raise ImageError(f"image_id is one of {region}, which regions does not have. Add it there.")
        if chosen[region] not in {"", options["image_id"]}:
            raise ImageError(f"image_id is {options['image_id']}, but regions has {chosen[region]} for {region}.")
        chosen[region] = options["image_id"]
    for place, image in chosen.items():
        if image and not _IMAGE_ID.fullmatch(image):
            raise ImageError(f"{image!r} for {place} is no id of an AMI. Give one like ami-0123456789abcdef0.")
        if not image and not source(options):
            raise ImageError(
                f"There is no image for {place}. Give image_id, from, or an id for this region in regions."
            )
    return chosen
