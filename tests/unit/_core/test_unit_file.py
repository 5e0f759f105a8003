# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit files, from what a server role says. That a real systemd reads them so is tested by molecule."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils._core import app_accounts, sandbox, unit_file
from ansible_collections.sysops.dtk.plugins.module_utils._core.server_role import resolve
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
SERVICE = {"command": ["/srv/api/current/bin/serve"]}


def app(**spec: Any) -> dict[str, Any]:
    """The app api, resolved."""
    given_spec = {"unit": "api.service", **spec}
    return resolve({"name": "web"}, {"api": given_spec})["dtk_apps"]["api"]


def lines(text: str, section: str) -> list[tuple[str, str]]:
    """The lines of a section of a unit file."""
    body = text.split(f"[{section}]\n")[1].split("\n\n", maxsplit=1)[0]
    return [tuple(line.split("=", 1)) for line in body.splitlines()]


def service(**keys: Any) -> list[tuple[str, str]]:
    """The section [Service] of an app's unit, by keys of its service."""
    text = unit_file.files("api", app(service={**SERVICE, **keys}), "web")["api.service"]
    return lines(text, "Service")


def values(found: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in found if key == name]


# --- the demo's app, as it was written by hand -----------------------------------------------------------------------


def test_hello_runs_as_its_own_unit_files_have_it() -> None:
    """All that examples/hello says by hand stands in what is made from the demo's server role."""
    role = yaml.safe_load((ROOT / "inventories/demo/group_vars/role_web.yml").read_text(encoding="utf-8"))
    hello = resolve(role["dtk_server_role"], role["dtk_apps"])["dtk_apps"]["hello"]
    made = unit_file.files("hello", hello, "web")
    assert set(made) == {"hello.service", "hello.socket"}
    for name, text in made.items():
        by_hand = configparser.RawConfigParser()
        by_hand.optionxform = str
        by_hand.read(ROOT / "examples/hello" / name)
        for section in by_hand.sections():
            for directive, value in by_hand.items(section):
                if (name, directive) != ("hello.socket", "Description"):
                    assert (directive, value) in lines(text, section), f"{name} lacks {directive}={value}"


# --- quoting ---------------------------------------------------------------------------------------------------------


def unquoted(text: str) -> list[str]:
    """As systemd.syntax(7) and systemd.unit(5) have it: words, C escapes, then specifiers."""
    words = [match[1] if match[1] is not None else match[0] for match in re.finditer(r'"((?:\\.|[^"\\])*)"|\S+', text)]
    plain = [re.sub(r"\\(x[0-9a-f]{2}|.)", lambda found: _escaped(found[1]), word) for word in words]
    assert not any(re.search(r"(?<!%)(%%)*%(?!%)", word) for word in plain), f"a lone % in {text}"
    return [word.replace("%%", "%") for word in plain]


def _escaped(code: str) -> str:
    return chr(int(code[1:], 16)) if len(code) == 3 else code


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_word_arrives_as_it_was(word: str) -> None:
    line = unit_file.quoted(word)
    assert "\n" not in line
    assert unquoted(line) == [word]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)))
def test_a_command_arrives_as_it_was(arguments: list[str]) -> None:
    program, *found = unquoted(unit_file.command_line(["/bin/x", *arguments]))
    assert program == "/bin/x"
    assert all("$" not in word.replace("$$", "") for word in found), "systemd would replace it"
    assert [word.replace("$$", "$") for word in found] == arguments


def test_words_that_mean_something_to_systemd() -> None:
    found = service(command=["/bin/x", ";", "a b", "$HOME", "100%", "", 'q"q'], environment={"A": "x y", "N": 7})
    assert values(found, "ExecStart") == ['/bin/x ";" "a b" "$$HOME" 100%% "" "q\\"q"'.replace("100%%", '"100%%"')]
    assert values(found, "Environment") == ['"A=x y"', "N=7"]


# --- what stands in a unit --------------------------------------------------------------------------------------------


