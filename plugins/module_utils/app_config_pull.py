# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of an app, read by the host itself with its own instance profile."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from ._aws import session
from .settings_read import FAILURES, AwsError, read

__all__ = ["FAILURES", "pull"]

# Option of the module, and the variable that botocore knows it by.
_VARIABLES = {"region": "AWS_REGION", "endpoint_url": "AWS_ENDPOINT_URL", "profile": "AWS_PROFILE"}


def pull(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the settings below their paths in them. Raises one of FAILURES."""
    for name, variable in _VARIABLES.items():
        if options.get(name):
            os.environ[variable] = options[name]  # of this short process only
    try:
        client = session.client("ssm")
    except ImportError as exc:
        raise AwsError(
            f"The Python library {exc.name} is missing for {sys.executable}, so this host cannot read its settings. "
            "Name a Python that has boto3 in the option python, such as /opt/dtk/venv/bin/python."
        ) from exc
    found = read(client, options["paths"])
    return {**options, "config": found.tree, "secure": sorted({*(options.get("secure") or ()), *found.sensitive})}
