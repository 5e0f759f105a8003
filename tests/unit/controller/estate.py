# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate with an Automation Controller, for the tests of its content."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
BUTTON_FILES = sorted((ROOT / "roles" / "controller" / "buttons").glob("*.yml"))
SETTINGS: dict[str, Any] = {
    "organization": "Shop",
    "url": "https://controller.example.com/",
    "execution_environment": {"image": "registry.example.com/dtk@sha256:0123"},
    "project": {"url": "https://git.example.com/estate.git"},
    "roles": ["api"],
    "envs": {
        "beta": {},
        "prod": {
            "production": True,
            "aws": {"role_arn": "arn:aws:iam::111111111111:role/deploy", "region": "eu-west-1"},
            "extra_vars": {"dtk_bucket": "releases-prod"},
        },
    },
    "credentials": ["ssh"],
    "notify": ["chat"],
}
ROWS = [{"env": env, "role": "api", "apps": ["shop"], "image": True, "fleet": True} for env in ("beta", "prod")]
PUBLISHED = {"beta": {"shop": ["1.1.0", "1.0.0"]}, "prod": {"shop": ["1.0.0"]}}
OBJECTS: dict[str, list[dict[str, Any]]] = {
    "controller_credentials": [
        {"name": "ssh", "credential_type": "Machine", "inputs": {"username": "ops", "ssh_key_data": "a key"}}
    ],
    "controller_notifications": [
        {
            "name": "chat",
            "notification_type": "webhook",
            "notification_configuration": {
                "url": "https://chat.example.com/hook",
                "headers": {},
                "username": "",
                "password": "",
                "http_method": "POST",
                "disable_ssl_verification": False,
            },
        }
    ],
}


def buttons() -> dict[str, Any]:
    """The toolkit's own."""
    return {name: item for path in BUTTON_FILES for name, item in yaml.safe_load(path.read_text("utf-8")).items()}


def settings(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SETTINGS), **changes}


def arguments(**changes: Any) -> dict[str, Any]:
    """Of make_files."""
    whole = {
        "settings": settings(),
        "rows": ROWS,
        "buttons": buttons(),
        "published": PUBLISHED,
        "objects": copy.deepcopy(OBJECTS),
    }
    return {**whole, **changes}
