# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._host import role_file
from ansible_collections.sysops.dtk.plugins.module_utils._host.role_file import RoleFileError

YAML = "# a comment\ndtk_server_role:\n  name: web\ndtk_apps: {}\n"
DOCUMENT = {"dtk_server_role": {"name": "web"}, "dtk_apps": {}}


@pytest.mark.parametrize("text", [YAML, json.dumps(DOCUMENT)], ids=["yaml", "json"])
def test_both_forms_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "role"
    path.write_text(text)
    assert role_file.read(str(path)) == (DOCUMENT, str(path))


def test_the_first_place_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [str(tmp_path / name) for name in ("one", "two")]
    monkeypatch.setattr(role_file, "PLACES", places)
    Path(places[1]).write_text(json.dumps({"dtk_apps": {"second": {}}}))
    assert role_file.read()[1] == places[1]
    Path(places[0]).write_text(YAML)
    assert role_file.read() == (DOCUMENT, places[0])


def test_what_was_read_is_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = tmp_path / "role.yml", tmp_path / "var" / "kept.json"
    path.write_text(YAML)
    assert role_file.read(str(path), str(kept))[0] == DOCUMENT
    monkeypatch.setitem(sys.modules, "yaml", None)  # no YAML is read from here on
    assert role_file.read(str(path), str(kept))[0] == DOCUMENT
    path.write_text(YAML.replace("web", "api"))
    os.utime(path, ns=(1, 1))
    with pytest.raises(RoleFileError, match="has no library for YAML"):
        role_file.read(str(path), str(kept))


@pytest.mark.parametrize("text", ["", "[]", '{"mark": 1}', "{"])
def test_a_kept_copy_that_is_damaged_is_no_harm(tmp_path: Path, text: str) -> None:
    path, kept = tmp_path / "role.yml", tmp_path / "kept.json"
    path.write_text(YAML)
    kept.write_text(text)
    assert role_file.read(str(path), str(kept))[0] == DOCUMENT


def test_a_folder_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    path, file = tmp_path / "role.yml", tmp_path / "file"
    path.write_text(YAML)
    file.write_text("")
    assert role_file.read(str(path), str(file / "kept.json"))[0] == DOCUMENT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a: b: c", "is neither JSON nor YAML"),
        (b"- a", "holds no mapping"),
        (b"", "holds no mapping"),
        (b"\xff", "cannot read"),
        (b"a: !!python/object:os.system x", "is neither JSON nor YAML"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "role"
    path.write_bytes(text)
    with pytest.raises(RoleFileError, match=reason):
        role_file.read(str(path))


def test_a_host_without_one_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RoleFileError, match=r"this host has no server role .* the playbook provision"):
        role_file.read(str(tmp_path / "nothing"))
