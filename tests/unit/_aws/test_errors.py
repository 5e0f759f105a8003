# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator

import boto3
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import errors, ssm
from botocore import exceptions
from botocore.client import BaseClient


def answer(code: str, message: str = "the message") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "PutParameter")


@pytest.mark.parametrize(
    ("exc", "text"),
    [
        (exceptions.NoCredentialsError(), "there are no AWS credentials. Give them by the option profile"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), "there are no AWS credentials"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
        (exceptions.ProfileNotFound(profile="nope"), "(nope) could not be found. Correct the option profile"),
        (exceptions.NoRegionError(), "no AWS region is set"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), "cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), "cannot be reached"),
        (answer("ExpiredTokenException"), "the AWS credentials have expired"),
        (answer("UnrecognizedClientException"), "AWS does not accept the credentials"),
        (answer("AccessDeniedException", "User x may not"), "access denied (User x may not). Allow the action"),
        (answer("403", "Forbidden"), "access denied"),
        (answer("NoSuchBucket"), "the bucket does not exist"),
        (answer("PermanentRedirect"), "the bucket is not in the region"),
        (answer("ThrottlingException"), "AWS throttled 10 tries"),
        (answer("ValidationException", "odd {braces}"), "ValidationException: odd {braces}"),
    ],
)
def test_explanations(exc: Exception, text: str) -> None:
    assert text in errors.explain(exc)


def test_s3_hides_what_is_not_there_behind_a_refusal() -> None:
    s3 = boto3.client("s3", region_name="eu-west-1")
    assert "unless s3:ListBucket is allowed" in errors.explain(answer("AccessDenied"), s3)
    assert "s3:ListBucket" not in errors.explain(answer("AccessDenied"), client("http://127.0.0.1:9"))


def test_translated_names_what_was_being_done() -> None:
    with (
        pytest.raises(errors.AwsError, match=r"^Cannot do it: the AWS credentials have expired"),
        errors.translated("do it"),
    ):
        raise answer("ExpiredToken")


def client(endpoint: str) -> BaseClient:
    made = boto3.client(
        "ssm",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        **errors.client_options(),
    )
    return errors.fail_fast(made)


def test_an_endpoint_that_refuses_is_reported_within_seconds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = "http://{}:{}".format(*unused.getsockname())
        began = time.monotonic()
        with pytest.raises(errors.AwsError, match=f"{endpoint} cannot be reached"):
            ssm.read(client(endpoint), "/x")
        assert time.monotonic() - began < 10


class _Throttling(http.server.BaseHTTPRequestHandler):
    """Throttles the first two calls."""

    calls = 0

    def do_POST(self) -> None:
        type(self).calls += 1
        throttled = self.calls <= 2
        answer = {"__type": "ThrottlingException"} if throttled else {"Parameter": {"Name": "/x", "Value": "well"}}
        body = json.dumps(answer).encode()
        self.send_response(400 if throttled else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def throttling() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Throttling)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "http://{}:{}".format(*server.server_address)
    server.shutdown()
    thread.join()
    server.server_close()


def test_throttling_is_waited_out(throttling: str) -> None:
    assert ssm.read(client(throttling), "/x") == "well"
    assert _Throttling.calls == 3
