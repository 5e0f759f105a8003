# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that the modules which run on a host share."""

from __future__ import annotations


class ModuleDocFragment:
    """See host.APP_OPTIONS and host.HEALTH_OPTIONS."""

    DOCUMENTATION = r"""
options:
  app:
    description: Name of the app. Its files live in C(<root>/<app>).
    type: str
    required: true
  root:
    description: Folder that holds the apps.
    type: path
    default: /srv
  health:
    description:
      - How to know that the app is healthy. Give exactly one of O(health.http), O(health.tcp) and O(health.command).
      - Without it, an activation is proven by nothing more than a unit that stays up.
    type: dict
    suboptions:
      http:
        description: Get a URL.
        type: dict
        suboptions:
          url:
            description: An C(http://) or C(https://) URL, as seen from the host. C({version}) stands for the release.
            type: str
            required: true
          status:
            description: Status codes that count as healthy.
            type: list
            elements: int
            default: [200]
          body:
            description:
              - Regular expression that must match somewhere in the answer. C({version}) stands for the release, quoted.
              - Name the release here where the app says it. After a graceful reload the release before may still
                answer for a moment, and only this tells one from the other.
            type: str
          headers:
            description:
              - Headers to send.
              - The values, but for C(Host), are not kept on the host, so a dead-man switch probes without them.
            type: dict
          validate_certs:
            description: Whether the certificate of an C(https://) URL must be valid.
            type: bool
            default: true
      tcp:
        description: Open a TCP connection.
        type: dict
        suboptions:
          host:
            description: Name or address, as seen from the host.
            type: str
            default: 127.0.0.1
          port:
            description: Number of the port.
            type: int
            required: true
      command:
        description: Run a program without a shell. Exit code 0 is healthy.
        type: dict
        suboptions:
          argv:
            description: The program and its arguments.
            type: list
            elements: str
            required: true
      successes:
        description: Good answers in a row that count as healthy.
        type: int
        default: 3
      interval:
        description:
          - Seconds between two good answers. With O(health.successes) this sets how long a healthy activation takes.
          - After a bad answer the next question comes sooner, at first after 20 ms.
        type: float
        default: 0.5
      timeout:
        description: Seconds that one answer may take.
        type: float
        default: 2
      deadline:
        description: Seconds after which an app that is not healthy has failed.
        type: float
        default: 30
"""
