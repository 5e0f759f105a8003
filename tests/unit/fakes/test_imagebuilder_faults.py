# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Image Builder in trouble: throttled, broken, stale, and heard by nobody."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.emulation import REGION
from tests.emulation.clients import make
from tests.fakes.contract import VIOLATION

from .workshop import DOCUMENT, OTHER, Workshop

COMPONENT = {"name": "web", "semanticVersion": "1.0.0", "platform": "Linux", "data": DOCUMENT}


def failure(shop: Workshop, operation: str, **parameters: object) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        getattr(shop.client, operation)(**parameters)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_calls_are_counted_by_their_names_and_those_of_the_service_itself_are_not(shop: Workshop) -> None:
    shop.aws.reset()
    arn = shop.made()
    shop.client.list_tags_for_resource(resourceArn=arn)
    assert shop.aws.calls() == Counter(
        {
            f"imagebuilder:{action}:{REGION}": 1
            for action in (
                "CreateComponent",
                "CreateImageRecipe",
                "CreateInfrastructureConfiguration",
                "CreateImage",
                "ListTagsForResource",
            )
        }
    )


def test_above_a_limit_it_throttles_in_its_own_words(shop: Workshop) -> None:
    shop.aws.limit("imagebuilder", rate=0, burst=1)
    shop.client.list_components()
    assert failure(shop, "list_components") == (429, "CallRateLimitExceededException")
    arn = f"arn:aws:imagebuilder:{REGION}:123456789012:component/web/1.0.0/1"
    assert failure(shop, "list_tags_for_resource", resourceArn=arn) == (400, "ThrottlingException")
    assert shop.aws.throttled()[f"imagebuilder:ListComponents:{REGION}"] == 1


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_what_botocore_makes_of_its_throttling(shop: Workshop, mode: str) -> None:
    """Only the old mode tries again: the new one goes by names, and does not know this one."""
    config = Config(retries={"mode": mode, "total_max_attempts": 2})
    client = make("imagebuilder", shop.aws.endpoint, REGION, config)
    shop.aws.fault("imagebuilder:ListComponents", "CallRateLimitExceededException", times=1)
    if mode == "legacy":
        assert client.list_components()["componentVersionList"] == []
    else:
        with pytest.raises(ClientError, match="CallRateLimitExceededException"):
            client.list_components()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ServiceException", 500),
        ("ServiceUnavailableException", 503),
        ("ForbiddenException", 403),
        ("ServiceQuotaExceededException", 402),
        ("ExpiredTokenException", 400),
        (503, 503),
    ],
)
def test_a_fault_has_the_status_of_the_model(shop: Workshop, code: str | int, status: int) -> None:
    shop.aws.fault("imagebuilder:CreateComponent", code, times=1)
    assert failure(shop, "create_component", **COMPONENT) == (status, str(code))
    shop.component()


def test_a_fault_that_the_operation_never_has_is_a_mistake_of_the_test(shop: Workshop) -> None:
    shop.aws.fault("imagebuilder:CreateComponent", "ResourceNotFoundException")
    assert failure(shop, "create_component", **COMPONENT) == (500, VIOLATION)
    assert len(shop.fake.violations) == 1
    shop.fake.violations.clear()


def test_a_fault_can_be_of_one_region_and_say_something(shop: Workshop) -> None:
    shop.aws.fault("imagebuilder", "ForbiddenException", message="not you", region=OTHER)
    shop.client.list_components()
    with pytest.raises(ClientError, match="not you"):
        shop.client_of("imagebuilder", OTHER).list_components()


def test_a_dropped_call_has_done_nothing(shop: Workshop) -> None:
    shop.aws.drop("imagebuilder:CreateComponent", times=1)
    with pytest.raises(ConnectionClosedError):
        shop.component()
    assert shop.client.list_components()["componentVersionList"] == []


def test_a_lost_answer_is_of_a_call_that_was_carried_out(shop: Workshop) -> None:
    shop.aws.lose("imagebuilder:CreateComponent", times=1)
    with pytest.raises(ConnectionClosedError):
        shop.component()
    assert len(shop.client.list_components()["componentVersionList"]) == 1


