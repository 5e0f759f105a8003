# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components: a document, a version, and builds of that version."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError

from tests.fakes.contract import RefusalError

from . import arns, documents
from .region import Parameters, Region, filtered, without_nothing

KIND = "component"
QUOTA_OF_DOCUMENTS = 64 * 1024
# What makes two builds of a version the same.
_CONTENT = ("data", "platform", "supportedOsVersions", "description", "changeDescription", "kmsKeyId")


def create(region: Region, parameters: Parameters) -> Parameters:
    arns.check_version(parameters["semanticVersion"])
    text = _text(region, parameters)
    document = documents.read(text)
    version = arns.Arn.parse(region.arn(KIND, parameters["name"], parameters["semanticVersion"]))
    thing = without_nothing(
        {key: parameters.get(key) for key in _CONTENT if key != "data"}
        | {
            "name": parameters["name"],
            "version": parameters["semanticVersion"],
            "type": documents.kind(document),
            "state": {"status": "ACTIVE"},
            "parameters": documents.shown(document) or None,
            "owner": region.account,
            "data": text,
            "encrypted": True,
            "dateCreated": region.clock.text(),
            "tags": parameters.get("tags"),
        }
    )
    latest = arns.newest(str(version), region.state.of(KIND))
    if latest and _content(region.state.of(KIND)[latest]) == _content(thing):
        raise RefusalError("InvalidRequestException", f"The following resource 'Component' already exists: '{latest}'.")
    build = arns.Arn.parse(latest).build if latest else 0
    arn = region.arn(KIND, parameters["name"], parameters["semanticVersion"], (build or 0) + 1)
    region.create(parameters, KIND, arn, thing)
    return {"componentBuildVersionArn": arn, "latestVersionReferences": arns.references(arn)}


def _content(component: dict[str, Any]) -> dict[str, Any]:
    return {key: component.get(key) for key in _CONTENT}


def _text(region: Region, parameters: Parameters) -> str:
    if ("data" in parameters) == ("uri" in parameters):
        raise RefusalError("InvalidParameterCombinationException", "You must specify exactly one of 'data' and 'uri'.")
    return parameters["data"] if "data" in parameters else _fetched(region, parameters["uri"])


def _fetched(region: Region, uri: str) -> str:
    found = re.fullmatch(r"s3://([^/]+)/(.+)", uri)
    if found is None:
        raise RefusalError("InvalidRequestException", f"The URI '{uri}' is not valid: it must be s3://bucket/key.")
    try:
        body = region.client("s3").get_object(Bucket=found[1], Key=found[2])["Body"].read()
    except ClientError as error:
        raise RefusalError("InvalidRequestException", f"The document at '{uri}' cannot be read: {error}") from error
    if len(body) > QUOTA_OF_DOCUMENTS:
        raise RefusalError(
            "ServiceQuotaExceededException",
            f"The document at '{uri}' has {len(body)} bytes; the limit is {QUOTA_OF_DOCUMENTS}.",
        )
    return str(body.decode())


def get(region: Region, parameters: Parameters) -> Parameters:
    component = region.get(parameters["componentBuildVersionArn"])
    return {"component": component, "latestVersionReferences": arns.references(component["arn"])}


def delete(region: Region, parameters: Parameters) -> Parameters:
    arn = parameters["componentBuildVersionArn"]
    region.exact(arn)
    target = arns.Arn.parse(arn)
    region.unused(
        arn,
        (
            recipe["arn"]
            for recipe in region.state.of("image-recipe").values()
            for one in recipe.get("components", [])
            if arns.Arn.parse(one["componentArn"]).means(target)
        ),
    )
    del region.state.of(KIND)[arn]
    return {"componentBuildVersionArn": arn}


def list_versions(region: Region, parameters: Parameters) -> Parameters:
    """One entry per version, or per name; it shows the newest build of it."""
    by_name = parameters.get("byName", False)
    newest: dict[str, dict[str, Any]] = {}
    for component in region.state.of(KIND).values():
        arn = arns.Arn.parse(component["arn"])
        key = arn.name if by_name else str(arn.of_version)
        if key not in newest or arns.Arn.parse(newest[key]["arn"]).nodes < arn.nodes:
            newest[key] = component
    by_status = any(one.get("name") == "status" for one in parameters.get("filters", []))
    listed = [
        component | {"arn": str(arns.Arn.parse(component["arn"]).of_version), "status": component["state"]["status"]}
        for component in newest.values()
        if by_status or component["state"]["status"] != "DEPRECATED"
    ]
    if parameters.get("owner", "Self") != "Self":
        listed = []
    known = {
        "description": lambda item: item.get("description"),
        "name": lambda item: item["name"],
        "platform": lambda item: item["platform"],
        "status": lambda item: item["status"],
        "supportedOsVersion": lambda item: item.get("supportedOsVersions", []),
        "type": lambda item: item["type"],
        "version": lambda item: item["version"],
    }
    found = filtered(listed, parameters, known)
    return region.page("ListComponents", "componentVersionList", found, parameters)


def list_builds(region: Region, parameters: Parameters) -> Parameters:
    wanted = parameters.get("componentVersionArn")
    builds = [
        component
        for component in region.state.of(KIND).values()
        if component["state"]["status"] != "DEPRECATED"
        and (wanted is None or arns.Arn.parse(wanted).means(arns.Arn.parse(component["arn"])))
    ]
    builds.sort(key=lambda component: arns.Arn.parse(component["arn"]).nodes, reverse=True)
    return region.page("ListComponentBuildVersions", "componentSummaryList", builds, parameters)


OPERATIONS = {
    "CreateComponent": create,
    "GetComponent": get,
    "DeleteComponent": delete,
    "ListComponents": list_versions,
    "ListComponentBuildVersions": list_builds,
}
