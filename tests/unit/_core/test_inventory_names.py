# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory import InventoryError
from ansible_collections.sysops.dtk.plugins.module_utils._core.inventory_names import names_of, naming
from hypothesis import given
from hypothesis import strategies as st

ROW: dict[str, Any] = {
    "instance_id": "i-1",
    "private_ip_address": "10.0.0.1",
    "private_dns_name": "ip-10-0-0-1.internal",
    "availability_zone": "eu-west-1a",
    "tags": {"Name": "web", "Alias": "front", "Empty": ""},
}


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"instance_id": f"i-{number}", "tags": {"Name": name}} for number, name in enumerate(names, 1)]


def named(
    instances: list[dict[str, Any]], taken: frozenset[str] = frozenset(), on_duplicate: str = "warn"
) -> tuple[list[str], list[str]]:
    return names_of(instances, naming(["tag:Name", "instance-id"]), taken, on_duplicate)


@pytest.mark.parametrize(
    ("preferences", "name"),
    [
        (["instance-id"], "i-1"),
        (["private-ip-address"], "10.0.0.1"),
        (["private-dns-name"], "ip-10-0-0-1.internal"),
        (["tag:Name"], "web"),
        (["tag:None", "tag:Empty", "tag:Alias"], "front"),
        (["tag:None,Alias,Name"], "front"),
        (["tag:Name=web"], "Name_web"),
        (["tag:Name=db"], ""),
        (["tag:Name=db,Alias=front"], "Alias_front"),
        (["ip-address"], ""),
        ([], ""),
        ([{"name": "instance-id"}], "i-1"),
        ([{"name": "instance-id", "prefix": "tag:Name"}], "web_i-1"),
        ([{"name": "instance-id", "prefix": "tag:Name", "separator": "-"}], "web-i-1"),
        ([{"name": "instance-id", "prefix": "tag:None"}], "i-1"),
        ([{"name": "ip-address", "prefix": "tag:Name"}, "tag:Alias"], "front"),
        ([{"name": "instance-id", "prefix": "aws", "separator": ""}], "awsi-1"),
    ],
)
def test_the_first_preference_that_an_instance_has(preferences: list[Any], name: str) -> None:
    assert naming(preferences)(ROW) == name


@pytest.mark.parametrize(
    ("preference", "told"),
    [
        ("Name", "hostnames has 'Name', which no instance has. Use tag:<key> (no filters), or one of architecture, "),
        ("tag:", "hostnames has 'tag:'"),
        ("tag:Name | lower", "hostnames has 'tag:Name | lower', which no instance has. Use tag:<key> (no filters)"),
        ({"prefix": "x"}, "An item is a text, or a dictionary with name."),
        (
            {"name": "instance-id", "seperator": "-"},
            "an item with seperator; it takes name, prefix and separator.",
        ),
        (7, "hostnames has the item 7."),
    ],
)
def test_a_preference_that_means_nothing_is_an_error(preference: Any, told: str) -> None:
    with pytest.raises(InventoryError) as caught:
        naming([preference])
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("web-1.example.com", "web-1.example.com"),
        ("web 1", "web_1"),
        ("wéb", "wéb"),
        ("a/b", "a_b"),
        ("../../etc/passwd", "_._.._etc_passwd"),
        ("..", "_."),
        ("-oProxyCommand=x", "_oProxyCommand_x"),
        (".hidden", "_hidden"),
        ("a\nb", "a_b"),
        ("web\n", "web_"),
        ("all:!web", "all__web"),
        ("{{ lookup('pipe', 'id') }}", "___lookup__pipe____id_____"),
        ("web[1:9]", "web_1_9_"),
        ("", "i-1"),
    ],
)
def test_a_name_can_harm_no_path_pattern_or_command(raw: str, name: str) -> None:
    assert named(rows(raw))[0] == [name]


def test_shared_names_are_told_apart_with_both_ids_named() -> None:
    names, warnings = named(rows("web", "db", "web"))
    assert names == ["web-i-1", "db", "web-i-3"]
    assert len(warnings) == 1
    assert "Several instances have one name: web (i-1, i-3). Each is called <name>-<instance id>" in warnings[0]


def test_names_that_become_one_when_made_harmless_are_shared_too() -> None:
    names, warnings = named(rows("a b", "a/b"))
    assert names == ["a_b-i-1", "a_b-i-2"]
    assert "a_b (i-1, i-2)" in warnings[0]


def test_suffix_says_nothing_and_fail_is_an_error() -> None:
    assert named(rows("web", "web"), on_duplicate="suffix") == (["web-i-1", "web-i-2"], [])
    with pytest.raises(InventoryError, match=r"Several instances have one name: web \(i-1, i-2\)\."):
        named(rows("web", "web"), on_duplicate="fail")


@pytest.mark.parametrize("name", ["all", "ungrouped", "env_prod", "localhost", "127.0.0.1"])
@pytest.mark.parametrize("on_duplicate", ["warn", "suffix", "fail"])
def test_no_host_is_called_like_a_group_or_the_controller(name: str, on_duplicate: str) -> None:
    names, warnings = named(rows(name), frozenset({"all", "ungrouped", "env_prod"}), on_duplicate)
    assert names == [f"{name}-i-1"]
    assert f"Names of groups or of the controller are no names for hosts: {name} (i-1)." in warnings[0]


def test_a_tag_that_imitates_the_name_of_another_host_takes_nothing_from_it() -> None:
    names, _warnings = named(rows("web", "web", "web-i-1", "i-1"))
    assert names == ["web-i-1_", "web-i-2", "web-i-1", "i-1"]
    assert named(rows("i-2", ""))[0] == ["i-2-i-1", "i-2-i-2"]


# Few letters, so that names meet often.
_TAGS = st.one_of(
    st.sampled_from(["all", "localhost", "", "web", "web-i-1", "i-2", "../x", "a\nb"]), st.text(max_size=4)
)


@given(st.lists(_TAGS, max_size=200))
def test_any_200_names_give_200_harmless_hosts(tags: list[str]) -> None:
    instances = rows(*tags)
    taken = frozenset({"all", "ungrouped", "web"})
    names, _warnings = named(instances, taken)
    assert len(set(names)) == len(instances)
    assert not set(names) & (taken | {"localhost", "127.0.0.1", "::1"})
    assert all(re.fullmatch(r"\w[\w.-]*", name) for name in names)
    told = [name for name, row in zip(names, instances, strict=True) if row["tags"]["Name"] == name]
    assert all(tags.count(name) == 1 for name in told)
