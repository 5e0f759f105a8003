# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules of awx.awx, read from their documentation."""

from __future__ import annotations

from importlib import import_module

import yaml
from ansible_collections.sysops.dtk.plugins.module_utils._core import controller_kinds as kinds

_MODULES = {what.module for what in (*kinds.KINDS.values(), kinds.GRANTS)}


def _options(module: str) -> set[str]:
    text = import_module(f"ansible_collections.awx.awx.plugins.modules.{module}").DOCUMENTATION
    return set(yaml.safe_load(text)["options"])


OPTIONS = {module: _options(module) for module in _MODULES}
