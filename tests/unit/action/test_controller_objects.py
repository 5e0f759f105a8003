# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""controller_objects where its modules have to be sent: by another Python, or as another user."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from ansible_collections.sysops.dtk.plugins.action import controller_objects


class Rehearsal(controller_objects.ActionModule):
    def __init__(self, no_log: bool, fails: bool = False) -> None:
        self._task = mock.Mock(no_log=no_log, environment=[{}])
        self._connection = mock.Mock(transport="local", become=None)
        self._templar = mock.Mock(template=lambda value: value)
        self._fails = fails
        self.logged: list[bool] = []

    def _execute_module(self, **_options: Any) -> dict[str, Any]:
        self.logged.append(not self._task.no_log)
        if self._fails:
            raise OSError("the connection is gone")
        return {"changed": True}


OPTIONS = {
    "collection": "awx.awx",
    "controller_host": "https://controller.example.com",
    "controller_token": "a-token",
    "validate_certs": True,
    "request_timeout": 30,
    "rotate": False,
    "parallel": 8,
}
CHANGE = mock.Mock(item={"name": "chat", "notification_configuration": {"password": "a-canary"}}, fields=())
ELSEWHERE = {"ansible_python_interpreter": "/usr/bin/other-python"}


@pytest.mark.parametrize("no_log", [True, False])
def test_no_module_writes_its_arguments_to_the_log_of_its_system(no_log: bool) -> None:
    action = Rehearsal(no_log)
    assert action._run([(CHANGE, False)] * 2, OPTIONS, ELSEWHERE) == [{"changed": True}] * 2
    assert action.logged == [False, False]
    assert action._task.no_log is no_log  # what the task itself tells is the user's to decide


def test_a_module_that_is_lost_leaves_the_task_as_it_was() -> None:
    action = Rehearsal(no_log=False, fails=True)
    with pytest.raises(OSError, match="connection is gone"):
        action._run([(CHANGE, False)], OPTIONS, ELSEWHERE)
    assert action._task.no_log is False
