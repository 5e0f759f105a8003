# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers: which targets are healthy. The client is passed in, plain data comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import ClientError, code_of, translated
from .paging import pages

_GROUPS_PER_PAGE = 400


def target_health(client: Any) -> dict[str, list[dict[str, Any]]]:
    """Instance id or address to what each target group says about it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in _target_groups(client):
        for answer in _health_in(client, group["TargetGroupArn"]):
            target, health = answer["Target"], answer["TargetHealth"]
            state = {"target_group": group["TargetGroupName"], "port": target.get("Port"), "state": health["State"]}
            if health.get("Reason"):
                state["reason"] = health["Reason"]
            found.setdefault(target["Id"], []).append(state)
    return found


def _target_groups(client: Any) -> Iterator[dict[str, Any]]:
    with translated(f"list the target groups of {client.meta.region_name}", client):
        for page in pages(client, "describe_target_groups", _GROUPS_PER_PAGE):
            yield from (group for group in page["TargetGroups"] if group.get("TargetType", "instance") != "lambda")


def _health_in(client: Any, arn: str) -> list[dict[str, Any]]:
    with translated(f"read the health of target group {arn}", client):
        try:
            return client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        except ClientError as exc:
            # Deleted since the groups were listed.
            if code_of(exc) == "TargetGroupNotFound":
                return []
            raise
