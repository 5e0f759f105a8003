# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import image_pointer
from ansible_collections.sysops.dtk.plugins.module_utils._core.errors import ImageError

HERE, THERE = "eu-west-1", "us-east-1"
ONE, OTHER = "ami-0123456789abcdef0", "ami-0fedcba9876543210"


def asked(**more: Any) -> dict[str, Any]:
    plain = {"role": "web", "env": "prod", "prefix": "/dtk", "to": "current", "image_id": None, "from": None}
    return {**plain, "regions": {}, **more}


def test_the_parameter_of_a_pointer() -> None:
    assert image_pointer.name("/dtk", "prod", "web", "current") == "/dtk/prod/web/ami/current"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (("dtk", "prod", "web"), "prefix is 'dtk'"),
        (("/dtk/", "prod", "web"), "prefix is '/dtk/'"),
        (("/dtk", "Prod", "web"), "The env 'Prod' is not allowed"),
        (("/dtk", "prod", "web/x"), "The role 'web/x' is not allowed"),
    ],
)
def test_a_part_that_is_not_allowed(parts: tuple[str, str, str], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        image_pointer.name(*parts, "current")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "/dtk/prod/web/ami/candidate"),
        ({"from": {"env": "beta", "pointer": "current"}}, "/dtk/beta/web/ami/current"),
        ({"from": {"env": None, "pointer": "current"}}, "/dtk/prod/web/ami/current"),
        ({"to": "candidate"}, ""),
        ({"to": "candidate", "from": {"env": "beta"}}, "/dtk/beta/web/ami/candidate"),
    ],
)
def test_where_an_image_comes_from(more: dict[str, Any], expected: str) -> None:
    assert image_pointer.source(asked(**more)) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {HERE: ""}),
        ({"image_id": ONE}, {HERE: ONE}),
        ({"regions": {THERE: ONE}}, {THERE: ONE}),
        ({"regions": {THERE: OTHER, HERE: None}, "image_id": ONE}, {HERE: ONE, THERE: OTHER}),
        ({"regions": {THERE: OTHER, HERE: ONE}, "image_id": ONE}, {HERE: ONE, THERE: OTHER}),
        ({"regions": {THERE: None, HERE: None}}, {HERE: "", THERE: ""}),
        ({"to": "candidate", "image_id": ONE}, {HERE: ONE}),
    ],
)
def test_the_image_of_each_region(more: dict[str, Any], expected: dict[str, str]) -> None:
    assert image_pointer.images(asked(**more), HERE) == expected


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"image_id": "debian"}, "'debian' for eu-west-1 is no id of an AMI"),
        ({"image_id": ONE, "from": {"env": "beta"}}, "image_id and from are given"),
        ({"image_id": ONE, "regions": {THERE: OTHER}}, "image_id is one of eu-west-1, which regions does not have"),
        ({"image_id": ONE, "regions": {HERE: OTHER}}, f"image_id is {ONE}, but regions has {OTHER} for eu-west-1"),
        ({"to": "candidate"}, "There is no image for eu-west-1. Give image_id, from"),
        ({"to": "candidate", "regions": {HERE: ONE, THERE: None}}, "There is no image for us-east-1"),
    ],
)
def test_images_that_do_not_fit(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        image_pointer.images(asked(**more), HERE)
