# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CloudWatch Logs: the end of a stream. The client is passed in, plain data comes out."""

from __future__ import annotations

from typing import Any

from .errors import AwsError, ClientError, code_of, translated
from .outcomes import MissingError

_MISSING = "ResourceNotFoundException"


def tail(client: Any, group: str, stream: str, count: int) -> list[str]:
    """The last lines of a stream; MissingError if there is no such group or stream."""
    try:
        with translated(f"read the log {group} {stream}", client):
            answer = client.get_log_events(logGroupName=group, logStreamName=stream, limit=count, startFromHead=False)
    except AwsError as exc:
        if isinstance(exc.__cause__, ClientError) and code_of(exc.__cause__) == _MISSING:
            raise MissingError(str(exc)) from exc.__cause__
        raise
    lines = [line for event in answer["events"] for line in event["message"].splitlines()]
    return lines[-count:]
