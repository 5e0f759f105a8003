# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ssm_config
version_added: 0.2.0
short_description: Settings from Parameter Store as one merged, typed tree
author:
  - Deploy Toolkit authors (@sysops)
description:
  - Reads all parameters below one or more paths, makes one nested dictionary of each path, and merges them. What comes
    later wins, so give the most specific path last. Lists are not merged, the later one counts.
  - A term that names a single parameter gives its value.
options:
  _terms:
    description:
      - Paths of Parameter Store, the least specific one first, or the name of one parameter.
      - A path V(/a/b) never takes in V(/a/bc). With a slash at its end it is never taken for the name of a parameter.
      - V(/a/b@LABEL) reads the versions that bear this label. For a single parameter also V(/a/b@7), its version 7.
      - A path with nothing below it adds nothing. See O(on_missing) for when all are so.
    type: list
    elements: str
    required: true
  types:
    description: How the text of a parameter becomes a value. A StringList is always a list of strings.
    type: str
    choices:
      suffix: >-
        The end of a name tells: V(port.int), V(ratio.float), V(debug.bool) and V(limits.json) become C(port), C(ratio),
        C(debug) and C(limits) with values of these types. All else is text.
      text: Everything is text, and names are as they are.
      json: What parses as JSON is that value, such as V(5432), V(true) or V({"a":1}). All else is text.
    default: suffix
  on_missing:
    description:
      - What to do if there is nothing at any of the paths. V(warn) and V(skip) go on with an empty dictionary.
      - A default value for a single parameter is C(lookup(…, on_missing='skip') | default('x', true)).
    type: str
    choices: [error, warn, skip]
    default: error
  on_denied:
    description: What to do if one of the paths may not be read. V(warn) and V(skip) go on without it.
    type: str
    choices: [error, warn, skip]
    default: error
  decrypt:
    description:
      - Whether to decrypt a SecureString. This comes with a warning, since secrets are better kept in Secrets Manager,
        where they can be rotated and read by P(sysops.dtk.secret#lookup) without becoming part of a tree of settings.
      - If not, its value is the encrypted text.
    type: bool
    default: true
  secure_keys:
    description:
      - Give the dotted keys whose values are kept as a SecureString, instead of the settings. This takes no more calls
        than the settings.
      - It is for what shows settings, such as O(sysops.dtk.app_config#module:secure).
    type: bool
    default: false
extends_documentation_fragment:
  - sysops.dtk.lookup_aws
seealso:
  - plugin: sysops.dtk.secret
    plugin_type: lookup
"""

EXAMPLES = r"""
# In group_vars/all.yml. Nothing is read before a task uses it, and then once for all hosts.
dtk_prefix: /dtk
settings: >-
  {{ lookup('sysops.dtk.ssm_config', dtk_prefix ~ '/_shared', dtk_prefix ~ '/prod/_shared',
            dtk_prefix ~ '/prod/api/config') }}
# With the parameters /dtk/_shared/log/level = info, /dtk/prod/api/config/db/host = db.internal and
# /dtk/prod/api/config/db/port.int = 5432 that is
#   {"log": {"level": "info"}, "db": {"host": "db.internal", "port": 5432}}
database_url: "postgresql://{{ settings.db.host }}:{{ settings.db.port }}/api"

# One variable, one parameter. Fifty of these are fetched by five calls.
db_host: "{{ lookup('sysops.dtk.ssm_config', '/dtk/prod/api/config/db/host') }}"
db_pool: >-
  {{ lookup('sysops.dtk.ssm_config', '/dtk/prod/api/config/db/pool.int', on_missing='skip') | default(10, true) }}

# A tree as it was labelled, whatever was written since.
labelled: "{{ lookup('sysops.dtk.ssm_config', '/dtk/prod/api/config@release-41') }}"

# Another account.
shared: >-
  {{ lookup('sysops.dtk.ssm_config', '/dtk/_shared', region='eu-central-1',
            assume_role_arn='arn:aws:iam::111122223333:role/settings-reader') }}
"""

RETURN = r"""
_raw:
  description:
    - A list with one element, the merged dictionary or the value of the single parameter.
    - With O(secure_keys) it is the list of keys, like V(db.password).
  type: list
  elements: raw
"""

from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible_collections.sysops.dtk.plugins.plugin_utils.lookup import AwsLookup, display


class LookupModule(AwsLookup):
    full_name = "sysops.dtk.ssm_config"
    harmless = frozenset({"on_denied", "on_missing", "read_ahead", "secure_keys", "types"})

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self._paths = self.prepare(terms, variables, kwargs)
        question = {
            "kind": "settings",
            "terms": self._paths,
            "types": self.get_option("types"),
            "decrypt": self.get_option("decrypt"),
        }
        (answer,) = self.ask(question)
        if answer["state"] == "failed":
            raise AnsibleLookupError(answer["message"])
        if answer["secure"] and self.get_option("decrypt"):
            display.warning(
                f"These settings are secrets: {', '.join(answer['secure'])}. Keep them in Secrets Manager and read "
                "them with the lookup sysops.dtk.secret."
            )
        for trouble in answer["denied"]:
            self.live_with("on_denied", trouble)
        if answer["state"] == "missing" and answer["message"]:
            self.live_with("on_missing", answer["message"])
        return [answer["sensitive" if self.get_option("secure_keys") else "value"]]

    def hints_of(self, terms: list[str]) -> Iterator[str]:
        # A single term is first taken for a parameter, several for paths.
        return iter(terms if (len(terms) == 1) == (len(self._paths) == 1) else ())
