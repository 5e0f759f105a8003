# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""boot: a new instance, from the start of the unit that brings it to its release until its group knows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.fleet import APP, APP_SPEC, TARGET, build_artifact
from tests.benchmarks.report import Options, Outcome, verdicts
from tests.lab import Lab
from tests.lab.cloud import GROUP, HOOK, Cloud
from tests.lab.instance import TAGS, UNIT, Instance
from tests.lab.machine import podman, privileged, run

FOLDER = Path("build/bench/boot")
SCRIPT = Path(__file__).parent / "contestants/boot.sh"
OURS, SHELL = "ours", "shell"
CONTESTANTS = (OURS, SHELL)
UNITS = {OURS: UNIT, SHELL: "bench-boot.service"}
# It takes two seconds, so three times as many rounds as others have.
TIMES = 3
TARGETS = {"wall_vs_shell": 2.0, "cpu_vs_shell": None}
SPEC = {name: value for name, value in APP_SPEC.items() if name != "deploy"}
SERVICE = f"""\
[Unit]
Wants=network-online.target
After=network-online.target nss-lookup.target
[Service]
Type=oneshot
ExecStart=/opt/bench/boot.sh
Environment=ENDPOINT={{endpoint}} GROUP={GROUP} HOOK={HOOK} APP={APP} UNIT=hello.service
Environment=HEALTH=http://127.0.0.1:8080/health
[Install]
WantedBy=multi-user.target
"""
ACCOUNTED = "[Service]\nCPUAccounting=yes\n"
PROPERTIES = ("InactiveExitTimestampMonotonic", "ExecMainExitTimestampMonotonic", "CPUUsageNSec")


@dataclass(frozen=True)
class Boot:
    """One start. CPU is that of the unit: of all that it runs, and not of the app that it has systemd start."""

    wall_s: float
    cpu_s: float
    error: str = ""


def benchmark(name: str, options: Options) -> Outcome:
    names = [one for one in CONTESTANTS if options.takes_part(one)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Lab.up(name, hosts=1) as lab, Cloud.apart(lab.gateway, FOLDER / "cloud") as cloud:
        instance = _prepared(lab, cloud)
        for one in names:  # what is read and compiled for the first time counts for nobody
            _boot(instance, one)
        boots: dict[str, list[Boot]] = {one: [] for one in names}
        for _ in range(options.rounds * TIMES):
            for one, found in boots.items():
                found.append(_boot(instance, one))
    return _outcome(name, boots)


def _prepared(lab: Lab, cloud: Cloud) -> Instance:
    instance = Instance(lab, cloud, SPEC)
    instance.prepare(FOLDER)
    instance.publish(TARGET, build_artifact(TARGET, FOLDER))
    instance.stable(TARGET)
    cloud.group(TAGS)
    host = instance.host
    host.write("/opt/bench/boot.sh", SCRIPT.read_text(encoding="utf-8"))
    host.exec(["chmod", "0755", "/opt/bench/boot.sh"])
    host.write(f"/etc/systemd/system/{UNITS[SHELL]}", SERVICE.format(endpoint=cloud.endpoint))
    for unit in UNITS.values():
        host.write(f"/etc/systemd/system/{unit}.d/accounted.conf", ACCOUNTED)
    host.exec(["systemctl", "enable", *UNITS.values()])  # else systemd forgets at once what a unit has cost
    _go_first(instance)
    return instance


def _go_first(instance: Instance) -> None:
    """Whoever else is at work on this machine waits: for the servers, and for all that the host's systemd starts."""
    systemd = podman("inspect", "--format={{.State.Pid}}", instance.host.container).stdout.strip()
    for pid in (*(process.pid for process in instance.cloud.processes), systemd):
        run([*privileged(), "chrt", "--all-tasks", "--rr", "--pid", "5", str(pid)])


def _boot(instance: Instance, contestant: str) -> Boot:
    """A new instance on a host without a release; what it cost, and whether it is where it should be."""
    instance.reset()
    instance.cloud.launch(instance.host)
    unit = UNITS[contestant]
    ended_well = instance.start(unit)
    found = {name: int(value) for name, value in instance.look(unit, *PROPERTIES).items()}
    wall = (found["ExecMainExitTimestampMonotonic"] - found["InactiveExitTimestampMonotonic"]) / 1e6
    return Boot(wall, found["CPUUsageNSec"] / 1e9, _wrong(instance, contestant, ended_well))


def _wrong(instance: Instance, contestant: str, ended_well: bool) -> str:
    if not ended_well:
        return f"{UNITS[contestant]} failed"
    if instance.serving() != TARGET:
        return f"the host serves {instance.serving()}"
    deadline = time.monotonic() + 5
    while True:
        states = [one["LifecycleState"] for one in instance.cloud.instances()]
        if states == ["InService"]:
            return ""
        if time.monotonic() > deadline:
            return f"the group was not told: {states}"
        time.sleep(0.05)


def _outcome(name: str, boots: dict[str, list[Boot]]) -> Outcome:
    lines = [f"{name}, medians of {max(map(len, boots.values()), default=0)}"]
    lines.append(f"  {'':8} {'wall s':>8} {'from':>7} {'to':>7} {'CPU s':>8}")
    flat: dict[str, float] = {}
    for one, found in boots.items():
        errors = [boot.error for boot in found if boot.error]
        if errors:
            lines.append(f"  {one:8} {errors[0]}, {len(errors)} of {len(found)} times")
            continue
        walls = sorted(boot.wall_s for boot in found)
        wall, cpu = statistics.median(walls), _cpu(found)
        flat |= {f"{name}.{one}_wall_s": wall, f"{name}.{one}_cpu_s": cpu}
        lines.append(f"  {one:8} {wall:8.3f} {walls[0]:7.3f} {walls[-1]:7.3f} {cpu:8.3f}")
    for what in ("wall", "cpu"):
        ours, shell = (flat.get(f"{name}.{one}_{what}_s") for one in CONTESTANTS)
        if ours and shell:
            flat[f"{name}.{what}_vs_shell"] = ours / shell
    rounded = {key: round(value, 4) for key, value in flat.items()}
    lines += verdicts(name, rounded, TARGETS)
    complete = not any(boot.error for found in boots.values() for boot in found)
    return Outcome("\n".join(lines), rounded, complete)


def _cpu(boots: Sequence[Boot]) -> float:
    return statistics.median(boot.cpu_s for boot in boots)
