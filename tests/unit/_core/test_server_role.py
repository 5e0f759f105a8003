# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server role as data: what is refused and how, what the defaults are, and that all who describe it agree."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.sysops.dtk.plugins.module_utils import host
from ansible_collections.sysops.dtk.plugins.module_utils._core import server_role, server_role_keys, shape
from ansible_collections.sysops.dtk.plugins.module_utils._core.server_role import ServerRoleError, check, resolve
from hypothesis import given
from hypothesis import strategies as st

from tests import server_role as made

ROOT = Path(__file__).resolve().parents[3]
ROLE = {"name": "api"}
SERVICE = {"command": ["/srv/api/current/bin/serve"]}
VALIDATOR = jsonschema.Draft202012Validator(server_role.schema())
FULL = yaml.safe_load(
    """
dtk_server_role:
  name: api
  description: Web service behind the load balancer
  packages: [jq, {debian: libpq5, amazon: libpq}, {debian: [a, b], amazon: null}]
  users:
    - name: alice
      groups: [adm]
      authorized_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA alice@example.com"]
      sudo: [/usr/bin/systemctl restart api.service]
    - {name: bob, state: absent}
  limits: {nofile: 65536, nproc: 8192}
  sysctl: {net.core.somaxconn: 4096, kernel.core_pattern: "|/bin/false"}
  journald: {max_use: 500M, max_file: 64M, retention: 14day, rate_burst: 10000}
  time: {timezone: Europe/Berlin, servers: [169.254.169.123]}
  ssh: {permit_root_login: prohibit-password, allow_groups: [adm], max_auth_tries: 3}
  runtime:
    packages: [python3-venv]
    toolchain:
      - {name: uv, command: [/usr/bin/python3, -m, venv, /opt/uv], creates: /opt/uv/bin/python, environment: {A: b}}
  image:
    base: ssm:/aws/service/debian/release/12/latest/amd64
    roles: [hardening, agent]
    vars: {port: 1}
    allowed_files: [/etc/ssl/private/*]
    root_device: /dev/xvda
    sns_topic: arn:aws:sns:eu-west-1:111111111111:images
    tests: [tests/api.yml]
    regions: {eu-west-1: {accounts: ["111111111111"], kms_key: alias/ami}}
    schedule: cron(0 3 ? * sun *)
    tags: {Team: api}
dtk_apps:
  api:
    unit: api.service
    activation: reload
    owner: api
    group: api
    health:
      http: {url: "http://127.0.0.1:8080/health", body: '"{version}"'}
      successes: 2
    deploy: {waves: [1, "50%", rest], budget: "10%", bake: 60, per_az: true, min_healthy: 2}
    config: {format: [env, json], env_prefix: API_}
    hooks: {pre: [{command: [bin/migrate], timeout: 120}]}
    limits: {entries: 1000}
    service:
      command: [/srv/api/current/bin/serve, --workers, "4"]
      type: notify
      reload_signal: HUP
      environment: {PORT: 8080, MODE: fast}
      sockets: ["0.0.0.0:8080", "[::]:9090", /run/api.sock]
      limits: {nofile: 65536, memlock: infinity}
      memory_max: 1G
      cpu_quota: 150%
      capabilities: [CAP_NET_BIND_SERVICE]
      sandbox: {MemoryDenyWriteExecute: false, ProtectHome: read-only, SystemCallFilter: []}
    ports: [{port: 8080, from: load_balancer}, {port: 9090, protocol: tcp, from: vpc}]
    secrets: [{name: db_password, secret: "{env}/api/db", key: password}]
    load_balancer: {port: 8080, health_path: /health}
  static: {}
  legacy: {unit: nginx.service, health: {tcp: {port: 80}}}
"""
)


def changed(path: str, value: Any) -> dict[str, Any]:
    """FULL with one value set; a path such as dtk_apps.api.service.type."""
    document = copy.deepcopy(FULL)
    place = document
    *parents, last = path.split(".")
    for name in parents:
        place = place[name]
    place[last] = value
    return document


def problems(document: dict[str, Any]) -> list[str]:
    return check(document["dtk_server_role"], document["dtk_apps"])


def app(**spec: Any) -> list[str]:
    """What is wrong with a role that has one app, named api."""
    return check(ROLE, {"api": spec})


