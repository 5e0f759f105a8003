# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab is what it says, and leaves nothing behind, however its run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, LabError, containers
from tests.lab.addresses import AddressPlan
from tests.lab.artifacts import build_release
from tests.lab.aws import BASE_PARAMETER, PROFILE
from tests.lab.demo import messages
from tests.lab.lab import LABS
from tests.lab.machine import ROOT, RUN, inside, run, start_time

NAME = "lab-test"
# A run in the background of a script starts with SIGINT ignored; in a terminal it does not.
SCRIPT = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.lab import Lab
with Lab.up("{NAME}", hosts=1):
    print("up", flush=True)
    {{then}}
"""


def process(then: str) -> subprocess.Popen[str]:
    script = SCRIPT.format(then=then)
    return subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def hosts() -> list[str]:
    """The containers of the lab, but for the one that holds the bridge."""
    return [one for one in containers.listed(containers.of_lab(NAME)) if not one.endswith("-bridge")]


def wait_until(condition: object, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def assert_nothing_is_left(lab: Lab) -> None:
    assert containers.listed(containers.of_lab(NAME)) == []
    assert lab.moto is None or start_time(lab.moto.pid) != lab.moto.started
    assert not (RUN / f"net-{lab.net}").exists()
    assert not Path(lab.control).exists()
    assert f"127.0.{lab.net}." not in run(inside(["iptables", "-t", "nat", "-S"])).stdout
    assert not (LABS / NAME / "lab.json").exists()


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab.up("lab-test", hosts=2, env="beta", role="api") as lab:
        yield lab


def test_hosts_are_instances_that_answer(lab: Lab) -> None:
    reservations = lab.boto("ec2").describe_instances()["Reservations"]
    instances = {one["InstanceId"]: one for reservation in reservations for one in reservation["Instances"]}
    assert sorted(instances) == sorted(host.instance_id for host in lab.hosts)
    for host in lab.hosts:
        one = instances[host.instance_id]
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert tags == {"Name": host.name, "dtk:env": "beta", "dtk:role": "api", "LabAddress": host.address}
        assert (one["PrivateIpAddress"], one["Placement"]["AvailabilityZone"]) == (host.private_ip, host.az)
        assert run(lab.ssh(host, "hostname; hostname -I")).stdout.split() == [host.name, host.private_ip]
        host.exec(["curl", "-fsS", "-o", "/dev/null", lab.endpoint])  # hosts reach the emulated AWS
    assert {host.az for host in lab.hosts} == {"eu-west-1a", "eu-west-1b"}


def test_a_host_can_die_hang_and_come_back(lab: Lab) -> None:
    host = lab.hosts[0]
    login = [*lab.ssh(host, "true")]
    login[1:1] = ["-o", "ConnectTimeout=1"]
    host.pause()
    assert run(login, check=False).returncode == 255
    host.unpause()
    assert run(login, check=False).returncode == 0
    host.kill()
    assert run(login, check=False).returncode == 255
    host.start()
    wait_until(lambda: run(login, check=False).returncode == 0, "the host did not come back")


def test_a_second_lab_of_the_same_name_is_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match="already up"):
        Lab.up(lab.name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(number: signal.Signals) -> None:
    with process("import time; time.sleep(600)") as running:
        assert running.stdout.readline() == "up\n"
        lab = Lab.attach(NAME)
        running.send_signal(number)
        assert running.wait(60) != 0
    assert_nothing_is_left(lab)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_booting_ends_everything(number: signal.Signals) -> None:
    with process("raise SystemExit('too late')") as running:
        wait_until(hosts, "no host was started")
        lab = Lab.attach(NAME)
        running.send_signal(number)
        running.send_signal(number)  # an impatient user
        assert running.wait(60) != 0
    assert_nothing_is_left(lab)


def test_an_exception_ends_everything() -> None:
    with process("raise RuntimeError") as running:
        assert running.stdout.readline() == "up\n"
        lab = Lab.attach(NAME)
        assert running.wait(60) == 1
    assert_nothing_is_left(lab)


def test_what_a_killed_run_left_is_cleaned_by_the_next_one() -> None:
    with process("import os; os.kill(os.getpid(), 9)") as running:
        assert running.stdout.readline() == "up\n"
        assert running.wait(60) == -signal.SIGKILL
    left = Lab.attach(NAME)
    assert hosts() == [left.hosts[0].container]
    with Lab.up(NAME, hosts=1) as lab:
        assert start_time(left.moto.pid) != left.moto.started
        assert hosts() == [lab.hosts[0].container]
    assert_nothing_is_left(lab)
    assert_nothing_is_left(left)


def test_an_account_without_hosts_gets_them_later() -> None:
    with Lab.up(NAME, hosts=0, env="beta") as lab:
        assert hosts() == []
        base = lab.boto("ssm").get_parameter(Name=BASE_PARAMETER)["Parameter"]["Value"]
        assert lab.boto("iam").get_instance_profile(InstanceProfileName=PROFILE)
        (bare,) = lab.launch(1, image_id=base)
        assert bare.exec(["id", "hello"], check=False).returncode == 1
        more = Lab.attach(NAME).launch(2)
        every = [bare, *more]
        assert Lab.attach(NAME).hosts == every
        assert [(host.name, host.az[-1]) for host in every] == [("web-1", "a"), ("web-2", "b"), ("web-3", "a")]
        assert images(lab) == {bare.instance_id: base} | {host.instance_id: lab.image_id for host in more}
        for file in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
            assert len({host.exec(["cat", file]).stdout for host in every}) == 3
        assert [run(lab.ssh(host, "hostname")).stdout.strip() for host in every] == ["web-1", "web-2", "web-3"]
    assert_nothing_is_left(lab)


def test_hosts_that_cannot_be_launched_leave_nothing() -> None:
    with Lab.up(NAME, hosts=1) as lab:
        before = hosts(), images(lab)
        with pytest.raises(LabError, match="ami-0123456789abcdef0 has no tag LabImage"):
            lab.launch(1, image_id="ami-0123456789abcdef0")
        ec2 = lab.boto("ec2")
        ec2.create_tags(Resources=[lab.image_id], Tags=[{"Key": "LabImage", "Value": "localhost/dtk-host:nowhere"}])
        with pytest.raises(LabError, match="localhost/dtk-host:nowhere"):
            lab.launch(2)
        assert (hosts(), images(lab)) == before
        assert [host.name for host in lab.hosts] == ["web-1"]


def images(lab: Lab) -> dict[str, str]:
    """{id: AMI} of all instances that were not terminated."""
    reservations = lab.boto("ec2").describe_instances()["Reservations"]
    found = [one for reservation in reservations for one in reservation["Instances"]]
    return {one["InstanceId"]: one["ImageId"] for one in found if one["State"]["Name"] != "terminated"}


@pytest.mark.parametrize(
    ("count", "zones", "most"), [(-1, 1, 251), (252, 1, 251), (247, 2, 246), (178, 3, 177), (237, 4, 236)]
)
def test_a_lab_that_has_no_room_is_refused(count: int, zones: int, most: int) -> None:
    plan = AddressPlan.of_machine([f"eu-west-1{letter}" for letter in "abcd"[:zones]])
    with pytest.raises(LabError, match=f"at most {most} hosts, not {count}"):
        plan.check(count)


def test_addresses_mirror_each_other() -> None:
    plan = AddressPlan.of_machine(["a", "b", "c"])
    found = plan.hosts(7, "dtk", "web", 100)
    assert len({host.private_ip for host in found}) == 100
    assert plan.subnets(7) == {"a": "10.88.7.0/26", "b": "10.88.7.64/26", "c": "10.88.7.128/26"}
    assert [(host.az, host.private_ip.split(".")[3]) for host in found[:4]] == [
        ("a", "4"),
        ("b", "68"),
        ("c", "132"),
        ("a", "5"),
    ]
    assert plan.hosts(7, "dtk", "web", 60) + plan.hosts(7, "dtk", "web", 40, after=60) == found


@pytest.mark.parametrize("format", ["tar.gz", "tar.xz", "tar.zst"])
def test_the_same_release_has_the_same_bytes(tmp_path: Path, format: str) -> None:
    paths = [build_release("1", tmp_path / str(n), padding_bytes=100_000, format=format) for n in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    listed = run(["tar", "--list", "--file", os.fspath(paths[0])]).stdout.split()
    assert listed == ["VERSION", "app.py", "padding.bin"]


def test_the_demo_shows_what_a_playbook_says() -> None:
    output = """TASK [Copy] ****
changed: [web-1]

TASK [Show] ****
ok: [localhost] =>
    changed: false
    msg:
    - PLAN
    - ''
    - '  web-1: first'

fatal: [web-1]: FAILED! =>
    msg: not for the user
fatal: [localhost]: FAILED! =>
    msg: |-
        halted
        1 failed
"""
    assert list(messages(output.splitlines(keepends=True))) == ["PLAN", "", "  web-1: first", "halted", "1 failed"]
