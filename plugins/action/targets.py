# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of module targets, which says whom it is waiting for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ansible_collections.sysops.dtk.plugins.module_utils import targets
from ansible_collections.sysops.dtk.plugins.plugin_utils.worker import WorkerAction


class ActionModule(WorkerAction):
    options = targets.OPTIONS

    def answer(
        self, options: dict[str, Any], client: Callable[..., Any], clock: Callable[[], datetime], check: bool
    ) -> dict[str, Any]:
        return targets.answer(options, client, clock, check, self._display.display)
