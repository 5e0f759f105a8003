# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""inventory_N: `ansible-inventory --list` of N instances in two regions, answered from memory."""

from __future__ import annotations

import functools
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import controller, estate
from tests.benchmarks.controller import BIN, Contestant, Cost
from tests.benchmarks.report import Options, Outcome, verdicts
from tests.emulation import Emulation

HERE = Path(__file__).parent
FOLDER = Path("build/bench")
TIMEOUT_S = 900
OURS, OURS_PLAIN, PEER, RAW, EMPTY = "ours", "ours_plain", "aws_ec2", "raw", "empty"
CONTESTANTS = (OURS, OURS_PLAIN, PEER, RAW, EMPTY)
CPU_TARGET, MEMORY_TARGET = 0.25, 0.5
MEMORY_TARGET_FROM = 5000

# What both plugins compose beside the groups, in words that both understand.
COMPOSE = {"ansible_host": "private_ip_address", "bench_service": "tags.role ~ '-' ~ tags.env"}
GROUPS = {
    "env": "tags.env",
    "role": "tags.role",
    "app": "tags.app",
    "az": "placement.availability_zone",
    "asg": f"tags['{estate.GROUP_TAG}']",
}


def _ours() -> dict[str, Any]:
    """As its user would: groups are built in."""
    return {
        "plugin": "sysops.dtk.ec2_fleet",
        "regions": list(estate.REGIONS),
        "tag_env": "env",
        "tag_role": "role",
        "tag_app": "app",
        "hostnames": ["instance-id"],
        "compose": COMPOSE,
    }


def _peer() -> dict[str, Any]:
    return {
        "plugin": "amazon.aws.aws_ec2",
        "regions": list(estate.REGIONS),
        "hostnames": ["instance-id"],
        "keyed_groups": [{"prefix": prefix, "key": key} for prefix, key in GROUPS.items()],
        "compose": COMPOSE,
    }


# Without what aws_ec2 has not: Auto Scaling's view of the instances, and the age of their images.
PLAIN = {
    "autoscaling": False,
    "image_age": False,
    "standard_groups": ["env", "role", "app", "az"],
    "keyed_groups": [{"prefix": "asg", "key": GROUPS["asg"]}],
}
SOURCES = {
    OURS: ("ours.dtk.yml", _ours()),
    OURS_PLAIN: ("plain.dtk.yml", _ours() | PLAIN),
    PEER: ("peer.aws_ec2.yml", _peer()),
    EMPTY: ("empty.yml", {"all": {"hosts": {}}}),
}
NO_PLUGIN = "ansible.builtin.yaml"


def benchmark(name: str, instances: int, options: Options) -> Outcome:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    with Emulation.start() as aws, tempfile.TemporaryDirectory() as home:
        aws.reset_data()  # of the benchmark before, which the same process ran
        estate.make(aws, instances)
        aws.replay(True)
        expected = Expected(estate.described(aws))
        lineup = [one for one in _contestants(folder, Path(home), expected) if options.takes_part(one.name)]
        costs = controller.take_turns(lineup, aws, folder, options.rounds, warm_up=True)
    flat = controller.rounded(controller.figures(name, costs) | _ratios(name, controller.good(costs)))
    lines = verdicts(name, flat, _targets(instances))
    complete = not any(cost.usage.error for cost in costs)
    return Outcome(controller.table(name, costs, lines), flat, complete)


def _contestants(folder: Path, home: Path, expected: Expected) -> Iterator[Contestant]:
    environ = {
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "ANSIBLE_COLLECTIONS_PATH": ".cache/collections",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "ANSIBLE_NOCOLOR": "true",
    }
    for name in CONTESTANTS:
        if name == RAW:
            argv = [sys.executable, str(HERE / "contestants/raw_ec2.py"), *estate.REGIONS]
            yield Contestant(name, argv, environ, TIMEOUT_S, lambda: "")
            continue
        file_name, content = SOURCES[name]
        source, out = folder / file_name, folder / f"{name}.json"
        source.write_text(json.dumps(content, indent=1), encoding="utf-8")
        argv = [str(BIN / "ansible-inventory"), "-i", str(source), "--list", "--output", str(out)]
        # Each loads its own plugin only, as an ansible.cfg that cares for speed would say.
        enabled = {"ANSIBLE_INVENTORY_ENABLED": content.get("plugin", NO_PLUGIN)}
        wanted = Expected([]) if name == EMPTY else expected
        check = functools.partial(wanted.difference, out)
        yield Contestant(name, argv, environ | enabled, TIMEOUT_S, check)


