# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The short way of module alarms_info."""

from __future__ import annotations

from ansible_collections.sysops.dtk.plugins.module_utils import alarms
from ansible_collections.sysops.dtk.plugins.plugin_utils.worker import WorkerAction


class ActionModule(WorkerAction):
    options = alarms.OPTIONS
    answer = staticmethod(alarms.answer)
