# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree of settings as text: env, json or yml. Data in, text out; messages name keys and never a value.

JSON is the model: what it cannot tell is refused. The others say the same: YAML that every parser of 1.1 and 1.2 reads
alike, and assignments that systemd's EnvironmentFile= and a POSIX shell read alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .errors import ConfigError

FORMATS = ("env", "json", "yml")
SENSITIVE = ("*password*", "*passwd*", "*passphrase*", "*secret*", "*token*", "*key*", "*credential*", "*private*")
HIDDEN = "(sensitive)"
HIDDEN_CHANGED = "(sensitive, changed)"

Path = tuple[str, ...]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_NAME = re.compile(r"[.-]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
# What readers of YAML refuse or take for a line break, and JSON leaves as it is.
_YAML_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_ENV_ESCAPED = re.compile(r'(["\\$`])')
# For these systemd drops a variable, or refuses the whole file: control characters and Unicode's non-characters.
_ENV_REFUSED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_LONGEST_ASSIGNMENT = 128 * 1024 - 1  # the kernel's limit for one string of an environment
_LONGEST_KEY = 1000  # of YAML, more or less
_EXPONENT = re.compile(r"(-?\d+)(e.*)")


def check_tree(tree: Any) -> None:
    """Raise ConfigError unless this is a tree that JSON can tell, with text as keys."""
    if not isinstance(tree, Mapping):
        raise ConfigError(f"config is {_kind(tree)}; give a dictionary of settings")
    for path, value in _walk(tree, ()):
        _check_value(path, value)


def dotted(path: Sequence[str]) -> str:
    """How a place in the tree is named to people."""
    return ".".join(path)


def leaves(tree: Mapping[str, Any]) -> dict[Path, Any]:
    """All values by place; an empty dictionary is a value, too."""
    return {path: value for path, value in _walk(tree, ()) if not (isinstance(value, Mapping) and value)}


def render(tree: Mapping[str, Any], kind: str, prefix: str = "", separator: str = "_") -> str:
    """The file's text; raises ConfigError."""
    if kind == "json":
        return json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    if kind == "yml":
        return "".join(f"{line}\n" for line in _yaml(tree, "")) if tree else "{}\n"
    return "".join(f"{name}={_quoted(name, value)}\n" for name, value in _assignments(tree, prefix, separator))


def is_sensitive(path: Sequence[str], patterns: Iterable[str], secure: Iterable[str] = ()) -> bool:
    """Whether a value must never be shown: its dotted key, or a folder above it, matches, upper case or lower."""
    names = [dotted(path[:depth]) for depth in range(1, len(path) + 1)]
    return any(name in secure for name in names) or any(
        fnmatchcase(name.lower(), pattern.lower()) for name in names for pattern in patterns
    )


def changes(before: Mapping[Path, Any], after: Mapping[Path, Any]) -> dict[str, list[str]]:
    """Names of the keys that differ. True and 1 are two values, as they are in JSON."""
    both = set(before) & set(after)
    return {
        "added": sorted(dotted(path) for path in set(after) - set(before)),
        "changed": sorted(dotted(path) for path in both if _text(before[path]) != _text(after[path])),
        "removed": sorted(dotted(path) for path in set(before) - set(after)),
    }


def shown(leaf_values: Mapping[Path, Any], other: Mapping[Path, Any], hidden: set[Path], after: bool) -> str:
    """One side of a diff, a line per key. A sensitive value that differs from the other side's is only said to."""
    lines = []
    for path in sorted(leaf_values):
        text = _text(leaf_values[path])
        if path in hidden:
            differs = after and path in other and _text(other[path]) != text
            text = HIDDEN_CHANGED if differs else HIDDEN
        lines.append(f"{dotted(path)}: {text}\n")
    return "".join(lines)


def _walk(tree: Mapping[str, Any], above: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in tree.items():
        if not isinstance(key, str):
            where = f" below {dotted(above)}" if above else ""
            raise ConfigError(f"the key {key!r}{where} is {_kind(key)}, not text; quote it")
        path = (*above, key)
        yield path, value
        if isinstance(value, Mapping):
            yield from _walk(value, path)


def _check_value(path: Path, value: Any) -> None:
    try:
        # A list may hold anything; a lone surrogate is the one text that no file can hold.
        json.dumps(
            [path[-1], None if isinstance(value, Mapping) else value], ensure_ascii=False, allow_nan=False
        ).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{dotted(path)!a} holds text that is not valid Unicode; correct it") from None
    except (TypeError, ValueError, RecursionError):
        raise ConfigError(
            f"{dotted(path)} is {_kind(value)}, or holds something, that JSON cannot tell; "
            "give text, a finite number, true, false, null, a list or a dictionary"
        ) from None


def _kind(value: Any) -> str:
    return {"str": "text", "int": "a number", "float": "a number", "list": "a list", "NoneType": "null"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


# --- yml --------------------------------------------------------------------------------------------------------


def _yaml(value: Any, indent: str) -> Iterator[str]:
    """Lines of a collection that is not empty."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _yaml_item(f"{indent}{_yaml_key(key)}:", value[key], indent)
    else:
        for item in value:
            yield from _yaml_item(f"{indent}-", item, indent)


def _yaml_item(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, (Mapping, list, tuple)) and value:
        yield head
        yield from _yaml(value, f"{indent}  ")
    else:
        yield f"{head} {_yaml_scalar(value)}"


def _yaml_key(key: str) -> str:
    if len(key) > _LONGEST_KEY:
        raise ConfigError(f"the key {key[:40]!r}… is longer than {_LONGEST_KEY} characters, which YAML does not take")
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _YAML_WORDS else _yaml_scalar(key)


def _yaml_scalar(value: Any) -> str:
    """JSON is YAML, but for some characters and for 1e20, which YAML 1.1 takes for text."""
    text = _text(value)
    if isinstance(value, str):
        return _YAML_ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if isinstance(value, float):
        return _EXPONENT.sub(r"\1.0\2", text) if _EXPONENT.fullmatch(text) else text
    return text


# --- env --------------------------------------------------------------------------------------------------------


def _assignments(tree: Mapping[str, Any], prefix: str, separator: str) -> list[tuple[str, Any]]:
    """Names and values, by name. db.host with the prefix app_ is APP_DB_HOST."""
    taken: dict[str, Path] = {}
    found = []
    for path, value in leaves(tree).items():
        name = (prefix + _NOT_IN_NAME.sub("_", separator.join(path))).upper()
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{dotted(path)} cannot be the environment variable {name!a}: only A-Z, 0-9 and _ are allowed, "
                "and no digit in front; rename the setting, set env_prefix, or use another format"
            )
        if name in taken:
            raise ConfigError(
                f"{dotted(taken[name])} and {dotted(path)} would both be the environment variable {name}; "
                "rename one of them, or set env_separator to __"
            )
        taken[name] = path
        found.append((name, value))
    return sorted(found, key=lambda one: one[0])


def _quoted(name: str, value: Any) -> str:
    """In double quotes, where systemd and a shell agree on what a backslash and a line break mean."""
    text = "" if value is None else value if isinstance(value, str) else _text(value)
    if _ENV_REFUSED.search(text):
        raise ConfigError(
            f"the value of {name} holds a control character, for which systemd refuses the variable; "
            "remove it, encode the value in base64, or use another format"
        )
    if len(f"{name}={text}".encode()) >= _LONGEST_ASSIGNMENT:
        raise ConfigError(f"the value of {name} is longer than 128 KiB, which no environment takes; use another format")
    return '"' + _ENV_ESCAPED.sub(r"\\\1", text) + '"'