class Expected:
    """What an inventory must hold: told from EC2's own descriptions, so that no contestant is the judge of another."""

    def __init__(self, instances: list[dict[str, Any]]) -> None:
        self.hosts = {instance["InstanceId"]: _composed(instance) for instance in instances}
        self.groups: dict[str, set[str]] = {}
        for instance in instances:
            for group in _groups(instance):
                self.groups.setdefault(group, set()).add(instance["InstanceId"])

    def difference(self, path: Path) -> str:
        """What is wrong with this output of --list, if anything. Groups that nobody else has do no harm."""
        found = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        variables = found.pop("_meta")["hostvars"]
        groups = {_safe(name): set(group.get("hosts", ())) for name, group in found.items()}
        if set(variables) != set(self.hosts):
            return f"{len(variables)} hosts have variables, of {len(self.hosts)}"
        wrong = [name for name, members in self.groups.items() if groups.get(name) != members]
        if wrong:
            return f"groups that are not as they should be: {sorted(wrong)[:5]}"
        wrong = [host for host, wanted in self.hosts.items() if wanted != _chosen(variables[host], wanted)]
        return f"hosts whose composed variables are not as they should be: {wrong[:5]}" if wrong else ""


def _chosen(variables: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """These variables of a host; --list marks text that is no template with a wrapper."""
    values = {name: variables.get(name) for name in names}
    return {name: value["__ansible_unsafe"] if isinstance(value, dict) else value for name, value in values.items()}


def _composed(instance: Mapping[str, Any]) -> dict[str, str]:
    tags = _tags(instance)
    return {"ansible_host": instance["PrivateIpAddress"], "bench_service": f"{tags['role']}-{tags['env']}"}


def _groups(instance: Mapping[str, Any]) -> Iterator[str]:
    tags = _tags(instance)
    yield from (_safe(f"{key}_{tags[key]}") for key in ("env", "role", "app"))
    yield _safe(f"az_{instance['Placement']['AvailabilityZone']}")
    if estate.GROUP_TAG in tags:
        yield _safe(f"asg_{tags[estate.GROUP_TAG]}")


def _tags(instance: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"]}


def _safe(group: str) -> str:
    """Plugins differ in which characters they replace; who is in which group is what must be equal."""
    return re.sub(r"[^A-Za-z0-9_]", "_", group)


def _ratios(name: str, costs: dict[str, Cost]) -> dict[str, float]:
    flat: dict[str, float] = {}
    if EMPTY in costs and OURS in costs:
        flat[f"{name}.ours_cpu_above_empty_s"] = _above_empty(costs, OURS)
    if PEER not in costs:
        return flat
    peer = costs[PEER].usage
    for contestant, mark in ((OURS, ""), (OURS_PLAIN, "plain_")):
        if contestant not in costs:
            continue
        usage = costs[contestant].usage
        flat[f"{name}.{mark}cpu_vs_aws_ec2"] = usage.user_s / peer.user_s
        flat[f"{name}.{mark}rss_vs_aws_ec2"] = usage.peak_mb / peer.peak_mb
        flat[f"{name}.{mark}wall_vs_aws_ec2"] = usage.wall_s / peer.wall_s
        if EMPTY in costs:
            above = _above_empty(costs, contestant) / _above_empty(costs, PEER)
            flat[f"{name}.{mark}cpu_above_empty_vs_aws_ec2"] = above
        if RAW in costs and EMPTY in costs:
            floor = costs[RAW].usage.user_s + costs[EMPTY].usage.user_s
            flat[f"{name}.{mark}cpu_vs_floor"] = usage.user_s / floor
    return flat


def _above_empty(costs: dict[str, Cost], contestant: str) -> float:
    return costs[contestant].usage.user_s - costs[EMPTY].usage.user_s


def _targets(instances: int) -> dict[str, float | None]:
    return {
        "cpu_vs_aws_ec2": CPU_TARGET,
        "rss_vs_aws_ec2": MEMORY_TARGET if instances >= MEMORY_TARGET_FROM else None,
        "wall_vs_aws_ec2": None,
        "cpu_above_empty_vs_aws_ec2": None,
        "cpu_vs_floor": None,
        "plain_cpu_vs_aws_ec2": None,
        "plain_rss_vs_aws_ec2": None,
    }


def growth(figures: Mapping[str, float]) -> dict[str, float]:
    """How many times as much CPU five times the instances take, Ansible's own start left out; 5 is linear."""
    few, many = (figures.get(f"inventory_{count}.ours_cpu_above_empty_s") for count in (1000, 5000))
    return {"inventory.growth_5000_vs_1000": round(many / few, 3)} if few and many else {}
