# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a Controller when it is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .schema import Schema
from .store import Row, masked

if TYPE_CHECKING:
    from .world import World

VERSION = "24.6.1"
NODE = "awx-1"
PASSWORD = "controller-admin"
_SECRET_SETTINGS = ("PASSWORD", "SECRET", "PRIVATE_KEY", "TOKEN")  # settings: `encrypted=True`


def _field(id: str, *, secret: bool = False, **more: Any) -> dict[str, Any]:
    return (
        {"id": id, "label": id.replace("_", " ").title(), "type": "string"}
        | ({"secret": True} if secret else {})
        | more
    )


# The types that every Controller has (models: ManagedCredentialType): name, kind, namespace, fields, required.
_TYPES: tuple[tuple[str, str, str, list[dict[str, Any]], list[str]], ...] = (
    (
        "Machine",
        "ssh",
        "ssh",
        [
            _field("username"),
            _field("password", secret=True, ask_at_runtime=True),
            _field("ssh_key_data", secret=True, format="ssh_private_key", multiline=True),
            _field("ssh_public_key_data", secret=True, multiline=True),
            _field("ssh_key_unlock", secret=True, ask_at_runtime=True),
            _field("become_method"),
            _field("become_username"),
            _field("become_password", secret=True, ask_at_runtime=True),
        ],
        [],
    ),
    (
        "Source Control",
        "scm",
        "scm",
        [
            _field("username"),
            _field("password", secret=True),
            _field("ssh_key_data", secret=True, format="ssh_private_key", multiline=True),
            _field("ssh_key_unlock", secret=True),
        ],
        [],
    ),
    (
        "Vault",
        "vault",
        "vault",
        [_field("vault_password", secret=True, ask_at_runtime=True), _field("vault_id", format="vault_id")],
        ["vault_password"],
    ),
    (
        "Network",
        "net",
        "net",
        [
            _field("username"),
            _field("password", secret=True),
            _field("ssh_key_data", secret=True),
            _field("ssh_key_unlock", secret=True),
            _field("authorize", type="boolean"),
            _field("authorize_password", secret=True),
        ],
        ["username"],
    ),
    (
        "Amazon Web Services",
        "cloud",
        "aws",
        [
            _field("username"),
            _field("password", secret=True),
            _field("security_token", secret=True),
        ],
        ["username", "password"],
    ),
    ("GitHub Personal Access Token", "token", "github_token", [_field("token", secret=True)], ["token"]),
    ("GitLab Personal Access Token", "token", "gitlab_token", [_field("token", secret=True)], ["token"]),
    (
        "Container Registry",
        "registry",
        "registry",
        [_field("host"), _field("username"), _field("password", secret=True), _field("verify_ssl", type="boolean")],
        ["host"],
    ),
    (
        "Ansible Galaxy/Automation Hub API Token",
        "galaxy",
        "galaxy_api_token",
        [_field("url"), _field("auth_url"), _field("token", secret=True)],
        ["url"],
    ),
    (
        "Red Hat Ansible Automation Platform",
        "cloud",
        "controller",
        [
            _field("host"),
            _field("username"),
            _field("password", secret=True),
            _field("oauth_token", secret=True),
            _field("verify_ssl", type="boolean"),
        ],
        ["host"],
    ),
    (
        "AWS Secrets Manager lookup",
        "external",
        "aws_secretsmanager_credential",
        [_field("aws_access_key"), _field("aws_secret_key", secret=True)],
        ["aws_access_key", "aws_secret_key"],
    ),
)
# models: SystemJobTemplate; they use up the first ids of all templates.
_CLEANERS = (
    ("Cleanup Job Details", "cleanup_jobs"),
    ("Cleanup Activity Stream", "cleanup_activitystream"),
    ("Cleanup Expired OAuth 2 Tokens", "cleanup_tokens"),
    ("Cleanup Expired Sessions", "cleanup_sessions"),
)


def plant(world: World) -> Row:
    """Makes it, and gives its administrator."""
    store = world.store
    admin = store.add(
        "users",
        {
            "username": "admin",
            "first_name": "",
            "last_name": "",
            "email": "admin@example.invalid",
            "is_superuser": True,
            "is_system_auditor": False,
            "password": store.vault.seal(PASSWORD),
        },
    )
    for name, kind, namespace, fields, required in _TYPES:
        inputs = {"fields": fields, "required": required}
        values = {"name": name, "description": "", "kind": kind, "namespace": namespace, "managed": True}
        store.add("credential_types", values | {"inputs": inputs, "injectors": {}})
    for name, job_type in _CLEANERS:
        store.add("system_job_templates", {"name": name, "description": "", "job_type": job_type})
    instance = store.add("instances", {"hostname": NODE, "node_type": "hybrid", "node_state": "ready", "enabled": True})
    for name in ("controlplane", "default"):
        group = store.add("instance_groups", {"name": name})
        world.access.make_roles(group)
        store.link(group, "instances", [instance.id])
    images = {"AWX EE (latest)": False, "Control Plane Execution Environment": True}
    for name, managed in images.items():
        image = {"name": name, "image": "quay.io/ansible/awx-ee:latest", "managed": managed, "organization": None}
        store.add("execution_environments", image)
    organization = store.add("organizations", {"name": "Default", "description": "The default organization"})
    world.access.make_roles(organization)
    return admin


def settings(schema: Schema) -> dict[str, Any]:
    """As they are when nobody has changed any."""
    empty: dict[str, Any] = {"boolean": False, "integer": 0, "array": [], "object": {}, "string": "", "any": ""}
    return {
        name: field.spec.get("default", None if field.nullable else empty[field.type])
        for name, field in schema.fields("SettingSingleton").items()
    }


def is_secret_setting(name: str) -> bool:
    return name.endswith(_SECRET_SETTINGS)


def shown_settings(values: dict[str, Any]) -> dict[str, Any]:
    return masked(values)