def test_a_small_service_has_the_hardened_set() -> None:
    found = service()
    for directive, value in sandbox.directives({}, metadata=False):
        assert (directive, value) in found
    assert values(found, "CapabilityBoundingSet") == values(found, "AmbientCapabilities") == [""]
    assert values(found, "ReadWritePaths") == ["/srv/api/shared"]
    assert values(found, "LimitCORE") == ["0"]
    assert (values(found, "User"), values(found, "Group")) == (["api"], ["api"])
    assert {"LoadCredential", "StateDirectory", "RuntimeDirectory", "ExecReload", "WorkingDirectory"} & {
        name for name, _value in found
    } == set()


def test_an_override_replaces_one_directive_and_leaves_the_others() -> None:
    overrides = {
        "MemoryDenyWriteExecute": False,
        "SystemCallFilter": ["@system-service", "~@mount"],
        "IPAddressDeny": [],
    }
    found = service(sandbox={**overrides, "DeviceAllow": "/dev/fuse"})
    assert values(found, "MemoryDenyWriteExecute") == ["no"]
    assert values(found, "SystemCallFilter") == ["@system-service", "~@mount"]
    assert values(found, "IPAddressDeny") == []
    assert values(found, "DeviceAllow") == ["/dev/fuse"]
    assert values(found, "ProtectSystem") == ["strict"]


def test_instance_metadata_is_open_only_to_those_who_say_so() -> None:
    assert values(service(), "IPAddressDeny") == ["169.254.169.254 fd00:ec2::254"]
    assert values(service(instance_metadata=True), "IPAddressDeny") == []


def test_what_may_be_given_stands_there() -> None:
    found = service(
        type="notify",
        reload_signal="HUP",
        working_dir="/srv/api/current",
        environment_files=["-/etc/api/extra.env"],
        state=True,
        runtime_dir=True,
        writable=["/var/spool/api"],
        limits={"nofile": 65536, "memlock": "infinity", "core": 1},
        memory_max="50%",
        tasks_max=100,
        cpu_quota="150%",
        start_timeout=2.5,
        capabilities=["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"],
        restart="no",
    )
    assert {
        ("Type", "notify"),
        ("ExecReload", '/bin/sh -c "kill -s HUP $MAINPID"'),
        ("WorkingDirectory", "/srv/api/current"),
        ("EnvironmentFile", "-/etc/api/extra.env"),
        ("StateDirectory", "api"),
        ("RuntimeDirectory", "api"),
        ("ReadWritePaths", "/var/spool/api"),
        ("LimitNOFILE", "65536"),
        ("LimitMEMLOCK", "infinity"),
        ("LimitCORE", "1"),
        ("MemoryMax", "50%"),
        ("TasksMax", "100"),
        ("CPUQuota", "150%"),
        ("TimeoutStartSec", "2.5"),
        ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE CAP_NET_RAW"),
        ("AmbientCapabilities", "CAP_NET_BIND_SERVICE CAP_NET_RAW"),
        ("Restart", "no"),
    } <= set(found)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"format": ["env"]}, ["-/etc/api/config.env"]),
        ({"format": ["json", "env"], "path": "/etc/api/settings.{format}"}, ["-/etc/api/settings.env"]),
        ({"format": ["json"]}, []),
        (None, []),
    ],
)
def test_settings_are_read_where_they_are_written_for_systemd(config: Any, path: list[str]) -> None:
    spec = app(service=SERVICE, **({"config": config} if config else {}))
    found = lines(unit_file.files("api", spec, "web")["api.service"], "Service")
    assert values(found, "EnvironmentFile") == path


def test_credentials_come_by_the_socket_and_not_without_it() -> None:
    spec = app(service=SERVICE, secrets=[{"name": "db", "secret": "x"}, {"name": "tls.key", "secret": "y"}])
    without = unit_file.files("api", spec, "web")["api.service"]
    assert "LoadCredential" not in without
    found = lines(unit_file.files("api", spec, "web", "/run/dtk/cred.sock")["api.service"], "Service")
    assert values(found, "LoadCredential") == ["db:/run/dtk/cred.sock", "tls.key:/run/dtk/cred.sock"]


