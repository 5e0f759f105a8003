# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image Builder's builds, really carried out: on hosts of the lab, whose snapshots are AMIs that hosts boot from."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.fakes.imagebuilder.job import BuildError, CancelledError, Component, Job

from . import aws, containers, metadata
from .addresses import AddressPlan
from .lab import Lab
from .machine import LabError, inside, podman
from .streamed import stream
from .toe import Executor, Task
from .toe_document import DocumentError, parse

BOOT_SECONDS, ASK_SECONDS = 120, 10
STOP_SECONDS = 60
BOOTED = frozenset({"running", "degraded"})  # what a degraded host means is for the tests of the image to say
LOG_SECONDS, LOG_LINES = 0.5, 500

# What Image Builder's own script takes away, of what there is on such a host, by its documentation:
# https://docs.aws.amazon.com/imagebuilder/latest/userguide/security-best-practices.html#post-build-cleanup
# A file skip_cleanup_<part>_files in the recipe's working directory keeps that part.
SANITIZE = """
set -u
shopt -s nullglob
folder="$1"
part() {
    if [ -e "$folder/skip_cleanup_$1_files" ]; then echo "Skipping cleanup of $1 files"; return; fi
    echo "Cleaning up $1 files"
    shift
    for path in "$@"; do if [ -f "$path" ]; then echo "Deleting $path"; rm -f -- "$path"; fi; done
}
part cloudinit /etc/sudoers.d/90-cloud-init-users /etc/locale.conf /var/log/cloud-init{,-output}.log
part instance /etc/.updated /etc/aliases.db /var/.updated
part ssh /etc/ssh/ssh_host_{rsa,ecdsa,ed25519}_key{,.pub} /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
part instance_log /var/log/audit/audit.log /var/log/boot.log /var/log/dmesg /var/log/cron
part toe "$folder"/TOE_*/*
for path in "$folder"/TOE_*; do rmdir --ignore-fail-on-non-empty -- "$path"; done
rm -rf -- /var/tmp/* /var/log/journal/* "$folder"/skip_cleanup_*_files
touch /etc/machine-id
"""
INVENTORY = """
. /etc/os-release
echo "$PRETTY_NAME, $(dpkg-query --show 2>/dev/null | wc -l) packages"
"""


