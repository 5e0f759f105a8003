# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: an emulated AWS on podman's bridge, and a fleet of real systemd hosts that its EC2 knows as instances."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import aws, containers, image
from .addresses import AddressPlan
from .hosts import LabHost
from .machine import BUILD, CACHE, ROOT, RUN, LabError, inside, locked, run, start_time

LABS = BUILD / "lab"
AZS = ("eu-west-1a", "eu-west-1b")
BOOT_SECONDS = 120
STARTS_AT_ONCE = 4
WAITS_AT_ONCE = 24


@dataclass
class Lab:
    """Made by `Lab.up`, ended by `down`, by leaving its `with` block, or by the end of the process."""

    name: str
    env: str
    role: str
    net: int
    gateway: str
    owner: list[Any] | None  # pid and start time of the process it ends with; None for a lab that stays
    control: str
    azs: Sequence[str] = AZS
    image_id: str = ""  # the AMI of a host with hello
    scaling: bool = False
    hosts: list[LabHost] = dataclasses.field(default_factory=list)
    moto: aws.Moto | None = None

    @classmethod
    def up(
        cls,
        name: str,
        hosts: int = 4,
        azs: Sequence[str] = AZS,
        role: str = "web",
        env: str = "demo",
        keep: bool = False,
        scaling: bool = False,
    ) -> Lab:
        """Start the emulated AWS and boot hosts, none if 0. With `keep` the lab outlives this process; with `scaling`
        its Auto Scaling boots a host for each instance, and its load balancers ask hosts how they are."""
        images = image.ensure()
        plan = AddressPlan.of_machine(azs)
        plan.check(hosts)
        lab = cls._claim(name, role, env, plan, keep)
        lab.scaling = scaling
        lab._end_with_process()
        try:
            lab._make_keys()
            lab._hold_the_bridge(plan, images)
            lab._boot(plan, hosts, images.hello, lambda: lab._start_aws(plan, images))
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def _claim(cls, name: str, role: str, env: str, plan: AddressPlan, keep: bool) -> Lab:
        with locked(CACHE / "labs.lock"):
            if (LABS / name / "lab.json").exists():
                left = cls.attach(name)
                if left.owner is None or left.alive():
                    raise LabError(f"Lab {name} is already up: `python -m tests.lab down {name}` ends it.")
                left.down()
            net = _claim_net(name)
            owner = None if keep else [os.getpid(), start_time(os.getpid())]
            control = str(RUN / f"cp-{net}-{os.urandom(4).hex()}")
            lab = cls(name, env, role, net, plan.gateway, owner, control, plan.azs)
            lab.dir.mkdir(parents=True, exist_ok=True)
            lab._save()
        return lab

    @classmethod
    def attach(cls, name: str) -> Lab:
        """A lab that is up, made by another process."""
        try:
            data = json.loads((LABS / name / "lab.json").read_text())
        except FileNotFoundError:
            raise LabError(f"There is no lab {name}: `python -m tests.lab ls` lists those that are up.") from None
        data["hosts"] = [LabHost(**host) for host in data["hosts"]]
        data["moto"] = aws.Moto(**data["moto"]) if data["moto"] else None
        return cls(**data)

    def launch(self, count: int, image_id: str = "") -> list[LabHost]:
        """Boot more hosts, from an AMI of the emulated EC2: one that Image Builder baked here, or by default the one
        of today's hosts. They go on where the hosts of the lab end: web-1 if there are none."""
        plan = AddressPlan.of_machine(self.azs)
        image_id = image_id or self.image_id
        tag = aws.container_image(self.boto("ec2"), image_id)
        before = len(self.hosts)
        try:
            self._boot(plan, count, tag, lambda: image_id)
        except BaseException:
            with _uninterrupted():
                self.hosts, lost = self.hosts[:before], self.hosts[before:]
                containers.remove(*(host.container for host in lost))
                aws.terminate_instances(self.boto("ec2"), lost)
            raise
        return self.hosts[before:]

    # --- what users of a lab need -----------------------------------------------------------------------------------

    @property
    def dir(self) -> Path:
        return LABS / self.name

    @property
    def key(self) -> Path:
        return self.dir / "key"

    @property
    def endpoint(self) -> str:
        return self.moto.endpoint if self.moto else ""

    @property
    def environ(self) -> dict[str, str]:
        """Variables that lead Ansible and any AWS client into this lab."""
        return {
            **aws.environ(self.endpoint, self.gateway),
            "DTK_LAB_KEY": str(self.key),
            "ANSIBLE_PRIVATE_KEY_FILE": str(self.key),
            "ANSIBLE_REMOTE_USER": "root",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_ARGS": shlex.join(
                ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", *self.ssh_options()]
            ),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": self.control,
            "ANSIBLE_COLLECTIONS_PATH": str(CACHE / "installed"),
        }

    def ssh_options(self) -> list[str]:
        """The lab's own host key is the only one that is trusted, so host key checking stays on."""
        settings = (
            f'UserKnownHostsFile="{self.dir / "known_hosts"}"',
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "PreferredAuthentications=publickey",
        )
        return [word for setting in settings for word in ("-o", setting)]

    def ssh(self, host: LabHost, *command: str) -> list[str]:
        """The command line of a login."""
        return ["ssh", "-F", "none", "-i", str(self.key), *self.ssh_options(), f"root@{host.address}", *command]

    def boto(self, service: str) -> Any:
        return aws.client(service, self.endpoint)

    def inventory(self) -> Path:
        """A plain inventory of the hosts, for tools that do not ask EC2."""
        lines = [
            f"{host.name} ansible_host={host.address} ansible_user=root availability_zone={host.az} "
            f"instance_id={host.instance_id}"
            for host in self.hosts
        ]
        members = [host.name for host in self.hosts]
        groups = [f"[env_{self.env}]", *members, f"[role_{self.role}]", *members]
        path = self.dir / "inventory.ini"
        path.write_text("\n".join([*lines, *groups]) + "\n")
        return path

    def scaled(self) -> list[LabHost]:
        """The hosts that run now because Auto Scaling launched them, the oldest first."""
        return [self.host_of(one) for one in aws.scaled_instances(self.boto("ec2"))]

    def host_of(self, instance: dict[str, Any]) -> LabHost:
        """The host behind an instance, reached at its own address."""
        name, address = str(instance["InstanceId"]), str(instance["PrivateIpAddress"])
        zone = str(instance["Placement"]["AvailabilityZone"])
        return LabHost(name, address, zone, address, f"{self.container_prefix}-{name}", name)

    def alive(self) -> bool:
        """Whether the process that this lab ends with still runs."""
        return self.owner is not None and start_time(self.owner[0]) == self.owner[1]

    # --- up ---------------------------------------------------------------------------------------------------------

    @property
    def container_prefix(self) -> str:
        return f"dtk-{self.net}-{self.name}"

    def _make_keys(self) -> None:
        inside_host = self.dir / "host"
        inside_host.mkdir(exist_ok=True)
        for path in (self.key, inside_host / "ssh_host_ed25519_key"):
            path.unlink(missing_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{self.name}", "-f", path])
        shutil.copy(self.key.with_suffix(".pub"), inside_host / "authorized_keys")
        kind, blob, *_comment = (inside_host / "ssh_host_ed25519_key.pub").read_text().split()
        bridge_net = ".".join(self.gateway.split(".")[:2])
        (self.dir / "known_hosts").write_text(f"127.0.{self.net}.*,{bridge_net}.{self.net}.* {kind} {blob}\n")
        Path(self.control).mkdir(mode=0o700)

    def _hold_the_bridge(self, plan: AddressPlan, images: image.Images) -> None:
        """podman's bridge and its address exist while a container is on it, and this one stays as long as the lab: the
        emulated AWS listens there, hosts or not."""
        self.start_container("bridge", images.parent, plan.router(self.net), command=("sleep", "infinity"))

    def _boot(self, plan: AddressPlan, count: int, tag: str, ami: Callable[[], str]) -> None:
        """Boot so many more hosts, and meanwhile register them in EC2; `ami` says from which AMI they come."""
        new = plan.hosts(self.net, self.container_prefix, self.role, count, after=len(self.hosts))
        self.hosts = [*self.hosts, *new]
        starting = threading.Semaphore(STARTS_AT_ONCE)
        deadline = time.monotonic() + BOOT_SECONDS + count
        given_up = threading.Event()

        def boot(host: LabHost) -> None:
            published = [f"--publish={host.address}:{port}:{port}" for port in plan.ports]
            with starting:
                self.start_container(host.name, tag, host.private_ip, options=published)
            host.wait_until_booted(deadline, given_up)

        def register() -> list[str]:
            image_id = ami()
            return aws.run_instances(self.boto("ec2"), new, image_id, {"dtk:env": self.env, "dtk:role": self.role})

        with ThreadPoolExecutor(WAITS_AT_ONCE) as pool:
            registered = pool.submit(register)
            booted = [pool.submit(boot, host) for host in new]
            try:
                for future in [registered, *booted]:
                    future.result()
            except BaseException:
                with _uninterrupted():  # a host that is just starting must exist before it can be removed
                    given_up.set()
                    pool.shutdown(wait=True, cancel_futures=True)
                raise
        known = [dataclasses.replace(host, instance_id=one) for host, one in zip(new, registered.result(), strict=True)]
        self.hosts = [*self.hosts[: -count or None], *known]
        self._save()

    def start_container(
        self, name: str, tag: str, ip: str, options: Sequence[str] = (), command: Sequence[str] = ()
    ) -> None:
        containers.start(
            self.name,
            tag,
            container=f"{self.container_prefix}-{name}",
            hostname=name,
            ip=ip,
            keys=self.dir / "host",
            options=options,
            command=command,
        )

    def _start_aws(self, plan: AddressPlan, images: image.Images) -> str:
        log = self.dir / "moto.log"
        self.moto = aws.Moto.start(self.name, self.gateway, log, *(aws.SCALING if self.scaling else ()))
        self._save()
        self.moto.wait(log)
        self.image_id = aws.seed(self.endpoint, str(plan.block(self.net)), plan.subnets(self.net), images)
        return self.image_id

    def _save(self) -> None:
        partial = self.dir / "lab.json.partial"
        partial.write_text(json.dumps(dataclasses.asdict(self), indent=1))
        partial.rename(self.dir / "lab.json")

    # --- down -------------------------------------------------------------------------------------------------------

    def down(self) -> None:
        """End everything of this lab. Safe to call twice; a second ctrl-C does not interrupt it."""
        atexit.unregister(self.down)
        if not (self.dir / "lab.json").exists():
            return
        with _uninterrupted():
            if self.moto:
                self.moto.ask_to_end()
            _close_logins(Path(self.control))
            containers.remove(*(host.container for host in self.hosts), f"{self.container_prefix}-bridge")
            if self.moto:
                self.moto.stop()
            # After it: until then it may have built images, on hosts of its own.
            containers.remove_all(containers.of_lab(self.name))
            (RUN / f"net-{self.net}").unlink(missing_ok=True)
            (self.dir / "lab.json").unlink(missing_ok=True)

    def _end_with_process(self) -> None:
        if self.owner is None:
            return
        atexit.register(self.down)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _exit_in_order)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


