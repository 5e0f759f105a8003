# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of this very process' environment, without a module of Ansible around."""

from __future__ import annotations

import os
from typing import Any

from .errors import client_options, fail_fast, translated


def client(service: str, region: str = "", **settings: Any) -> Any:
    """A client with the credentials, region and endpoint of the environment; AWS_REGION counts first, as in modules.

    region: instead of the environment's.
    settings: of botocore's Config, on top of ours.
    """
    from botocore.config import Config
    from botocore.session import Session

    with translated(f"reach the AWS service {service}"):
        name = region or os.environ.get("AWS_REGION") or None
        config = client_options()["config"].merge(Config(**settings))
        return fail_fast(Session().create_client(service, region_name=name, config=config))