class HostBuilder:
    """Builds the images of one lab. Each build has a thread of the emulated AWS; the addresses are for all of them."""

    def __init__(self, lab: str = "") -> None:
        self._lab = lab or os.environ[aws.LAB]
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    def run(self, job: Job) -> str:
        try:
            return Build(Lab.attach(self._lab), job, self).run()
        except LabError as error:
            raise BuildError(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            raise BuildError(f"EC2 Client Error: '{error}'") from error

    def take_address(self, lab: Lab) -> str:
        with self._lock:
            free = [one for one in AddressPlan.of_machine(lab.azs).builders(lab.net) if one not in self._taken]
            if not free:
                raise BuildError("There is no address left for one more build instance.")
            self._taken.add(free[0])
            return free[0]

    def give_address_back(self, address: str) -> None:
        with self._lock:
            self._taken.discard(address)


class Build:
    """One image on its way."""

    def __init__(self, lab: Lab, job: Job, builder: HostBuilder) -> None:
        self._lab, self._job, self._builder = lab, job, builder
        self._reporter = job.reporter
        self._log = Log(job.reporter.log)
        self._ec2 = aws.client("ec2", lab.endpoint, job.region)
        self._folder = job.recipe.get("workingDirectory", "/tmp")
        self._kept = False

    def run(self) -> str:
        tasks = [_task(component) for component in self._job.components]
        if self._job.recipe.get("additionalInstanceConfiguration", {}).get("userDataOverride"):
            raise BuildError("The recipe has user data, which build instances here do not run.")
        parent = aws.container_image(self._ec2, self._job.parent_image)
        with contextlib.ExitStack() as unless_tested:
            self._reporter.status("BUILDING")
            snapshot = self._build(parent, tasks, unless_tested)
            if self._job.tests_enabled:
                self._reporter.status("TESTING")
                self._test(snapshot, tasks)
            unless_tested.pop_all()
        return snapshot

    def _build(self, parent: str, tasks: Sequence[Task], unless_tested: contextlib.ExitStack) -> str:
        self._reporter.expect("BUILD", 7)
        with contextlib.ExitStack() as stack:
            with self._step("BUILD", "LaunchBuildInstance", "LaunchInstance") as step:
                host = stack.enter_context(self._launched("build", parent, self._job.parent_image))
                step.output(instanceId=host.instance_id)
            with self._step("BUILD", "ApplyBuildComponents", "ExecuteComponents"):
                executor = self._executor(host, tasks)
                executor.run("build")
                executor.run("validate")
                self._log("TOE has completed execution successfully")
            with self._step("BUILD", "InventoryCollection", "CollectImageMetadata"):
                self._script(host, INVENTORY)
            with self._step("BUILD", "RunSanitizeScript", "SanitizeInstance"):
                self._script(host, SANITIZE, self._folder)
            self._reporter.skip("BUILD", "RunSysPrepScript", "RunSysPrep")
            with self._step("BUILD", "CreateOutputAMI", "CreateImage"):
                snapshot = f"{containers.SNAPSHOTS}:{uuid.uuid4().hex[:12]}"
                host.shut_down()
                containers.commit(host.container, snapshot)
                unless_tested.callback(self._discard, snapshot)
            with self._step("BUILD", "TerminateBuildInstance", "TerminateInstance"):
                stack.close()
        return snapshot

    def _test(self, snapshot: str, tasks: Sequence[Task]) -> None:
        self._reporter.expect("TEST", 3)
        with contextlib.ExitStack() as stack:
            with self._step("TEST", "LaunchTestInstance", "LaunchInstance") as step:
                host = stack.enter_context(self._launched("test", snapshot, self._job.parent_image))
                step.output(instanceId=host.instance_id)
            with self._step("TEST", "ApplyTestComponents", "ExecuteComponents"):
                self._executor(host, tasks).run("test")
                self._log("TOE has completed execution successfully")
            with self._step("TEST", "TerminateTestInstance", "TerminateInstance"):
                stack.close()

    def _discard(self, snapshot: str) -> None:
        if not self._kept:  # by a test instance that stays
            containers.remove_snapshots(snapshot)

    @contextlib.contextmanager
    def _step(self, workflow: str, name: str, action: str) -> Iterator[Any]:
        with self._reporter.step(workflow, name, action) as step:
            try:
                yield step
            finally:
                self._log.flush()

    def _executor(self, host: BuildHost, tasks: Sequence[Task]) -> Executor:
        account = self._job.image_arn.split(":")[4]
        s3 = aws.client("s3", self._lab.endpoint, self._job.region)
        return Executor(host, tasks, self._log, s3=s3, account=account, folder=self._folder)

    def _script(self, host: BuildHost, script: str, *arguments: str) -> None:
        """One of the service's own."""
        argv = ["/bin/bash", "-c", script, "image-builder", *arguments]
        code = host.execute(argv, lambda channel, line: self._log(f"{channel}: {line}"), folder="/")
        if code:
            raise BuildError(f"A script of Image Builder ended with {code} on {host.instance_id}.")

    # --- instances ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _launched(self, kind: str, image: str, image_id: str) -> Iterator[BuildHost]:
        """A host that is up; and gone again afterwards, unless it is to be kept when something fails."""
        with contextlib.ExitStack() as stack:
            address = self._builder.take_address(self._lab)
            stack.callback(self._builder.give_address_back, address)
            instance_id = self._run_instance(kind, image_id, address)
            stack.callback(self._ec2.terminate_instances, InstanceIds=[instance_id])
            name = f"{kind}-{instance_id.removeprefix('i-')[:8]}"
            host = BuildHost(f"{self._lab.container_prefix}-{name}", instance_id, self._tick, self._job.cancelled)
            stack.callback(containers.remove, host.container)
            self._log(f"Launched the {kind} instance {instance_id} from {image_id}")
            metadata.serve(self._lab)
            self._lab.start_container(name, image, address)
            host.wait_until_booted()
            try:
                yield host
            except BuildError:
                if not self._job.infrastructure.get("terminateInstanceOnFailure", True):
                    stack.pop_all()
                    self._kept = True
                    self._log(f"The instance {instance_id}, container {host.container}, stays as it is")
                raise

    def _run_instance(self, kind: str, image_id: str, address: str) -> str:
        settings = self._job.infrastructure
        profile = settings["instanceProfileName"]
        # Image Builder learns that there is none when it launches an instance; moto launches all the same.
        aws.client("iam", self._lab.endpoint).get_instance_profile(InstanceProfileName=profile)
        tags = settings.get("resourceTags", {}) | {
            "CreatedBy": "EC2 Image Builder",
            "Ec2ImageBuilderArn": self._job.image_arn,
            "Name": f"{kind.title()} instance for {self._job.recipe['name']}",
        }
        subnet = settings.get("subnetId")
        interface = {
            "DeviceIndex": 0,
            "DeleteOnTermination": True,  # its address is for the next one
            "Groups": settings.get("securityGroupIds", []),
            **({"SubnetId": subnet} if subnet else aws.place(self._ec2, address)),
        }
        return aws.run_instance(
            self._ec2,
            image_id,
            tags,
            NetworkInterfaces=[interface],
            InstanceType=settings.get("instanceTypes", ["m5.large"])[0],
            IamInstanceProfile={"Name": profile},
        )

    def _tick(self) -> None:
        if self._job.cancelled.is_set():
            raise CancelledError
        self._log.tick()


def _task(component: Component) -> Task:
    try:
        document = parse(component.document)
        values = document.values({name: given[0] for name, given in component.parameters.items()})
    except DocumentError as error:
        raise BuildError(f"The document of {component.arn} cannot be carried out: {error}") from error
    return Task(component.arn, document, values)


class BuildHost:
    """A host that is built or tested on. `tick` is called while something takes its time, and raises to end it."""

    def __init__(self, container: str, instance_id: str, tick: Callable[[], None], cancelled: threading.Event) -> None:
        self.container, self.instance_id = container, instance_id
        self._tick, self._cancelled = tick, cancelled

    def execute(
        self,
        argv: Sequence[str],
        said: Callable[[str, str], None],
        *,
        folder: str,
        timeout: float | None = None,
        stdin: Path | None = None,
    ) -> int:
        """As a service, with the environment that one has: the SSM agent, under which Image Builder works, is one.

        What it leaves running goes on, as it does under the agent.
        """
        unit = f"image-builder-{uuid.uuid4().hex[:12]}.service"
        service = ("--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}", "--property=KillMode=process")
        entered = ("podman", "exec", *(("--interactive",) if stdin else ()), self.container)
        command = inside([*entered, "systemd-run", *service, f"--working-directory={folder}", "--", *argv])
        try:
            return stream(command, said, self._tick, timeout=timeout, stdin=stdin)
        except TimeoutError:
            podman("exec", self.container, "systemctl", "kill", "--signal=KILL", unit)
            raise

    def reboot(self, after: float = 0) -> None:
        self._cancelled.wait(after)
        self._tick()
        podman("restart", f"--time={STOP_SECONDS}", self.container)
        self.wait_until_booted()

    def shut_down(self) -> None:
        podman("stop", f"--time={STOP_SECONDS}", self.container)

    def wait_until_booted(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        asked = inside(["podman", "exec", self.container, "systemctl", "is-system-running", "--wait"])
        said: list[str] = []
        while True:
            with contextlib.suppress(TimeoutError):  # asked too early, it may wait for what is over
                stream(asked, lambda _channel, line: said.append(line), self._tick, timeout=ASK_SECONDS)
            if BOOTED.intersection(said):
                return
            if time.monotonic() > deadline:
                raise BuildError(f"The instance {self.instance_id} does not come up: {' '.join(said[-1:])}")
            self._cancelled.wait(0.1)


class Log:
    """Lines on their way to CloudWatch Logs, many at a time."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: list[str] = []
        self._since = time.monotonic()

    def __call__(self, line: str) -> None:
        self._lines.append(line)
        self.tick()

    def tick(self) -> None:
        if len(self._lines) >= LOG_LINES or time.monotonic() - self._since >= LOG_SECONDS:
            self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        self._since = time.monotonic()
        if lines:
            self._write("\n".join(lines))
