# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import settings_read
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ssm_tree
from ansible_collections.sysops.dtk.plugins.module_utils._aws.errors import AwsError
from ansible_collections.sysops.dtk.plugins.module_utils._aws.outcomes import DeniedError

from tests.emulation import Emulation

NAMES = [f"/p/k{number:02}" for number in range(23)]


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    with Emulation.start() as running:
        yield running


@pytest.fixture
def cloud(server: Emulation) -> Iterator[Emulation]:
    server.reset()
    server.reset_data()
    for name in NAMES:
        server.client("ssm").put_parameter(Name=name, Value=f"value of {name}", Type="String")
    server.reset()
    yield server
    server.reset()


@pytest.fixture
def ssm(cloud: Emulation) -> Any:
    return cloud.client("ssm")


def test_many_names_are_one_call_for_each_ten(ssm: Any, cloud: Emulation) -> None:
    found = ssm_tree.some(ssm, [*NAMES, "/p/none"])
    assert {name: item["value"] for name, item in found.items() if item} == {name: f"value of {name}" for name in NAMES}
    assert found["/p/none"] is None
    assert sum(cloud.calls().values()) == 3


def test_one_name_that_may_not_be_read_does_not_spoil_the_others(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ssm_tree._batch

    def batch(client: Any, names: list[str], decrypt: bool) -> Any:
        if NAMES[3] in names:
            raise DeniedError("denied")
        return real(client, names, decrypt)

    monkeypatch.setattr(ssm_tree, "_batch", batch)
    found = ssm_tree.some(ssm, NAMES)
    assert isinstance(found.pop(NAMES[3]), DeniedError)
    assert all(found[name]["value"] == f"value of {name}" for name in set(NAMES) - {NAMES[3]})


def test_another_trouble_is_not_made_worse_by_asking_again(ssm: Any, cloud: Emulation) -> None:
    cloud.fault("ssm:GetParameters", "ExpiredTokenException")
    found = ssm_tree.some(ssm, NAMES[:8])
    assert all(isinstance(trouble, AwsError) for trouble in found.values())
    assert sum(cloud.calls().values()) == 1


@pytest.mark.parametrize("size", [1, 4, 10])
def test_a_path_is_read_to_its_last_page(ssm: Any, cloud: Emulation, size: int) -> None:
    cloud.page("ssm:GetParametersByPath", size)
    assert [item["name"] for item in ssm_tree.below(ssm, "/p")] == NAMES


def test_a_path_that_breaks_off_is_an_error_and_not_a_shorter_tree(ssm: Any, cloud: Emulation) -> None:
    cloud.fault("ssm:GetParametersByPath", "AccessDeniedException", after=1)
    with pytest.raises(DeniedError, match="below /p"):
        ssm_tree.below(ssm, "/p")


def test_read_says_what_is_sensitive_and_what_is_missing(ssm: Any) -> None:
    ssm.put_parameter(Name="/q/db/password", Value="hidden-value", Type="SecureString")
    ssm.put_parameter(Name="/q/db/port.int", Value="1", Type="SecureString")
    ssm.put_parameter(Name="/r/db/port.int", Value="2", Type="String")
    settings = settings_read.read(ssm, ["/none", "/q", "/r"])
    assert settings.tree == {"db": {"password": "hidden-value", "port": 2}}
    assert settings.sensitive == {"db.password"}
    assert settings.missing == ["/none"]
    assert "hidden-value" not in repr(settings)


def test_read_of_nothing(ssm: Any) -> None:
    with pytest.raises(settings_read.MissingError, match=r"/none nor /neither"):
        settings_read.read(ssm, ["/none", "/neither"])
    assert settings_read.read(ssm, ["/none"], on_missing="skip").tree == {}


def test_a_single_value_is_no_tree(ssm: Any) -> None:
    with pytest.raises(settings_read.ConfigTreeError, match="is one parameter, not a path"):
        settings_read.read(ssm, [NAMES[0]])
