# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""botocore's own models of a few services, cut to the operations that a booting host uses, in one file beforehand.

The models of EC2 and S3, the endpoints of all services and a look into 400 folders cost a host half of the time in
which it comes up. What is cut here is cut out of the very botocore that reads it, and of another one it is not read:
so nothing is written down twice, and everything botocore does with a model stays as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

OPERATIONS = {
    "autoscaling": (
        "CompleteLifecycleAction",
        "DescribeAutoScalingInstances",
        "RecordLifecycleActionHeartbeat",
    ),
    "ec2": ("CreateTags",),
    "s3": ("GetObject", "HeadObject", "ListObjectsV2"),
    "ssm": ("GetParameter", "GetParameters", "GetParametersByPath"),
}
_OF_ALL = ("_retry", "endpoints", "partitions", "sdk-default-configuration")
_OF_A_SERVICE = ("service-2", "endpoint-rule-set-1", "paginators-1")


def location(folder: str) -> str:
    """The file for this botocore."""
    import botocore

    return os.path.join(folder, f"botocore-{botocore.__version__}.json")


def write(folder: str) -> str:
    """Make the file; returns its path. Raises OSError."""
    from botocore.loaders import Loader

    full = Loader()
    path = location(folder)
    kept: dict[str, Any] = {name: full.load_data(name) for name in _OF_ALL}
    kept["endpoints"] = _endpoints(kept["endpoints"])
    for service, operations in OPERATIONS.items():
        for kind in _OF_A_SERVICE:
            kept[f"{service}/{kind}"] = full.load_service_model(service, kind)
        kept[f"{service}/service-2"] = _cut(kept[f"{service}/service-2"], operations)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.new"
    with open(temporary, "wb") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(json.dumps(_plain(kept), separators=(",", ":")).encode("ascii"))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, path)
    return path


def loader(folder: str) -> Any:
    """A loader of botocore that has the file's models at hand and reads all else as ever; None without the file."""
    try:
        with open(location(folder), "rb") as stream:
            kept = json.loads(stream.read())
    except (OSError, ValueError):
        return None
    return _loader(kept)


def _loader(kept: Mapping[str, Any]) -> Any:
    from botocore.loaders import Loader

    class KeptLoader(Loader):
        def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
            found = kept.get(f"{service_name}/{type_name}")
            return super().load_service_model(service_name, type_name, api_version) if found is None else found

        def load_data_with_path(self, name: str) -> Any:
            found = kept.get(name)
            if found is None:
                return super().load_data_with_path(name)
            return found, os.path.join(self.BUILTIN_DATA_PATH, name)

    return KeptLoader()


def _endpoints(data: Mapping[str, Any]) -> dict[str, Any]:
    partitions = [
        {**one, "services": {name: found for name, found in one["services"].items() if name in OPERATIONS}}
        for one in data["partitions"]
    ]
    return {**data, "partitions": partitions}


def _cut(model: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The model with these operations, and with the shapes that they lead to."""
    operations = {name: model["operations"][name] for name in names}
    shapes: dict[str, Any] = {}
    todo = [found for operation in operations.values() for found in _references(operation)]
    while todo:
        name = todo.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            todo += _references(shapes[name])
    return {**model, "operations": operations, "shapes": shapes}


def _references(data: Any) -> list[str]:
    if isinstance(data, Mapping):
        own = [data["shape"]] if isinstance(data.get("shape"), str) else []
        return own + [name for value in data.values() for name in _references(value)]
    return [name for value in data for name in _references(value)] if isinstance(data, list) else []


def _plain(data: Any) -> Any:
    """Without what only people read. botocore wants to find it all the same."""
    if isinstance(data, Mapping):
        texts = {key: "" for key, value in data.items() if key == "documentation" and isinstance(value, str)}
        return {**{str(key): _plain(value) for key, value in data.items()}, **texts}
    return [_plain(value) for value in data] if isinstance(data, list) else data
