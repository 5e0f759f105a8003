# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of everything that has an ARN."""

from __future__ import annotations

from tests.fakes.contract import RefusalError

from .region import Parameters, Region

MOST = 50


def tag(region: Region, parameters: Parameters) -> Parameters:
    thing = region.exact(parameters["resourceArn"])
    tags = thing.get("tags", {}) | parameters["tags"]
    if len(tags) > MOST:
        raise RefusalError("InvalidParameterException", f"A resource has at most {MOST} tags.")
    thing["tags"] = tags
    return {}


def untag(region: Region, parameters: Parameters) -> Parameters:
    thing = region.exact(parameters["resourceArn"])
    left = {key: value for key, value in thing.get("tags", {}).items() if key not in parameters["tagKeys"]}
    thing.pop("tags", None)
    if left:
        thing["tags"] = left
    return {}


def list_tags(region: Region, parameters: Parameters) -> Parameters:
    tags = region.exact(parameters["resourceArn"]).get("tags")
    return {"tags": tags} if tags else {}


OPERATIONS = {"TagResource": tag, "UntagResource": untag, "ListTagsForResource": list_tags}