def test_a_lost_answer_is_found_again_by_its_token(shop: Workshop) -> None:
    """botocore sends the token of the first try again."""
    recipe, infrastructure = shop.recipe(), shop.infrastructure()
    shop.aws.lose("imagebuilder:CreateImage", times=1)
    arn = shop.aws.client("imagebuilder").create_image(
        imageRecipeArn=recipe, infrastructureConfigurationArn=infrastructure
    )["imageBuildVersionArn"]
    assert shop.aws.calls()[f"imagebuilder:CreateImage:{REGION}"] == 2
    assert [one["arn"] for one in shop.client.list_image_build_versions()["imageSummaryList"]] == [arn]


def test_stale_reads_see_what_was_before_the_last_write(shop: Workshop) -> None:
    first = shop.component()
    arn = shop.component(semanticVersion="2.0.0")
    shop.aws.stale("imagebuilder", times=2)
    assert [one["version"] for one in shop.client.list_components()["componentVersionList"]] == ["1.0.0"]
    assert "ResourceNotFoundException" in shop.refusal("get_component", componentBuildVersionArn=arn)
    assert shop.client.get_component(componentBuildVersionArn=arn)["component"]["arn"] == arn
    shop.client.delete_component(componentBuildVersionArn=first)
    shop.aws.stale("imagebuilder:GetComponent", times=1)
    assert shop.client.get_component(componentBuildVersionArn=first)["component"]["arn"] == first
    assert "ResourceNotFoundException" in shop.refusal("get_component", componentBuildVersionArn=first)


def test_writes_are_never_stale_and_a_stale_read_moves_no_image(shop: Workshop) -> None:
    shop.aws.stale("imagebuilder:GetImage", times=3)
    arn = shop.image()
    for _ in range(3):
        assert "ResourceNotFoundException" in shop.refusal("get_image", imageBuildVersionArn=arn)
    assert shop.status(arn) == "PENDING"


def test_a_refused_write_is_no_write(shop: Workshop) -> None:
    arn = shop.component()
    shop.refusal("create_component", **COMPONENT | {"data": "nonsense"})
    shop.aws.stale("imagebuilder", times=1)
    assert "ResourceNotFoundException" in shop.refusal("get_component", componentBuildVersionArn=arn)


def test_only_what_remembers_can_be_stale(shop: Workshop) -> None:
    with pytest.raises(ValueError, match=r"ssm:GetParameter: only .* what was before"):
        shop.aws.stale("ssm:GetParameter")


def test_reads_can_be_replayed(shop: Workshop) -> None:
    shop.aws.replay(True)
    assert shop.client.list_components()["componentVersionList"] == []
    shop.component()
    assert shop.client.list_components()["componentVersionList"] == []


def test_an_empty_aws_has_no_images_either(shop: Workshop) -> None:
    shop.image()
    shop.aws.reset_data()
    assert shop.client.list_images()["imageVersionList"] == []


def test_what_goes_wrong_with_images_ends_with_the_reset(shop: Workshop) -> None:
    shop.fake.fail_at("BUILDING")
    shop.fake.clock.advance(days=400)
    shop.aws.reset()
    arn = shop.made()
    assert shop.status(arn) == "AVAILABLE"
    assert shop.shown(arn)["dateCreated"] <= shop.fake.clock.text()


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [("/MakeImage", b"{}", "UnknownOperationException"), ("/CreateImage", b"{", "SerializationException")],
)
def test_nonsense_on_the_wire_is_refused(shop: Workshop, path: str, body: bytes, code: str) -> None:
    request = urllib.request.Request(shop.aws.endpoint + path, data=body, method="PUT")
    request.add_header(
        "Authorization", f"AWS4-HMAC-SHA256 Credential=key/20261125/{REGION}/imagebuilder/aws4_request, Signature=x"
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.headers["x-amzn-ErrorType"] == code
    shop.aws.fault("imagebuilder", "ForbiddenException")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 404, "what is no operation has no faults either"


def test_a_mistake_in_the_fake_is_an_answer_too_and_is_kept(shop: Workshop) -> None:
    shop.fake.quotas["component"] = "many"  # no number
    assert failure(shop, "create_component", **COMPONENT) == (500, "InternalFailure")
    assert [type(bug) for bug in shop.fake.bugs] == [TypeError]
    shop.fake.bugs.clear()
