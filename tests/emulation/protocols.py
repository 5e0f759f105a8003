# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request asks for, and how AWS words a refusal in each of its protocols."""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
# Requests are signed for these names; boto3 and people know the services by others.
_KNOWN_AS = {"monitoring": "cloudwatch"}
_ELBV2 = "2015-12-01"

THROTTLED = {
    "ec2": "RequestLimitExceeded",
    "query": "Throttling",
    "json": "ThrottlingException",
    "rest-xml": "SlowDown",
    "rest-json": "ThrottlingException",
}
_MESSAGES = {
    "RequestLimitExceeded": "Request limit exceeded.",
    "Throttling": "Rate exceeded",
    "ThrottlingException": "Rate exceeded",
    "SlowDown": "Please reduce your request rate.",
    "AuthFailure": "AWS was not able to validate the provided access credentials",
    "UnauthorizedOperation": "You are not authorized to perform this operation.",
    "ExpiredToken": "The security token included in the request is expired",
    "ExpiredTokenException": "The security token included in the request is expired",
    "RequestExpired": "Request has expired.",
    "InvalidNextToken": "The token is not valid.",
}
_SERVER_SIDE = {
    "RequestLimitExceeded": 503,
    "SlowDown": 503,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
    "InternalError": 500,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "InternalServiceError": 500,
}
_FORBIDDEN = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "InvalidClientTokenId",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
    }
)


@dataclass(frozen=True)
class Call:
    """One request. REST services name no action in it; theirs is the HTTP method."""

    service: str
    action: str
    region: str
    access_key: str
    protocol: str
    parameters: dict[str, Any] = field(hash=False)

    def __str__(self) -> str:
        return f"{self.service}:{self.action}:{self.region}"

    def is_of(self, pattern: str, region: str | None = None) -> bool:
        """Whether a pattern, `service` or `service:Action`, means this call."""
        named = pattern in {self.service, f"{self.service}:{self.action}"}
        return named and region in {None, self.region}

    @property
    def reads(self) -> bool:
        return self.action.startswith(("Describe", "Get", "List", "BatchGet", "GET", "HEAD"))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def parse(environ: dict[str, Any], body: bytes) -> Call:
    access_key, region, service = _scope(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Call(service, target.rpartition(".")[2], region, access_key, "json", json.loads(body or b"{}"))
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        if service == "elasticloadbalancing":
            service = "elbv2" if form.get("Version") == _ELBV2 else "elb"
        return Call(service, form.get("Action", ""), region, access_key, "ec2" if service == "ec2" else "query", form)
    protocol = "rest-xml" if service in {"s3", "route53"} else "rest-json"
    return Call(service, environ["REQUEST_METHOD"], region, access_key, protocol, {})


def _scope(environ: dict[str, Any]) -> tuple[str, str, str]:
    """Access key, region and service, from the signature in the header or in a presigned link."""
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    presigned = "".join(f"Credential={value}" for value in query.get("X-Amz-Credential", []))
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", "") or presigned)
    access_key, region, service = found.groups() if found else ("", "", "unsigned")
    return access_key, region, _KNOWN_AS.get(service, service)


def with_parameters(call: Call, changed: dict[str, Any]) -> bytes:
    """The body of this call with these parameters instead; json, query and ec2 only."""
    parameters = call.parameters | changed
    return json.dumps(parameters).encode() if call.protocol == "json" else urllib.parse.urlencode(parameters).encode()


def throttling(call: Call) -> Answer:
    return error(call, THROTTLED[call.protocol])


def error(call: Call, code: str | int, message: str = "") -> Answer:
    """An error code in the words of the call's protocol; a number is what a load balancer says before the service."""
    if str(code).isdigit():
        text = f"<html><body><b>Http/1.1 {code}</b></body></html>"
        return Answer(int(code), (("Content-Type", "text/html"),), text.encode())
    message = message or _MESSAGES.get(str(code), "The emulated AWS was told to say so.")
    writer = {"ec2": _ec2, "query": _query, "rest-xml": _rest_xml}.get(call.protocol, _json)
    return writer(str(code), message)


def _xml_status(code: str) -> int:
    if code == "AuthFailure":
        return 401
    return _SERVER_SIDE.get(code, 403 if code in _FORBIDDEN else 400)


def _xml(code: str, text: str) -> Answer:
    return Answer(_xml_status(code), (("Content-Type", "text/xml;charset=UTF-8"),), text.encode())


def _ec2(code: str, message: str) -> Answer:
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    return _xml(code, f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>emulated</RequestID></Response>")


def _query(code: str, message: str) -> Answer:
    inner = f"<Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    return _xml(code, f"<ErrorResponse><Error>{inner}</Error><RequestId>emulated</RequestId></ErrorResponse>")


def _rest_xml(code: str, message: str) -> Answer:
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    return _xml(code, f"<Error>{inner}<RequestId>emulated</RequestId></Error>")


def _json(code: str, message: str) -> Answer:
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code))
    body = json.dumps({"__type": code, "message": message})
    return Answer(_SERVER_SIDE.get(code, 400), headers, body.encode())
