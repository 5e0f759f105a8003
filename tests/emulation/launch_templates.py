# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates, where moto falls short.

It leaves out what a version has from the one that it is made of, takes the tags of a template for tags of what is
started from it, and deletes no versions.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.ec2.responses.launch_templates import LaunchTemplates

_plain = LaunchTemplates.create_launch_template_version
_first = LaunchTemplates.create_launch_template


def _with_source(self: LaunchTemplates) -> Any:
    answer = _plain(self)
    source = self._get_param("SourceVersion")
    if source:
        made = answer.result["LaunchTemplateVersion"]
        template = self.ec2_backend.get_launch_template(made["LaunchTemplateId"])
        data = {**template.get_version(source).data, **made["LaunchTemplateData"]}
        number = made["VersionNumber"]
        version = LaunchTemplateVersion(template, number, data, made["VersionDescription"])
        template.versions[number - 1] = version
        made["LaunchTemplateData"] = data
    return answer


def _with_tags_of_its_own(self: LaunchTemplates) -> Any:
    answer = _first(self)
    template = self.ec2_backend.get_launch_template(answer.result["LaunchTemplate"]["LaunchTemplateId"])
    data = template.default_version().data
    specs = [one for one in data.pop("TagSpecifications", []) if one["ResourceType"] != "launch-template"]
    if specs:
        data["TagSpecifications"] = specs
    return answer


def _delete_versions(self: LaunchTemplates) -> ActionResult:
    """The newest ones only: moto finds a version by its place in a list, and without one in between it would hand out
    another for each of the later ones. Better no answer than that."""
    template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
    gone = []
    for number in sorted(map(int, self._get_param("Versions", [])), reverse=True):
        if number != template.versions[-1].number or number == template.default_version_number:
            raise NotImplementedError(f"deleting version {number}: it is the default one, or not the newest")
        template.versions.pop()
        gone.append({"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": number})
    told = {"SuccessfullyDeletedLaunchTemplateVersions": gone, "UnsuccessfullyDeletedLaunchTemplateVersions": []}
    return ActionResult(told)


def correct_launch_templates() -> None:
    """In this process, from now on."""
    LaunchTemplates.create_launch_template_version = _with_source
    LaunchTemplates.create_launch_template = _with_tags_of_its_own
    LaunchTemplates.delete_launch_template_versions = _delete_versions
