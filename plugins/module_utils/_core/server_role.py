# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server role as data: what is wrong with it, and what it means once every default is filled in.

`server_role` is the variable dtk_server_role of group_vars/role_<name>.yml, `apps` is dtk_apps of the same file.
Which keys there are stands in server_role_keys; what one key means for another stands here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import CoreError
from .server_role_keys import APP, APPS, DOCUMENT, FAMILIES, SERVER_ROLE
from .shape import TEMPLATE

# systemd packs unit and credential into the address of a Unix socket, which has room for this many bytes of them:
# with one more, the unit fails with "Protocol error" in the journal and nothing else.
CREDENTIAL_ROOM = 83
# Accounts that other programs use, too: one of them could read what the app may.
_FOREIGN_ACCOUNTS = ("root", "nobody", "daemon")
# Folders that are empty or not there for a unit of the hardened set, by the first part of their path.
_UNSEEN = ("dev", "home", "proc", "root", "sys", "tmp")
_UNIT_TIMEOUT = 60.0  # of an activation
_PROBES = ("http", "tcp", "command")

App = Mapping[str, Any]


class ServerRoleError(CoreError):
    """A server role that cannot be used. The message has all that is wrong with it."""


def check(server_role: Any, apps: Any) -> list[str]:
    """Everything that is wrong, one sentence each: the path, the value and the remedy. Empty if nothing is."""
    found = [*SERVER_ROLE.problems(server_role, "dtk_server_role"), *APPS.problems(apps, "dtk_apps")]
    # What hangs together can be judged only where each part has the right form.
    good = {name: _app(name, apps[name]) for name in _well_formed(apps)}
    for name in sorted(good):
        path = f"dtk_apps.{name}"
        found += [problem for rule in _RULES for problem in rule(good[name], path)]
    found += [problem for rule in _RULES_OF_ALL for problem in rule(good)]
    return found if any(SERVER_ROLE.problems(server_role, "")) else [*found, *_people(server_role, good)]


def resolve(server_role: Any, apps: Any) -> dict[str, Any]:
    """The document with every default filled in and in a fixed order, or ServerRoleError with all that is wrong.

    It has the keys dtk_server_role and dtk_apps, and is a server role's document again. A key that has no default and
    was not given stays away.
    """
    problems = check(server_role, apps)
    if problems:
        given = server_role.get("name") if isinstance(server_role, Mapping) else None
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        head = f"The server role{f' {given}' if given else ''} has {count}:"
        raise ServerRoleError("\n".join([head, *(f"- {problem}" for problem in problems)]))
    return {
        "dtk_server_role": SERVER_ROLE.resolved(server_role),
        "dtk_apps": {str(name): _app(name, apps[name]) for name in sorted(apps)},
    }


def packages(server_role: Mapping[str, Any], family: str, runtime: bool = False) -> list[str]:
    """Names of the server's packages on a family of distributions, or of those that its apps run on.

    Each once, in the order of the document. ServerRoleError where one has no name for the family.
    """
    if family not in FAMILIES:
        raise ServerRoleError(f"The family is {family!r}; it must be one of {', '.join(FAMILIES)}.")
    where = "runtime.packages" if runtime else "packages"
    listed = (server_role.get("runtime") or {}).get("packages") if runtime else server_role.get("packages")
    names: dict[str, None] = {}
    for item in listed or []:
        if isinstance(item, Mapping) and family not in item:
            given = ", ".join(f"{key}: {value}" for key, value in item.items())
            raise ServerRoleError(
                f"dtk_server_role.{where} has {{{given}}} and no name for {family}; add one, or null if it "
                "is not needed there."
            )
        chosen = item[family] if isinstance(item, Mapping) else item
        names.update(dict.fromkeys(map(str, chosen if isinstance(chosen, list) else [chosen] if chosen else [])))
    return list(names)


def schema() -> dict[str, Any]:
    """JSON Schema of a server role's file, for editors. It cannot tell what hangs together; `check` does."""
    found = DOCUMENT.schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Server role of sysops.dtk: group_vars/role_<name>.yml",
        "type": "object",
        "properties": found["properties"],
        # A file of group_vars may hold other variables, and one of the two may stand in another file.
        "additionalProperties": True,
        "$defs": {"template": {**TEMPLATE, "description": "A template, which Ansible evaluates."}},
    }


