# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python runs this at its start: a call to AWS is tried as often as ever, but nobody waits between the tries."""

from __future__ import annotations

from botocore.retries import standard

standard.ExponentialBackoff.delay_amount = lambda self, context: 0
