# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import manifest
from ansible_collections.sysops.dtk.plugins.module_utils._host.errors import HostError, ManifestError
from ansible_collections.sysops.dtk.plugins.module_utils._host.layout import Layout
from hypothesis import given
from hypothesis import strategies as st

GOOD: dict[str, Any] = {
    "app": "hello",
    "version": "1.0.1",
    "sha256": "0123456789abcdef" * 4,
    "size": 10,
    "unpacked_size": 20,
    "files": 3,
    "format": "tar.gz",
    "created": "2026-01-31T12:00:00Z",
}


@pytest.mark.parametrize("name", ["a", "hello", "a-b_c9", "a" * 32])
def test_app_names_that_are_allowed(name: str) -> None:
    assert manifest.check_app(name) == name


@pytest.mark.parametrize("name", ["", "A", "9a", "-a", "a b", "a/b", "..", "a.b", "a" * 33, "a\n", "ä", None, 1, ["a"]])
def test_app_names_that_are_refused(name: Any) -> None:
    with pytest.raises(ManifestError, match=r"app name .* is not allowed; use"):
        manifest.check_app(name)


@pytest.mark.parametrize("version", ["1", "1.0.1", "v1", "2026-01-31_1", "1.0+build.7", "A" * 64])
def test_versions_that_are_allowed(version: str) -> None:
    assert manifest.check_version(version) == version


@pytest.mark.parametrize(
    "version", ["", ".", "..", ".1", "-1", "+1", "a/b", "a b", "1\n", "1\0", "A" * 65, "é", 1.1, None]
)
def test_versions_that_are_refused(version: Any) -> None:
    with pytest.raises(ManifestError, match=r"version .* is not allowed; use"):
        manifest.check_version(version)


def test_a_manifest_survives_json() -> None:
    built = manifest.from_dict({**GOOD, "source_revision": "abc", "signature": "sig"})
    assert manifest.from_json(built.to_json()) == built


def test_the_json_is_the_same_for_the_same_manifest() -> None:
    text = manifest.from_dict(dict(reversed(GOOD.items()))).to_json()
    assert text == manifest.from_dict(GOOD).to_json()
    assert json.loads(text) == GOOD, "optional fields without a value stay out"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"sha256": "0" * 63}, "sha256", id="short hash"),
        pytest.param({"sha256": "A" * 64}, "sha256", id="upper-case hash"),
        pytest.param({"size": 0}, "size", id="empty artifact"),
        pytest.param({"size": "10"}, "size", id="size as text"),
        pytest.param({"size": True}, "size", id="size as bool"),
        pytest.param({"unpacked_size": -1}, "unpacked_size", id="negative size"),
        pytest.param({"files": 1.5}, "files", id="fraction of a file"),
        pytest.param({"format": "zip"}, "format", id="unknown format"),
        pytest.param({"created": "yesterday"}, "created", id="no time"),
        pytest.param({"created": "2026-01-31T12:00:00+01:00"}, "created", id="other zone"),
        pytest.param({"source_revision": 7}, "source_revision", id="revision as number"),
        pytest.param({"app": "../x"}, "app name", id="app leads out"),
        pytest.param({"version": "../x"}, "version", id="version leads out"),
        pytest.param({"more": 1}, "unknown more", id="unknown field"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ManifestError, match=named):
        manifest.from_dict({**GOOD, **change})


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(ManifestError, match=f"lacks {field}"):
        manifest.from_dict({name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"app": NaN}', "7"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        manifest.from_json(text)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5),
    st.sampled_from(sorted(GOOD)),
)
def test_any_value_in_any_field_gives_a_manifest_or_one_error(value: Any, field: str) -> None:
    try:
        built = manifest.from_dict({**GOOD, field: value})
    except ManifestError as exc:
        assert "\n" not in str(exc)
        assert len(str(exc)) < 500
    else:
        assert getattr(built, field) == value


def test_keys_in_the_bucket() -> None:
    assert manifest.artifact_key("hello", "1.0", "tar.zst") == "hello/1.0.tar.zst"
    assert manifest.manifest_key("hello", "1.0") == "hello/1.0.json"
    with pytest.raises(ManifestError, match="format 'zip' is unknown"):
        manifest.artifact_key("hello", "1.0", "zip")


def test_paths_of_an_app() -> None:
    layout = Layout("hello")
    assert layout.home == "/srv/hello"
    assert layout.release("1.0") == "/srv/hello/releases/1.0"
    assert layout.partial("1.0") == "/srv/hello/releases/.1.0.partial"
    assert layout.link_target("1.0") == "releases/1.0"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Layout("../x"), id="app"),
        pytest.param(lambda: Layout("hello", "srv"), id="relative root"),
        pytest.param(lambda: Layout("hello").release(".."), id="release"),
        pytest.param(lambda: Layout("hello").partial("a/b"), id="partial"),
        pytest.param(lambda: Layout("hello").link_target("../.."), id="link target"),
    ],
)
def test_no_path_leads_out(make: Any) -> None:
    with pytest.raises(HostError):
        make()
