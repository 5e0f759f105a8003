# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lookups_N: a play of three tasks over N hosts that uses 50 settings and 10 secrets on each, by group variables."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import controller
from tests.benchmarks.controller import BIN, Contestant, Cost
from tests.benchmarks.report import Options, Outcome, verdicts
from tests.emulation import Emulation

HERE = Path(__file__).parent
FOLDER = Path("build/bench")
LITERALS, OURS, OURS_SINGLE, PEER = "literals", "ours", "ours_single", "amazon_aws"
CONTESTANTS = (LITERALS, OURS, OURS_SINGLE, PEER)
TIMEOUT_S = 1800
FORKS, TASKS = 10, 3
ROUND_TRIP_S = 0.02
CALLS_TARGET, CPU_TARGET = 8, 1.3
TARGETS = {
    "calls": CALLS_TARGET,
    "cpu_vs_literals": CPU_TARGET,
    "calls_vs_amazon_aws": None,
    "single_cpu_vs_literals": None,
    "cpu_vs_amazon_aws": None,
}

# Every value begins so, and nothing else does: a file with it holds a value.
MARK = "bench-value-"
# Of all apps, of all in the env, of the app: so many settings each.
LAYERS = {"/dtk/_shared": 5, "/dtk/bench/_shared": 5, "/dtk/bench/hello/config": 40}
PLACES = [path for path, count in LAYERS.items() for _ in range(count)]
SETTINGS = {f"setting_{number:02}": f"{MARK}setting-{number:02}" for number in range(len(PLACES))}
NAMES = {name: f"{path}/{name}" for name, path in zip(SETTINGS, PLACES, strict=True)}
SECRETS = {f"secret_{number:02}": f"{MARK}secret-{number:02}" for number in range(10)}


def _literals() -> dict[str, str]:
    return SETTINGS | SECRETS


def _ours() -> dict[str, str]:
    """One tree of all layers, and variables that refer to it, as group variables are written by hand."""
    paths = ", ".join(f"'{path}'" for path in LAYERS)
    tree = {"bench_config": f"{{{{ lookup('sysops.dtk.ssm_config', {paths}) }}}}"}
    return tree | {name: f"{{{{ bench_config.{name} }}}}" for name in SETTINGS} | _our_secrets()


def _our_secrets() -> dict[str, str]:
    return {name: f"{{{{ lookup('sysops.dtk.secret', 'bench/{name}') }}}}" for name in SECRETS}


def _ours_single() -> dict[str, str]:
    each = {name: f"{{{{ lookup('sysops.dtk.ssm_config', '{full}') }}}}" for name, full in NAMES.items()}
    return each | _our_secrets()


def _peer() -> dict[str, str]:
    settings = {name: f"{{{{ lookup('amazon.aws.ssm_parameter', '{full}') }}}}" for name, full in NAMES.items()}
    secrets = {name: f"{{{{ lookup('amazon.aws.secretsmanager_secret', 'bench/{name}') }}}}" for name in SECRETS}
    return settings | secrets


VARIABLES = {LITERALS: _literals(), OURS: _ours(), OURS_SINGLE: _ours_single(), PEER: _peer()}


def benchmark(name: str, hosts: int, options: Options) -> Outcome:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    with Emulation.start() as aws, tempfile.TemporaryDirectory() as temporary:
        _fill(aws)
        aws.replay(True)
        aws.latency(ROUND_TRIP_S)
        with Watch(Path(temporary)) as watch:
            lineup = _contestants(folder, Path(temporary), hosts, options.peer_hosts, watch)
            taking_part = [one for one in lineup if options.takes_part(one.name)]
            costs = controller.take_turns(taking_part, aws, folder, options.rounds, warm_up=False)
    scale = hosts / options.peer_hosts
    flat = controller.rounded(controller.figures(name, costs) | _ratios(name, controller.good(costs), scale))
    note = f"  amazon_aws: {options.peer_hosts} of {hosts} hosts; its ratios are scaled by {scale:g}."
    lines = [*verdicts(name, flat, TARGETS), note]
    complete = not any(cost.usage.error for cost in costs)
    return Outcome(controller.table(name, costs, lines), flat, complete)


