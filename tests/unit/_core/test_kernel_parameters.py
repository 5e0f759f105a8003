# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters: where they are, and what is wanted beside what is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.kernel_parameters import (
    KernelParameterError,
    compare,
    path,
)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param("net.core.somaxconn", "net/core/somaxconn", id="dots part it"),
        pytest.param("net/core/somaxconn", "net/core/somaxconn", id="slashes part it"),
        pytest.param("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter", id="a dot in a part"),
        pytest.param("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter", id="the same in slashes"),
    ],
)
def test_a_name_becomes_a_path(name: str, place: str) -> None:
    assert path(name) == f"/proc/sys/{place}"


@pytest.mark.parametrize(
    "name",
    ["somaxconn", "net..core", "net.core.", "net.//.//.etc.passwd", "net/../../etc/passwd", "net.a b", "/net/core"],
)
def test_what_is_no_parameter_is_refused(name: str) -> None:
    with pytest.raises(
        KernelParameterError, match=r"dtk_server_role\.sysctl has .*, which is no kernel parameter; write it"
    ):
        path(name)


@pytest.mark.parametrize(
    ("value", "said", "differing", "misfits"),
    [
        pytest.param(4096, "4096", False, False, id="the same number"),
        pytest.param("4096", "4096", False, False, id="as text"),
        pytest.param("20000 60000", "20000\t60000", False, False, id="blanks are alike"),
        pytest.param(1024, "4096", True, False, id="another number"),
        pytest.param("many", "4096", True, True, id="text for a number"),
        pytest.param("1 2 x", "1 2 3", True, True, id="text among numbers"),
        pytest.param(-1, "0", True, False, id="a negative number"),
        pytest.param("bbr", "cubic", True, False, id="text for text"),
        pytest.param("a:b", "a:b", False, False, id="a colon"),
        pytest.param("", "", False, False, id="nothing"),
    ],
)
def test_a_value_beside_what_the_kernel_says(value: Any, said: str, differing: bool, misfits: bool) -> None:
    found = compare({"net.a": value}, [f"/proc/sys/net/a:{said}"])
    assert (bool(found["differing"]), bool(found["misfits"]), found["unknown"]) == (differing, misfits, [])


def test_the_kernel_lacks_one() -> None:
    found = compare({"net.a": 1, "net.b": 2}, ["/proc/sys/net/b:2", "/proc/sys/fs/nr_open:1048576"])
    assert found == {
        "paths": ["/proc/sys/net/a", "/proc/sys/net/b"],
        "unknown": ["net.a"],
        "misfits": [],
        "differing": [],
    }


def test_what_differs_is_said_with_both_values() -> None:
    assert compare({"net.a": 1}, ["/proc/sys/net/a:2"])["differing"] == ["net.a = 1, not 2"]
