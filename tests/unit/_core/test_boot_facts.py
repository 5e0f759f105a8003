# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import boot_facts
from ansible_collections.sysops.dtk.plugins.module_utils._core.boot_facts import BootError
from ansible_collections.sysops.dtk.plugins.module_utils._core.boot_protocol import Row

TAGS = {"dtk:env": "prod", "dtk:role": "web", "dtk:bucket": "releases"}
DOCUMENT = {"dtk_server_role": {"name": "web"}, "dtk_apps": {"api": {"unit": "api.service"}}}


def given(**options: Any) -> dict[str, Any]:
    return {**boot_facts.DEFAULTS, **options}


def test_no_file_is_the_defaults() -> None:
    assert boot_facts.options("", "converge.json") == boot_facts.DEFAULTS


def test_a_file_is_completed() -> None:
    assert boot_facts.options('{"deadline": 60}', "f") == given(deadline=60)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "f is no JSON"),
        ("[]", "f holds no JSON object"),
        ('{"dedline": 1}', "f has unknown dedline. There are env, role"),
        ('{"deadline": 0}', "f: deadline is 0; it must be a number of seconds, at least 1"),
        ('{"deadline": true}', "f: deadline is True"),
        ('{"heartbeat": 29}', "f: heartbeat is 29; it must be a number of seconds, at least 30"),
        ('{"metadata": "yes"}', "f: metadata is 'yes'; it must be true or false"),
        ('{"env": 1}', "f: env is 1; it must be text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, reason: str) -> None:
    with pytest.raises(BootError, match=r"^f") as caught:
        boot_facts.options(text, "f")
    assert reason in str(caught.value)


def test_a_host_is_what_its_tags_say() -> None:
    facts = boot_facts.facts(given(), TAGS, DOCUMENT, "role.yml")
    assert (facts.env, facts.role, facts.prefix, facts.bucket) == ("prod", "web", "/dtk", "releases")
    assert facts.settings_paths("api") == ["/dtk/_shared", "/dtk/prod/_shared", "/dtk/prod/api/config"]


def test_options_go_before_tags() -> None:
    facts = boot_facts.facts(given(env="beta", prefix="/x/", bucket="other"), TAGS, DOCUMENT, "role.yml")
    assert (facts.env, facts.prefix, facts.bucket) == ("beta", "/x", "other")


def test_a_host_without_a_tag_of_its_role_is_what_it_was_made_for() -> None:
    assert boot_facts.facts(given(), {"dtk:env": "prod"}, DOCUMENT, "role.yml").role == "web"


@pytest.mark.parametrize(
    ("tags", "document", "reason"),
    [
        ({}, DOCUMENT, "no tag dtk:env, or its metadata does not show tags"),
        ({"dtk:env": "Prod"}, DOCUMENT, "The env 'Prod' is not allowed"),
        ({**TAGS, "dtk:prefix": "x"}, DOCUMENT, "The prefix 'x' is not a path in Parameter Store"),
        ({**TAGS, "dtk:role": "api"}, DOCUMENT, "tagged dtk:role=api, but it was made for the server role web"),
        (TAGS, {"dtk_apps": {}}, "role.yml lacks dtk_server_role or dtk_apps"),
        (TAGS, {"dtk_server_role": {"name": "web"}, "dtk_apps": []}, "role.yml lacks dtk_server_role or dtk_apps"),
    ],
)
def test_a_host_that_cannot_know_what_it_is_says_why(tags: Any, document: Any, reason: str) -> None:
    with pytest.raises(BootError) as caught:
        boot_facts.facts(given(), tags, document, "role.yml")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ("Pending", "pending"),
        ("Pending:Wait", "pending"),
        ("Pending:Proceed", "pending"),
        ("InService", "serving"),
        ("Standby", "serving"),
        ("EnteringStandby", "serving"),
        ("Detached", "serving"),
        ("Warmed:Pending:Wait", "warming"),
        ("Warmed:Stopped", "warming"),
        ("Warmed:Running", "warming"),
        ("Warmed:Terminating:Wait", "leaving"),
        ("Terminating:Wait", "leaving"),
        ("Terminated", "leaving"),
        ("", "serving"),
    ],
)
def test_lifecycle_states(state: str, place: str) -> None:
    assert boot_facts.place(state) == place


def test_the_report_is_one_tag_for_each_app_and_one_for_the_boot() -> None:
    rows = [Row("api", "1.0.0", 7, "ok"), Row("worker", None, 0, "empty")]
    tags = boot_facts.tags_of(rows, "ok")
    assert tags == {
        "dtk:app:api": "1.0.0 slot 7 ok",
        "dtk:app:worker": "none slot 0 empty",
        "dtk:boot": "ok",
    }
    assert boot_facts.stamped(tags, "2026-01-01T00:00:00Z")["dtk:boot"] == "ok 2026-01-01T00:00:00Z"


def test_a_reason_fits_into_a_tag() -> None:
    reason = "Cannot read s3://b/k: \n no (way), 'x' " + "y" * 300
    tag = boot_facts.tags_of([], f"failed: {reason}")["dtk:boot"]
    assert tag.startswith("failed: Cannot read s3://b/k: no way x yyy")
    assert len(tag) == len("failed: ") + 200
    assert boot_facts.stamped({"dtk:boot": tag}, "now") == {"dtk:boot": tag}


def test_defaults_can_be_written_and_read() -> None:
    assert boot_facts.options(json.dumps(boot_facts.DEFAULTS), "f") == boot_facts.DEFAULTS
