# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lookups of amazon.aws get wrong, each of which a user could meet, and ours do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleError

from tests.emulation import Emulation
from tests.unit.lookup.harness import SECRET, SSM, Play, debug, run


@pytest.fixture
def put(cloud: Emulation) -> Any:
    return lambda name, value: cloud.client("ssm").put_parameter(Name=name, Value=value, Type="String")


@pytest.fixture
def create(cloud: Emulation) -> Any:
    return lambda name, value: cloud.client("secretsmanager").create_secret(Name=name, SecretString=value)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("key", [["db", "nothing"], ["nothing"], ["db", "user", "name"], "db.nothing"])
def test_a_missing_key_never_gives_the_secrets_beside_it(create: Any, key: Any) -> None:
    create("p/all", json.dumps({"db": {"user": "hidden-value"}, "other": "hidden-value"}))
    assert run(SECRET, "p/all", key=key, on_missing="skip") == [None]
    with pytest.raises(AnsibleError, match="p/all has no key") as caught:
        run(SECRET, "p/all", key=key)
    assert "hidden-value" not in str(caught.value)


@pytest.mark.usefixtures("here")
def test_two_paths_at_once_do_not_crash(put: Any) -> None:
    put("/p/a/x", "1")
    put("/p/b/y", "2")
    assert run(SSM, "/p/a", "/p/b") == [{"x": "1", "y": "2"}]


@pytest.mark.usefixtures("here")
def test_a_name_is_no_prefix(put: Any, create: Any) -> None:
    put("/p/one/x", "1")
    put("/p/onetwo/x", "2")
    create("p/one", "1")
    create("p/onetwo", "2")
    assert run(SSM, "/p/one") == [{"x": "1"}]
    assert run(SECRET, "p/one") == ["1"]
    assert run(SECRET, "p/on", on_missing="skip") == [None]


@pytest.mark.usefixtures("here")
def test_positions_do_not_shift(create: Any) -> None:
    create("p/b", "2")
    assert run(SECRET, "p/a", "p/b", "p/c", on_missing="skip") == [None, "2", None]


@pytest.mark.usefixtures("here")
def test_names_and_keys_may_have_dots(put: Any, create: Any) -> None:
    create("p/www.example.org", json.dumps({"tls.key": "k", "tls": {"key": "no"}}))
    put("/p/www.example.org/port.int", "443")
    assert run(SECRET, "p/www.example.org", key="tls.key") == ["k"]
    assert run(SSM, "/p") == [{"www.example.org": {"port": 443}}]


@pytest.mark.usefixtures("here")
def test_nested_values_are_data_and_not_the_text_that_python_writes(create: Any) -> None:
    create("p/db", json.dumps({"port": 5432, "options": {"tls": True}}))
    assert run(SECRET, "p/db", key="port") == [5432]
    assert run(SECRET, "p/db", key="options") == [{"tls": True}]


@pytest.mark.usefixtures("here")
def test_the_same_last_part_below_two_folders_is_two_settings(put: Any) -> None:
    """droppath takes the path out wherever it stands, and shortnames lets one of the two win in silence."""
    put("/p/a/host", "1")
    put("/p/b/host", "2")
    put("/p/p/a/host", "3")
    assert run(SSM, "/p") == [{"a": {"host": "1"}, "b": {"host": "2"}, "p": {"a": {"host": "3"}}}]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException"])
def test_throttling_is_tried_again(put: Any, create: Any, cloud: Emulation, code: str) -> None:
    put("/p/a", "1")
    create("p/a", "1")
    for call in ("ssm:GetParameters", "ssm:GetParametersByPath", "secretsmanager:GetSecretValue"):
        cloud.fault(call, code, times=3)
    assert run(SSM, "/p/a") == ["1"]
    assert run(SSM, "/p") == [{"a": "1"}]
    assert run(SECRET, "p/a") == ["1"]


def test_values_are_not_logged_at_any_verbosity(play: Play, put: Any, create: Any) -> None:
    put("/p/a", "hidden-setting")
    create("p/a", "hidden-secret")
    play.variables = {
        "setting": "{{ lookup('sysops.dtk.ssm_config', '/p/a') }}",
        "secret": "{{ lookup('sysops.dtk.secret', 'p/a') }}",
    }
    play.tasks = [debug("{{ (setting ~ secret) | length }}")]
    result = play.run("-vvvvvv", ANSIBLE_DEBUG="1")
    assert result.code == 0, result.text
    assert '"msg": 27' in result.stdout or '"msg": "27"' in result.stdout
    assert "hidden-" not in result.text


def test_one_call_serves_all_hosts_and_tasks(play: Play, put: Any, create: Any, cloud: Emulation) -> None:
    """A tree that variables refer to is read again at each of them, in each task, on each host: 40 times over here."""
    for number in range(5):
        put(f"/p/k{number}", str(number))
    create("p/a", "s")
    play.host_variables = {f"host{number}": {} for number in range(4)}
    play.variables = {"tree": "{{ lookup('sysops.dtk.ssm_config', '/p/') }}"}
    play.variables |= {f"v{number}": f"{{{{ tree.k{number} }}}}" for number in range(5)}
    play.variables["secret"] = "{{ lookup('sysops.dtk.secret', 'p/a') }}"
    play.tasks = [debug("{{ v0 ~ v1 ~ v2 ~ v3 ~ v4 ~ secret }}")] * 2
    cloud.reset()
    result = play.run()
    assert result.code == 0, result.text
    assert result.stdout.count("01234s") == 8
    assert cloud.calls() == {"ssm:GetParametersByPath:eu-west-1": 1, "secretsmanager:GetSecretValue:eu-west-1": 1}
