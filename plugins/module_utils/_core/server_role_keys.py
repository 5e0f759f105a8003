# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every key of a server role: what it may hold, its default, what it is for and who reads it.

The JSON Schema for editors and the table in docs/server_role.md are made from this; `python -m tests.server_role`
writes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .sandbox import SANDBOX
from .shape import NONE, Choice, Either, Flag, Key, ListOf, MapOf, Null, Number, Record, Shape, Text

FAMILIES = ("debian", "amazon")
# Limits that make sense for logins and for units alike, in the same unit of measure.
ROLE_LIMITS = ("nofile", "nproc")
# Those that systemd knows as Limit<NAME>=.
UNIT_LIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"),
    *("rttime", "sigpending", "stack"),
)

# --- kinds of text --------------------------------------------------------------------------------------------------

_LINE = Text()
_ANY_TEXT = Text(r"[^\x00]*", "text")
_PATH = Text(r"/[^\x00-\x20\x7f\"'%\\:]*", "an absolute path without blanks, quotes, colons, % and \\")
_PACKAGE = Text(r"[A-Za-z0-9][A-Za-z0-9+._:~=*-]*", "the name of a package")
_ACCOUNT = r"[a-z_][a-z0-9_-]{0,31}"
_USER = Text(_ACCOUNT, "1 to 32 of a-z, 0-9, _ and -, beginning with a letter")
_ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SIZE = Text(r"[0-9]+[KMGT]?", "a number of bytes, or one with K, M, G or T, such as 500M")
_HTTP_PATH = Text(r"/[^\x00-\x20\x7f]*", "a path that begins with /")
_PROGRAM = Text(r"/[^\x00-\x20\x7f\"'$%\\;]+", "the absolute path of a program, without blanks, quotes, $, % and \\")
_ARGUMENT = Text(r"[^\x00]*", "text")
_CRON = Text(r"(cron|rate)\([^\x00-\x1f()]+\)", "an expression such as cron(0 3 ? * sun *)")
_SCALAR: Shape = Either((_ANY_TEXT, Number(None)))
_LIMIT: Shape = Either((Number(), Choice(("infinity",))))
_COUNT: Shape = Either((Number(), Text(r"[0-9]+(\.[0-9]+)? ?%|rest", 'a percentage such as "50%"')))


@dataclass(frozen=True)
class _Value(Either):
    """What an environment variable may hold; a number becomes text."""

    kinds: tuple[Shape, ...] = (
        Text(r"[^\x00-\x08\x0b-\x1f\x7f]*", "text without control characters"),
        Number(None),
    )

    def resolved(self, value: Any) -> Any:
        return str(value)


class _Argv(ListOf):
    """A program and its arguments, without a shell."""

    def problems(self, value: Any, path: str) -> Any:
        yield from super().problems(value, path)
        if isinstance(value, list) and value:
            yield from _PROGRAM.problems(value[0], f"{path}[0]")

    def schema(self) -> dict[str, Any]:
        found = super().schema()
        found["anyOf"][0]["prefixItems"] = [_PROGRAM.schema()]
        return found


_ARGV = _Argv(_ARGUMENT, least=1)
_COMMAND = ListOf(_ARGUMENT, least=1)  # for roles that look for the program themselves
_TEXTS = ListOf(_LINE)
_ENVIRONMENT = MapOf(_Value(), _ENV_NAME, "a name of an environment variable", "<NAME>")
_NAMES: Shape = Either((_PACKAGE, ListOf(_PACKAGE), Null()))
_PACKAGES = ListOf(
    Either((_PACKAGE, Record({family: Key(_NAMES, f"Its name on {family}.") for family in FAMILIES}, "a package")))
)
_PACKAGES_ABOUT = "A name, or names by family (debian, amazon) where they differ; null where it is not needed."


def _seconds(about: str, default: float, low: float = 0) -> Key:
    return Key(Number(low, whole=False), about, default)


# --- the server -----------------------------------------------------------------------------------------------------

