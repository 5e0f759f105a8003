# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was cut out of botocore's models does what the whole does, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import boot_models
from ansible_collections.sysops.dtk.plugins.module_utils._aws.boot_session import Clients
from botocore.awsrequest import AWSResponse
from botocore.session import Session

ASK = {"AutoScalingGroupName": "g", "LifecycleHookName": "h", "InstanceId": "i-12345678"}
CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "heartbeat": ("autoscaling", lambda client: client.record_lifecycle_action_heartbeat(**ASK)),
    "complete": (
        "autoscaling",
        lambda client: client.complete_lifecycle_action(**ASK, LifecycleActionResult="CONTINUE"),
    ),
    "membership": ("autoscaling", lambda client: client.describe_auto_scaling_instances(InstanceIds=["i-12345678"])),
    "tag": ("ec2", lambda client: client.create_tags(Resources=["i-1"], Tags=[{"Key": "a", "Value": "b"}])),
    "object": ("s3", lambda client: client.get_object(Bucket="bucket", Key="a/b.json")),
    "head": ("s3", lambda client: client.head_object(Bucket="bucket", Key="a/b.json")),
    "list": ("s3", lambda client: client.list_objects_v2(Bucket="bucket", Prefix="a/")),
    "parameter": ("ssm", lambda client: client.get_parameter(Name="/a", WithDecryption=True)),
    "parameters": ("ssm", lambda client: client.get_parameters(Names=["/a", "/b"])),
    "path": (
        "ssm",
        lambda client: (
            client.get_paginator("get_parameters_by_path")
            .paginate(Path="/a", PaginationConfig={"PageSize": 10})
            .build_full_result()
        ),
    ),
}
ANSWERS = {"ssm": b'{"Parameters": [], "Parameter": {}}', "s3": b"", "ec2": b"<a/>"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("models"))
    boot_models.write(folder)
    return folder


def sent(session: Session, call: str, region: str) -> tuple[Any, ...]:
    """What would go over the wire: method, address and body, without what depends on the time."""
    service, ask = CALLS[call]
    client = session.create_client(service, region_name=region, aws_access_key_id="key", aws_secret_access_key="secret")
    found: list[Any] = []

    def catch(request: Any, event_name: str, **_event: Any) -> AWSResponse:
        found.append((request.method, request.url, request.body))
        name = event_name.rpartition(".")[2]
        wrapped = f"<{name}Response><{name}Result/></{name}Response>".encode()
        return AWSResponse(request.url, 200, {}, _Raw(ANSWERS.get(service, wrapped)))

    client.meta.events.register("before-send", catch)
    ask(client)
    return (*found, client.meta.endpoint_url)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = [body]

    def stream(self, *_arguments: Any, **_options: Any) -> list[bytes]:
        return self._body

    def read(self, *_arguments: Any) -> bytes:
        return self._body.pop() if self._body else b""


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_the_same_request(folder: str, call: str, region: str) -> None:
    cut = Session()
    cut.register_component("data_loader", boot_models.loader(folder))
    assert sent(cut, call, region) == sent(Session(), call, region)


def test_every_operation_has_a_call_above() -> None:
    assert sum(len(names) for names in boot_models.OPERATIONS.values()) == len(CALLS)


def test_the_file_is_small_and_holds_no_other_operation(folder: str) -> None:
    assert os.path.getsize(boot_models.location(folder)) < 300_000
    model = boot_models.loader(folder).load_service_model("ec2", "service-2")
    assert set(model["operations"]) == {"CreateTags"}
    assert len(model["shapes"]) < 20


def test_other_models_are_botocores_own(folder: str) -> None:
    kept = boot_models.loader(folder)
    assert "GetCallerIdentity" in kept.load_service_model("sts", "service-2")["operations"]
    assert kept.load_data("_retry") == Session().get_component("data_loader").load_data("_retry")


@pytest.mark.parametrize("text", [None, "", "{"])
def test_without_a_good_file_there_is_no_loader_and_all_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    if text is not None:
        Path(boot_models.location(str(tmp_path))).write_text(text)
    assert boot_models.loader(str(tmp_path)) is None
    client = Clients(str(tmp_path))("ssm")
    assert "DeleteParameter" in client.meta.service_model.operation_names


def test_the_file_of_another_botocore_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot_models.write(str(tmp_path))
    monkeypatch.setattr(botocore, "__version__", "0.0.1")
    assert boot_models.loader(str(tmp_path)) is None


def test_clients_are_made_once_and_share_their_session(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    clients = Clients(folder)
    clients.preload()
    assert clients("ssm") is clients("ssm")
    assert clients("ssm").meta.region_name == "eu-west-3"
    assert clients("s3").meta.config.signature_version == "s3v4"
    assert clients("ssm").meta.service_model.operation_names == sorted(boot_models.OPERATIONS["ssm"])
