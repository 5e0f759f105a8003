# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.emulated_aws import EmulatedAws
from tests.unit.run_module import ROOT, run_ansible, run_module

RUNTIME = ROOT / "roles" / "golden_image" / "files" / "runtime.txt"


@pytest.fixture
def options(tmp_path: Path, aws: EmulatedAws) -> dict[str, Any]:
    """A bundle that needs no package index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "pip-1-py3-none-any.whl").write_bytes(b"a wheel")
    collection = tmp_path / "posix"
    (collection / "plugins").mkdir(parents=True)
    (collection / "plugins" / "a.py").write_text("A = 1\n")
    return {
        "bucket": aws.bucket,
        "requirements": str(RUNTIME),
        "wheels": str(wheels),
        "collections": {"ansible.posix": str(collection)},
        "server_role": {"name": "api"},
        "apps": {"api": {"unit": "api.service"}},
        "vars": {"colour": "blue"},
    }


def objects(aws: EmulatedAws) -> list[str]:
    return [item["Key"] for item in aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", [])]


def test_it_is_uploaded_once_under_its_hash(aws: EmulatedAws, options: dict[str, Any]) -> None:
    first = run_module("image_bundle", options, aws.environ())
    assert first["changed"], first
    assert objects(aws) == [f"bundles/{first['sha256']}.tar"]
    data = aws.client("s3").get_object(Bucket=aws.bucket, Key=objects(aws)[0])["Body"].read()
    assert hashlib.sha256(data).hexdigest() == first["sha256"]
    assert first["id"] == first["sha256"][:12]
    again = run_module("image_bundle", options, aws.environ())
    assert (again["changed"], again["uri"]) == (False, first["uri"])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        document = json.load(tar.extractfile("estate/server_role.json"))
    assert document == {
        "colour": "blue",
        "dtk_apps": {"api": {"unit": "api.service"}},
        "dtk_server_role": {"name": "api"},
    }


def test_check_mode_knows_the_hash_and_uploads_nothing(aws: EmulatedAws, options: dict[str, Any]) -> None:
    checked = run_module("image_bundle", options, aws.environ(), check=True)
    assert checked["changed"]
    assert objects(aws) == []
    assert run_module("image_bundle", options, aws.environ())["sha256"] == checked["sha256"]


def test_another_content_is_another_bundle(aws: EmulatedAws, options: dict[str, Any]) -> None:
    first = run_module("image_bundle", options, aws.environ())
    second = run_module("image_bundle", {**options, "vars": {"colour": "red"}}, aws.environ())
    assert second["changed"]
    assert first["sha256"] != second["sha256"]


def test_it_may_stay_on_the_controller(aws: EmulatedAws, options: dict[str, Any], tmp_path: Path) -> None:
    local = {**options, "dest": str(tmp_path / "kept")}
    del local["bucket"]
    made = run_module("image_bundle", local, aws.environ())
    assert made["changed"]
    assert hashlib.sha256(Path(made["path"]).read_bytes()).hexdigest() == made["sha256"]
    assert not run_module("image_bundle", local, aws.environ())["changed"]
    assert objects(aws) == []


def test_pruning_keeps_the_newest_and_the_current_one(aws: EmulatedAws, options: dict[str, Any]) -> None:
    made = [run_module("image_bundle", {**options, "vars": {"n": n}}, aws.environ())["sha256"] for n in range(4)]
    prune = {"state": "pruned", "bucket": aws.bucket, "keep": 1, "sha256": made[0]}
    checked = run_module("image_bundle", prune, aws.environ(), check=True)
    assert len(objects(aws)) == 4
    pruned = run_module("image_bundle", prune, aws.environ())
    assert sorted(pruned["deleted"]) == sorted(checked["deleted"])
    assert f"bundles/{made[0]}.tar" in objects(aws)
    assert len(objects(aws)) == 2
    assert not run_module("image_bundle", prune, aws.environ())["changed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bucket": "no-such-bucket-at-all"},
            "The bucket no-such-bucket-at-all does not exist. Correct the option bucket",
        ),
        ({"wheels": "/nowhere"}, "The folder of wheels /nowhere is not there. Correct the option wheels."),
        ({"wheels": None, "cache": ""}, "The option cache is empty."),
        ({"python": "3"}, "python is '3'; it must be the version of the machine's Python, like 3.11."),
        ({"collections": {"a.b": None}}, "The collection a.b is not installed"),
        ({"tests": ["/nowhere/smoke.yml"]}, "The test /nowhere/smoke.yml is not there."),
        ({"vars": {"dtk_env": "prod"}}, "image.vars holds dtk_env"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_uploaded(
    aws: EmulatedAws, options: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    result = run_module("image_bundle", {**options, **change}, aws.environ())
    assert result["failed"]
    assert message in result["msg"]
    assert objects(aws) == []


def test_a_package_that_pip_cannot_get_is_named_with_a_way_round(
    aws: EmulatedAws, options: dict[str, Any], tmp_path: Path
) -> None:
    wanted = tmp_path / "wanted.txt"
    wanted.write_text(f"dtk-no-such-package==1.0 --hash=sha256:{'0' * 64}\n")
    del options["wheels"]
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}
    change = {"requirements": str(wanted), "cache": str(tmp_path / "cache")}
    result = run_module("image_bundle", {**options, **change}, {**aws.environ(), **nowhere})
    assert "give a folder that holds them by the option wheels" in result["msg"]
    assert "dtk-no-such-package" in result["msg"]
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_the_collections_of_this_run_are_found(aws: EmulatedAws, options: dict[str, Any]) -> None:
    """By the action plugin, in a process of Ansible's own."""
    del options["collections"]
    result = run_ansible("image_bundle", options, aws.environ())
    assert result["_status"] == "CHANGED", result
    data = aws.client("s3").get_object(Bucket=aws.bucket, Key=objects(aws)[0])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = set(tar.getnames())
    below = "collections/ansible_collections/"
    assert f"{below}sysops/dtk/plugins/modules/image_bundle.py" in names
    assert f"{below}ansible/posix/plugins/modules/sysctl.py" in names
    assert f"{below}amazon/aws/meta/runtime.yml" in names
    assert not [name for name in names if name.startswith(f"{below}sysops/dtk/tests")]