def test_a_full_document_is_good() -> None:
    assert problems(FULL) == []
    assert list(VALIDATOR.iter_errors(FULL)) == []


def test_a_small_document_is_good() -> None:
    assert check(ROLE, {}) == []
    assert app(unit="api.service", service=SERVICE) == []


# --- what is refused ------------------------------------------------------------------------------------------------

# Each is refused by the schema as well, so that an editor marks what a run would refuse.
BAD_FORM = [
    ("dtk_server_role", [], "dtk_server_role is a list; it must be a mapping with the keys of a server role."),
    ("dtk_server_role.name", "Api", "dtk_server_role.name is 'Api'; it must be 1 to 31 of a-z, 0-9 and -"),
    ("dtk_server_role.package", [], "dtk_server_role.package is no key of a server role; did you mean packages?"),
    ("dtk_server_role.packages", "jq", "dtk_server_role.packages is 'jq'; it must be a list"),
    (
        "dtk_server_role.packages",
        [{"redhat": "x"}],
        "packages[0].redhat is no key of a package; there are debian, amaz",
    ),
    ("dtk_server_role.packages", ["a b"], "dtk_server_role.packages[0] is 'a b'; it must be the name of a package"),
    ("dtk_server_role.users", [{}], "dtk_server_role.users[0].name is missing"),
    ("dtk_server_role.users", [{"name": "a", "sudo": "yes"}], "users[0].sudo is 'yes'; it must be one of none, all or"),
    ("dtk_server_role.users", [{"name": "a", "authorized_keys": ["x"]}], "must be a public SSH key on one line"),
    ("dtk_server_role.limits", {"nofiles": 1}, "limits.nofiles is no key of limits; did you mean nofile?"),
    ("dtk_server_role.limits", {"nofile": "1"}, "is '1'; it must be a whole number of 1 or more, without quotes."),
    ("dtk_server_role.limits", {"nofile": True}, "dtk_server_role.limits.nofile is True; it must be a whole number"),
    ("dtk_server_role.sysctl", {"a b": 1}, "has the name 'a b'; a name must be a kernel parameter"),
    ("dtk_server_role.journald", {"max_use": "lots"}, "must be a number of bytes, or one with K, M, G or T"),
    ("dtk_server_role.journald", {"retention": "soon"}, "must be a time such as 14day"),
    ("dtk_server_role.time", {"servers": []}, "dtk_server_role.time.servers is empty; it must be a list that is not e"),
    ("dtk_server_role.ssh", {"permit_root_login": False}, '(in YAML a word such as no needs quotes: "no").'),
    ("dtk_server_role.runtime", {"toolchain": [{"name": "x", "creates": "/x"}]}, "toolchain[0].command is missing"),
    ("dtk_server_role.image", {}, "dtk_server_role.image.base is missing"),
    ("dtk_server_role.image", {"base": "debian"}, "it must be an image (ami-…) or a parameter that names one (ssm:/…)"),
    ("dtk_server_role.image", {"base": "ami-12345678", "regions": {"x": {}}}, "must be a region such as eu-west-1"),
    ("dtk_server_role.image", {"base": "ami-12345678", "keep": 0}, "keep is 0; it must be a whole number from 1 to"),
    ("dtk_apps.Api", {}, "dtk_apps has the name 'Api'; a name must be 1 to 32 of a-z"),
    ("dtk_apps.api.servce", {}, "dtk_apps.api.servce is no key of an app; did you mean service?"),
    ("dtk_apps.api.activation", "stop", "activation is 'stop'; it must be one of restart, reload, none."),
    ("dtk_apps.api.health", {"http": {}}, "dtk_apps.api.health.http.url is missing"),
    (
        "dtk_apps.api.deploy",
        {"waves": ["most"]},
        "waves[0] is 'most'; it must be a whole number of 0 or more or a perc",
    ),
    ("dtk_apps.api.config", {"format": ["toml"]}, "config.format[0] is 'toml'; it must be one of env, json, yml."),
    ("dtk_apps.api.service", {}, "dtk_apps.api.service.command is missing"),
    ("dtk_apps.api.service.command", "/bin/x", "dtk_apps.api.service.command is '/bin/x'; it must be a list"),
    ("dtk_apps.api.service.command", ["bin/x"], "service.command[0] is 'bin/x'; it must be the absolute path of a pro"),
    ("dtk_apps.api.service.command", ["/bin/x", 1], "service.command[1] is 1; it must be text (quote it in YAML)."),
    ("dtk_apps.api.service.type", "forking", "service.type is 'forking'; it must be one of exec, notify, simple."),
    ("dtk_apps.api.service.restart", False, 'needs quotes: "no")'),
    ("dtk_apps.api.service.environment", {"A": True}, "service.environment.A is True; it must be text without co"),
    ("dtk_apps.api.service.environment", {"1A": "x"}, "must be a name of an environment variable"),
    ("dtk_apps.api.service.sockets", ["8080/tcp"], "must be a port, an address and a port such as 0.0.0.0:8080, or"),
    ("dtk_apps.api.service.limits", {"nofile": "many"}, "must be a whole number of 0 or more or one of infinity."),
    ("dtk_apps.api.service.limits", {"files": 1}, "service.limits.files is no key of limits of a service"),
    ("dtk_apps.api.service.memory_max", "1 GB", "service.memory_max is '1 GB'; it must be a size such as 1G"),
    ("dtk_apps.api.service.capabilities", ["net"], "it must be a capability such as CAP_NET_BIND_SERVICE"),
    ("dtk_apps.api.service.writable", ["data"], "service.writable[0] is 'data'; it must be an absolute path"),
    ("dtk_apps.api.service.max_exposure", 11, "max_exposure is 11; it must be a number from 0 to 10."),
    ("dtk_apps.api.service.sandbox", {"ProtectHom": True}, "ProtectHom is no key of sandbox; did you mean ProtectHome"),
    ("dtk_apps.api.service.sandbox", {"ReadWritePaths": "/x"}, "is no key of sandbox; use the key writable of the"),
    ("dtk_apps.api.service.sandbox", {"PrivateTmp": "yes"}, "sandbox.PrivateTmp is 'yes'; it must be true or false."),
    ("dtk_apps.api.service.sandbox", {"ProtectSystem": "most"}, "must be true or false or one of full, strict."),
    ("dtk_apps.api.service.sandbox", {"DeviceAllow": ["a\nb"]}, "sandbox.DeviceAllow[0] is 'a\\nb'; it must be text"),
    ("dtk_apps.api.ports", [{"port": 70000}], "ports[0].port is 70000; it must be a whole number from 1 to 65535."),
    ("dtk_apps.api.secrets", [{"name": "a/b", "secret": "x"}], "secrets[0].name is 'a/b'; it must be letters, digits"),
    ("dtk_apps.api.load_balancer", {"port": 8080, "health_interval": 1}, "it must be a whole number from 5 to 300."),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD_FORM, ids=[f"{row[0]}={row[1]}"[:70] for row in BAD_FORM])
