# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ec2, ec2_model
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from botocore.loaders import Loader
from botocore.stub import Stubber

from tests.unit.emulated_aws import EmulatedAws

THEIRS = Loader().load_service_model("ec2", "service-2")
OURS = ec2_model.MODEL


# --- the model, compared with botocore's --------------------------------------------------------------------------


def test_how_ec2_is_asked_is_what_botocore_has() -> None:
    assert OURS["metadata"] == THEIRS["metadata"]
    assert OURS["version"] == THEIRS["version"]


@pytest.mark.parametrize("name", sorted(OURS["operations"]))
def test_an_operation_is_botocores(name: str) -> None:
    ours, theirs = OURS["operations"][name], THEIRS["operations"][name]
    assert ours == {key: theirs[key] for key in ours}
    assert set(theirs) - set(ours) <= {"documentation"}


def simple(shape: str) -> str:
    """Texts that AWS limits to certain values, and dates, are plain text to us."""
    kind = THEIRS["shapes"].get(shape, {}).get("type", shape)
    return "string" if kind == "timestamp" else kind


@pytest.mark.parametrize("name", sorted(OURS["shapes"]))
def test_a_shape_is_part_of_botocores(name: str) -> None:
    ours, theirs = OURS["shapes"][name], THEIRS["shapes"][name]
    assert ours["type"] == theirs["type"]
    for member, found in ours.get("members", {}).items():
        wanted = theirs["members"][member]
        assert (found.get("locationName"), wanted.get("queryName")) == (wanted.get("locationName"), None), member
        assert found["shape"] == wanted["shape"] or OURS["shapes"][found["shape"]]["type"] == simple(wanted["shape"])
    if "member" in ours:
        assert ours["member"]["shape"] == theirs["member"]["shape"]
        assert ours["member"].get("locationName") == theirs["member"].get("locationName")


def test_every_shape_that_is_named_is_there() -> None:
    named = {member["shape"] for shape in OURS["shapes"].values() for member in shape.get("members", {}).values()}
    named |= {shape["member"]["shape"] for shape in OURS["shapes"].values() if "member" in shape}
    assert named <= set(OURS["shapes"])


def test_the_services_that_the_loader_knows_are_those_that_are_asked() -> None:
    slim, whole = ec2_model.loader(full=False), ec2_model.loader(full=True)
    assert slim.load_service_model("ec2", "service-2") is OURS
    assert len(whole.load_service_model("ec2", "service-2")["operations"]) > 700
    for service in slim.list_available_services("service-2"):
        assert service in whole.list_available_services("service-2")
        assert slim.load_service_model(service, "service-2")["metadata"]["serviceId"]


# --- instances ------------------------------------------------------------------------------------------------------


def clients(aws: EmulatedAws) -> list[Any]:
    """One with our model, one with botocore's."""
    from botocore.session import Session

    found = []
    for full in (False, True):
        session = Session()
        session.register_component("data_loader", ec2_model.loader(full))
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        found.append(session.create_client("ec2", region_name="eu-west-1", endpoint_url=aws.endpoint, **keys))
    return found