def clean() -> tuple[list[str], list[str]]:
    """Remove what killed runs of this checkout left, and labs that were told to stay. Returns what was removed, and
    the labs whose process still runs."""
    ended, busy = [], []
    for file in sorted(LABS.glob("*/lab.json")):
        lab = Lab.attach(file.parent.name)
        if lab.alive():
            busy.append(lab.name)
        else:
            lab.down()
            ended.append(lab.name)
    if not busy:
        ended += containers.remove_all(containers.of_checkout())
    for file in RUN.glob("net-*"):
        root, _, name = file.read_text().rpartition(" ")
        if root == str(ROOT) and name not in busy:
            file.unlink()
    return ended, busy


def _claim_net(name: str) -> int:
    """A third octet that no other lab of this machine has."""
    inside([])  # makes the folder
    for net in range(1, 255):
        with contextlib.suppress(FileExistsError), (RUN / f"net-{net}").open("x") as file:
            file.write(f"{ROOT} {name}")
            return net
    raise LabError("All 254 lab networks are taken: `make clean-lab` frees those of ended runs.")


def _close_logins(control: Path) -> None:
    """End the connections that Ansible keeps open; their hosts are about to vanish without a goodbye."""
    for path in control.glob("*"):
        run(["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "lab"], check=False)
    shutil.rmtree(control, ignore_errors=True)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """What has begun to end goes on to its end. Python runs handlers in the main thread, so only there is a need."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _exit_in_order(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
