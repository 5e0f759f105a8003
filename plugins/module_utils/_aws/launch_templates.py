# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EC2: launch templates and their versions. The client is passed in, plain data comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from .errors import ClientError, code_of, translated
from .paging import pages

_PAGE = 200
_NO_TEMPLATE = frozenset(
    {
        "InvalidLaunchTemplateId.NotFound",
        "InvalidLaunchTemplateId.NotFoundException",
        "InvalidLaunchTemplateId.Malformed",
        "InvalidLaunchTemplateName.NotFoundException",
        "InvalidLaunchTemplateName.MalformedException",
    }
)
_NO_VERSION = frozenset({"InvalidLaunchTemplateId.VersionNotFound"})


def version(client: Any, template: Mapping[str, str], number: str) -> dict[str, Any] | None:
    """One version, $Latest and $Default included; None if there is no such template or version.

    template: with LaunchTemplateId or LaunchTemplateName.
    """
    with translated(f"read version {number} of the launch template {_name(template)}", client):
        try:
            found = client.describe_launch_template_versions(**template, Versions=[number])["LaunchTemplateVersions"]
        except ClientError as exc:
            if code_of(exc) in _NO_TEMPLATE | _NO_VERSION:
                return None
            raise
    return _version(found[0]) if found else None


def versions(client: Any, template: Mapping[str, str]) -> list[dict[str, Any]]:
    """All of them, the newest first; none if there is no such template."""
    found: list[dict[str, Any]] = []
    with translated(f"list the versions of the launch template {_name(template)}", client):
        try:
            for page in pages(client, "describe_launch_template_versions", _PAGE, **template):
                found += [_version(one) for one in page["LaunchTemplateVersions"]]
        except ClientError as exc:
            if code_of(exc) not in _NO_TEMPLATE:
                raise
    return sorted(found, key=lambda one: -int(one["version"]))


def with_image(client: Any, template: str, source: str, image_id: str, description: str) -> str:
    """The number of a new version that differs from the source by its image only."""
    # Asked again since an answer was lost, EC2 gives what it made the first time.
    token = hashlib.sha256(f"{template} {source} {image_id}".encode()).hexdigest()
    with translated(f"make a version of the launch template {template} with {image_id}", client):
        made = client.create_launch_template_version(
            ClientToken=token,
            LaunchTemplateId=template,
            SourceVersion=source,
            VersionDescription=description[:255],
            LaunchTemplateData={"ImageId": image_id},
        )
    return str(made["LaunchTemplateVersion"]["VersionNumber"])


def _version(found: Mapping[str, Any]) -> dict[str, Any]:
    data = dict(found.get("LaunchTemplateData") or {})
    return {
        "id": found["LaunchTemplateId"],
        "name": found["LaunchTemplateName"],
        "version": str(found["VersionNumber"]),
        "image_id": data.pop("ImageId", ""),
        "data": data,
    }


def _name(template: Mapping[str, str]) -> str:
    return template.get("LaunchTemplateName") or template.get("LaunchTemplateId", "")
