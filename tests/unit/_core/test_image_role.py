# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.image_role import ImageRoleError, image_plan

LEAST = {"base": "ami-0123456789abcdef0", "instance_profile": "builder"}


def plan(**image: Any) -> dict[str, Any]:
    return image_plan({"name": "api", "image": {**LEAST, **image}}, "/estate")


def test_what_is_not_declared_is_left_to_the_modules() -> None:
    assert plan() == {
        "base": LEAST["base"],
        "tags": {"dtk:role": "api"},
        "infrastructure": {"instance_profile": "builder", "resource_tags": {"dtk:role": "api"}},
        "distribution": None,
        "block_devices": None,
        "tests": {"enabled": True, "minutes": 60},
        "schedule": None,
        "lifecycle": None,
        "roles": {},
        "test_playbooks": [],
        "vars": {},
    }


@pytest.mark.parametrize("key", sorted(LEAST))
def test_without_the_least_there_is_no_image(key: str) -> None:
    with pytest.raises(
        ImageRoleError, match=rf"dtk_server_role.image.{key} of the server role api is not set: name the"
    ):
        plan(**{key: None})


def test_regions_are_in_order_and_keep_their_options() -> None:
    regions = {"eu-west-1": None, "eu-central-1": {"accounts": ["111111111111"]}}
    assert plan(regions=regions)["distribution"] == [
        {"region": "eu-central-1", "accounts": ["111111111111"]},
        {"region": "eu-west-1"},
    ]


def test_a_root_volume_of_its_own_is_encrypted() -> None:
    (device,) = plan(volume_size=16, volume_kms_key="alias/images")["block_devices"]
    assert device["ebs"] == {
        "encrypted": True,
        "volume_type": "gp3",
        "delete_on_termination": True,
        "volume_size": 16,
        "kms_key": "alias/images",
    }


def test_roles_and_tests_are_found_in_the_estate() -> None:
    found = plan(roles=["hardening"], tests=["tests/smoke.yml", "/elsewhere/more.yml"])
    assert found["roles"] == {"hardening": "/estate/roles/hardening"}
    assert found["test_playbooks"] == ["/estate/tests/smoke.yml", "/elsewhere/more.yml"]


def test_a_lifecycle_needs_its_role_and_keeps_five() -> None:
    assert plan(keep=3)["lifecycle"] is None
    assert plan(lifecycle_role="arn:aws:iam::111111111111:role/prune")["lifecycle"] == {
        "role": "arn:aws:iam::111111111111:role/prune",
        "keep": 5,
    }
