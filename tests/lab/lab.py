# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: a fleet of real systemd hosts that an emulated EC2 knows as its instances."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import ipaddress
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import aws, image
from .machine import BUILD, CACHE, ROOT, RUN, LabError, inside, listens_everywhere, locked, podman, run, start_time

LABS = BUILD / "lab"
AZS = ("eu-west-1a", "eu-west-1b")
PORTS = (22, 8080)
BOOT_SECONDS = 120
STARTS_AT_ONCE = 4
WAITS_AT_ONCE = 24
RESERVED = 4  # the first addresses of a subnet belong to AWS


@dataclass(frozen=True)
class LabHost:
    """One host: a container that booted systemd, and an instance in EC2."""

    name: str
    address: str  # answers SSH and the application's port
    az: str
    private_ip: str
    container: str
    instance_id: str = ""

    def exec(
        self, argv: Sequence[str], input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root on the host, without SSH."""
        return podman("exec", "--interactive", self.container, *argv, input=input or "", check=check)

    def write(self, path: str, content: str) -> None:
        self.exec(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path], input=content)

    def kill(self) -> None:
        """Power off, without a word to anybody."""
        podman("kill", "--signal=KILL", self.container)

    def start(self) -> None:
        podman("start", self.container)

    def pause(self) -> None:
        """Stop answering, as a host that hangs; connections stay open."""
        podman("pause", self.container)

    def unpause(self) -> None:
        podman("unpause", self.container)


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
    ) -> Lab:
        """Boot the hosts and the emulated AWS. With `keep` the lab outlives this process."""
        tag = image.ensure()
        plan = AddressPlan.of_machine(hosts, azs)
        lab = cls._claim(name, role, env, plan, keep)
        lab._end_with_process()
        try:
            lab._make_keys()
            lab.hosts = plan.hosts(lab.net, lab.container_prefix, role)
            lab._boot(tag, plan)
            lab._save()
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
            lab = cls(name, env, role, net, plan.gateway, owner, control=str(RUN / f"cp-{net}-{os.urandom(4).hex()}"))
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

    def _boot(self, tag: str, plan: AddressPlan) -> None:
        starting = threading.Semaphore(STARTS_AT_ONCE)
        deadline = time.monotonic() + BOOT_SECONDS + len(self.hosts)
        ports = () if plan.bridge_only else PORTS
        self._start(self.hosts[0], tag, ports)  # the bridge and its address exist from now on

        given_up = threading.Event()

        def boot(host: LabHost) -> None:
            if host is not self.hosts[0]:
                with starting:
                    self._start(host, tag, ports)
            _wait_for_banner(host, deadline, given_up)
            self._wait_until_booted(host)

        with ThreadPoolExecutor(WAITS_AT_ONCE) as pool:
            seeded = pool.submit(self._start_aws, plan)
            booted = [pool.submit(boot, host) for host in self.hosts]
            try:
                for future in [seeded, *booted]:
                    future.result()
            except BaseException:
                with _uninterrupted():  # a host that is just starting must exist before it can be removed
                    given_up.set()
                    pool.shutdown(wait=True, cancel_futures=True)
                raise
        ids = seeded.result()
        self.hosts = [dataclasses.replace(host, instance_id=one) for host, one in zip(self.hosts, ids, strict=True)]

    def _start(self, host: LabHost, tag: str, ports: Sequence[int]) -> None:
        podman(
            *("run", "--detach", "--systemd=always", "--privileged", "--pids-limit=0", "--pull=never"),
            *("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"),
            *(f"--name={host.container}", f"--hostname={host.name}", f"--ip={host.private_ip}"),
            *(f"--label=dtk.lab={self.name}", f"--label=dtk.root={ROOT}"),
            f"--volume={self.dir / 'host'}:/etc/dtk-lab:ro",
            *(f"--publish={host.address}:{port}:{port}" for port in ports),
            tag,
        )

    def _wait_until_booted(self, host: LabHost) -> None:
        """Ready means: SSH answers, and systemd says that the start is over and nothing failed."""
        done = run(self.ssh(host, "systemctl is-system-running --wait || systemctl --failed"), check=False)
        if done.stdout.strip() != "running":
            raise LabError(f"Host {host.name} did not boot well: {(done.stdout + done.stderr).strip()}")

    def _start_aws(self, plan: AddressPlan) -> list[str]:
        log = self.dir / "moto.log"
        self.moto = aws.Moto.start(self.gateway, log)
        self._save()
        self.moto.wait(log)
        tags = {"dtk:env": self.env, "dtk:role": self.role}
        return aws.seed(self.endpoint, str(plan.block(self.net)), plan.subnets(self.net), self.hosts, tags)

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
            _close_logins(Path(self.control))
            remove_containers(f"label=dtk.lab={self.name}", f"label=dtk.root={ROOT}")
            if self.moto:
                self.moto.stop()
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


@dataclass(frozen=True)
class AddressPlan:
    """Addresses of a fleet. Host n of net x is 10.88.x.n in EC2 and on the bridge, and 127.0.x.n for its users."""

    network: ipaddress.IPv4Network
    gateway: str
    azs: tuple[str, ...]
    per_az: int
    count: int
    bridge_only: bool  # a server of this machine holds one of the ports on every address

    @classmethod
    def of_machine(cls, count: int, azs: Sequence[str]) -> AddressPlan:
        subnet = json.loads(podman("network", "inspect", "podman").stdout)[0]["subnets"][0]
        network = ipaddress.IPv4Network(subnet["subnet"])
        per_az = 256 >> (len(azs) - 1).bit_length()
        most = (per_az - RESERVED - 1) * len(azs)
        if not 1 <= count <= most or network.prefixlen > 16:
            raise LabError(f"A lab in {len(azs)} zones has 1 to {most} hosts, not {count}.")
        return cls(network, subnet["gateway"], tuple(azs), per_az, count, any(map(listens_everywhere, PORTS)))

    def block(self, net: int) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network((int(self.network.network_address) + net * 256, 24))

    def subnets(self, net: int) -> dict[str, str]:
        prefix = 24 + (256 // self.per_az).bit_length() - 1
        return dict(zip(self.azs, map(str, self.block(net).subnets(new_prefix=prefix)), strict=False))

    def hosts(self, net: int, container_prefix: str, role: str) -> list[LabHost]:
        """Hosts of the zones take turns."""
        found = []
        for index in range(self.count):
            turn, zone = divmod(index, len(self.azs))
            number = zone * self.per_az + RESERVED + turn
            name, private = f"{role}-{index + 1}", str(self.block(net)[number])
            address = private if self.bridge_only else f"127.0.{net}.{number}"
            found.append(LabHost(name, address, self.azs[zone], private, f"{container_prefix}-{name}"))
        return found


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
        ended += remove_containers(f"label=dtk.root={ROOT}")
    for file in RUN.glob("net-*"):
        root, _, name = file.read_text().rpartition(" ")
        if root == str(ROOT) and name not in busy:
            file.unlink()
    return ended, busy


def remove_containers(*filters: str) -> list[str]:
    listed = podman("ps", "--all", "--format={{.Names}}", *(f"--filter={one}" for one in filters)).stdout.split()
    if listed:
        podman("rm", "--force", "--time=0", "--volumes", *listed)
    return listed


def _claim_net(name: str) -> int:
    """A third octet that no other lab of this machine has."""
    inside([])  # makes the folder
    for net in range(1, 255):
        with contextlib.suppress(FileExistsError), (RUN / f"net-{net}").open("x") as file:
            file.write(f"{ROOT} {name}")
            return net
    raise LabError("All 254 lab networks are taken: `make clean-lab` frees those of ended runs.")


def _wait_for_banner(host: LabHost, deadline: float, given_up: threading.Event) -> None:
    while time.monotonic() < deadline and not given_up.is_set():
        try:
            with socket.create_connection((host.address, 22), timeout=2) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        given_up.wait(0.1)
    state = podman("inspect", "--format={{.State.Status}}", host.container, check=False).stdout.strip()
    raise LabError(f"Host {host.name} does not answer SSH at {host.address}; its container is {state or 'gone'}.")


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
