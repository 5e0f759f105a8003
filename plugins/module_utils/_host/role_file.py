# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server role of a host, as it was written down when the host was made."""

from __future__ import annotations

import os
import sys
from typing import Any

from .errors import HostError

# What role app_server wrote here goes before what an image was made with.
PLACES = ("/etc/dtk/server_role.yml", "/opt/dtk/estate/server_role.json")


class RoleFileError(HostError):
    """A host without a server role, or with one that can't be read."""


def read(path: str = "", kept: str = "") -> tuple[dict[str, Any], str]:
    """The document, and where it lies. Raises RoleFileError.

    kept: a file for what was read of it last. To read YAML takes a while, and while this runs somebody waits.
    """
    places = (path,) if path else PLACES
    for place in places:
        try:
            with open(place, encoding="utf-8") as stream:
                found = os.fstat(stream.fileno())
                mark = [place, found.st_ino, found.st_size, found.st_mtime_ns]
                document = _known(kept, mark)
                return (_parsed(stream.read(), place, kept, mark) if document is None else document), place
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as exc:
            raise RoleFileError(f"cannot read {place}: {exc}; write it again with role sysops.dtk.app_server") from exc
    raise RoleFileError(
        f"this host has no server role ({' nor '.join(places)}); make it with the playbook provision, "
        "or start it from an image that the playbook bake has made"
    )


def _known(kept: str, mark: list[Any]) -> dict[str, Any] | None:
    """What was kept of this very file."""
    import json

    try:
        with open(kept, encoding="utf-8") as stream:
            data = json.load(stream)
        return data["document"] if data["mark"] == mark and isinstance(data["document"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parsed(text: str, place: str, kept: str, mark: list[Any]) -> dict[str, Any]:
    import json

    try:
        document = json.loads(text)
        quick = True
    except ValueError:
        document = _yaml(text, place)
        quick = False
    if not isinstance(document, dict):
        raise RoleFileError(f"{place} holds no mapping; write it again with role sysops.dtk.app_server")
    if kept and not quick:
        _keep(kept, {"mark": mark, "document": document})
    return document


def _keep(kept: str, data: dict[str, Any]) -> None:
    import json

    try:
        os.makedirs(os.path.dirname(kept), mode=0o755, exist_ok=True)
        with open(f"{kept}.new", "w", encoding="utf-8") as stream:
            json.dump(data, stream)
        os.rename(f"{kept}.new", kept)
    except (OSError, TypeError, ValueError):
        return  # it only saves time


def _yaml(text: str, place: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise RoleFileError(
            f"{place} is no JSON, and {sys.executable} has no library for YAML; run this with "
            f"{os.path.join('/opt/dtk', 'venv/bin/python')}"
        ) from None
    try:
        # libyaml reads it in a tenth of the time, where it is there.
        return getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text).get_single_data()
    except yaml.YAMLError as exc:
        where = " ".join(str(exc).split())
        raise RoleFileError(
            f"{place} is neither JSON nor YAML ({where}); write it again with role sysops.dtk.app_server"
        ) from None
