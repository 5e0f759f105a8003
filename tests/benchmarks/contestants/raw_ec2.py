# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that any inventory does: boto3 describes the instances of each region that is named."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3


def count(region: str) -> int:
    pages = boto3.session.Session().client("ec2", region_name=region).get_paginator("describe_instances").paginate()
    return sum(len(reservation["Instances"]) for page in pages for reservation in page["Reservations"])


if __name__ == "__main__":
    with ThreadPoolExecutor() as pool:
        print(sum(pool.map(count, sys.argv[1:])))
