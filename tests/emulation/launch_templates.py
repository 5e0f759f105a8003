# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version of a launch template that is made of another one: moto leaves out what comes from its source."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.ec2.responses.launch_templates import LaunchTemplates

_plain = LaunchTemplates.create_launch_template_version


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


def honour_source_versions() -> None:
    """In this process, from now on."""
    LaunchTemplates.create_launch_template_version = _with_source
