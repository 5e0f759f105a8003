# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same deploy in pyinfra: idiomatic operations, all hosts in one wave."""

from __future__ import annotations

import json
import os

from pyinfra.operations import files, server, systemd

job = json.loads(os.environ["DTK_BENCH_JOB"])
version = job["version"]
root = "/srv/hello"
release = f"{root}/releases/{version}"
archive = f"/tmp/hello-{version}.tar.gz"

files.directory(name="Make the release folder", path=release, mode="755")
files.download(name="Fetch the artifact", src=job["url"], dest=archive, sha256sum=job["sha256"])
server.shell(name="Unpack the artifact", commands=[f"tar xzf {archive} --no-same-owner -C {release}"])
server.shell(
    name="Switch to the release",
    commands=[f"ln -s releases/{version} {root}/current.new && mv -T {root}/current.new {root}/current"],
)
systemd.service(name="Restart the app", service="hello.service", restarted=True)
server.shell(
    name="Wait until the new release answers",
    commands=[f"until curl -fsS http://127.0.0.1:8080/health | grep -q '{version}'; do sleep 0.1; done"],
    _timeout=60,
)
files.file(name="Remove the archive", path=archive, present=False)
