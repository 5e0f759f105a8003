# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import os
import random
import tarfile
from pathlib import Path

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core import bundle
from ansible_collections.sysops.dtk.plugins.module_utils._core.bundle import BundleError, Entry
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text("abc/", min_size=1, max_size=12).filter(lambda name: not name.startswith("/"))


def written(entries: list[Entry]) -> tuple[bytes, str]:
    output = io.BytesIO()
    digest = bundle.write(entries, output)
    return output.getvalue(), digest


def collection(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@given(st.dictionaries(NAMES, st.binary(max_size=40), max_size=8), st.randoms())
def test_the_order_of_files_does_not_matter_and_the_hash_is_that_of_the_bytes(
    files: dict[str, bytes], chance: random.Random
) -> None:
    entries = [Entry(name, data=data) for name, data in files.items()]
    shuffled = chance.sample(entries, len(entries))
    data, digest = written(entries)
    assert written(shuffled) == (data, digest)
    assert hashlib.sha256(data).hexdigest() == digest
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == files


def test_times_owners_and_modes_of_the_machine_are_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("text")
    before = written([Entry("a", path=str(path))])
    os.utime(path, (1, 1))
    path.chmod(0o600)
    assert written([Entry("a", path=str(path))]) == before
    with tarfile.open(fileobj=io.BytesIO(before[0])) as tar:
        (member,) = tar
        assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)


def test_a_program_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    data, _digest = written(bundle.file_entries({"run": str(path)}))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getmember("run").mode == 0o755


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(BundleError, match="Two files want to be a in the bundle"):
        written([Entry("a", data=b"1"), Entry("a", data=b"2")])


def test_of_a_collection_only_what_a_run_needs_is_taken(tmp_path: Path) -> None:
    folder = collection(
        tmp_path,
        {
            "MANIFEST.json": "{}",
            "galaxy.yml": "",
            "README.md": "",
            "meta/runtime.yml": "",
            "plugins/modules/a.py": "",
            "plugins/modules/__pycache__/a.cpython-311.pyc": "",
            "plugins/modules/b.pyc": "",
            "roles/r/tasks/main.yml": "",
            "tests/unit/test_a.py": "",
            ".git/HEAD": "",
        },
    )
    below = "collections/ansible_collections/name/space/"
    assert sorted(entry.name for entry in bundle.collection_entries("name.space", str(folder))) == [
        f"{below}{name}"
        for name in ("MANIFEST.json", "meta/runtime.yml", "plugins/modules/a.py", "roles/r/tasks/main.yml")
    ]


def test_a_checkout_is_packed_with_its_galaxy_file(tmp_path: Path) -> None:
    folder = collection(tmp_path, {"galaxy.yml": "", "plugins/modules/a.py": ""})
    assert [entry.name.rpartition("/")[2] for entry in bundle.collection_entries("a.b", str(folder))] == [
        "a.py",
        "galaxy.yml",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda at: bundle.collection_entries("posix", at), "'posix' must be named as <namespace>.<name>"),
        (
            lambda at: bundle.collection_entries("a.b", ""),
            "a.b is not installed .* ansible-galaxy collection install a.b",
        ),
        (lambda at: bundle.collection_entries("a.b", at), "holds no collection"),
        (
            lambda at: bundle.role_entries("hardening", at),
            "The role hardening is not in the estate: .* Correct image.roles",
        ),
        (lambda at: bundle.test_entries([f"{at}/smoke.yml"]), "smoke.yml is not there. Correct image.tests"),
        (lambda at: bundle.test_entries([f"{at}/smoke.sh"]), "must be a playbook"),
        (bundle.wheel_entries, "holds no wheels"),
        (lambda at: bundle.file_entries({"a": f"{at}/a"}), "wanted in the bundle as a, is not there"),
        (lambda at: bundle.role_document({}, {}, {"dtk_apps": {}}), "image.vars holds dtk_apps; .* Rename"),
    ],
)
def test_what_cannot_be_packed_is_named_with_a_remedy(make, message: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=message):
        make(str(tmp_path))


def test_two_tests_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "smoke.yml", tmp_path / "b" / "smoke.yml"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    with pytest.raises(BundleError, match=r"Two tests are called smoke.yml: .*/a/smoke.yml and .*/b/smoke.yml"):
        bundle.test_entries(map(str, paths))
