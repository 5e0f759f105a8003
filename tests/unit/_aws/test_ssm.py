# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ssm
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError

from tests.unit.emulated_aws import EmulatedAws


def test_create_reads_back_and_never_overwrites(aws: EmulatedAws) -> None:
    client, name = aws.client("ssm"), f"{aws.prefix}/a"
    assert ssm.read(client, name) is None
    assert ssm.create(client, name, "one", "what it is")
    assert not ssm.create(client, name, "two")
    assert ssm.read(client, name) == "one"


def test_parameters_in_a_path_come_from_all_pages_and_not_from_below(aws: EmulatedAws) -> None:
    client = aws.client("ssm")
    for number in range(23):
        ssm.create(client, f"{aws.prefix}/log/{number:02d}", str(number))
    ssm.create(client, f"{aws.prefix}/log/deeper/x", "no")
    found = ssm.parameters_in(client, f"{aws.prefix}/log")
    assert sorted(found.items()) == [(f"{aws.prefix}/log/{number:02d}", str(number)) for number in range(23)]
    assert ssm.parameters_in(client, f"{aws.prefix}/empty") == {}


def test_delete_takes_any_number_and_ignores_what_is_gone(aws: EmulatedAws) -> None:
    client = aws.client("ssm")
    names = [f"{aws.prefix}/log/{number:02d}" for number in range(12)]
    for name in names:
        ssm.create(client, name, "x")
    ssm.delete(client, [*names, f"{aws.prefix}/log/gone"])
    ssm.delete(client, [])
    assert ssm.parameters_in(client, f"{aws.prefix}/log") == {}


def test_an_error_says_what_was_being_done(aws: EmulatedAws) -> None:
    with pytest.raises(AwsError, match="Cannot write the parameter aws-no-slash: "):
        ssm.create(aws.client("ssm"), "aws-no-slash", "x")
