# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API of an Automation Controller, for reading. What goes wrong is one sentence."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.parse
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import Request, SSLValidationError, make_context
from ansible_collections.sysops.dtk.plugins.module_utils import controllers

# The modules of awx.awx read it, too.
_PREFIX = "CONTROLLER_OPTIONAL_API_URLPATTERN_PREFIX"


class Api:
    """Asks with a token, or with a name and a password."""

    def __init__(self, options: Mapping[str, Any], collection: str) -> None:
        host = str(options["controller_host"]).rstrip("/")
        self.host = host if "://" in host else f"https://{host}"
        prefix = os.environ.get(_PREFIX, "/api/controller/" if collection == "ansible.controller" else "/api/")
        self._base = f"{self.host}{prefix}v2/"
        self._request = Request(
            headers={"Authorization": _authorization(options), "Accept": "application/json"},
            validate_certs=options["validate_certs"],
            timeout=options["request_timeout"],
            use_netrc=False,
            context=make_context(validate_certs=options["validate_certs"]),  # once, since it reads all certificates
        )

    def ask(self, path: str, query: Mapping[str, Any]) -> Any:
        """The answer to a GET, or ControllerError."""
        url = f"{self._base}{path}{'?' + urllib.parse.urlencode(query) if query else ''}"
        try:
            with self._request.open("GET", url) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as exc:
            raise controllers.ControllerError(self._refused(exc.code, path)) from exc
        except (OSError, UrlConnectionError, SSLValidationError) as exc:
            reason = getattr(exc, "reason", exc)
            raise controllers.ControllerError(
                f"Cannot reach the Controller at {self.host}: {reason}. Check controller_host, and the way to it."
            ) from exc
        except ValueError as exc:
            raise controllers.ControllerError(
                f"What answers at {self._base} is no Controller. Check controller_host."
            ) from exc

    def _refused(self, code: int, path: str) -> str:
        words = path.strip("/").split("/")[0].replace("_", " ")
        if code == 401:
            return (
                f"The Controller at {self.host} does not accept who asks. Check controller_token, or make a new token."
            )
        if code == 403:
            return (
                f"The Controller at {self.host} does not let this token read {words}. "
                "Its owner must be an administrator of the organization."
            )
        if code == 404:
            return f"The Controller at {self.host} has no {words} at {path}. Is its version older than this needs?"
        return f"The Controller at {self.host} answers {code} when asked for {words}. Try again, or look at its logs."


def _authorization(options: Mapping[str, Any]) -> str:
    if options["controller_token"]:
        return f"Bearer {options['controller_token']}"
    pair = f"{options['controller_username']}:{options['controller_password']}"
    return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
