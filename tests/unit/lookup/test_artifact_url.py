# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from ansible.errors import AnsibleError
from ansible_collections.sysops.dtk.plugins.lookup.artifact_url import LookupModule
from ansible_collections.sysops.dtk.plugins.module_utils._aws import s3

from tests.unit.emulated_aws import EmulatedAws

Sign = Callable[..., list[str]]


@pytest.fixture
def sign(monkeypatch: pytest.MonkeyPatch) -> Sign:
    options: dict[str, int] = {}
    lookup = LookupModule()
    monkeypatch.setattr(lookup, "set_options", lambda var_options, direct: options.update({"expiry": 3600} | direct))
    monkeypatch.setattr(lookup, "get_option", lambda name: options[name])
    return lookup.run


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, aws: EmulatedAws) -> pytest.MonkeyPatch:
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_link_opens_this_artifact_without_credentials(sign: Sign, environ: object, aws: EmulatedAws) -> None:
    digest = hashlib.sha256(b"bytes").hexdigest()
    s3.create(aws.client("s3"), aws.bucket, "hello/1.tar.gz", io.BytesIO(b"bytes"), sha256=digest, content_type="x/y")
    (link,) = sign([{"bucket": aws.bucket, "key": "hello/1.tar.gz", "uri": "not needed"}], expiry=60)
    assert "X-Amz-Expires=60" in link
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.read() == b"bytes"


@pytest.mark.parametrize(
    ("region", "default_region", "signed_for"),
    [("eu-north-1", "eu-west-2", "eu-north-1"), ("", "eu-west-2", "eu-west-2")],
)
def test_the_region_of_either_variable_is_used(
    sign: Sign, environ: pytest.MonkeyPatch, region: str, default_region: str, signed_for: str
) -> None:
    environ.setenv("AWS_REGION", region)
    environ.setenv("AWS_DEFAULT_REGION", default_region)
    assert f"%2F{signed_for}%2Fs3%2Faws4_request" in sign([{"bucket": "b-b", "key": "k"}])[0]


def test_missing_credentials_are_one_sentence(sign: Sign, environ: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        environ.delenv(name, raising=False)
    environ.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environ.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    environ.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(AnsibleError, match=r"Cannot sign a link to s3://b-b/k: there are no AWS credentials"):
        sign([{"bucket": "b-b", "key": "k"}])