def started(aws: EmulatedAws, count: int = 1) -> list[dict[str, str]]:
    """Start instances with a tag of their own; returns filters for them."""
    mark = uuid.uuid4().hex
    client = aws.client("ec2")
    image = client.register_image(Name=mark, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
    tags = [{"Key": "mark", "Value": mark}, {"Key": "Empty", "Value": ""}]
    specification = [{"ResourceType": "instance", "Tags": tags}]
    client.run_instances(ImageId=image, MinCount=count, MaxCount=count, TagSpecifications=specification)
    return [{"tag:mark": mark}]


def test_both_models_give_the_same(aws: EmulatedAws) -> None:
    filters = started(aws, 3)
    slim, full = (list(ec2.instances(client, filters)) for client in clients(aws))
    assert len(slim) == 3
    for ours, theirs in zip(slim, full, strict=True):
        assert ours.pop("launch_time")[:19] == theirs.pop("launch_time")[:19]
        assert ours == theirs
        assert ours["tags"]["Empty"] == ""
        assert ours["region"] == "eu-west-1"


def test_everything_about_an_instance_is_plain_data(aws: EmulatedAws) -> None:
    filters = started(aws)
    (row,) = ec2.instances(clients(aws)[1], filters, full=True)
    described = row["description"]
    assert described["tags"] == row["tags"]
    assert described["owner_id"] == row["account_id"]
    assert datetime.fromisoformat(described["launch_time"]).tzinfo is not None


def test_texts_that_repeat_are_in_memory_once(aws: EmulatedAws) -> None:
    seen: dict[str, str] = {}
    one, two = ec2.instances(clients(aws)[0], started(aws, 2), seen=seen)
    assert one["tags"]["mark"] is two["tags"]["mark"] is seen[one["tags"]["mark"]]
    assert one["image_id"] is two["image_id"]


def test_snake_case_is_ansibles(aws: EmulatedAws) -> None:
    def names(shape: str, seen: frozenset[str] = frozenset()) -> set[str]:
        found, model = set(), THEIRS["shapes"][shape]
        inner = {**model.get("members", {}), **({"": model["member"]} if "member" in model else {})}
        for name, member in inner.items():
            found |= {name} - {""}
            if member["shape"] not in seen:
                found |= names(member["shape"], seen | {shape})
        return found

    every = dict.fromkeys(names("Reservation") | {"TargetGroupARNs", "EC2Id"}, 1)
    assert len(every) > 150
    assert ec2.snake(every) == camel_dict_to_snake_dict(every)


def test_dates_and_tags_in_a_description() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    found = ec2.snake({"Tags": [{"Key": "CamelCase", "Value": "x"}], "AttachTime": at, "Ebs": [{"VolumeId": "v"}]})
    expected = {"tags": {"CamelCase": "x"}, "attach_time": "2026-01-02T00:00:00+00:00", "ebs": [{"volume_id": "v"}]}
    assert found == expected


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([], []),
        ([{}], []),
        ([{"a": "b"}], [{"Name": "a", "Values": ["b"]}]),
        ([{"a": ["b", 1]}, {"c": True}], [{"Name": "a", "Values": ["b", "1"]}, {"Name": "c", "Values": ["true"]}]),
    ],
)
def test_filters(given: list[dict[str, Any]], sent: list[dict[str, Any]]) -> None:
    assert ec2.boto_filters(given) == sent


# --- images, regions, pages -----------------------------------------------------------------------------------------


def test_an_image_that_is_gone_does_not_hide_the_others(aws: EmulatedAws) -> None:
    client = aws.client("ec2")
    kept, gone = (
        client.register_image(Name=uuid.uuid4().hex, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
        for _number in range(2)
    )
    client.deregister_image(ImageId=gone)
    found = ec2.images(clients(aws)[0], {kept, gone, "ami-00000000"})
    assert set(found) == {kept}
    assert found[kept].startswith("20")
    assert ec2.images(client, []) == {}


def test_many_images_are_asked_for_in_parts(aws: EmulatedAws) -> None:
    client = aws.client("ec2")
    names = [f"ami-{number:03}" for number in range(450)]
    with Stubber(client) as stub:
        for part in (names[:200], names[200:400], names[400:]):
            asked = {"Filters": [{"Name": "image-id", "Values": part}], "IncludeDeprecated": True, "MaxResults": 1000}
            found = {"Images": [{"ImageId": one, "CreationDate": "x"} for one in part]}
            stub.add_response("describe_images", found, asked)
        assert set(ec2.images(client, names)) == set(names)


def test_enabled_regions(aws: EmulatedAws) -> None:
    found = ec2.regions(clients(aws)[0])
    assert "eu-west-1" in found
    assert found == sorted(found)


def test_a_page_that_leads_to_itself_is_an_error(aws: EmulatedAws) -> None:
    client = aws.client("ec2")
    again = {"Reservations": [], "NextToken": "again"}
    with Stubber(client) as stub, pytest.raises(AwsError, match=r"list the instances of eu-west-1.* same next token"):
        for _page in range(2):
            stub.add_response("describe_instances", again)
        list(ec2.instances(client, []))
