# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.sysops.dtk.plugins.plugin_utils import lookup

from tests.emulation import Emulation
from tests.unit.lookup.harness import SSM, Direct, run

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def put(cloud: Emulation) -> Any:
    def put(name: str, value: str, kind: str = "String", label: str = "") -> None:
        client = cloud.client("ssm")
        version = client.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)["Version"]
        if label:
            client.label_parameter_version(Name=name, ParameterVersion=version, Labels=[label])

    return put


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(lookup.display, "warning", told.append)
    return told


def test_layers_are_merged_and_the_last_one_wins(put: Any) -> None:
    put("/dtk/_shared/log/level", "info")
    put("/dtk/_shared/log/format", "json")
    put("/dtk/prod/api/config/log/level", "debug")
    put("/dtk/prod/api/config/db/port.int", "5432")
    put("/dtk/prod/api/config/zones", "a,b", "StringList")
    assert run(SSM, "/dtk/_shared", "/dtk/prod/_shared", "/dtk/prod/api/config") == [
        {"log": {"level": "debug", "format": "json"}, "db": {"port": 5432}, "zones": ["a", "b"]}
    ]


def test_more_than_one_page_is_read(put: Any, cloud: Emulation) -> None:
    for number in range(23):
        put(f"/a/k{number}.int", str(number))
    cloud.page("ssm:GetParametersByPath", 4)
    assert run(SSM, "/a/") == [{f"k{number}": number for number in range(23)}]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("suffix", {"port": 5432, "on": "true", "plain": "{", "zones": ["1", "2"]}),
        ("text", {"port.int": "5432", "on": "true", "plain": "{", "zones": ["1", "2"]}),
        ("json", {"port.int": 5432, "on": True, "plain": "{", "zones": ["1", "2"]}),
    ],
)
def test_types(put: Any, types: str, expected: dict[str, Any]) -> None:
    put("/a/port.int", "5432")
    put("/a/on", "true")
    put("/a/plain", "{")
    put("/a/zones", "1,2", "StringList")
    assert run(SSM, "/a", types=types) == [expected]


def test_a_term_may_be_one_parameter(put: Any) -> None:
    put("/a/port.int", "5432")
    put("/a/zones", "x,y", "StringList")
    put("without_a_slash", "v")
    assert run(SSM, "/a/port.int") == [5432]
    assert run(SSM, "/a/zones") == [["x", "y"]]
    assert run(SSM, "without_a_slash") == ["v"]


def test_a_parameter_that_is_an_object_can_be_a_layer(put: Any) -> None:
    put("/defaults.json", '{"log": {"level": "info"}, "n": 1}')
    put("/a/log/level", "debug")
    assert run(SSM, "/defaults.json", "/a") == [{"log": {"level": "debug"}, "n": 1}]


def test_another_parameter_cannot_be_a_layer(put: Any) -> None:
    put("/a/b", "hidden-value")
    put("/c/d", "x")
    with pytest.raises(AnsibleError, match=r"/a/b is one parameter, not a path") as caught:
        run(SSM, "/a/b", "/c")
    assert "hidden-value" not in str(caught.value)


def test_versions_and_labels(put: Any) -> None:
    put("/a/one", "old", label="before")
    put("/a/one", "new", label="stable")
    put("/a/two", "unlabelled")
    assert run(SSM, "/a/one") == ["new"]
    assert run(SSM, "/a/one@1") == ["old"]
    assert run(SSM, "/a/one@before") == ["old"]
    # moto knows only the newest version below a path.
    assert run(SSM, "/a/@stable") == [{"one": "new"}]
    assert run(SSM, "/a@stable", "/nothing") == [{"one": "new"}]


def test_a_path_has_no_version(put: Any) -> None:
    put("/a/one", "v")
    with pytest.raises(AnsibleError, match=r"/a/@7 pins a version of a path"):
        run(SSM, "/a/@7")
    with pytest.raises(AnsibleError, match="nothing at or below /a@7"):
        run(SSM, "/a@7")


@pytest.mark.parametrize("term", ["/a b", "/a@", "/a@b@c", "{{ x }}"])
def test_nonsense_is_refused_by_name(term: str, cloud: Emulation) -> None:
    with pytest.raises(AnsibleError, match="is no path of Parameter Store"):
        run(SSM, term)
    assert not cloud.calls()


@pytest.mark.parametrize("terms", [(), ("",), (7,), (["/a"],)])
def test_terms_are_texts(terms: tuple[Any, ...]) -> None:
    with pytest.raises(AnsibleError, match="takes one or more names"):
        run(SSM, *terms)


def test_nothing_at_all_is_an_error_that_names_all_paths() -> None:
    with pytest.raises(AnsibleError, match=r"nothing at or below /x nor /y/z"):
        run(SSM, "/x", "/y/z")


def test_nothing_can_be_lived_with(warnings: list[str]) -> None:
    assert run(SSM, "/x", "/y", on_missing="skip") == [{}]
    assert warnings == []
    assert run(SSM, "/x", on_missing="warn") == [{}]
    (warning,) = warnings
    assert "/x" in warning


def test_a_denied_layer_is_an_error_unless_told_otherwise(put: Any, cloud: Emulation, warnings: list[str]) -> None:
    put("/b/c", "v")
    denial = "User: arn:aws:iam::1:user/u is not authorized to perform: ssm:GetParametersByPath"
    cloud.fault("ssm:GetParametersByPath", "AccessDeniedException", times=1, message=denial)
    cloud.fault("ssm:GetParameters", "AccessDeniedException")
    cloud.fault("ssm:GetParameter", "AccessDeniedException")
    with pytest.raises(AnsibleError, match=r"below /a: access denied .*ssm:GetParametersByPath.*on_denied"):
        run(SSM, "/a", "/b")
    assert run(SSM, "/a", "/b", on_denied="warn") == [{"c": "v"}]
    assert any("/a" in warning for warning in warnings)