def test_bad_form_is_refused_here_and_by_the_schema(path: str, value: Any, message: str) -> None:
    document = changed(path, value)
    (found,) = problems(document)
    assert message in found
    assert list(VALIDATOR.iter_errors(document)) != []


HEALTH = {"tcp": {"port": 8080}}
MEANING = [
    ({"service": SERVICE}, "dtk_apps.api.unit is missing; with service it must name the unit that is made"),
    ({"unit": "api.socket", "service": SERVICE}, "dtk_apps.api.unit is 'api.socket'; with service it must end with .s"),
    ({"unit": "api@1.service", "service": SERVICE}, "dtk_apps.api.unit is 'api@1.service'; with service"),
    ({"health": {}}, "dtk_apps.api.health has no probe; give exactly one of http, tcp, command."),
    (
        {"health": {"tcp": {"port": 1}, "command": {"argv": ["x"]}}},
        "dtk_apps.api.health has tcp and command; give exactly one",
    ),
    (
        {"health": {**HEALTH, "successes": 9, "deadline": 4}},
        "health.deadline is 4, too short for 9 successes 0.5 s apart",
    ),
    (
        {"unit": "api.service", "activation": "reload", "service": SERVICE},
        "dtk_apps.api.activation is 'reload'; give service.reload or service.reload_signal, or use restart.",
    ),
    (
        {"unit": "api.service", "service": {**SERVICE, "reload": ["/bin/x"], "reload_signal": "HUP"}},
        "dtk_apps.api.service has reload and reload_signal; give one of them.",
    ),
    (
        {"unit": "api.service", "service": {**SERVICE, "reload": ["/bin/kill", "-HUP", "$MAINPID"]}},
        "service.reload holds $MAINPID, which is not replaced; use reload_signal",
    ),
    (
        {"unit": "api.service", "activation": "none", "service": {**SERVICE, "sockets": ["80"]}},
        "activation is 'none', but service.sockets keeps the unit running",
    ),
    (
        {"unit": "api.service", "unit_timeout": 30, "service": SERVICE},
        "dtk_apps.api.unit_timeout is 30; it must be at least the 35 s of service.start_timeout and service.st",
    ),
    (
        {"unit": "api.service", "owner": "root", "service": SERVICE},
        "dtk_apps.api.owner is 'root', which others use, too",
    ),
    (
        {"unit": "api.service", "secrets": [{"name": "a", "secret": "b"}]},
        "dtk_apps.api.secrets needs dtk_apps.api.serv",
    ),
    (
        {
            "unit": "api.service",
            "service": {**SERVICE, "type": "simple"},
            "secrets": [{"name": "a", "secret": "b"}],
        },
        "dtk_apps.api.service.type is 'simple'; with secrets use exec or notify",
    ),
    (
        {"unit": "api.service", "service": SERVICE, "secrets": [{"name": "x" * 73, "secret": "b"}]},
        "too long for api.service; both together may have 83 characters, so use 72 at most.",
    ),
    (
        {"unit": "api.service", "service": SERVICE, "secrets": [{"name": "a", "secret": "b"}] * 2},
        "dtk_apps.api.secrets has the name 'a' twice",
    ),
    ({"config": {"env_prefix": "X_"}}, "dtk_apps.api.config.env_prefix has no use; add env to config.format"),
    (
        {"config": {"format": ["env", "json"], "path": "/etc/x.conf"}},
        "dtk_apps.api.config.path is '/etc/x.conf' for 2 formats; put {format} into it.",
    ),
    (
        {"unit": "api.service", "root": "/home/apps", "service": SERVICE},
        "dtk_apps.api.root is '/home/apps', which the app",
    ),
    (
        {"unit": "api.service", "service": {**SERVICE, "writable": ["/tmp/x"]}},
        "dtk_apps.api.service.writable[0] is '/tmp/x', which the app cannot use",
    ),
    (
        {"health": HEALTH, "load_balancer": {"port": 80}, "ports": [{"port": 80}]},
        "load_balancer.port is 80; add it to dtk_apps.api.ports with from: load_balancer (there: none).",
    ),
    (
        {"load_balancer": {"port": 80}, "ports": [{"port": 80, "from": "load_balancer"}]},
        "dtk_apps.api.health is missing; an app behind a load balancer needs one",
    ),
    (
        {
            "health": HEALTH,
            "load_balancer": {"port": 80, "protocol": "tcp", "health_path": "/x"},
            "ports": [{"port": 80, "from": "load_balancer"}],
        },
        "dtk_apps.api.load_balancer.health_path has no use with protocol tcp",
    ),
]


