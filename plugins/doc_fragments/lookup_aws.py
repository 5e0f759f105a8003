# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the lookups that read from AWS."""

    # The names are those of amazon.aws. The environment variables are left to the SDK, but for the region: an access
    # key from the environment would otherwise look as if it had been given together with a profile.
    DOCUMENTATION = r"""
options:
  region:
    description:
      - The AWS region.
      - Without it, E(AWS_DEFAULT_REGION) or the region of the profile counts.
    type: str
    aliases: [aws_region]
    env:
      - name: AWS_REGION
  profile:
    description: A profile of the AWS configuration files. Without it, E(AWS_PROFILE) counts.
    type: str
    aliases: [aws_profile]
  access_key:
    description:
      - An access key, together with O(secret_key). Excludes O(profile).
      - Without it, E(AWS_ACCESS_KEY_ID), the AWS configuration files or the role of the machine count.
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description: The secret of the O(access_key).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description: The token of a temporary O(access_key).
    type: str
    aliases: [aws_session_token]
  endpoint_url:
    description: Another address of the service. Without it, E(AWS_ENDPOINT_URL) counts.
    type: str
    aliases: [aws_endpoint_url]
  aws_ca_bundle:
    description: A file with the certificate authorities to trust. Without it, E(AWS_CA_BUNDLE) counts.
    type: path
  validate_certs:
    description: Whether the certificate of the service must be valid.
    type: bool
    default: true
  assume_role_arn:
    description: A role to assume first, in another account for example.
    type: str
    aliases: [iam_role_arn]
  external_id:
    description: The external id that the role asks for.
    type: str
  fresh:
    description:
      - Ask AWS now, whatever was answered before in this run. Others see the new answer, too.
      - Costs at least one call for each use on each host, so reserve it for what changes while a playbook runs.
    type: bool
    default: false
  read_ahead:
    description:
      - When something must be fetched, look through the variables of this host for other calls of this lookup with the
        same options, and fetch all of it together. Fifty variables with a lookup each then cost five calls, not fifty.
      - Only calls by the full name are seen, with terms that are constants, or put together from constants and from
        variables that are constants. Templates are read for that, not evaluated.
      - What is fetched so and never used shows up in CloudTrail, and nowhere else. What cannot be read is forgotten.
    type: bool
    default: true
notes:
  - Within a run of Ansible each thing is fetched once for all hosts and tasks, at the first use. The first lookup
    starts a process that makes the calls, keeps the answers in its memory only, serves this run of this user alone by
    a socket in Ansible's temporary folder, and ends with the run, however that ends. Nothing needs to be configured.
  - Without such a process, which C(-v) tells with the reason, each worker asks AWS itself. Results are the same.
  - AWS is asked at most 20 times a second after a burst of 10, half of what an account may ask of Parameter Store by
    default, and less often when it throttles. What is throttled is tried again ten times, with growing pauses.
  - Values are never logged, at any verbosity, and never part of an error. What a task shows of its own result is
    another matter. Use C(no_log) there.
  - Values are text for Ansible, never templates. C({{ }}) in a value stays as it is.
requirements:
  - boto3 in the Python that runs Ansible
"""
