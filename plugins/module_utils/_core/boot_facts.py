# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host must know to bring itself to its releases: its options, its tags and its server role."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .boot_protocol import LEAVING, PENDING, SERVING, WARMING, Row
from .errors import CoreError

ENV, ROLE, PREFIX, BUCKET = "dtk:env", "dtk:role", "dtk:prefix", "dtk:bucket"
BOOT, APP = "dtk:boot", "dtk:app:"
TAGS_READ = (ENV, ROLE, PREFIX, BUCKET)

DEFAULTS: dict[str, Any] = {
    "env": "",
    "role": "",
    "prefix": "",
    "bucket": "",
    "region": "",
    "endpoint_url": "",
    "instance_id": "",
    "metadata": True,
    "hook": "dtk-converge",
    "heartbeat": 300,
    "deadline": 900,
    "retry_after": 3600,
    "lock_timeout": 60,
    "server_role": "",
}
_LEAST = {"heartbeat": 30, "deadline": 1, "retry_after": 0, "lock_timeout": 1}
_ENV_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_PREFIX_NAME = re.compile(r"(/[A-Za-z0-9_.-]+)+")
_SHOWN = 200
_TAG_MOST = 256


class BootError(CoreError):
    """A host that cannot know what it is to be."""


@dataclass(frozen=True)
class Facts:
    """What a host is. apps: name to its entry of the server role."""

    env: str
    role: str
    prefix: str
    bucket: str
    server_role: Mapping[str, Any] = field(default_factory=dict)
    apps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settings_paths(self, app: str) -> list[str]:
        """The layers of an app's settings in Parameter Store, least specific first."""
        return [f"{self.prefix}/_shared", f"{self.prefix}/{self.env}/_shared", f"{self.prefix}/{self.env}/{app}/config"]


def options(text: str, path: str) -> dict[str, Any]:
    """The options of a file, completed; an empty text stands for no file. Raises BootError."""
    try:
        given = json.loads(text) if text.strip() else {}
    except ValueError as exc:
        raise BootError(f"{path} is no JSON ({exc}). Correct it, or write it with role sysops.dtk.converge.") from exc
    if not isinstance(given, dict):
        raise BootError(f"{path} holds no JSON object. Correct it, or write it with role sysops.dtk.converge.")
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise BootError(f"{path} has unknown {', '.join(unknown)}. There are {', '.join(DEFAULTS)}.")
    return {name: _option(path, name, given.get(name, default)) for name, default in DEFAULTS.items()}


def _option(path: str, name: str, value: Any) -> Any:
    default = DEFAULTS[name]
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise BootError(f"{path}: {name} is {value!r}; it must be true or false.")
    elif isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < _LEAST[name]:
            raise BootError(f"{path}: {name} is {value!r}; it must be a number of seconds, at least {_LEAST[name]}.")
    elif not isinstance(value, str):
        raise BootError(f"{path}: {name} is {value!r}; it must be text.")
    return value


def facts(given: Mapping[str, Any], tags: Mapping[str, str], document: Mapping[str, Any], source: str) -> Facts:
    """Who this host is. given: its options, which go before its tags. document: its server role. Raises BootError."""
    env = _known("env", given, tags, ENV)
    if not _ENV_NAME.fullmatch(env):
        raise BootError(
            f"The env {env!r} is not allowed. Use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter."
        )
    prefix = (given["prefix"] or tags.get(PREFIX) or "/dtk").rstrip("/")
    if not _PREFIX_NAME.fullmatch(prefix):
        raise BootError(f"The prefix {prefix!r} is not a path in Parameter Store. Use one like /dtk.")
    server_role, apps = document.get("dtk_server_role"), document.get("dtk_apps")
    if not isinstance(server_role, Mapping) or not isinstance(apps, Mapping):
        raise BootError(f"{source} lacks dtk_server_role or dtk_apps. Write it with role sysops.dtk.app_server.")
    made_for = str(server_role.get("name") or "")
    role = given["role"] or tags.get(ROLE) or made_for
    if role != made_for:
        raise BootError(
            f"This host is tagged {ROLE}={role}, but it was made for the server role {made_for or 'without a name'}. "
            f"Correct the tag, or start it from an image of {role}."
        )
    return Facts(env, role, prefix, given["bucket"] or tags.get(BUCKET, ""), server_role, apps)


def _known(name: str, given: Mapping[str, Any], tags: Mapping[str, str], tag: str) -> str:
    value = given[name] or tags.get(tag)
    if not value:
        raise BootError(
            f"This host does not know its {name}: it has no tag {tag}, or its metadata does not show tags. Give its "
            f"launch template that tag, and instance tags in metadata, or set {name} in /etc/dtk/converge.json."
        )
    return value


def place(lifecycle: str) -> str:
    """What a lifecycle state of Auto Scaling means for a host; of target states, too."""
    if lifecycle.startswith("Warmed:"):
        return WARMING if not lifecycle.startswith("Warmed:Terminat") else LEAVING
    if lifecycle.startswith("Pending"):
        return PENDING
    return LEAVING if lifecycle.startswith("Terminat") else SERVING


def tags_of(rows: Sequence[Row], boot: str) -> dict[str, str]:
    """The host's report as tags, without a time."""
    said = {f"{APP}{row.app}": f"{row.version or 'none'} slot {row.n} {row.state}" for row in rows}
    return {**said, BOOT: _fit(boot)}


def stamped(tags: Mapping[str, str], now: str) -> dict[str, str]:
    """With the time at which the host came up well."""
    return {**tags, BOOT: f"ok {now}"} if tags[BOOT] == "ok" else dict(tags)


def _fit(text: str) -> str:
    """AWS takes these characters in a tag, and no more than so many of them."""
    plain = " ".join(re.sub(r"[^\w.:/=+@-]", " ", text).split())
    head, _colon, rest = plain.partition(": ")
    return f"{head}: {rest[:_SHOWN]}"[:_TAG_MOST] if rest else plain[:_TAG_MOST]
