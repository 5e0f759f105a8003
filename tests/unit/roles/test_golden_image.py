# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that a build instance runs: install.py, clean.py and prove.py of role golden_image, on folders."""

from __future__ import annotations

import base64
import ensurepip
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

FILES = Path(__file__).resolve().parents[3] / "roles" / "golden_image" / "files"
PYTHON = ".".join(map(str, sys.version_info[:2]))
MAX_COMPONENT = 16_000  # characters of inline data, by the service model of Image Builder


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"golden_image_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


clean = program("clean")
prove = program("prove")


# --- install ----------------------------------------------------------------------------------------------------


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    """A wheel that pip takes."""
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    target = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return target


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A bundle with one small package, and the pip that this Python carries as its pip."""
    folder = tmp_path / "bundle"
    (folder / "wheels").mkdir(parents=True)
    (pip,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    shutil.copy(pip, folder / "wheels")
    small = wheel(folder / "wheels", "small", {"small.py": "ANSWER = 42\n"})
    digest = hashlib.sha256(small.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"small==1.0 --hash=sha256:{digest}\n")
    (folder / "dtk-bundle.json").write_text(json.dumps({"format": 1, "python": PYTHON}))
    (folder / "collections" / "ansible_collections").mkdir(parents=True)
    (folder / "collections" / "ansible_collections" / "a").write_text("a")
    shutil.copy(FILES / "install.py", folder)
    return folder


def install(bundle: Path, name: str = "abc") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(bundle / "install.py"), "--id", name, "--root", str(bundle.parent / "opt")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_runtime_is_made_once_and_complete(unpacked: Path) -> None:
    root = unpacked.parent / "opt"
    done = install(unpacked)
    assert json.loads(done.stdout) == {"changed": True, "runtime": f"{root}/runtimes/abc"}, done.stderr
    answer = subprocess.run(
        [root / "venv" / "bin" / "python", "-Ic", "import small; print(small.ANSWER)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "42\n"
    assert (root / "collections" / "ansible_collections" / "a").read_text() == "a"
    assert f"{root}/venv/bin/ansible-playbook" in (root / "bin" / "dtk-playbook").read_text()
    assert json.loads(install(unpacked).stdout)["changed"] is False


def test_an_interrupted_installation_is_done_again(unpacked: Path) -> None:
    root = unpacked.parent / "opt"
    install(unpacked)
    (root / "runtimes" / "abc" / ".complete").unlink()
    shutil.rmtree(root / "runtimes" / "abc" / "venv" / "lib")
    assert json.loads(install(unpacked).stdout)["changed"] is True
    assert (root / "venv" / "lib").exists()


def test_the_runtime_before_stays_and_older_ones_go(unpacked: Path) -> None:
    root = unpacked.parent / "opt"
    for name in ("one", "two", "three"):
        assert install(unpacked, name).returncode == 0
    assert sorted(path.name for path in (root / "runtimes").iterdir() if path.is_dir()) == ["three", "two"]
    assert (root / "current").resolve().name == "three"


def test_a_wheel_that_was_changed_is_refused_and_nothing_points_to_the_runtime(unpacked: Path) -> None:
    wheel(unpacked / "wheels", "small", {"small.py": "ANSWER = 43\n"})
    done = install(unpacked)
    assert done.returncode == 1
    assert "ended with 1" in done.stderr
    assert not (unpacked.parent / "opt" / "current").exists()


def test_another_python_is_refused_in_one_sentence(unpacked: Path) -> None:
    (unpacked / "dtk-bundle.json").write_text('{"format": 1, "python": "3.2"}')
    done = install(unpacked)
    assert done.returncode == 1
    assert done.stderr.startswith("This bundle is made for Python 3.2, and ")
    assert len(done.stderr.splitlines()) == 1


def test_what_somebody_else_made_is_not_replaced(unpacked: Path) -> None:
    (unpacked.parent / "opt" / "venv").mkdir(parents=True)
    done = install(unpacked)
    assert done.returncode == 1
    assert "is there and no link of the toolkit. Move it away, then install again." in done.stderr


# --- clean and prove ----------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What a build leaves, with everything in it that must not stay."""
    files = {
        "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "/var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
        "/etc/ssh/ssh_host_ed25519_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "A" * 70,
        "/etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA build",
        "/var/lib/systemd/random-seed": "seed",
        "/var/lib/systemd/credential.secret": "secret",
        "/var/lib/dtk-image/bundle.tar": "bundle",
        "/var/log/journal/0123456789abcdef0123456789abcdef/system.journal": "journal",
        "/var/log/dpkg.log": "installed",
        "/root/.ansible/tmp/x": "x",
        "/root/.bash_history": "secret",
        "/root/.ssh/authorized_keys": "ssh-ed25519 " + "B" * 70 + " builder",
        "/home/admin/.ssh/authorized_keys": "ssh-ed25519 " + "C" * 70 + " admin",
        "/home/alice/.ssh/authorized_keys": "ssh-ed25519 " + "D" * 70 + " alice",
        "/home/bob/.ssh/authorized_keys": "ssh-ed25519 " + "E" * 70 + " bob",
        "/opt/dtk/runtimes/abc/.complete": "",
        "/opt/dtk/runtimes/abc/estate/server_role.json": json.dumps(
            {
                "dtk_server_role": {"name": "web", "users": [{"name": "alice"}, {"name": "bob", "state": "absent"}]},
                "dtk_apps": {},
            }
        ),
        "/etc/hosts": "127.0.0.1 localhost\n",
    }
    top = tmp_path / "root"
    for name, text in files.items():
        path = top / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (top / "opt/dtk/current").symlink_to("runtimes/abc")
    (top / "opt/dtk/estate").symlink_to("current/estate")
    return top


