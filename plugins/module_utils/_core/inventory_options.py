# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of an inventory: which there are, and which inventory they mean."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from .inventory import InventoryError

# What amazon.aws.aws_ec2 has and we call otherwise, or have no use for.
_ELSEWHERE = {
    "allow_duplicated_hosts": "Use on_duplicate.",
    "assume_role_arn": "Use accounts, a list with role_arn.",
    "hostvars_prefix": "What does not come from EC2 itself begins with dtk_ here.",
    "hostvars_suffix": "What does not come from EC2 itself begins with dtk_ here.",
    "iam_role_arn": "Use accounts, a list with role_arn.",
    "strict_permissions": "Use on_partial.",
    "use_contrib_script_compatible_ec2_tag_keys": "Use the variable ec2_tags.",
}
# They say where the answer is kept, not what it is. Secrets stay out, the key id and the profile say whose they are.
_NO_IDENTITY = frozenset(
    {"cache", "cache_connection", "cache_plugin", "cache_prefix", "cache_timeout", "secret_key", "session_token"}
)
# Where botocore looks for credentials and endpoints when no option says.
_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HOME",
)
_FORM = 1  # of the rows; another form must not be read from an old cache
_OLD_SCRIPT = re.compile(r"[^A-Za-z0-9_-]")


def check_names(config: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """InventoryError for an option that does not exist: Ansible itself would pass over it in silence."""
    known = {*definitions}
    for definition in definitions.values():
        known.update(
            alias["name"] if isinstance(alias, Mapping) else alias for alias in definition.get("aliases") or ()
        )
    for name in config:
        if name not in known:
            close = difflib.get_close_matches(str(name), sorted(known), n=1)
            hint = _ELSEWHERE.get(name) or (
                f"Did you mean {close[0]}?" if close else "See the documentation of the plugin."
            )
            raise InventoryError(f"There is no option {name}. {hint}")


def identity(settings: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """A text that differs whenever the answer could differ: other options, other credentials, another endpoint."""
    options = {name: value for name, value in settings.items() if name not in _NO_IDENTITY}
    given = {name: environ[name] for name in _ENVIRONMENT if name in environ}
    return json.dumps([_FORM, options, given], sort_keys=True, default=str)


def legacy_group_name(name: str) -> str:
    """As the old script ec2.py named groups: hyphens stay."""
    return _OLD_SCRIPT.sub("_", name)
