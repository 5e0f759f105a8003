# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever may tag an instance must not run commands here, and not reach other hosts' variables."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sysops.dtk.plugins.inventory import ec2_fleet
from ansible_collections.sysops.dtk.plugins.module_utils import instances
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .world import NAME, Display, World

TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'echo owned') }}"
STATEMENT = "{% for x in [1] %}owned{% endfor %}"


@pytest.mark.parametrize("options", [{}, {"full_description": True}, {"cache": True, "cache_plugin": "jsonfile"}])
def test_a_template_in_a_tag_stays_what_it_is(world: World, options: dict[str, Any]) -> None:
    world.run_tagged({"Name": "web", "Evil": TEMPLATE, "Statement": STATEMENT, TEMPLATE: "key", "dtk:env": TEMPLATE})
    kept = {"cache_connection": str(world.folder / "kept")} if options.get("cache") else {}
    path = world.config(
        **options,
        **kept,
        connection="none",
        compose={"plain": "tags.Evil", "by_jinja": "tags.Evil | string", "joined": "tags.Name ~ tags.Evil"},
        keyed_groups=[{"prefix": "evil", "key": "tags.Evil"}],
    )
    play = world.folder / "play.yml"
    result = {name: f"{{{{ {name} }}}}" for name in ("plain", "by_jinja", "joined", "dtk_env", "ec2_tags")}
    task = {"copy": {"content": "{{ seen | to_json }}", "dest": str(world.folder / "seen")}, "vars": {"seen": result}}
    hosts = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": [task]}
    hosts["vars"] = {"ansible_python_interpreter": sys.executable}
    play.write_text(yaml.safe_dump([hosts]), encoding="utf-8")
    for _run in ("cold", "warm"):
        run = world.ansible("ansible-playbook", "-i", str(path), str(play))
        assert run.returncode == 0, run.stdout + run.stderr
        seen = json.loads((world.folder / "seen").read_text(encoding="utf-8"))
        assert (seen["plain"], seen["by_jinja"], seen["dtk_env"]) == (TEMPLATE, TEMPLATE, TEMPLATE)
        assert seen["joined"] == f"web{TEMPLATE}"
        assert seen["ec2_tags"]["Statement"] == STATEMENT
        assert seen["ec2_tags"][TEMPLATE] == "key"


def test_a_name_leads_to_no_file_outside_of_host_vars(world: World) -> None:
    (world.folder / "secret.yml").write_text("stolen: true\n", encoding="utf-8")
    (world.folder / "host_vars").mkdir()
    world.run(Name="../secret")
    listed = world.listed()["_meta"]["hostvars"]
    assert list(listed) == ["_._secret"]
    assert "stolen" not in listed["_._secret"]


_TEXT = st.one_of(
    st.sampled_from(
        [
            "all",
            "ungrouped",
            "localhost",
            "127.0.0.1",
            "",
            "env_prod",
            "prod",
            "web,db",
            "a\nb",
            "../../x",
            "-oProxyCommand=id",
            TEMPLATE,
            STATEMENT,
            "{# x #}",
            "!unsafe",
            "\u202e\u0000",
            "hostvars",
            "dtk_env",
            "é",
        ]
    ),
    st.text(max_size=8),
)
_INSTANCES = st.lists(
    st.fixed_dictionaries(
        {"Name": _TEXT, "dtk:env": _TEXT, "dtk:role": _TEXT, "dtk:app": _TEXT}, optional={"extra": _TEXT, "all": _TEXT}
    ),
    max_size=200,
)


def row(number: int, tags: dict[str, str]) -> dict[str, Any]:
    return {
        "instance_id": f"i-{number:017x}",
        "region": "eu-west-1",
        "availability_zone": "eu-west-1a",
        "account_id": "1",
        "account": "",
        "private_ip_address": f"10.0.{number // 256}.{number % 256}",
        "state": "running",
        "tags": tags,
        "member": {"group": tags["dtk:role"], "lifecycle_state": "InService", "health": "Healthy", "protected": False},
    }


@pytest.fixture(scope="module")
def inventory_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("untrusted") / "fleet.dtk.yml"
    composed = {
        "compose": {"extra": "tags.extra", "loud": "tags.Name | upper"},
        "keyed_groups": [{"key": "tags.Name", "separator": ""}, {"prefix": "k", "key": "tags['all']"}],
        "groups": {"named": "tags.Name == 'all'"},
    }
    path.write_text(yaml.safe_dump({"plugin": NAME, "regions": ["eu-west-1"], **composed}), encoding="utf-8")
    return path


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_INSTANCES)
def test_200_hostile_instances_are_200_hosts_with_their_own_variables(
    inventory_file: Path, instances_tags: list[dict[str, str]]
) -> None:
    rows = [row(number, tags) for number, tags in enumerate(instances_tags)]
    data = InventoryData()
    plugin = ec2_fleet.InventoryModule()
    plugin._load_name = NAME
    plugin._redirected_names = [NAME]
    plugin.display = Display()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(instances, "read", lambda chosen: instances.Fleet(rows=rows, nothing_read=False))
        plugin.parse(data, DataLoader(), str(inventory_file), cache=True)
    data.reconcile_inventory()

    assert {host.vars["instance_id"] for host in data.hosts.values()} == {one["instance_id"] for one in rows}
    assert all(re.fullmatch(r"\w[\w.-]*", name) and name not in ("localhost", "127.0.0.1") for name in data.hosts)
    assert {"all", "ungrouped"}.isdisjoint(data.hosts)
    by_id = {one["instance_id"]: one for one in rows}
    for host in data.hosts.values():
        tags = by_id[host.vars["instance_id"]]["tags"]
        assert host.vars["ec2_tags"] == tags
        assert host.vars.get("dtk_env", "") == tags["dtk:env"]
        assert host.vars.get("extra") == tags.get("extra")
        assert host.vars["loud"] == tags["Name"].upper()
    assert all(group.vars == {} for group in data.groups.values())
    assert all(re.fullmatch(r"\w+", name) for name in data.groups)
    standard = [name for name in data.groups if name.startswith("env_")]
    members = {host.name for name in standard for host in data.groups[name].hosts}
    assert members >= {host.name for host in data.hosts.values() if host.vars.get("dtk_env")}