def wrong(root: Path) -> list[str]:
    return list(prove.findings(prove.Image(str(root))))


def test_before_it_is_cleaned_a_machine_is_no_image(root: Path) -> None:
    found = "\n".join(wrong(root))
    for what in (
        "/etc/dtk/image.json is missing",
        "/var/lib/dtk-image was left",
        "/root/.ansible was left",
        "/root/.bash_history was left",
        "/root/.ssh/authorized_keys lets somebody in",
        "/home/bob/.ssh/authorized_keys lets somebody in",
    ):
        assert what in found
    assert "/home/alice" not in found


def test_cleaning_takes_away_all_that_must_not_stay_and_nothing_else(root: Path) -> None:
    clean.clean(clean.Machine(str(root)))
    assert wrong(root) == []
    left = {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file() and path.stat().st_size}
    assert left == {
        "/etc/hosts",
        "/etc/dtk/image.json",
        "/home/alice/.ssh/authorized_keys",
        "/opt/dtk/runtimes/abc/estate/server_role.json",
    }
    assert (root / "etc/machine-id").read_text() == ""
    assert "0123456789abcdef" not in (root / "etc/dtk/image.json").read_text()


def plant(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (plant("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"), "/etc/machine-id is that of the machine"),
        (
            plant("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA build"),
            "ssh_host_ed25519_key.pub is that of the",
        ),
        (plant("/etc/app/tls.key", "-----BEGIN PRIVATE KEY-----\n" + "A" * 70), "/etc/app/tls.key holds a private key"),
        (
            plant("/srv/app/shared/.env", "AWS_ACCESS_KEY_ID=" + "AKIA" + "B" * 16),
            "/srv/app/shared/.env holds the id of an AWS access key",
        ),
        (plant("/opt/x.ini", "aws_secret_access_key = " + "a/b+" * 10), "/opt/x.ini holds an AWS secret"),
        (plant("/var/log/x", "GET /?X-Amz-Signature=" + "0f" * 32), "/var/log/x holds a presigned link"),
        (plant("/root/bundle.tar", "b"), "/root/bundle.tar looks like a bundle"),
        (plant("/opt/dtk/runtimes/half/x", "x"), "/opt/dtk/runtimes/half is a runtime that was never completed"),
        (plant("/root/.aws/credentials", "[default]"), "/root/.aws was left by the build"),
        (plant("/root/.ssh/authorized_keys2", "ssh-rsa " + "Z" * 70), "/root/.ssh/authorized_keys2 lets somebody in"),
    ],
)
def test_each_thing_that_was_left_is_found(root: Path, change: Callable[[Path], None], message: str) -> None:
    clean.clean(clean.Machine(str(root)))
    change(root)
    found = wrong(root)
    assert len(found) == 1
    assert message in found[0]


def test_a_key_that_must_be_there_can_be_allowed(root: Path) -> None:
    clean.clean(clean.Machine(str(root)))
    plant("/etc/app/tls.key", "-----BEGIN PRIVATE KEY-----\n" + "A" * 70)(root)
    role = root / "opt/dtk/runtimes/abc/estate/server_role.json"
    document = json.loads(role.read_text())
    document["dtk_server_role"]["image"] = {"allowed_files": ["/etc/app/*.key"]}
    role.write_text(json.dumps(document))
    assert wrong(root) == []


def test_keys_of_this_very_instance_are_its_own(root: Path) -> None:
    clean.clean(clean.Machine(str(root)))
    plant("/etc/ssh/ssh_host_ed25519_key", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "N" * 70)(root)
    plant("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 BBBB new")(root)
    plant("/etc/machine-id", "fedcba9876543210fedcba9876543210\n")(root)
    assert wrong(root) == []


# --- the component ------------------------------------------------------------------------------------------------


def test_the_component_fits_and_each_script_stops_at_its_first_error() -> None:
    """A list of commands is one script, whose exit code would be that of the last command."""
    text = (FILES / "component.yml").read_text(encoding="utf-8")
    assert len(text) < MAX_COMPONENT / 2, "the text leaves no room to grow"
    document = yaml.safe_load(text)
    assert [phase["name"] for phase in document["phases"]] == ["build", "validate", "test"]
    scripts = [
        step["inputs"]["commands"]
        for phase in document["phases"]
        for step in phase["steps"]
        if step["action"] == "ExecuteBash"
    ]
    assert scripts
    for (script,) in scripts:
        assert script.startswith("set -euo pipefail\n")
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_what_the_component_asks_for_is_declared() -> None:
    text = (FILES / "component.yml").read_text(encoding="utf-8")
    declared = {name for parameter in yaml.safe_load(text)["parameters"] for name in parameter}
    assert set(re.findall(r"\{\{ (\w+) \}\}", text)) == declared
