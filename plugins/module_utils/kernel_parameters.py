# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: kernel parameters, for the filter of role base."""

from __future__ import annotations

from ._core.kernel_parameters import KernelParameterError, compare

__all__ = ["KernelParameterError", "compare"]
