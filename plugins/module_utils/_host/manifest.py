# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release manifests and the names of apps and versions. Pure: data in, data out."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from .errors import ManifestError

FORMATS = ("tar.gz", "tar.xz", "tar.zst")

_APP = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREATED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z", re.ASCII)
_OPTIONAL = ("source_revision", "signature")


def check_app(name: Any) -> str:
    """Return the name of an app, or raise ManifestError: it becomes a folder, a key and part of unit names."""
    if not isinstance(name, str) or not _APP.fullmatch(name):
        raise ManifestError(
            f"the app name {_shown(name)} is not allowed; use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter"
        )
    return name


def check_version(version: Any) -> str:
    """Return the version, or raise ManifestError: it becomes a folder and a key, and may never begin with a dot."""
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ManifestError(
            f"the version {_shown(version)} is not allowed; use 1 to 64 of A-Z, a-z, 0-9, '.', '_', '+' and '-', "
            "beginning with a letter or digit (quote it in YAML, or 1.10 becomes 1.1)"
        )
    return version


@dataclass(frozen=True)
class Manifest:
    """What one release is: the JSON document beside its artifact.

    sha256: 64 lower-case hex digits over the artifact's bytes as stored (compressed).
    size: bytes of the artifact; unpacked_size: bytes of its regular files; files: number of archive entries.
    created: UTC, "2026-11-22T20:48:59Z".
    """

    app: str
    version: str
    sha256: str
    size: int
    unpacked_size: int
    files: int
    format: str
    created: str
    source_revision: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        check_app(self.app)
        check_version(self.version)
        self._require("sha256", _matches(_SHA256, self.sha256), "64 lower-case hex digits")
        self._require("size", _is_count(self.size) and self.size > 0, "a number of bytes above 0")
        self._require("unpacked_size", _is_count(self.unpacked_size), "a number of bytes")
        self._require("files", _is_count(self.files), "a number of archive entries")
        self._require("format", self.format in FORMATS, f"one of {', '.join(FORMATS)}")
        self._require("created", _matches(_CREATED, self.created), "a UTC time such as 2026-01-31T12:00:00Z")
        for name in _OPTIONAL:
            value = getattr(self, name)
            self._require(name, value is None or isinstance(value, str), "a string or absent")

    def _require(self, name: str, good: bool, wanted: str) -> None:
        if not good:
            raise ManifestError(
                f"the manifest of {self.app} {self.version} has {name} {_shown(getattr(self, name))} "
                f"instead of {wanted}; publish the release again under a new version"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; optional fields only where they have a value."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None or name not in _OPTIONAL}

    def to_json(self) -> str:
        """The same text for the same manifest, ending with a newline."""
        import json

        return json.dumps(self.to_dict(), sort_keys=True, indent=1) + "\n"


def from_dict(data: Any) -> Manifest:
    """Build a Manifest from decoded JSON; unknown, missing or wrong fields raise one ManifestError."""
    if not isinstance(data, dict):
        raise ManifestError(
            f"a manifest must be a mapping, not {type(data).__name__}; pass the published JSON document"
        )
    known = [field.name for field in fields(Manifest)]
    missing = [name for name in known if name not in data and name not in _OPTIONAL]
    unknown = sorted(str(name) for name in data if name not in known)
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(unknown)}"] * bool(unknown)
        raise ManifestError(
            f"the manifest of {_shown(data.get('app'))} {_shown(data.get('version'))} {' and '.join(faults)}; "
            "publish the release again, or update this toolkit if the manifest is newer"
        )
    return Manifest(**data)


def from_json(text: str) -> Manifest:
    """Build a Manifest from its JSON text; raises ManifestError."""
    import json

    try:
        return from_dict(json.loads(text))
    except ValueError as exc:
        raise ManifestError(f"a manifest is not valid JSON ({exc}); publish the release again") from exc


def artifact_key(app: str, version: str, archive_format: str) -> str:
    """Key of the artifact in the bucket of releases."""
    if archive_format not in FORMATS:
        raise ManifestError(f"the format {_shown(archive_format)} is unknown; use one of {', '.join(FORMATS)}")
    return f"{check_app(app)}/{check_version(version)}.{archive_format}"


def manifest_key(app: str, version: str) -> str:
    """Key of the manifest in the bucket of releases."""
    return f"{check_app(app)}/{check_version(version)}.json"


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