def _fill(aws: Emulation) -> None:
    for name, value in SETTINGS.items():
        aws.client("ssm").put_parameter(Name=NAMES[name], Value=value, Type="String")
    for name, value in SECRETS.items():
        aws.client("secretsmanager").create_secret(Name=f"bench/{name}", SecretString=value)


def _contestants(folder: Path, temporary: Path, hosts: int, peer_hosts: int, watch: Watch) -> Iterator[Contestant]:
    environ = {
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "ANSIBLE_HOME": str(temporary / ".ansible"),
        "ANSIBLE_COLLECTIONS_PATH": ".cache/collections",
        "ANSIBLE_FORKS": str(FORKS),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "true",
    }
    for name in CONTESTANTS:
        count = peer_hosts if name == PEER else hosts
        source = folder / f"{name}.inventory.json"
        source.write_text(json.dumps(_inventory(count, VARIABLES[name]), indent=1), encoding="utf-8")
        argv = [str(BIN / "ansible-playbook"), "-i", str(source), str(HERE / "contestants/settings.yml")]
        log = folder / f"{name}.log"
        once = 1 if name in {PEER, OURS_SINGLE} else None
        yield Contestant(
            name, argv, environ, TIMEOUT_S, lambda log=log, count=count: _wrong(log, count, watch), rounds=once
        )


def _inventory(hosts: int, variables: Mapping[str, str]) -> dict[str, Any]:
    lines = "".join(f"{value}\n" for value in (SETTINGS | SECRETS).values())
    own = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bench_digest": hashlib.sha256(lines.encode()).hexdigest(),
    }
    names = {f"host-{number:03}": {} for number in range(hosts)}
    return {"fleet": {"hosts": names, "vars": own | dict(variables)}}


def _wrong(log: Path, hosts: int, watch: Watch) -> str:
    """A run only counts when each host saw the right values in each task, and no value was left on a disk."""
    text = log.read_text(encoding="utf-8")
    if text.count(f"ok={TASKS} ") != hosts:
        return f"not all of {hosts} hosts had {TASKS} tasks with the right values; see {log}"
    if MARK in text:
        return f"values are in the output; see {log}"
    written = watch.found()
    return f"values were written to {sorted(written)}" if written else ""


class Watch:
    """Looks, during the runs and after them, for values in the files below a folder."""

    SECONDS = 0.5

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._ended.set()
        self._thread.join()

    def found(self) -> set[str]:
        """Since the last time that somebody asked."""
        self._look()
        written, self._written = self._written, set()
        return written

    def _look_again(self) -> None:
        while not self._ended.wait(self.SECONDS):
            self._look()

    def _look(self) -> None:
        for path in controller.files(self._folder):
            try:
                if path.is_file() and MARK.encode() in path.read_bytes():
                    self._written.add(str(path.relative_to(self._folder)))
            except FileNotFoundError:
                continue


def _ratios(name: str, costs: dict[str, Cost], scale: float) -> dict[str, float]:
    flat: dict[str, float] = {}
    if OURS not in costs:
        return flat
    ours = costs[OURS]
    flat[f"{name}.calls"] = ours.calls
    if LITERALS in costs:
        literals = costs[LITERALS].usage.user_s
        flat[f"{name}.cpu_vs_literals"] = ours.usage.user_s / literals
        if OURS_SINGLE in costs:
            flat[f"{name}.single_cpu_vs_literals"] = costs[OURS_SINGLE].usage.user_s / literals
    if PEER in costs:
        flat[f"{name}.calls_vs_amazon_aws"] = ours.calls / (costs[PEER].calls * scale)
        flat[f"{name}.cpu_vs_amazon_aws"] = ours.usage.user_s / (costs[PEER].usage.user_s * scale)
    return flat
