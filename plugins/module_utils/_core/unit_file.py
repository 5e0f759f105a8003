# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unit files of an app, as text, from its entry in a resolved server role.

Every value is quoted for systemd here, so that what the server role says arrives as it stands: a blank, a quote, a $
or a % in it is nothing but itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import sandbox

UNIT_FOLDER = "/etc/systemd/system"
# The mark of our files; what does not carry it is never removed.
HEADER = "# Written by role sysops.dtk.app_server. Changes are lost at its next run.\n"
_ENV_DROP_IN = "50-dtk-env.conf"
_BARE = re.compile(r"[A-Za-z0-9_./:=@,+-]+")

App = Mapping[str, Any]
Lines = list[tuple[str, str]]


def quoted(text: str) -> str:
    """One word of a setting in a unit file, with all that systemd would replace made harmless."""
    text = text.replace("%", "%%")
    if _BARE.fullmatch(text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", text) + '"'


def command_line(argv: Iterable[str]) -> str:
    """A command; unlike in other settings, systemd would replace $ in it."""
    program, *arguments = argv
    return " ".join([quoted(program), *(quoted(word.replace("$", "$$")) for word in arguments)])


def home(name: str, app: App) -> str:
    """Folder of the app."""
    return f"{app['root'].rstrip('/')}/{name}"


def socket_of(app: App) -> str | None:
    """The unit of the app's sockets, if it has any: named as its service, which is how systemd finds the two."""
    return f"{_stem(app)}.socket" if app.get("service", {}).get("sockets") else None


def former_socket_of(app: App) -> str | None:
    """The unit that an earlier form of the app may have left, now that it has no sockets."""
    return f"{_stem(app)}.socket" if "service" in app and not app["service"]["sockets"] else None


def files(
    name: str, app: App, role: str, credentials_socket: str = "", stand_in: Callable[[str], str] = str
) -> dict[str, str]:
    """Names of the app's unit files with their text; none for an app whose unit comes from elsewhere.

    stand_in: gives the program to write for a program, for a look at the unit while its release is not there yet.
    """
    if "service" not in app:
        return {}
    found = {app["unit"]: _text(_service(name, app, role, credentials_socket, stand_in))}
    socket = socket_of(app)
    return {**found, socket: _text(_socket(name, app))} if socket else found


def env_drop_in(app: App, env: str) -> tuple[str, str | None]:
    """Path and text of the file that tells the app its env; no text where it must not be there."""
    path = f"{UNIT_FOLDER}/{app['unit']}.d/{_ENV_DROP_IN}"
    return path, _text({"Service": [("Environment", quoted(f"DTK_ENV={env}"))]}) if env else None


def programs(app: App) -> list[str]:
    """The programs that the app's unit runs."""
    service = app.get("service", {})
    return [service[way][0] for way in ("command", "reload") if way in service]


# --- the service ----------------------------------------------------------------------------------------------------


def _service(
    name: str, app: App, role: str, credentials_socket: str, stand_in: Callable[[str], str]
) -> dict[str, Lines]:
    return {
        "Unit": _about(name, app, role),
        "Service": [
            *_running(app, stand_in),
            *_surroundings(name, app),
            *_credentials(app, credentials_socket),
            *_limits(app["service"]),
            *_may(name, app),
        ],
        "Install": [("WantedBy", "multi-user.target")],
    }


def _about(name: str, app: App, role: str) -> Lines:
    service, socket = app["service"], socket_of(app)
    lines = [("Description", service.get("description", f"{name}, an app of server role {role}").replace("%", "%%"))]
    lines += [("Wants", "network-online.target"), ("After", "network-online.target")]
    lines += [("Requires", socket), ("After", socket)] if socket else []
    # A host without a release starts cleanly, and the release's first activation starts the unit.
    lines += [("ConditionPathExists", f"{home(name, app)}/current")]
    lines += [("StartLimitIntervalSec", _number(service["start_limit_interval"]))]
    return [*lines, ("StartLimitBurst", str(service["start_limit_burst"]))]


def _running(app: App, stand_in: Callable[[str], str]) -> Lines:
    service = app["service"]

    def line(argv: list[str]) -> str:
        return command_line([stand_in(argv[0]), *argv[1:]])

    lines = [("Type", service["type"]), ("ExecStart", line(service["command"]))]
    if "reload" in service:
        lines.append(("ExecReload", line(service["reload"])))
    if "reload_signal" in service:
        # The shell's own kill: a minimal system has no other, and systemctl would need root.
        lines.append(("ExecReload", f'/bin/sh -c "kill -s {service["reload_signal"]} $MAINPID"'))
    lines += [("KillMode", service["kill_mode"]), ("Restart", service["restart"])]
    lines += [("RestartSec", _number(service["restart_sec"]))]
    lines += [("TimeoutStartSec", _number(service["start_timeout"]))]
    return [*lines, ("TimeoutStopSec", _number(service["stop_timeout"]))]


def _surroundings(name: str, app: App) -> Lines:
    service = app["service"]
    lines = [("User", app["owner"]), ("Group", app["group"]), ("SyslogIdentifier", name)]
    lines += [("WorkingDirectory", service["working_dir"])] if "working_dir" in service else []
    environment = service["environment"]
    lines += [("Environment", quoted(f"{variable}={environment[variable]}")) for variable in environment]
    return lines + [("EnvironmentFile", path) for path in [*_settings_file(name, app), *service["environment_files"]]]


def _settings_file(name: str, app: App) -> list[str]:
    """Settings may come after the first start, so the file may be missing."""
    config = app.get("config", {})
    path = config.get("path", f"/etc/{name}/config.{{format}}")
    return [f"-{path.replace('{format}', 'env')}"] if "env" in config.get("format", ()) else []


def _credentials(app: App, socket: str) -> Lines:
    return [("LoadCredential", f"{secret['name']}:{socket}") for secret in app["secrets"]] if socket else []


def _limits(service: Mapping[str, Any]) -> Lines:
    lines = [(f"Limit{name.upper()}", str(value)) for name, value in service["limits"].items()]
    names = {"memory_max": "MemoryMax", "tasks_max": "TasksMax", "cpu_quota": "CPUQuota"}
    return lines + [(names[key], str(service[key])) for key in names if key in service]


def _may(name: str, app: App) -> Lines:
    service = app["service"]
    capabilities = " ".join(service["capabilities"])
    lines = [("CapabilityBoundingSet", capabilities), ("AmbientCapabilities", capabilities)]
    lines += sandbox.directives(service["sandbox"], service["instance_metadata"])
    lines += [("StateDirectory", name), ("StateDirectoryMode", "0750")] if service["state"] else []
    lines += [("RuntimeDirectory", name), ("RuntimeDirectoryMode", "0750")] if service["runtime_dir"] else []
    return lines + [("ReadWritePaths", path) for path in [f"{home(name, app)}/shared", *service["writable"]]]


# --- its sockets ----------------------------------------------------------------------------------------------------


def _socket(name: str, app: App) -> dict[str, Lines]:
    service = app["service"]
    lines = [("ListenStream", where) for where in service["sockets"]]
    lines.append(("Backlog", str(service["backlog"])))
    if any(where.startswith("/") for where in service["sockets"]):
        lines += [
            ("SocketUser", app["owner"]),
            ("SocketGroup", app["group"]),
            ("SocketMode", "0660"),
            ("RemoveOnStop", "yes"),
        ]
    return {
        "Unit": [
            ("Description", f"Listening sockets of {name}"),
            # Without a release nobody could answer: refuse connections instead of letting them wait.
            ("ConditionPathExists", f"{home(name, app)}/current"),
        ],
        "Socket": lines,
        "Install": [("WantedBy", "sockets.target")],
    }


# --- text -----------------------------------------------------------------------------------------------------------


def _text(sections: Mapping[str, Lines]) -> str:
    parts = [
        "".join([f"[{section}]\n", *(f"{name}={value}\n" for name, value in lines)])
        for section, lines in sections.items()
    ]
    return HEADER + "\n".join(parts)


def _stem(app: App) -> str:
    return app["unit"].rpartition(".")[0]


def _number(value: float) -> str:
    return f"{value:g}"