def test_a_policy_for_paths_only_is_enough(put: Any, cloud: Emulation) -> None:
    put("/a/b", "v")
    cloud.fault("ssm:GetParameters", "AccessDeniedException")
    assert run(SSM, "/a") == [{"b": "v"}]


def test_a_policy_for_names_only_is_enough(put: Any, cloud: Emulation) -> None:
    put("/a/b", "v")
    cloud.fault("ssm:GetParametersByPath", "AccessDeniedException")
    assert run(SSM, "/a/b") == ["v"]


def test_secure_strings_come_with_one_warning_that_names_them(put: Any, warnings: list[str]) -> None:
    put("/a/pw", "hidden-value", "SecureString")
    assert run(SSM, "/a") == [{"pw": "hidden-value"}]
    assert run(SSM, "/a") == [{"pw": "hidden-value"}]
    (warning,) = warnings
    assert "/a/pw" in warning
    assert "sysops.dtk.secret" in warning
    assert "hidden-value" not in warning


def test_the_keys_of_secure_strings_are_told_without_another_call(put: Any, cloud: Emulation) -> None:
    put("/a/pw", "x", "SecureString")
    put("/a/db/dsn", "y", "SecureString")
    put("/a/open", "z")
    put("/b/pw", "plain")
    assert run(SSM, "/a", "/nothing") == [{"pw": "x", "db": {"dsn": "y"}, "open": "z"}]
    before = cloud.calls()
    assert run(SSM, "/a", "/nothing", secure_keys=True) == [["db.dsn", "pw"]]
    assert cloud.calls() == before
    assert run(SSM, "/a", "/b", secure_keys=True) == [["db.dsn"]]


def test_without_decryption_the_value_stays_encrypted(put: Any, warnings: list[str]) -> None:
    put("/a/pw", "hidden-value", "SecureString")
    ((value,),) = (tree.values() for tree in run(SSM, "/a", decrypt=False))
    assert value != "hidden-value"
    assert warnings == []


def test_what_was_read_is_read_once_unless_it_must_be_fresh(put: Any, cloud: Emulation) -> None:
    put("/a/b", "old")
    assert run(SSM, "/a/b") == ["old"]
    put("/a/b", "new")
    before = cloud.calls()
    assert run(SSM, "/a/b") == ["old"]
    assert cloud.calls() == before
    assert run(SSM, "/a/b", fresh=True) == ["new"]
    assert run(SSM, "/a/b") == ["new"]


def test_that_something_is_missing_is_also_asked_once(cloud: Emulation) -> None:
    for _host in range(3):
        assert run(SSM, "/x", on_missing="skip") == [{}]
    assert sum(cloud.calls().values()) == 2


@pytest.mark.parametrize("other", [{"region": "eu-west-2"}, {"assume_role_arn": "arn:aws:iam::123456789012:role/r"}])
def test_another_region_or_role_never_gets_the_same_answer(cloud: Emulation, other: dict[str, str], put: Any) -> None:
    put("/a/b", "here")
    assert run(SSM, "/a/b") == ["here"]
    before = cloud.calls()
    run(SSM, "/a/b", on_missing="skip", **other)
    assert cloud.calls() != before


def test_keys_and_a_profile_exclude_each_other() -> None:
    with pytest.raises(AnsibleError, match="profile and access_key exclude each other"):
        run(SSM, "/a", profile="p", access_key="k", secret_key="s")


def test_a_misspelt_option_is_an_error(cloud: Emulation) -> None:
    with pytest.raises(AnsibleError, match="no option on_mising"):
        run(SSM, "/a", on_mising="skip")
    with pytest.raises(AnsibleError, match="on_missing"):
        run(SSM, "/a", on_missing="ignore")
    assert not cloud.calls()


def test_a_template_cannot_change_what_the_next_one_gets(put: Any, here: Direct) -> None:
    put("/a/b/c", "v")
    first = run(SSM, "/a")[0]
    first["b"]["c"] = "changed"
    assert run(SSM, "/a") == [{"b": {"c": "v"}}]


def test_faults_of_the_service_are_waited_out(put: Any, cloud: Emulation) -> None:
    put("/a/b", "v")
    cloud.fault("ssm:GetParameters", 503, times=1)
    cloud.drop("ssm:GetParametersByPath", times=1)
    assert run(SSM, "/a") == [{"b": "v"}]


def test_an_expired_token_is_one_sentence(cloud: Emulation) -> None:
    cloud.fault("ssm", "ExpiredTokenException")
    with pytest.raises(AnsibleError, match="credentials have expired"):
        run(SSM, "/a")


def test_trouble_is_not_kept(put: Any, cloud: Emulation) -> None:
    put("/a/b", "v")
    cloud.fault("ssm:GetParameters", "ExpiredTokenException", times=1)
    with pytest.raises(AnsibleError):
        run(SSM, "/a/b")
    assert run(SSM, "/a/b") == ["v"]


def test_a_value_that_is_not_what_its_name_promises_stays_out_of_the_error(put: Any) -> None:
    put("/a/port.int", "hidden-value")
    with pytest.raises(AnsibleError, match=r"/a/port\.int is no whole number") as caught:
        run(SSM, "/a")
    assert "hidden-value" not in str(caught.value)
