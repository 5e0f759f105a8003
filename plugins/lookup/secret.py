# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
version_added: 0.2.0
short_description: Secrets from Secrets Manager
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Reads secrets by name or ARN, as text, as a parsed document, or one value out of a document.
options:
  _terms:
    description: Names or ARNs of secrets. Each has its value at the same place in the result.
    type: list
    elements: str
    required: true
  key:
    description:
      - Take the value at this key of a secret that is a JSON object. A list is a path of keys into objects in objects.
      - A key is meant literally, so a dot in it is a part of the key.
      - A value has the type that it has in JSON. If there is no such key, O(on_missing) says what to do.
    type: raw
  json:
    description: Parse the secret, and return the whole document.
    type: bool
    default: false
  binary:
    description: What a binary secret becomes. Text is not affected.
    type: str
    choices:
      base64: The text that encodes the bytes, for the filter P(ansible.builtin.b64decode#filter) or C(base64 -d).
      text: The text that the bytes are in UTF-8, or an error.
    default: base64
  version_stage:
    description: Read the version with this staging label instead of V(AWSCURRENT), for example V(AWSPREVIOUS).
    type: str
  version_id:
    description: Read the version with this id.
    type: str
  on_missing:
    description:
      - What to do if there is no such secret, version or O(key). V(warn) and V(skip) put a null into its place.
    type: str
    choices: [error, warn, skip]
    default: error
  on_deleted:
    description: What to do if a secret is marked for deletion. V(warn) and V(skip) put a null into its place.
    type: str
    choices: [error, warn, skip]
    default: error
  on_denied:
    description:
      - What to do if a secret may not be read or decrypted. V(warn) and V(skip) put a null into its place.
    type: str
    choices: [error, warn, skip]
    default: error
extends_documentation_fragment:
  - sysops.dtk.lookup_aws
notes:
  - Needs C(secretsmanager:GetSecretValue) for each secret, and better also C(secretsmanager:BatchGetSecretValue), which
    reads 20 secrets with one call. Without it they are read one by one.
seealso:
  - plugin: sysops.dtk.ssm_config
    plugin_type: lookup
"""

EXAMPLES = r"""
# In group_vars/all.yml. Nothing is read before a task uses it, and then once for all hosts, both by one call.
db_password: "{{ lookup('sysops.dtk.secret', 'dtk/prod/api/db', key='password') }}"
api_token: "{{ lookup('sysops.dtk.secret', 'dtk/prod/api/token') }}"

# A path of keys into {"users": {"admin": {"password": "..."}}}
admin_password: "{{ lookup('sysops.dtk.secret', 'dtk/prod/api/db', key=['users', 'admin', 'password']) }}"

# The whole document.
db: "{{ lookup('sysops.dtk.secret', 'dtk/prod/api/db', json=true) }}"

# Several at once, in this order. Use query: lookup() would make one text of them.
tokens: "{{ query('sysops.dtk.secret', 'dtk/prod/api/token', 'dtk/prod/worker/token', on_missing='skip') }}"

---
# A task that uses one
- name: Write the password file of the database
  ansible.builtin.copy:
    content: "{{ db_password }}"
    dest: /etc/api/db_password
    owner: api
    group: api
    mode: "0400"
  no_log: true
"""

RETURN = r"""
_raw:
  description: One value per term, at the place of the term.
  type: list
  elements: raw
"""

from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible_collections.sysops.dtk.plugins.plugin_utils.lookup import AwsLookup


class LookupModule(AwsLookup):
    full_name = "sysops.dtk.secret"
    harmless = frozenset({"binary", "json", "key", "on_deleted", "on_denied", "on_missing", "read_ahead"})

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        names = self.prepare(terms, variables, kwargs)
        version = {"stage": self.get_option("version_stage") or "", "version": self.get_option("version_id") or ""}
        self._pinned = any(version.values())
        answers = self.ask(
            {
                "kind": "secrets",
                "wanted": [{"name": name, **version} for name in names],
                "key": self._key_path(),
                "json": self.get_option("json"),
                "binary": self.get_option("binary"),
            }
        )
        return [self._value(answer) for answer in answers]

    def hints(self) -> Iterator[str]:
        return iter(()) if self._pinned else super().hints()

    def _value(self, answer: dict[str, Any]) -> Any:
        """The value, or None in its place."""
        if answer["state"] == "found":
            return answer["value"]
        if answer["state"] == "failed":
            raise AnsibleLookupError(answer["message"])
        self.live_with(f"on_{answer['state']}", answer["message"])
        return None

    def _key_path(self) -> list[str]:
        key = self.get_option("key")
        if key is None:
            return []
        path = list(key) if isinstance(key, list | tuple) else [key]
        if not path or not all(isinstance(part, str | int) and not isinstance(part, bool) for part in path):
            raise AnsibleLookupError("The option key takes a text, or a list of texts that lead into the document.")
        return [str(part) for part in path]
