# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer that is deleted: moto has its target groups in use for ever."""

from __future__ import annotations

import functools

from moto.elbv2.models import ELBv2Backend

_plain = ELBv2Backend.delete_load_balancer


@functools.wraps(_plain)
def _and_release(self: ELBv2Backend, arn: str) -> None:
    _plain(self, arn)
    for group in self.target_groups.values():
        group.load_balancer_arns = [one for one in group.load_balancer_arns if one != arn]


def release_target_groups() -> None:
    """From now on, in every server of this process."""
    ELBv2Backend.delete_load_balancer = _and_release
