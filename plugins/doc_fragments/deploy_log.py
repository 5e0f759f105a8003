# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that name one deploy log."""

    DOCUMENTATION = r"""
options:
  app:
    description: Name of the app.
    type: str
    required: true
  env:
    description: Name of the env, for example V(prod).
    type: str
    required: true
  prefix:
    description: Path in Parameter Store below which everything of the toolkit is kept.
    type: str
    default: /dtk
"""
