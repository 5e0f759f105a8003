# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWS and botocore report, as one sentence with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    # AnsibleAWSModule names the missing library before any call is made; these only keep this file importable.
    class BotoCoreError(Exception):
        """Stands in for botocore's."""

    class ClientError(Exception):
        """Stands in for botocore's."""


# Retried with jitter by botocore's standard mode, throttling included; connecting is tried CONNECT_TRIES times.
CALL_TRIES = 10
CONNECT_TRIES = 2
CONNECT_SECONDS = 5
READ_SECONDS = 60

_GIVE = "Give them by the option profile, by AWS_PROFILE, by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by a role."
_NO_CREDENTIALS = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoAuthTokenError"}
)
_SSO = frozenset({"SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError", "SSOError"})
_UNCONNECTED = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
_UNREACHABLE = _UNCONNECTED | {"ConnectionClosedError", "ConnectionError", "HTTPClientError"}
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_WRONG = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "ForbiddenException", "403"}
)
_ELSEWHERE = frozenset({"PermanentRedirect", "301", "AuthorizationHeaderMalformed"})
_THROTTLED = frozenset(
    {
        "CallRateLimitExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
    }
)


class AwsError(Exception):
    """A call to AWS that failed for good; the text is for the user."""


def client_options() -> dict[str, Any]:
    """Arguments for every client: patient with throttling, short with what cannot be reached."""
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": CALL_TRIES}
    return {"config": Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)}


def fail_fast(client: Any) -> Any:
    """Stop retrying soon when no connection can be made: ten tries of a dead endpoint would take minutes."""
    client.meta.events.register_first("needs-retry", _give_up_connecting)
    return client


def _give_up_connecting(attempts: int = 0, caught_exception: Exception | None = None, **_unused: Any) -> None:
    if caught_exception is not None and type(caught_exception).__name__ in _UNCONNECTED and attempts >= CONNECT_TRIES:
        raise caught_exception


@contextmanager
def translated(doing: str, client: Any = None) -> Iterator[None]:
    """Turn botocore's exceptions into one AwsError that begins with what was being done."""
    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        raise AwsError(f"Cannot {doing}: {explain(exc, client)}") from exc


def code_of(exc: Exception) -> str:
    """The error code of a ClientError, or the name of the exception."""
    response = getattr(exc, "response", None) or {}
    return str(response.get("Error", {}).get("Code") or type(exc).__name__)


NO_REGION = "no AWS region is set. Give the option region, or set AWS_REGION."

# What botocore raises itself, by class name, and what AWS answers, by code: the first row that matches explains it.
_EXPLANATIONS: tuple[tuple[frozenset[str], str], ...] = (
    (_NO_CREDENTIALS, "there are no AWS credentials. {give}"),
    (_SSO, "the AWS SSO session is not valid ({detail}). Log in again with 'aws sso login'."),
    (frozenset({"ProfileNotFound"}), "{detail}. Correct the option profile or AWS_PROFILE."),
    (frozenset({"NoRegionError"}), NO_REGION),
    (_UNREACHABLE, "{endpoint} cannot be reached ({detail}). Check network, proxy, region and endpoint_url."),
    (_EXPIRED, "the AWS credentials have expired. Log in again, or let the job fetch new ones."),
    (_WRONG, "AWS does not accept the credentials ({code}: {detail}). {give}"),
    (_DENIED, "access denied ({detail}). Allow the action in the IAM policy of the role or user that runs this."),
    (frozenset({"NoSuchBucket"}), "the bucket does not exist. Correct the option bucket, or create it."),
    (_ELSEWHERE, "the bucket is not in the region {region}. Set the option region or AWS_REGION to the bucket's."),
    (_THROTTLED, "AWS throttled {tries} tries ({code}). Run it again later, or ask for a higher limit."),
)


def explain(exc: Exception, client: Any = None) -> str:
    """Cause and remedy in one or two sentences."""
    code, detail = code_of(exc), _detail(exc)
    names = {code, *(kind.__name__ for kind in type(exc).__mro__)}
    text = next((text for kinds, text in _EXPLANATIONS if names & kinds), "{code}: {detail}")
    meta = getattr(client, "meta", None)
    if code in _DENIED and getattr(getattr(meta, "service_model", None), "service_name", "") == "s3":
        text += " S3 also says so of an object that is not there, unless s3:ListBucket is allowed."
    return text.format(
        give=_GIVE,
        code=code,
        detail=detail,
        endpoint=getattr(meta, "endpoint_url", "The endpoint"),
        region=getattr(meta, "region_name", ""),
        tries=CALL_TRIES,
    )


def _detail(exc: Exception) -> str:
    response = getattr(exc, "response", None) or {}
    message = response.get("Error", {}).get("Message") or str(exc)
    return " ".join(str(message).split()).rstrip(".")