_USER_RECORD = Record(
    {
        "name": Key(_USER, "Login name.", required=True),
        "groups": Key(ListOf(_USER), "Further groups that the person is in.", []),
        "shell": Key(_PATH, "Login shell.", "/bin/bash"),
        "authorized_keys": Key(
            ListOf(
                Text(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\x00-\x1f]*)?", "a public SSH key on one line")
            ),
            "Public keys that may log in. Others are removed.",
            [],
        ),
        "sudo": Key(
            Either(
                (Choice(("none", "all")), ListOf(Text(r"/[^\x00-\x1f]+", "a command with an absolute path"), least=1))
            ),
            "What the person may run as root: none, all, or a list of commands.",
            "none",
        ),
        "state": Key(Choice(("present", "absent")), "absent takes the account away.", "present"),
    },
    "a user",
)
_JOURNALD = Record(
    {
        "max_use": Key(_SIZE, "Disk that the journal may use in all."),
        "max_file": Key(_SIZE, "Size at which a file of the journal is closed."),
        "retention": Key(
            Text(
                r"([0-9]+ ?(us|ms|s|sec|min|h|hour|hours|d|day|days|w|week|weeks|month|months)? ?)+",
                "a time such as 14day",
            ),
            "Age at which entries go.",
        ),
        "rate_burst": Key(Number(), "Messages of one unit in 30 s after which the rest is dropped; 0 drops none."),
    },
    "journald",
)
_TIME = Record(
    {
        "timezone": Key(Text(r"[A-Za-z][A-Za-z0-9_+/-]*", "a time zone such as UTC"), "Time zone.", "UTC"),
        "servers": Key(
            ListOf(Text(r"[A-Za-z0-9.:-]+", "a name or an address"), least=1),
            "Time servers. The default is the one that every instance reaches.",
            ["169.254.169.123"],
        ),
    },
    "time",
)
_SSH = Record(
    {
        "permit_root_login": Key(Choice(("no", "prohibit-password")), 'Whether root may log in. Quote the "no".', "no"),
        "allow_groups": Key(ListOf(_USER), "Groups whose members may log in; [] for everybody.", []),
        "max_auth_tries": Key(Number(1, 20), "Attempts in one connection.", 4),
    },
    "ssh",
)
_TOOL = Record(
    {
        "name": Key(_LINE, "For messages.", required=True),
        "command": Key(_ARGV, "The program and its arguments, without a shell.", required=True),
        "creates": Key(
            _PATH, "File or folder that the command makes. It runs only while this is missing.", required=True
        ),
        "environment": Key(_ENVIRONMENT, "Environment variables of the command.", {}),
        "timeout": Key(Number(1), "Seconds after which the command is ended.", 600),
    },
    "a step of the toolchain",
)
_RUNTIME = Record(
    {
        "packages": Key(_PACKAGES, f"System packages that the apps run on. {_PACKAGES_ABOUT}", []),
        "toolchain": Key(ListOf(_TOOL), "Steps for what no package gives, in this order, each once.", []),
    },
    "the runtime",
)
_REGION = Record(
    {
        "accounts": Key(
            ListOf(Text(r"[0-9]{12}", "the 12 digits of an AWS account")), "Accounts the image is shared with.", []
        ),
        "kms_key": Key(_LINE, "Key that the copy in this region is encrypted with."),
    },
    "a region",
)
_IMAGE = Record(
    {
        "base": Key(
            Text(
                r"ssm:/[A-Za-z0-9_./-]+|ami-[0-9a-f]{8,17}", "an image (ami-…) or a parameter that names one (ssm:/…)"
            ),
            "The image to begin with.",
            required=True,
        ),
        "roles": Key(_TEXTS, "Further roles of the estate, in its folder roles, after those of the toolkit.", []),
        "vars": Key(
            MapOf(Shape(), r"(?!dtk_)[A-Za-z_][A-Za-z0-9_]*", "the name of a variable that does not begin with dtk_"),
            "Variables for these roles and for the tests.",
            {},
        ),
        "tests": Key(_TEXTS, "Playbooks of the estate that prove an image, run on a fresh instance.", []),
        "regions": Key(
            MapOf(_REGION, r"[a-z]{2}(-[a-z]+)+-[0-9]", "a region such as eu-west-1", "<region>"),
            "Where the image goes. {} is the region of the run.",
            {},
        ),
        "instance_types": Key(
            ListOf(Text(r"[a-z0-9-]+\.[a-z0-9-]+", "a type such as t3.medium"), least=1),
            "What it is built on.",
            ["t3.medium"],
        ),
        "instance_profile": Key(_LINE, "Instance profile of the build instance.", "dtk-image-builder"),
        "subnet": Key(Text(r"subnet-[0-9a-f]+", "a subnet (subnet-…)"), "Where it is built."),
        "security_groups": Key(ListOf(Text(r"sg-[0-9a-f]+", "a security group (sg-…)")), "Of the build instance.", []),
        "volume_size": Key(Number(1, 16384), "GiB of the root volume.", 16),
        "root_device": Key(
            Text(r"/dev/[a-z0-9]+", "a device such as /dev/xvda"), "The root device of the base.", "/dev/xvda"
        ),
        "allowed_files": Key(
            _TEXTS, "Files, as patterns like those of the shell, that may hold a private key though it is an image.", []
        ),
        "sns_topic": Key(
            Text(r"arn:[a-z-]+:sns:.+", "the ARN of a topic"), "Topic that gets a message when a build ends."
        ),
        "volume_kms_key": Key(_LINE, "Key that the root volume is encrypted with."),
        "logs_bucket": Key(
            Text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket"), "Bucket for the logs of a build."
        ),
        "test_minutes": Key(Number(1, 1440), "Minutes that the tests may take.", 60),
        "schedule": Key(_CRON, "When Image Builder builds by itself. Without it only by hand."),
        "keep": Key(Number(1, 1000), "Images that the lifecycle policy keeps.", 5),
        "lifecycle_role": Key(
            Text(r"arn:[a-z-]+:iam::[0-9]{12}:role/.+", "the ARN of a role"),
            "Role of the lifecycle policy. Without it no policy is made.",
        ),
        "tags": Key(MapOf(_ANY_TEXT, r"[^\x00]{1,128}", "the key of a tag"), "Tags of all that is made.", {}),
    },
    "the image",
)
SERVER_ROLE = Record(
    {
        "name": Key(
            Text(r"[a-z][a-z0-9-]{0,30}", "1 to 31 of a-z, 0-9 and -, beginning with a letter"),
            "Name of the server role, as in the tag dtk:role and in group_vars/role_<name>.yml.",
            required=True,
            reader="all",
        ),
        "description": Key(_LINE, "What such a server is for, in a line.", reader="people"),
        "packages": Key(_PACKAGES, f"System packages. {_PACKAGES_ABOUT}", [], reader="base"),
        "users": Key(ListOf(_USER_RECORD), "People. Each app's own user is made from dtk_apps.", [], reader="base"),
        "limits": Key(
            Record({name: Key(Number(1), f"Limit {name}.") for name in ROLE_LIMITS}, "limits"),
            "Limits of logins, and defaults for units.",
            {},
            reader="base",
        ),
        "sysctl": Key(
            MapOf(_SCALAR, r"[a-z0-9][A-Za-z0-9_./-]*", "a kernel parameter such as net.core.somaxconn", "<parameter>"),
            "Kernel parameters.",
            {},
            reader="base",
        ),
        "journald": Key(_JOURNALD, "The journal. What is not given stays as the system has it.", {}, reader="base"),
        "time": Key(_TIME, "Clock and time zone.", {}, reader="base"),
        "ssh": Key(_SSH, "Logins.", {}, reader="base"),
        "runtime": Key(_RUNTIME, "What the apps run on.", {}, reader="app_server"),
        "image": Key(
            _IMAGE, "The golden image of the server role. Without it none can be baked.", reader="golden_image"
        ),
    },
    "a server role",
)

