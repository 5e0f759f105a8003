# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of image_pipeline as the module gets them, and random ones."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.sysops.dtk.plugins.module_utils.images import PIPELINE_OPTIONS
from hypothesis import strategies as st

PARENT = "ami-0123456789abcdef0"
ACCOUNT, REGION = "123456789012", "eu-west-1"


def options(**more: Any) -> dict[str, Any]:
    """With every default filled in, as Ansible does it."""
    given = {
        "name": "web",
        "parent_image": PARENT,
        "component": {"data": "name: web\n"},
        "infrastructure": {"instance_profile": "builder"},
        **more,
    }
    checked = ArgumentSpecValidator(PIPELINE_OPTIONS).validate(given)
    assert checked.error_messages == []
    return checked.validated_parameters


ACCOUNTS = st.lists(st.from_regex(r"[0-9]{12}", fullmatch=True), max_size=3, unique=True)
WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{2,12}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
KEYS = st.from_regex(r"(?!aws:)[a-zA-Z0-9_.:/=+@-]{1,20}", fullmatch=True)
TAGS = st.dictionaries(KEYS, TEXTS, max_size=3)
OWN_TAGS = TAGS.map(lambda tags: {key: value for key, value in tags.items() if not key.startswith("dtk:")})
PARAMETERS = st.dictionaries(
    WORDS, st.one_of(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), st.integers()), max_size=3
)
EBS = st.fixed_dictionaries(
    {},
    optional={
        "volume_size": st.integers(1, 16000),
        "volume_type": st.sampled_from(["gp3", "gp2", "io1"]),
        "encrypted": st.just(True),
        "kms_key": WORDS,
        "iops": st.integers(100, 64000),
        "throughput": st.integers(125, 1000),
        "delete_on_termination": st.booleans(),
    },
)
DEVICES = st.lists(st.fixed_dictionaries({"device_name": st.just("/dev/xvda"), "ebs": EBS}), max_size=1)
COMPONENTS = st.lists(WORDS.map(str.lower), max_size=3, unique=True).map(
    lambda names: [{"arn": f"arn:aws:imagebuilder:{REGION}:aws:component/x-{name}/x.x.x"} for name in names]
)
BUNDLES = st.none() | st.fixed_dictionaries(
    {"uri": st.just("s3://bucket/key"), "sha256": st.from_regex(r"[0-9a-f]{64}", fullmatch=True)}
)
INFRASTRUCTURE = st.fixed_dictionaries(
    {"instance_profile": WORDS},
    optional={
        "instance_types": st.lists(st.sampled_from(["t3.medium", "m6i.large", "c7g.large"]), max_size=3, unique=True),
        "security_groups": st.lists(WORDS, max_size=2, unique=True),
        "key_pair": WORDS,
        "terminate_on_failure": st.booleans(),
        "hop_limit": st.integers(1, 64),
        "logs": st.fixed_dictionaries({"bucket": WORDS}, optional={"prefix": WORDS}),
        "sns_topic": st.just(f"arn:aws:sns:{REGION}:{ACCOUNT}:images"),
        "resource_tags": TAGS.map(
            lambda tags: {key: value for key, value in tags.items() if key not in {"Name", "Tags", "CreatedBy"}}
        ),
    },
)
PLACE = st.fixed_dictionaries(
    {},
    optional={
        "accounts": ACCOUNTS,
        "kms_key": WORDS,
        "ami_name": WORDS,
        "ami_tags": TAGS,
        "launch_permission": st.fixed_dictionaries({}, optional={"accounts": ACCOUNTS}),
        "ssm_parameters": st.lists(st.fixed_dictionaries({"name": WORDS.map(lambda w: f"/a/{w}")}), max_size=2),
        "launch_templates": st.lists(st.fixed_dictionaries({"id": st.just("lt-0123456789abcdefg")}), max_size=1),
    },
)
DISTRIBUTION = st.lists(
    st.tuples(st.sampled_from(["eu-west-1", "eu-central-1", "us-east-1"]), PLACE), max_size=3, unique_by=lambda p: p[0]
).map(lambda places: [{"region": region, **place} for region, place in places])
LIFECYCLE = st.none() | st.fixed_dictionaries(
    {"role": WORDS}, optional={"keep": st.integers(1, 10), "unused_days": st.integers(1, 365), "keep_tags": TAGS}
)
SCHEDULE = st.none() | st.fixed_dictionaries(
    {"cron": st.sampled_from(["0 4 ? * MON *", "rate(1 day)"])},
    optional={"when": st.sampled_from(["always", "changes"])},
)
DECLARATIONS = st.fixed_dictionaries(
    {
        "component": st.fixed_dictionaries(
            {"data": TEXTS.filter(str.strip)}, optional={"parameters": PARAMETERS, "description": WORDS}
        ),
        "infrastructure": INFRASTRUCTURE,
    },
    optional={
        "bundle": BUNDLES,
        "components": COMPONENTS,
        "block_devices": DEVICES,
        "working_directory": WORDS,
        "user_data": TEXTS,
        "ami_tags": TAGS,
        "distribution": DISTRIBUTION,
        "tests": st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "minutes": st.integers(60, 1440)}),
        "schedule": SCHEDULE,
        "lifecycle": LIFECYCLE,
        "execution_role": WORDS,
        "enabled": st.booleans(),
        "tags": OWN_TAGS,
    },
).map(lambda given: options(**given))
