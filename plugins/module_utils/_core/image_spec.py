# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a description of golden images can work, before anything is asked or changed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import image_names
from .errors import ImageError

BUILD_DATE = "{{ imagebuilder:buildDate }}"
MAX_TEXT = 16_000  # characters of a component's document that is sent along
_MAX_DESCRIPTION = 1024
_MAX_USER_DATA = 21_847  # characters, once it is base64
_MAX_AMI_NAME = 127
_MAX_TAGS = 50 - 3  # ours are added
_MAX_RESOURCE_TAGS = 30
_RESERVED_TAGS = ("CreatedBy", "Ec2ImageBuilderArn", "Name", "Tags")
_MINUTES = range(60, 1441)
_HOPS = range(1, 65)
_COUNT = range(1, 1001)
_LEAST = range(1, 11)  # how many an age rule may keep
_DAYS = range(1, 366)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,124}[a-z0-9]")
_ACCOUNT = re.compile(r"\d{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_S3_URI = re.compile(r"s3://[^/]+/.+")
_PARENT = re.compile(r"ami-[0-9a-f]{8,17}|ssm:.+|arn:[^:]+:imagebuilder:[^:]+:[^:]+:image/.+")
_AMI_NAME = re.compile(r"[-_A-Za-z0-9][-_A-Za-z0-9\s:.]*")
_PARAMETER = re.compile(r"[A-Za-z0-9_./-]+")
_TEMPLATE = re.compile(r"lt-[a-z0-9]{17}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]{2,}(/[A-Za-z0-9_+-]+)*")
_TAG_KEY = re.compile(r"(?!aws:)[a-zA-Z0-9\s_.:/=+\-@]{1,128}")
_ORGANIZATION = re.compile(r"arn:[^:]+:organizations::\d{12}:organization/o-[a-z0-9]{10,32}")
_UNIT = re.compile(r"arn:[^:]+:organizations::\d{12}:ou/o-[a-z0-9]{10,32}/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}")

Options = Mapping[str, Any]


def check_name(name: str) -> str:
    """The name, if all resources can have it; an ImageError otherwise."""
    if not _NAME.fullmatch(name):
        raise ImageError(
            f"name is {name!r}. Use 3 to 126 of a-z, 0-9 and '-', with neither '-' first nor last: Image Builder makes "
            "the same ARN of names that differ in case, spaces or underscores."
        )
    return name


def check(options: Options) -> None:
    """Raise an ImageError that tells everything that is wrong."""
    check_name(options["name"])
    found = [
        *_component(options),
        *_recipe(options),
        *_infrastructure(options["infrastructure"]),
        *_distribution(options["name"], options["distribution"]),
        *_pipeline(options),
        *_lifecycle(options["lifecycle"]),
    ]
    if found:
        raise ImageError(" ".join(found))


def _component(options: Options) -> Iterator[str]:
    text = options["component"]["data"]
    if not text.strip():
        yield "component.data is empty. Give the text of the component's document."
    if len(text) > MAX_TEXT:
        yield (
            f"component.data has {len(text)} characters; Image Builder takes {MAX_TEXT} at most. "
            "Move what is long into the bundle, or into a component of its own."
        )
    if len(options["component"]["description"] or "") > _MAX_DESCRIPTION:
        yield f"component.description has more than {_MAX_DESCRIPTION} characters. Shorten it."
    if "\0" in text:
        yield "component.data holds a NUL character. Leave it out."


def _recipe(options: Options) -> Iterator[str]:
    if not _PARENT.fullmatch(options["parent_image"]):
        yield (
            f"parent_image is {options['parent_image']!r}. Give the id of an AMI (ami-…), ssm:<name of a parameter> "
            "or the ARN of an image of Image Builder."
        )
    yield from _bundle(options["bundle"] or {})
    yield from _further_components(options["name"], options["components"])
    for number, device in enumerate(options["block_devices"]):
        yield from _ebs(f"block_devices[{number}].ebs", device["ebs"])
    if len(encoded(options["user_data"])) > _MAX_USER_DATA:
        yield f"user_data is too long: as base64 it may have {_MAX_USER_DATA} characters. Move it into the bundle."
    yield from _tags("ami_tags", options["ami_tags"])


def encoded(user_data: str | None) -> str:
    """As Image Builder takes it."""
    return base64.b64encode((user_data or "").encode("utf-8", "replace")).decode("ascii")


def _bundle(bundle: Options) -> Iterator[str]:
    if bundle and not _SHA256.fullmatch(bundle["sha256"]):
        yield f"bundle.sha256 is {bundle['sha256']!r}. Give the 64 hexadecimal digits of its SHA-256."
    if bundle and not _S3_URI.fullmatch(bundle["uri"]):
        yield f"bundle.uri is {bundle['uri']!r}. Give s3://<bucket>/<key>."
    if bundle.get("owner"):
        yield from _accounts("bundle.owner", [bundle["owner"]])


def _further_components(name: str, components: Sequence[Options]) -> Iterator[str]:
    seen = {name}
    for number, component in enumerate(components):
        arn = image_names.parsed(component["arn"])
        if arn is None or arn.kind != image_names.COMPONENT or not arn.version:
            yield (
                f"components[{number}].arn is {component['arn']!r}. Give a component's ARN with its version, "
                "like arn:aws:imagebuilder:<region>:aws:component/<name>/x.x.x."
            )
        elif arn.name in seen:
            yield f"components[{number}] is {arn.name} again; a recipe takes each component once, in one version."
        else:
            seen.add(arn.name)


def _ebs(path: str, ebs: Options) -> Iterator[str]:
    for key, allowed in (
        ("volume_size", range(1, 16_001)),
        ("iops", range(100, 64_001)),
        ("throughput", range(125, 1001)),
    ):
        if ebs[key] is not None:
            yield from _within(f"{path}.{key}", ebs[key], allowed)
    if ebs["kms_key"] and ebs["encrypted"] is False:
        yield f"{path} has a kms_key and encrypted: false. Leave one of them out."


def _infrastructure(given: Options) -> Iterator[str]:
    if given["subnet"] and not given["security_groups"]:
        yield "infrastructure.subnet is given without infrastructure.security_groups; Image Builder needs both."
    yield from _within("infrastructure.hop_limit", given["hop_limit"], _HOPS)
    tags = given["resource_tags"] or {}
    yield from _tags("infrastructure.resource_tags", tags, _MAX_RESOURCE_TAGS)
    for key in sorted(set(tags) & set(_RESERVED_TAGS)):
        yield f"infrastructure.resource_tags has {key}, which Image Builder sets itself. Leave it out."
    topic = given["sns_topic"] or ""
    if topic and (not topic.startswith("arn:") or topic.endswith(".fifo")):
        yield f"infrastructure.sns_topic is {topic!r}. Give the ARN of a standard topic."


def _distribution(name: str, places: Sequence[Options]) -> Iterator[str]:
    regions = [place["region"] for place in places]
    for region in sorted({region for region in regions if regions.count(region) > 1}):
        yield f"distribution has {region} more than once. Put all of a region into one entry."
    for number, place in enumerate(places):
        yield from _place(f"distribution[{number}]", name, place)


def _place(path: str, name: str, place: Options) -> Iterator[str]:
    yield from _accounts(f"{path}.accounts", place["accounts"])
    yield from _launch_permission(f"{path}.launch_permission", place["launch_permission"] or {})
    ami_name = place["ami_name"] or name
    if not _AMI_NAME.fullmatch(ami_name.replace(BUILD_DATE, "")) or len(full_ami_name(ami_name)) > _MAX_AMI_NAME:
        yield (
            f"{path}.ami_name is {ami_name!r}. Use letters, digits, spaces, '-', '_', ':' and '.', at most "
            f"{_MAX_AMI_NAME} characters together with the time that is added."
        )
    yield from _tags(f"{path}.ami_tags", place["ami_tags"])
    for index, parameter in enumerate(place["ssm_parameters"]):
        yield from _parameter(f"{path}.ssm_parameters[{index}]", parameter, place["accounts"])
    for index, template in enumerate(place["launch_templates"]):
        if not _TEMPLATE.fullmatch(template["id"]):
            yield f"{path}.launch_templates[{index}].id is {template['id']!r}. Give the id of a launch template (lt-…)."
        yield from _accounts(f"{path}.launch_templates[{index}].account", [template["account"]])


def full_ami_name(ami_name: str) -> str:
    """Each AMI needs a name of its own, so the time of the build is part of it."""
    return ami_name if BUILD_DATE in ami_name else f"{ami_name} {BUILD_DATE}"


def _launch_permission(path: str, given: Options) -> Iterator[str]:
    if not given:
        return
    yield from _accounts(f"{path}.accounts", given["accounts"])
    for key, pattern, example in (
        ("organizations", _ORGANIZATION, "arn:aws:organizations::<account>:organization/o-…"),
        ("organizational_units", _UNIT, "arn:aws:organizations::<account>:ou/o-…/ou-…"),
    ):
        for arn in given[key]:
            if not pattern.fullmatch(arn):
                yield f"{path}.{key} has {arn!r}. Give ARNs like {example}."


def _parameter(path: str, parameter: Options, accounts: Sequence[str]) -> Iterator[str]:
    if not _PARAMETER.fullmatch(parameter["name"]):
        yield f"{path}.name is {parameter['name']!r}. Use letters, digits, '_', '.', '-' and '/'."
    yield from _accounts(f"{path}.account", [parameter["account"]])
    if parameter["account"] and accounts and parameter["account"] not in accounts:
        yield f"{path}.account is {parameter['account']}, which is none of the entry's accounts. Add it there."


def _pipeline(options: Options) -> Iterator[str]:
    yield from _within("tests.minutes", options["tests"]["minutes"], _MINUTES)
    schedule = options["schedule"]
    if schedule and not schedule["cron"].strip():
        yield "schedule.cron is empty. Give an expression, or leave schedule out."
    if schedule and not _ZONE.fullmatch(schedule["timezone"]):
        yield f"schedule.timezone is {schedule['timezone']!r}. Give a name like Europe/Madrid or UTC."
    yield from _tags("tags", options["tags"], _MAX_TAGS)
    for key in sorted(set(options["tags"]) & image_names.OWN_TAGS):
        yield f"tags has {key}, which is set by the module itself. Leave it out."


def _lifecycle(given: Options | None) -> Iterator[str]:
    if not given:
        return
    yield from _within("lifecycle.keep", given["keep"], _COUNT)
    if given["unused_days"] is not None:
        yield from _within("lifecycle.unused_days", given["unused_days"], _DAYS)
        if given["keep"] > max(_LEAST):
            yield (
                f"lifecycle.keep is {given['keep']}; together with lifecycle.unused_days Image Builder keeps "
                f"{max(_LEAST)} at most. Lower it, or leave unused_days out."
            )
    yield from _tags("lifecycle.keep_tags", given["keep_tags"])


def _accounts(path: str, accounts: Sequence[str | None]) -> Iterator[str]:
    for account in accounts:
        if account and not _ACCOUNT.fullmatch(account):
            yield f"{path} has {account!r}. An account's id has 12 digits; quote it, since YAML may drop a leading 0."


def _within(path: str, value: int, allowed: range) -> Iterator[str]:
    if value not in allowed:
        yield f"{path} is {value}; it must be from {allowed.start} to {allowed.stop - 1}."


def _tags(path: str, tags: Mapping[str, Any] | None, most: int = 50) -> Iterator[str]:
    tags = tags or {}
    if len(tags) > most:
        yield f"{path} has {len(tags)} entries; {most} are allowed at most."
    for key, value in sorted(tags.items()):
        if not _TAG_KEY.fullmatch(key) or len(str(value)) > 256:
            yield (
                f"{path} has {key!r}: a key has 1 to 128 letters, digits, spaces and any of _.:/=+-@, does not begin "
                "with aws:, and a value has 256 characters at most."
            )