@pytest.mark.parametrize(("spec", "message"), MEANING, ids=[row[1][:60] for row in MEANING])
def test_what_does_not_fit_together_is_refused(spec: dict[str, Any], message: str) -> None:
    (found,) = app(**spec)
    assert message in found


def two(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    base = {name: {"unit": f"{name}.service", "service": SERVICE} for name in ("api", "job")}
    return check(ROLE, {"api": {**base["api"], **one}, "job": {**base["job"], **other}})


def test_two_apps_each_have_a_uid_of_their_own() -> None:
    assert two({}, {}) == []
    (found,) = two({"owner": "shop"}, {"owner": "shop"})
    assert "dtk_apps.api.owner is 'shop' for api and job, which could read and stop each other" in found
    assert two({"owner": "shop", "shared_owner": True}, {"owner": "shop"}) == [found]
    assert two({"owner": "shop", "shared_owner": True}, {"owner": "shop", "shared_owner": True}) == []


def test_an_owner_is_never_shared_with_an_app_that_has_secrets() -> None:
    shared = {"owner": "shop", "shared_owner": True}
    (found,) = two(shared, {**shared, "secrets": [{"name": "a", "secret": "b"}]})
    assert "job has secrets, which the other could read; give each an owner of its own." in found


def test_two_apps_cannot_have_one_unit_one_port_or_one_socket() -> None:
    (unit,) = two({}, {"unit": "api.service"})
    assert "dtk_apps.api.unit is 'api.service' for api and job" in unit
    (port,) = two({"ports": [{"port": 80}]}, {"ports": [{"port": 80}, {"port": 80, "protocol": "udp"}]})
    assert "dtk_apps.api.ports has 80/tcp twice, for api and job" in port
    socket = {"service": {**SERVICE, "sockets": ["80"]}}
    (found,) = two(socket, socket)
    assert "dtk_apps.api.service.sockets has 80 twice, for api and job" in found
    (own,) = two({"ports": [{"port": 80}, {"port": 80}]}, {})
    assert "dtk_apps.api.ports has 80/tcp twice, for api;" in own


def test_a_person_is_named_once_and_is_no_owner() -> None:
    found = check({**ROLE, "users": [{"name": "api"}, {"name": "bob"}, {"name": "bob"}]}, {"api": {"owner": "api"}})
    assert found == [
        "dtk_server_role.users has 'bob' twice; name each person once.",
        "dtk_server_role.users has 'api', the owner of app api; a person needs another name.",
    ]


def test_all_problems_are_told_at_once() -> None:
    document = changed("dtk_server_role.limits", {"nofiles": 1})
    document["dtk_apps"]["api"]["service"]["type"] = "forking"
    document["dtk_apps"]["static"] = {"config": {"env_prefix": "X_"}}
    with pytest.raises(ServerRoleError) as caught:
        resolve(document["dtk_server_role"], document["dtk_apps"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "The server role api has 3 problems:"
    assert [line.split()[1] for line in lines[1:]] == [
        "dtk_server_role.limits.nofiles",
        "dtk_apps.api.service.type",
        "dtk_apps.static.config.env_prefix",
    ]


@pytest.mark.parametrize("junk", [None, 1, "x", [], {"a": None}, {1: {}}, {"a": {"service": None}}])
def test_junk_is_an_error_and_never_a_crash(junk: Any) -> None:
    assert check(junk, {})
    assert junk == [] or check(ROLE, junk)


# --- what it means --------------------------------------------------------------------------------------------------


def test_a_service_has_an_account_named_after_its_app() -> None:
    found = resolve(ROLE, {"api": {"unit": "api.service", "service": SERVICE}, "site": {}})["dtk_apps"]
    assert (found["api"]["owner"], found["api"]["group"]) == ("api", "api")
    assert "owner" not in found["site"]
    assert found["api"]["service"]["limits"] == {"core": 0}


def test_what_has_no_default_and_was_not_given_stays_away() -> None:
    found = resolve(ROLE, {"api": {}})
    assert {"image", "description"} & set(found["dtk_server_role"]) == set()
    assert {"unit", "health", "hooks", "deploy", "config", "service", "load_balancer", "unit_timeout"} & set(
        found["dtk_apps"]["api"]
    ) == set()


def test_what_is_resolved_is_a_document_again_and_means_the_same() -> None:
    once = resolve(FULL["dtk_server_role"], FULL["dtk_apps"])
    assert list(VALIDATOR.iter_errors(once)) == []
    twice = resolve(once["dtk_server_role"], once["dtk_apps"])
    assert yaml.safe_dump(twice, sort_keys=False) == yaml.safe_dump(once, sort_keys=False)


@given(st.integers())
def test_the_order_in_which_keys_were_written_means_nothing(seed: int) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            order.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    order = random.Random(seed)
    document = shuffled(FULL)
    found = resolve(document["dtk_server_role"], document["dtk_apps"])
    wanted = resolve(FULL["dtk_server_role"], FULL["dtk_apps"])
    assert yaml.safe_dump(found, sort_keys=False) == yaml.safe_dump(wanted, sort_keys=False)


def test_the_document_given_is_left_as_it_was() -> None:
    before = copy.deepcopy(FULL)
    resolve(FULL["dtk_server_role"], FULL["dtk_apps"])["dtk_apps"]["api"]["service"]["limits"]["core"] = 7
    assert before == FULL
    assert resolve(ROLE, {"api": {"unit": "a.service", "service": SERVICE}})["dtk_apps"]["api"]["service"][
        "limits"
    ] == {"core": 0}


def test_packages_by_family() -> None:
    role = FULL["dtk_server_role"]
    assert server_role.packages(role, "debian") == ["jq", "libpq5", "a", "b"]
    assert server_role.packages(role, "amazon") == ["jq", "libpq"]
    assert server_role.packages(role, "debian", runtime=True) == ["python3-venv"]
    assert server_role.packages(ROLE, "amazon") == server_role.packages(ROLE, "amazon", runtime=True) == []
    assert server_role.packages({"packages": ["b", "a", {"debian": "b"}]}, "debian") == ["b", "a"]


def test_a_package_without_a_name_for_the_family_is_an_error() -> None:
    with pytest.raises(
        ServerRoleError, match=r"dtk_server_role.packages has \{debian: libpq5\} and no name for amazon"
    ):
        server_role.packages({"packages": [{"debian": "libpq5"}]}, "amazon")
    with pytest.raises(ServerRoleError, match="The family is 'suse'; it must be one of debian, amazon"):
        server_role.packages(ROLE, "suse")


# --- all who describe it agree ---------------------------------------------------------------------------------------


def spec_of(role: str) -> dict[str, Any]:
    path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
    specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
    return specs["main"]["options"][f"{role}_spec"]["options"]


def defaults_of(record: shape.Record) -> dict[str, Any]:
    return {name: key.default for name, key in record.keys.items() if key.default is not shape.NONE}


@pytest.mark.parametrize("role", ["release", "app_config"])
def test_the_roles_that_take_an_app_know_all_of_its_keys_and_the_same_defaults(role: str) -> None:
    spec = spec_of(role)
    assert set(spec) == set(server_role_keys.APP.keys)
    defaults = defaults_of(server_role_keys.APP)
    given = {name: option["default"] for name, option in spec.items() if "default" in option}
    assert given == {name: defaults[name] for name in given}


def test_the_settings_of_an_app_have_the_same_keys_and_defaults_everywhere() -> None:
    config = server_role_keys.APP.keys["config"].shape
    options = spec_of("app_config")["config"]["options"]
    assert set(options) == set(config.keys)
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults_of(config)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("health", host.HEALTH_OPTIONS),
        ("hooks", host.RELEASE_OPTIONS["hooks"]["options"]),
        ("limits", host.RELEASE_OPTIONS["limits"]["options"]),
    ],
)
def test_what_modules_take_has_the_same_keys_and_defaults(name: str, options: dict[str, Any]) -> None:
    assert_same(server_role_keys.APP.keys[name].shape, options)


def assert_same(record: shape.Record, options: dict[str, Any]) -> None:
    assert set(record.keys) == set(options)
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults_of(record)
    for name, option in options.items():
        below = record.keys[name].shape
        below = below.item if isinstance(below, shape.ListOf) else below
        if "options" in option:
            assert_same(below, option["options"])


def test_the_schema_and_the_page_are_those_that_are_made_from_the_keys() -> None:
    assert made.SCHEMA.read_text(encoding="utf-8") == made.schema(), "run `python -m tests.server_role`"
    text = made.PAGE.read_text(encoding="utf-8")
    assert text == made.page(text), "run `python -m tests.server_role`"


def test_the_schema_is_one_and_allows_templates_and_other_variables() -> None:
    jsonschema.Draft202012Validator.check_schema(server_role.schema())
    document = changed("dtk_apps.api.keep", "{{ releases_to_keep }}")
    document["shop_settings"] = {"any": "thing"}
    assert list(VALIDATOR.iter_errors(document)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "inventories").glob("*/group_vars/role_*.yml")), ids=str)
def test_our_own_server_roles_are_good(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert problems(document) == []
    assert list(VALIDATOR.iter_errors(document)) == []
    assert document["dtk_server_role"]["name"] == path.stem.removeprefix("role_")