# --- an app ---------------------------------------------------------------------------------------------------------

_HEALTH = Record(
    {
        "http": Key(
            Record(
                {
                    "url": Key(
                        Text(r"https?://[^\x00-\x20]+", "a URL with http:// or https://"),
                        "As seen from the host. {version} stands for the release.",
                        required=True,
                    ),
                    "status": Key(ListOf(Number(100, 599), least=1), "Status codes that are healthy.", [200]),
                    "body": Key(_ANY_TEXT, "Regular expression for the answer. {version} stands for the release."),
                    "headers": Key(MapOf(_ANY_TEXT, r"[^\x00-\x20:]+", "the name of a header"), "Headers to send."),
                    "validate_certs": Key(Flag(), "Whether an https certificate must be valid.", True),
                },
                "health.http",
            ),
            "Get a URL.",
        ),
        "tcp": Key(
            Record(
                {
                    "host": Key(_LINE, "Name or address, as seen from the host.", "127.0.0.1"),
                    "port": Key(Number(1, 65535), "Port.", required=True),
                },
                "health.tcp",
            ),
            "Open a connection.",
        ),
        "command": Key(
            Record(
                {"argv": Key(_COMMAND, "The program and its arguments, without a shell.", required=True)},
                "health.command",
            ),
            "Run a program.",
        ),
        "successes": Key(Number(1), "Good answers in a row.", 3),
        "interval": _seconds("Seconds between two good answers.", 0.5),
        "timeout": _seconds("Seconds that one answer may take.", 2, 0.001),
        "deadline": _seconds("Seconds after which an app that is not healthy has failed.", 30, 0.001),
    },
    "health",
)
_HOOK = Record(
    {
        "command": Key(_COMMAND, "The program and its arguments, without a shell.", required=True),
        "timeout": _seconds("Seconds after which it is ended.", 60, 0.001),
    },
    "a hook",
)
_HOOKS = Record(
    {
        "pre": Key(ListOf(_HOOK), "Before the switch.", []),
        "post": Key(ListOf(_HOOK), "After the release was found healthy.", []),
    },
    "hooks",
)
_RELEASE_LIMITS = Record(
    {
        "entries": Key(Number(1), "Files, folders and links."),
        "unpacked_size": Key(Number(1), "Bytes of all files."),
    },
    "limits of a release",
)
_DEPLOY = Record(
    {
        "waves": Key(ListOf(_COUNT, least=1), "Sizes of the waves; the last one repeats.", [1, "50%", "100%"]),
        "per_az": Key(Flag(), "Whether a wave stays within one availability zone.", False),
        "min_healthy": Key(_COUNT, "Healthy hosts that must be left alone at any moment."),
        "budget": Key(_COUNT, "Hosts that may fail before a deploy is halted.", 0),
        "bake": Key(Number(), "Seconds to wait after each wave.", 0),
        "alarms": Key(
            ListOf(Text()),
            "Alarms of CloudWatch that are asked after each wave and while it bakes; one that rings halts the deploy. "
            "{env} stands for the env.",
            [],
        ),
    },
    "deploy",
)
_CONFIG = Record(
    {
        "format": Key(ListOf(Choice(("env", "json", "yml")), least=1), "What to write, one file each.", ["json"]),
        "path": Key(_PATH, "The file; {format} stands for the format. /etc/<app>/config.{format} if not given."),
        "owner": Key(_USER, "User who owns the files; root if not given."),
        "group": Key(_USER, "Group that owns the files; the app's own if not given."),
        "mode": Key(
            Text(r"0?[0-7]{3}", 'an octal mode in quotes, such as "0640"'), "Mode of the files. Quote it.", "0640"
        ),
        "env_prefix": Key(Text(r"[A-Za-z0-9_]*", "letters, digits and _"), "In front of every name in the format env."),
        "env_separator": Key(Choice(("_", "__")), "Between the parts of a name in the format env."),
        "schema": Key(
            Either((MapOf(Shape(), r"[^\x00]+", "text"), _LINE)),
            "A JSON Schema, or a file of the controller that holds it.",
        ),
        "sensitive": Key(_TEXTS, "Patterns of keys whose values no diff shows, in place of the usual ones."),
    },
    "config",
)
SERVICE = Record(
    {
        "command": Key(
            _ARGV, "The program and its arguments. Taken as they stand: no shell, no $VARIABLE, no %.", required=True
        ),
        "type": Key(Choice(("exec", "notify", "simple")), "How systemd knows that it has started.", "exec"),
        "description": Key(_LINE, "Description= of the unit. Name of the app and of the server role if not given."),
        "working_dir": Key(_PATH, "Folder in which it starts; / if not given."),
        "reload": Key(_ARGV, "Command that makes it use another release or other settings without a restart."),
        "reload_signal": Key(Text(r"[A-Z][A-Z0-9+-]{1,9}", "a signal such as HUP"), "Signal that does the same."),
        "environment": Key(_ENVIRONMENT, "Environment variables. No secrets: everybody on the host can read them.", {}),
        "environment_files": Key(
            ListOf(Text(r"-?/[^\x00-\x20\x7f\"'%\\:]*", "an absolute path, with - before it if it may be missing")),
            "Files with more of them. The app's own config.env is added where config.format has env.",
            [],
        ),
        "sockets": Key(
            ListOf(
                Text(
                    r"([0-9.]+:|\[[0-9a-f:.]+\]:)?[0-9]{1,5}|/run/[^\x00-\x20\x7f\"'%\\:]+",
                    "a port, an address and a port such as 0.0.0.0:8080, or a path below /run",
                )
            ),
            "What systemd listens on for the app. The port stays open over a restart.",
            [],
        ),
        "backlog": Key(Number(1, 65535), "Connections that may wait in each socket.", 1024),
        "state": Key(Flag(), "Whether it has a folder /var/lib/<app>.", False),
        "runtime_dir": Key(Flag(), "Whether it has a folder /run/<app>, which is gone when it stops.", False),
        "writable": Key(ListOf(_PATH), "Further folders that it may write to; they are made if missing.", []),
        "limits": Key(
            Record(
                {
                    # No core dumps: they hold whatever secrets the app has in its memory.
                    name: Key(_LIMIT, f"Limit{name.upper()}= of the unit.", 0 if name == "core" else NONE)
                    for name in UNIT_LIMITS
                },
                "limits of a service",
            ),
            "Resource limits, in the units of systemd.",
            {},
        ),
        "memory_max": Key(
            Text(r"[0-9]+[KMGT]?|[0-9]+%", "a size such as 1G, or a percentage"), "Memory at which it is killed."
        ),
        "tasks_max": Key(Number(1), "Processes and threads that it may have."),
        "cpu_quota": Key(Text(r"[0-9]+%", "a percentage such as 150%"), "CPU time that it may use; 100% is one CPU."),
        "start_timeout": _seconds("Seconds that its start may take.", 20, 0.1),
        "stop_timeout": _seconds("Seconds after which a stop becomes a kill.", 15, 0.1),
        "kill_mode": Key(
            Choice(("mixed", "control-group")), "Who is asked to stop: the main process (mixed) or all.", "mixed"
        ),
        "restart": Key(
            Choice(("on-failure", "always", "no")), 'When systemd starts it again. Quote the "no".', "on-failure"
        ),
        "restart_sec": _seconds("Seconds before that.", 1),
        "start_limit_interval": _seconds("Within so many seconds …", 10),
        "start_limit_burst": Key(Number(1), "… so many starts, then systemd gives up.", 20),
        "capabilities": Key(
            ListOf(Text(r"CAP_[A-Z_]+", "a capability such as CAP_NET_BIND_SERVICE")), "Capabilities that it has.", []
        ),
        "instance_metadata": Key(
            Flag(),
            "Whether it may ask the instance metadata service, and so act with the instance's AWS credentials.",
            False,
        ),
        "sandbox": Key(SANDBOX, "Overrides of single directives of the hardened set; [] leaves one out.", {}),
        "max_exposure": Key(Number(0, 10, whole=False), "What systemd-analyze security may say at most.", 3.0),
    },
    "a service",
)
_PORT = Record(
    {
        "port": Key(Number(1, 65535), "Number.", required=True),
        "protocol": Key(Choice(("tcp", "udp")), "Protocol.", "tcp"),
        "from": Key(Choice(("load_balancer", "vpc", "none")), "Who may connect.", "none"),
    },
    "a port",
)
_SECRET = Record(
    {
        "name": Key(
            Text(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "letters, digits, _, . and -"),
            "Name of the credential: the app reads the file $CREDENTIALS_DIRECTORY/<name>.",
            required=True,
        ),
        "secret": Key(
            Text(r"[A-Za-z0-9/_+=.@{}:-]+", "the name or ARN of a secret"),
            "Id in Secrets Manager. {env} stands for the env.",
            required=True,
        ),
        "key": Key(_LINE, "Key within a secret that is JSON. Without it the whole secret."),
    },
    "a secret",
)
_GROUP_NAME = Text(
    r"[A-Za-z0-9{}-]{1,40}|arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9{}-]+/[0-9a-f]+",
    "the name or ARN of a target group",
)
_TARGET_GROUP = Record(
    {
        "name": Key(_GROUP_NAME, "Its name or ARN.", required=True),
        "port": Key(Number(1, 65535), "Port of the host there, if it is not the one of the target group."),
    },
    "a target group",
)
_LOAD_BALANCER = Record(
    {
        "protocol": Key(Choice(("http", "https", "tcp", "tls")), "What the load balancer speaks to the app.", "http"),
        "port": Key(Number(1, 65535), "Port of the app.", required=True),
        "health_path": Key(_HTTP_PATH, "What the load balancer asks for, with http and https.", "/"),
        "deregistration_delay": Key(Number(0, 3600), "Seconds that connections get when a host leaves.", 30),
        "health_interval": Key(Number(5, 300), "Seconds between two of its questions.", 5),
        "healthy_threshold": Key(Number(2, 10), "Good answers after which a host is healthy.", 2),
        "target_groups": Key(
            ListOf(Either((_GROUP_NAME, _TARGET_GROUP))),
            "Where deploys find the hosts: names or ARNs, or each with a port. {env} stands for the env. Without one, "
            "deploys leave load balancers alone.",
            [],
            reader="the playbooks",
        ),
        "drain": Key(
            Flag(),
            "Whether a host leaves its target groups while it changes. If not given: yes with activation restart, no "
            "with reload and none.",
            reader="the playbooks",
        ),
        "wait_timeout": Key(
            Number(1, 3600),
            "Seconds in which a host must be healthy there afterwards. If not given: the interval times the threshold "
            "of the target group, and one minute, or three behind a network load balancer.",
            reader="the playbooks",
        ),
    },
    "a load balancer",
)
APP = Record(
    {
        "unit": Key(
            Text(
                r"[A-Za-z0-9:_.\\@-]+\.(service|socket|target|timer|path|mount)",
                "a unit with its suffix, such as api.service",
            ),
            "Systemd unit that runs the app. Without one nothing is started or restarted.",
            reader="release, app_config, app_server",
        ),
        "activation": Key(
            Choice(("restart", "reload", "none")),
            "What makes the unit use another release or other settings.",
            "restart",
            reader="release, app_config",
        ),
        "owner": Key(
            _USER,
            "User who runs the app and owns its releases. With service, the app's name if not given.",
            reader="release, app_server",
        ),
        "group": Key(
            _USER, "Its group. With service, the app's name if not given.", reader="release, app_config, app_server"
        ),
        "shared_owner": Key(
            Flag(), "Whether another app of the server role may have the same owner.", False, reader="app_server"
        ),
        "root": Key(_PATH, "Folder that holds the app's folder.", "/srv", reader="release, app_config, app_server"),
        "keep": Key(Number(1), "Good releases to keep.", 5, reader="release"),
        "keep_failed": Key(Number(), "Failed releases to keep for a look at them.", 2, reader="release"),
        "unit_timeout": Key(
            Number(0.1, whole=False),
            "Seconds that one restart or reload may take; 60 if not given.",
            reader="release, app_config",
        ),
        "dead_man": Key(
            Flag(), "Whether systemd returns the host should an activation die.", reader="release, app_config"
        ),
        "health": Key(
            _HEALTH,
            "How to know that the app is healthy. Exactly one of http, tcp and command.",
            reader="release, app_config, app_server",
        ),
        "hooks": Key(_HOOKS, "Commands around a release, run as root.", reader="release"),
        "limits": Key(_RELEASE_LIMITS, "What a release may unpack to.", reader="release"),
        "deploy": Key(_DEPLOY, "How a deploy goes through the fleet.", reader="deploy"),
        "config": Key(_CONFIG, "Files that the app reads its settings from.", reader="app_config, app_server"),
        "service": Key(
            SERVICE,
            "How the app runs: its unit is made from this. Without it the unit must come with a package.",
            reader="app_server",
        ),
        "ports": Key(ListOf(_PORT), "Ports that the app listens on.", [], reader="app_server, app_fleet"),
        "secrets": Key(
            ListOf(_SECRET), "Secrets that the app gets as systemd credentials.", [], reader="app_server, secrets_cache"
        ),
        "load_balancer": Key(_LOAD_BALANCER, "The load balancer in front of the app.", reader="app_fleet"),
    },
    "an app",
)
APPS = MapOf(
    APP,
    r"[a-z][a-z0-9_-]{0,31}",
    "1 to 32 of a-z, 0-9, _ and -, beginning with a letter",
    "<app>",
    free=False,
)
DOCUMENT = Record(
    {
        "dtk_server_role": Key(SERVER_ROLE, "What the server is.", required=True),
        "dtk_apps": Key(APPS, "What runs on it.", {}),
    },
    "a server role's file",
)
