# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that boots in an emulated AWS: its group, metadata, releases and log, and an app that really answers."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from ansible_collections.sysops.dtk.plugins.module_utils import artifacts, converge
from ansible_collections.sysops.dtk.plugins.module_utils._core import deploy_log
from ansible_collections.sysops.dtk.plugins.module_utils._core.deploy_log import UTC, Claim
from ansible_collections.sysops.dtk.plugins.module_utils.deploys import DeployLog

from tests.emulation import REGION, Emulation
from tests.fakes.imds import Imds, Listener
from tests.unit.fakes.fleet import WEB, Fleet

ENV, ROLE, HOOK = "prod", "web", "dtk-converge"
METADATA = {"HttpTokens": "required", "HttpEndpoint": "enabled", "InstanceMetadataTags": "enabled"}
CANARY = "CANARYc0ffee"


class App(contextlib.AbstractContextManager["App"]):
    """Answers with the release that its link leads to, as long as that is not broken; `asked` is called before."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: Callable[[], None] = lambda: None
        self.down = False
        handler = type("Handler", (_Handler,), {"app": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def release(self) -> str | None:
        link = self.home / "current"
        return os.path.basename(os.readlink(link)) if link.is_symlink() else None

    def answer(self) -> tuple[int, str]:
        self.asked()
        folder = self.home / "current"
        if self.down or (folder / "BROKEN").exists():
            return 500, "broken"
        return 200, (folder / "VERSION").read_text(encoding="utf-8")


class _Handler(BaseHTTPRequestHandler):
    app: App

    def do_GET(self) -> None:
        status, text = self.app.answer()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_unused: Any) -> None:
        """The test asks the app itself."""


@dataclass(frozen=True)
class Run:
    """One run of the program."""

    rc: int
    out: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def end(self) -> dict[str, Any]:
        assert self.events[-1]["event"] == "end", self.out
        return self.events[-1]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event]


@dataclass
class World:
    """Everything that is there when an instance boots. `host` stands for its disk."""

    aws: Emulation
    fleet: Fleet
    imds: Imds
    host: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    apps: dict[str, App] = field(default_factory=dict)
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    instance: str = ""
    url: str = ""

    @property
    def bucket(self) -> str:
        return f"releases-{self.mark}"

    @property
    def prefix(self) -> str:
        return f"/t-{self.mark}"

    # --- what is there before --------------------------------------------------------------------------------------

    def prepare(self) -> None:
        where = {"LocationConstraint": REGION}
        self.aws.client("s3").create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
        iam = self.aws.client("iam")
        iam.create_instance_profile(InstanceProfileName=self.mark)
        iam.create_role(RoleName=self.mark, AssumeRolePolicyDocument="{}")
        iam.add_role_to_instance_profile(InstanceProfileName=self.mark, RoleName=self.mark)

    def app(self, name: str = "hello", **spec: Any) -> App:
        app = App(self.host / "srv" / name)
        health = {"http": {"url": app.url, "body": "^{version}$"}, "successes": 1, "interval": 0.02, "deadline": 0.3}
        plain = {"root": str(self.host / "srv"), "activation": "none", "dead_man": False, "health": health}
        self.apps[name], self.specs[name] = app, {**plain, **spec}
        self.write_role()
        return app

    def write_role(self, **document: Any) -> None:
        whole = {"dtk_server_role": {"name": ROLE}, "dtk_apps": self.specs, **document}
        (self.host / "server_role.json").write_text(json.dumps(whole), encoding="utf-8")

    def options(self, **options: Any) -> None:
        """What stands in converge.json."""
        given = {"server_role": str(self.host / "server_role.json"), "endpoint_url": self.aws.endpoint, "deadline": 20}
        (self.host / "converge.json").write_text(json.dumps({**given, **options}), encoding="utf-8")

    def publish(self, version: str, app: str = "hello", broken: bool = False) -> None:
        path = self.host / f"{app}-{version}.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, text in {"VERSION": version, **({"BROKEN": "yes"} if broken else {})}.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
        artifacts.publish(self.aws.client("s3"), self.bucket, app, version, str(path), now=datetime.now(UTC))

    def log(self, app: str = "hello") -> DeployLog:
        return DeployLog(self.aws.client("ssm"), self.prefix, ENV, app)

    def claim(self, version: str, app: str = "hello", lease: int = 600) -> None:
        log = self.log(app)
        top = log.top(log.read())
        log.append(top, deploy_log.claim(top, Claim(f"d{top.n}", version, "alice", lease), datetime.now(UTC)))

    def commit(self, app: str = "hello") -> None:
        log = self.log(app)
        top = log.top(log.read())
        slot = deploy_log.commit(top, top.id or "", datetime.now(UTC) + timedelta(seconds=1))
        assert slot
        log.append(top, slot)

    def stable(self, version: str, app: str = "hello") -> None:
        """Make a release what the log calls stable."""
        self.claim(version, app)
        self.commit(app)

    def setting(self, name: str, value: str, kind: str = "String") -> None:
        self.aws.client("ssm").put_parameter(Name=self.prefix + name, Value=value, Type=kind, Overwrite=True)

    # --- the instance -----------------------------------------------------------------------------------------------

    def _instance_data(self, tags: dict[str, str]) -> dict[str, Any]:
        shown = {"dtk:env": ENV, "dtk:role": ROLE, "dtk:prefix": self.prefix, "dtk:bucket": self.bucket, **tags}
        labels = [{"Key": key, "Value": value} for key, value in shown.items() if value]
        return {
            "MetadataOptions": METADATA,
            "IamInstanceProfile": {"Name": self.mark},
            "TagSpecifications": [{"ResourceType": "instance", "Tags": labels}],
        }

    def launch(self, hook: str = HOOK, warm: bool = False, **tags: str) -> str:
        """An instance that its group waits for, or that is on its way into its warm pool."""
        hooks = [self.fleet.hook(hook, DefaultResult="ABANDON")]
        made = {"LaunchTemplateId": self.fleet.template(**self._instance_data(tags)), "Version": "1"}
        self.fleet.group(0 if warm else 1, settled=False, LaunchTemplate=made, LifecycleHookSpecificationList=hooks)
        if warm:
            pool = {"MaxGroupPreparedCapacity": 1, "PoolState": "Stopped"}
            self.fleet.client.put_warm_pool(AutoScalingGroupName=WEB, **pool)
        self.wait_for("Warmed:Pending:Wait" if warm else "Pending:Wait")
        return self.enter(self.fleet.instances[0].id)

    def start_alone(self, **tags: str) -> str:
        """An instance that no group knows."""
        wanted = {"ImageId": self.fleet.image(), "InstanceType": "t3.small", **self._instance_data(tags)}
        made = self.aws.client("ec2").run_instances(MinCount=1, MaxCount=1, **wanted)
        return self.enter(made["Instances"][0]["InstanceId"])

    def enter(self, instance: str) -> str:
        """This disk belongs to that instance from now on."""
        self.instance = instance
        self.url = self.imds.listen(Listener(instance_id=instance))
        return instance

    def wait_for(self, state: str) -> None:
        self.aws.autoscaling.wait_for(lambda: [one.state for one in self.fleet.instances] == [state])

    @property
    def state(self) -> str:
        """Of the instance, in its group."""
        found = self.aws.autoscaling.instance(self.instance, REGION)
        return found.state if found else "gone"

    def tags(self) -> dict[str, str]:
        (found,) = self.aws.client("ec2").describe_instances(InstanceIds=[self.instance])["Reservations"]
        tags = {tag["Key"]: tag["Value"] for tag in found["Instances"][0]["Tags"]}
        return {key: value for key, value in tags.items() if key.startswith(("dtk:app:", "dtk:boot"))}

    # --- the program ------------------------------------------------------------------------------------------------

    def environ(self) -> dict[str, str]:
        """No credentials: those come from the metadata, by way of the instance's profile."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.host),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    def arguments(self, *arguments: str) -> list[str]:
        folders = {"--config": "converge.json", "--state": "var", "--run": "run"}
        return [word for option, name in folders.items() for word in (option, str(self.host / name))] + [*arguments]

    def converge(self, *arguments: str) -> Run:
        """In this process, since starting Python and importing botocore takes longer than the rest."""
        output = io.StringIO()
        with mock.patch.dict(os.environ, self.environ(), clear=True), contextlib.redirect_stdout(output):
            rc = converge.main(self.arguments(*arguments))
        return Run(rc, output.getvalue())

    def boot(self) -> Run:
        """As `converge`, after a start of the machine."""
        for path in sorted((self.host / "run").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        return self.converge()


@contextlib.contextmanager
def worlds(aws: Emulation, host: Path) -> Iterator[World]:
    with Imds.start(aws.endpoint) as imds, contextlib.ExitStack() as stack:
        world = World(aws, Fleet(aws), imds, host)
        world.prepare()
        world.options()
        world.write_role()
        yield world
        for app in world.apps.values():
            stack.enter_context(app)