def _well_formed(apps: Any) -> Iterator[str]:
    if isinstance(apps, Mapping):
        for name, spec in apps.items():
            if not any(APPS.problems({name: spec}, "")):
                yield name


def _app(name: str, spec: App) -> dict[str, Any]:
    """An app with its defaults; one that has a service also has an account, named after it."""
    account = {"owner": name, "group": name} if "service" in spec else {}
    return APP.resolved({**account, **spec})


# --- one app --------------------------------------------------------------------------------------------------------


def _unit(app: App, path: str) -> Iterator[str]:
    if "service" not in app:
        return
    unit = app.get("unit")
    if unit is None:
        yield f"{path}.unit is missing; with service it must name the unit that is made, such as api.service."
    elif not unit.endswith(".service") or "@" in unit:
        yield f"{path}.unit is {unit!r}; with service it must end with .service and hold no @."


def _health(app: App, path: str) -> Iterator[str]:
    health = app.get("health")
    if health is None:
        if "load_balancer" in app:
            yield (
                f"{path}.health is missing; an app behind a load balancer needs one, or a release that answers nobody "
                "would be called good."
            )
        return
    named = [probe for probe in _PROBES if probe in health]
    if len(named) != 1:
        yield f"{path}.health has {' and '.join(named) or 'no probe'}; give exactly one of {', '.join(_PROBES)}."
    if (health["successes"] - 1) * health["interval"] >= health["deadline"]:
        yield (
            f"{path}.health.deadline is {health['deadline']:g}, too short for {health['successes']} successes "
            f"{health['interval']:g} s apart; raise it, or lower successes or interval."
        )


def _activation(app: App, path: str) -> Iterator[str]:
    service = app.get("service")
    if service is None:
        return
    ways = [way for way in ("reload", "reload_signal") if way in service]
    if len(ways) == 2:
        yield f"{path}.service has reload and reload_signal; give one of them."
    if app["activation"] == "reload" and not ways:
        yield f"{path}.activation is 'reload'; give service.reload or service.reload_signal, or use restart."
    if any("$MAINPID" in word for word in service.get("reload", [])):
        yield f"{path}.service.reload holds $MAINPID, which is not replaced; use reload_signal to send a signal."
    if app["activation"] == "none" and service["sockets"]:
        yield f"{path}.activation is 'none', but service.sockets keeps the unit running; use restart or reload."
    wanted = service["start_timeout"] + service["stop_timeout"]
    if app.get("unit_timeout", _UNIT_TIMEOUT) < wanted:
        yield (
            f"{path}.unit_timeout is {app.get('unit_timeout', _UNIT_TIMEOUT):g}; it must be at least the {wanted:g} s "
            "of service.start_timeout and service.stop_timeout."
        )


def _account(app: App, path: str) -> Iterator[str]:
    if "service" not in app:
        return
    for name in ("owner", "group"):
        if app[name] in _FOREIGN_ACCOUNTS:
            yield f"{path}.{name} is {app[name]!r}, which others use, too; give the app an account of its own."


def _secrets(app: App, path: str) -> Iterator[str]:
    if not app["secrets"]:
        return
    service, unit = app.get("service"), app.get("unit") or ""
    if service is None:
        yield f"{path}.secrets needs {path}.service: only a unit that is made from it is given credentials."
        return
    if service["type"] == "simple":
        yield (
            f"{path}.service.type is 'simple'; with secrets use exec or notify, or a start is called good although its "
            "secrets could not be read."
        )
    for secret in app["secrets"]:
        room = CREDENTIAL_ROOM - len(unit)
        if len(secret["name"]) > room:
            yield (
                f"{path}.secrets has the name {secret['name']!r}, too long for {unit}; both together may have "
                f"{CREDENTIAL_ROOM} characters, so use {max(room, 0)} at most."
            )
    for name in _twice(secret["name"] for secret in app["secrets"]):
        yield f"{path}.secrets has the name {name!r} twice; each credential needs its own."


def _config(app: App, path: str) -> Iterator[str]:
    config = app.get("config", {})
    for name in ("env_prefix", "env_separator"):
        if name in config and "env" not in config["format"]:
            yield f"{path}.config.{name} has no use; add env to config.format, which is {', '.join(config['format'])}."
    path_of = config.get("path")
    if path_of and len(config["format"]) > 1 and "{format}" not in path_of:
        yield f"{path}.config.path is {path_of!r} for {len(config['format'])} formats; put {{format}} into it."


