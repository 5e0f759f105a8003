# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import s3
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError

from tests.unit.emulated_aws import EmulatedAws


def put(aws: EmulatedAws, key: str, body: bytes) -> bool:
    digest = hashlib.sha256(body).hexdigest()
    stream = io.BytesIO(body)
    return s3.create(
        aws.client("s3"), aws.bucket, key, stream, sha256=digest, content_type="text/plain", metadata={"sha256": digest}
    )


def test_create_reads_back_and_never_overwrites(aws: EmulatedAws) -> None:
    client = aws.client("s3")
    assert s3.read(client, aws.bucket, "a") is None
    assert s3.head(client, aws.bucket, "a") is None
    assert put(aws, "a", b"one")
    assert not put(aws, "a", b"two")
    assert s3.read(client, aws.bucket, "a") == b"one"
    assert s3.head(client, aws.bucket, "a") == {"size": 3, "metadata": {"sha256": hashlib.sha256(b"one").hexdigest()}}


def test_of_many_writers_one_wins(aws: EmulatedAws) -> None:
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda number: put(aws, "raced", str(number).encode()), range(8)))
    assert wins.count(True) == 1
    assert s3.read(aws.client("s3"), aws.bucket, "raced") == str(wins.index(True)).encode()


def test_newest_keys(aws: EmulatedAws) -> None:
    for name in ("app/1.json", "app/1.tar.gz", "app/2.json", "other/3.json"):
        put(aws, name, b"x")
    client = aws.client("s3")
    assert set(s3.newest_keys(client, aws.bucket, "app/", ".json", 5)) == {"app/1.json", "app/2.json"}
    assert len(s3.newest_keys(client, aws.bucket, "app/", ".json", 1)) == 1
    assert s3.newest_keys(client, aws.bucket, "none/", ".json", 5) == []


def test_a_missing_bucket_is_named(aws: EmulatedAws) -> None:
    with pytest.raises(AwsError, match="Cannot read s3://nowhere-at-all/a: the bucket does not exist"):
        s3.read(aws.client("s3"), "nowhere-at-all", "a")