def test_sockets_are_a_unit_of_their_own() -> None:
    spec = app(service={**SERVICE, "sockets": ["8080", "[::1]:9090", "/run/api.sock"], "backlog": 64}, root="/data")
    made = unit_file.files("api", spec, "web")
    found = lines(made["api.socket"], "Socket")
    assert values(found, "ListenStream") == ["8080", "[::1]:9090", "/run/api.sock"]
    assert {("Backlog", "64"), ("SocketUser", "api"), ("SocketMode", "0660")} <= set(found)
    assert ("ConditionPathExists", "/data/api/current") in lines(made["api.socket"], "Unit")
    about = lines(made["api.service"], "Unit")
    assert {("Requires", "api.socket"), ("After", "api.socket")} <= set(about)
    assert "SocketUser" not in unit_file.files("api", app(service={**SERVICE, "sockets": ["80"]}), "web")["api.socket"]


def test_an_app_whose_unit_comes_from_elsewhere_has_no_files() -> None:
    assert unit_file.files("api", app(), "web") == {}
    assert unit_file.programs(app()) == []
    assert unit_file.socket_of(app()) is unit_file.former_socket_of(app()) is None


def test_a_stand_in_replaces_programs_and_nothing_else() -> None:
    spec = app(activation="reload", service={"command": ["/srv/api/current/x", "a"], "reload": ["/bin/y", "b"]})
    assert unit_file.programs(spec) == ["/srv/api/current/x", "/bin/y"]
    text = unit_file.files("api", spec, "web", "", lambda program: program.replace("/srv/api/current/x", "/bin/true"))
    found = lines(text["api.service"], "Service")
    assert (values(found, "ExecStart"), values(found, "ExecReload")) == (["/bin/true a"], ["/bin/y b"])


def test_the_env_is_a_file_beside_the_unit() -> None:
    path, text = unit_file.env_drop_in(app(), "stg-alice")
    assert path == "/etc/systemd/system/api.service.d/50-dtk-env.conf"
    assert (text or "").endswith("[Service]\nEnvironment=DTK_ENV=stg-alice\n")
    assert unit_file.env_drop_in(app(), "") == (path, None)


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_accounts_and_folders() -> None:
    apps = {
        "api": {"unit": "api.service", "service": {**SERVICE, "writable": ["/var/spool/api"]}, "root": "/data/"},
        "job": {"unit": "job.service", "service": SERVICE, "owner": "shop", "shared_owner": True},
        "old": {"unit": "old.service", "owner": "shop", "shared_owner": True},
        "site": {},
    }
    found = app_accounts.accounts(resolve({"name": "web"}, apps)["dtk_apps"])
    assert found["group_names"] == ["api", "job", "shop"]
    assert found["users"] == [
        {"name": "api", "group": "api", "home": "/data/api", "ours": True},
        {"name": "shop", "group": "job", "home": "/srv/job", "ours": True},
    ]
    assert found["writable"] == [{"path": "/var/spool/api", "owner": "api", "group": "api"}]
    folders = {folder["path"]: (folder["owner"], folder["group"], folder["mode"]) for folder in found["folders"]}
    assert folders["/data/api"] == folders["/data/api/releases"] == ("root", "root", "0755")
    assert folders["/data/api/shared"] == ("api", "api", "0750")
    assert folders["/etc/api"] == ("root", "api", "0750")
    assert folders["/srv/site/shared"] == folders["/etc/site"] == ("root", "root", "0755")
    assert len(folders) == len(found["folders"]) == 16


def test_an_account_of_a_package_is_not_ours() -> None:
    found = app_accounts.accounts(
        resolve({"name": "web"}, {"db": {"unit": "db.service", "owner": "postgres"}})["dtk_apps"]
    )
    assert found["users"] == [{"name": "postgres", "group": "postgres", "home": "/srv/db", "ours": False}]