def _places(app: App, path: str) -> Iterator[str]:
    if "service" not in app:
        return
    service = app["service"]
    places = [(f"{path}.root", app["root"]), (f"{path}.service.working_dir", service.get("working_dir", "/"))]
    places += [(f"{path}.service.writable[{index}]", place) for index, place in enumerate(service["writable"])]
    for where, place in places:
        if place.split("/")[1] in _UNSEEN or (place == "/" and where.endswith("]")):
            yield f"{where} is {place!r}, which the app cannot use as such; choose a folder of its own, such as /srv/…."


def _load_balancer(app: App, path: str) -> Iterator[str]:
    balancer = app.get("load_balancer")
    if balancer is None:
        return
    open_ports = [
        port["port"] for port in app["ports"] if port["from"] == "load_balancer" and port["protocol"] == "tcp"
    ]
    if balancer["port"] not in open_ports:
        listed = ", ".join(map(str, open_ports)) or "none"
        yield (
            f"{path}.load_balancer.port is {balancer['port']}; add it to {path}.ports with from: load_balancer "
            f"(there: {listed})."
        )
    if balancer["health_path"] != "/" and balancer["protocol"] in ("tcp", "tls"):
        yield f"{path}.load_balancer.health_path has no use with protocol {balancer['protocol']}; use http or https."


_RULES = (_unit, _health, _activation, _account, _secrets, _config, _places, _load_balancer)

# --- several apps on one server --------------------------------------------------------------------------------------


def _owners(apps: Mapping[str, App]) -> Iterator[str]:
    """One uid a service: who has the same uid can read the other's memory and credentials."""
    by_owner = _grouped((app["owner"], name) for name, app in apps.items() if "owner" in app)
    for owner, names in by_owner.items():
        if len(names) < 2:
            continue
        listed = " and ".join(names)
        keepers = [name for name in names if apps[name]["secrets"]]
        if keepers:
            yield (
                f"dtk_apps.{names[0]}.owner is {owner!r} for {listed}, and {keepers[0]} has secrets, which the other "
                "could read; give each an owner of its own."
            )
        elif not all(apps[name]["shared_owner"] for name in names):
            yield (
                f"dtk_apps.{names[0]}.owner is {owner!r} for {listed}, which could read and stop each other; give each "
                "an owner of its own, or each shared_owner: true."
            )


def _units(apps: Mapping[str, App]) -> Iterator[str]:
    for unit, names in _grouped((app["unit"], name) for name, app in apps.items() if "unit" in app).items():
        if len(names) > 1:
            yield f"dtk_apps.{names[0]}.unit is {unit!r} for {' and '.join(names)}; each app needs a unit of its own."


def _ports(apps: Mapping[str, App]) -> Iterator[str]:
    used = ((f"{port['port']}/{port['protocol']}", name) for name, app in apps.items() for port in app["ports"])
    for port, names in _grouped(used).items():
        if len(names) > 1:
            who = " and ".join(dict.fromkeys(names))
            yield f"dtk_apps.{names[0]}.ports has {port} twice, for {who}; a port can be had once on a server."


def _sockets(apps: Mapping[str, App]) -> Iterator[str]:
    used = ((socket, name) for name, app in apps.items() for socket in app.get("service", {}).get("sockets", []))
    for socket, names in _grouped(used).items():
        if len(names) > 1:
            who = " and ".join(dict.fromkeys(names))
            yield f"dtk_apps.{names[0]}.service.sockets has {socket} twice, for {who}; give each its own."


_RULES_OF_ALL = (_owners, _units, _ports, _sockets)


def _people(server_role: Mapping[str, Any], apps: Mapping[str, App]) -> Iterator[str]:
    names = [user["name"] for user in server_role.get("users", [])]
    for name in _twice(names):
        yield f"dtk_server_role.users has {name!r} twice; name each person once."
    owners = {app["owner"]: app_name for app_name, app in apps.items() if "owner" in app}
    for name in dict.fromkeys(names):
        if name in owners:
            yield f"dtk_server_role.users has {name!r}, the owner of app {owners[name]}; a person needs another name."


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, found in _grouped((name, name) for name in names).items() if len(found) > 1]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in sorted(pairs):
        found[key].append(value)
    return found
