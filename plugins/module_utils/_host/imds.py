# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The instance metadata service of EC2, version 2 only: each answer needs a token that is asked for first."""

from __future__ import annotations

import os
import time
from typing import Any

from .errors import HostError

ENDPOINT = "http://169.254.169.254"
_TOKEN_SECONDS = 21600
_HEADER = "X-aws-ec2-metadata-token"
_TTL = f"{_HEADER}-ttl-seconds"
_PAUSE_S = 0.1
_RETRIED = (429, 500, 502, 503, 504)


class MetadataError(HostError):
    """The instance metadata service doesn't answer as it should."""


def endpoint() -> str | None:
    """Where it is, by the variables that every AWS client goes by; None where they switch it off."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    return os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ENDPOINT


class Metadata:
    """A client. timeout: seconds for one answer; tries: of one question, with a growing pause between them."""

    def __init__(self, url: str, timeout: float = 1.0, tries: int = 4) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._tries = tries
        self._token: str | None = None
        self._connection: Any = None

    def get(self, path: str) -> str | None:
        """The text at a path below /latest, None if there is none. Raises MetadataError."""
        status, text = self._ask(path)
        if status == 404:
            return None
        if status != 200:
            raise MetadataError(
                f"the instance metadata service at {self._url} answered {status} for {path}; "
                "check the metadata options of the instance"
            )
        return text

    def identity(self) -> dict[str, str]:
        """Id and region of this instance."""
        import json

        try:
            document = json.loads(self.get("dynamic/instance-identity/document") or "")
            return {"instance_id": str(document["instanceId"]), "region": str(document["region"])}
        except (ValueError, KeyError, TypeError):
            raise MetadataError(
                f"the instance metadata service at {self._url} has no identity document with instance id and region; "
                "check that it is the one of EC2"
            ) from None

    def lifecycle(self) -> str | None:
        """The state that Auto Scaling has this instance on its way to; None if it is in no group."""
        return self.get("meta-data/autoscaling/target-lifecycle-state")

    def tags(self, names: tuple[str, ...]) -> dict[str, str]:
        """Those of the tags that there are; none where the instance does not show tags in its metadata."""
        from urllib.parse import quote

        found = {name: self.get(f"meta-data/tags/instance/{quote(name, safe=':')}") for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def _ask(self, path: str) -> tuple[int, str]:
        status, text = self._send("GET", path, {_HEADER: self._token or self._renew()})
        if status == 401:  # the token is over, or of a time before this instance was stopped
            status, text = self._send("GET", path, {_HEADER: self._renew()})
        return status, text

    def _renew(self) -> str:
        status, text = self._send("PUT", "api/token", {_TTL: str(_TOKEN_SECONDS)})
        if status != 200 or not text:
            raise MetadataError(
                f"the instance metadata service at {self._url} gives no token ({status}); switch it on for the "
                "instance, with version 2 and a hop limit that reaches this system"
            )
        self._token = text
        return text

    def _send(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        import http.client

        reason = ""
        for number in range(self._tries):
            if number:
                time.sleep(_PAUSE_S * 2**number)
            try:
                status, text = self._exchange(method, f"/latest/{path}", headers)
            except (OSError, http.client.HTTPException) as exc:
                self._close()
                reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
                continue
            if status not in _RETRIED:
                return status, text
            reason = f"status {status}"
        raise MetadataError(
            f"the instance metadata service at {self._url} does not answer ({reason}, {self._tries} tries); "
            "outside of EC2 set metadata to false in /etc/dtk/converge.json"
        )

    def _exchange(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """On a connection that is kept while the service keeps it."""
        import http.client
        from urllib.parse import urlsplit

        if self._connection is None:
            # No proxy, whatever the environment says: a token must not leave the machine.
            self._connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=self._timeout)
        self._connection.request(method, path, headers=headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
