# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts under test: what is deployed, how they are brought back to the same start, what they serve."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.contestants.floor import run_everywhere
from tests.lab import Lab, LabHost

BIN = Path(sys.executable).parent
COLLECTIONS = ".cache/collections"
APP, ENV, BUCKET = "hello", "bench", "dtk-releases"
BASE, TARGET = "1.0.0", "1.1.0"
# What a user's server role would say. Restart, since that is what the other contestants do.
APP_SPEC = {
    "unit": "hello.service",
    "activation": "restart",
    "keep": 5,
    "health": {
        "http": {"url": "http://127.0.0.1:8080/health", "body": '"release": "{version}"'},
        "successes": 1,
        "interval": 0.1,
        "timeout": 2,
        "deadline": 30,
    },
    "deploy": {"waves": ["10%", "45%", "45%"], "budget": 0, "bake": 0},
}
PACKAGES, MODULES, WORDS_PER_MODULE = 30, 12, 2750  # 5 MB in 360 files once compressed
ESTATE = {
    "ansible_user": "root",
    "ansible_python_interpreter": "/usr/bin/python3",
    "dtk_bucket": BUCKET,
    "dtk_apps": {APP: APP_SPEC},
}

# Every contestant starts from what the collection left of BASE, and finds nothing of TARGET.
RESET = f"""set -e
cd /srv/hello
test -f state.{BASE} || cp -p state.json state.{BASE}
cp -p state.{BASE} state.json
rm -rf releases/{TARGET} /tmp/hello-*
ln -sfn releases/{BASE} current
systemctl reset-failed hello.service
systemctl restart hello.service
"""


@dataclass(frozen=True)
class Artifact:
    """A release as the file server hands it out; the URL is presigned."""

    version: str
    sha256: str
    url: str


def build_artifact(version: str, folder: Path) -> Path:
    """A tar.gz of about 5 MB: the hello app and a few hundred vendored source files that compress like source.

    The same version is the same bytes, so that publishing it twice changes nothing.
    """
    words = random.Random(version)
    vocabulary = ["".join(words.choices("abcdefghijklmnopqrstuvwxyz_", k=words.randint(3, 12))) for _ in range(20000)]
    content = {"VERSION": f"{version}\n".encode(), "app.py": Path("examples/hello/app.py").read_bytes()}
    for number in range(PACKAGES * MODULES):
        name = f"vendor/package_{number // MODULES:02}/module_{number % MODULES:02}.py"
        content[name] = " ".join(words.choices(vocabulary, k=WORDS_PER_MODULE)).encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    archive = folder / f"hello-{version}.tar.gz"
    archive.write_bytes(gzip.compress(plain.getvalue(), compresslevel=6, mtime=0))
    return archive


class Fleet:
    """A lab plus two published releases: BASE, where every contestant starts, and TARGET, where it must arrive."""

    def __init__(self, lab: Lab, folder: Path, control_paths: Path) -> None:
        self.lab = lab
        self.control_paths = control_paths
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.inventory = self._write_inventory()
        self._publish(BASE)
        self.target = self._publish(TARGET)
        self._play("deploy", env=ENV, version=BASE)

    def fresh_control_path(self) -> Path:
        """A folder for ssh's control sockets that nobody has used: no contestant inherits open connections."""
        return Path(tempfile.mkdtemp(prefix="cp", dir=self.control_paths))

    def job(self) -> str:
        """What the contestants that are not Ansible need to know, as JSON."""
        hosts = [{"name": host.name, "address": host.address, "login": self.lab.ssh(host)} for host in self.lab.hosts]
        return json.dumps({"hosts": hosts, "key": str(self.lab.key)} | self.target_facts())

    def target_facts(self) -> dict[str, str]:
        return {"version": self.target.version, "url": self.target.url, "sha256": self.target.sha256}

    def reset(self) -> None:
        """Every host serves BASE, deployed by the collection, and has never seen TARGET."""
        errors = run_everywhere({host.name: self.lab.ssh(host) for host in self.lab.hosts}, RESET)
        wrong = errors or self.not_serving(BASE)
        if wrong:
            raise RuntimeError(f"hosts could not be reset to {BASE}: {wrong}")

    def not_serving(self, version: str) -> dict[str, str]:
        """The hosts that serve something else than this version, and what they say."""
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(_served, self.lab.hosts)
            served = {host.name: answer for host, answer in zip(self.lab.hosts, answers, strict=True)}
        return {name: answer for name, answer in served.items() if answer != version}

    def _publish(self, version: str) -> Artifact:
        """Through the collection's own playbook, so that ours finds a manifest; the others only need the URL."""
        path = build_artifact(version, self.folder)
        self._play("publish", version=version, artifact=str(path.resolve()))
        url = self.lab.boto("s3").generate_presigned_url(
            "get_object", Params={"Bucket": BUCKET, "Key": f"{APP}/{version}.tar.gz"}, ExpiresIn=3600 * 6
        )
        return Artifact(version, hashlib.sha256(path.read_bytes()).hexdigest(), url)

    def _play(self, playbook: str, **extra: str) -> None:
        """Run a playbook of the collection, untimed."""
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), f"sysops.dtk.{playbook}"]
        argv += ["-e", json.dumps({"app": APP, **extra})]
        environ = os.environ | self.lab.environ | {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_FORKS": "50"}
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{playbook} failed:\n{done.stdout}{done.stderr}")

    def _write_inventory(self) -> Path:
        hosts = {
            host.name: {"ansible_host": host.address, "availability_zone": host.az, "instance_id": host.instance_id}
            for host in self.lab.hosts
        }
        path = self.folder / "inventory.json"
        groups = {"all": {"vars": ESTATE}, f"env_{ENV}": {"hosts": hosts}}
        path.write_text(json.dumps(groups, indent=1), encoding="utf-8")
        return path


def _served(host: LabHost) -> str:
    """The release that this host says it serves, or what went wrong."""
    try:
        with urllib.request.urlopen(f"http://{host.address}:8080/health", timeout=10) as answer:
            return json.load(answer)["release"]
    except (OSError, ValueError, KeyError) as error:
        return f"no answer: {error}"
