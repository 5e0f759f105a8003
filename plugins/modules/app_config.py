#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_config
version_added: 0.2.0
short_description: Write an app's settings to its files on a host, and have its unit use them
description:
  - Renders one tree of settings to C(/etc/<app>/config.json), C(.env) or C(.yml), each replaced as a whole.
  - V(active) restarts or reloads the app's unit, only if the files differ from what the unit was started or reloaded
    with last, and waits until it is healthy. On any failure the files of before are put back, the unit is restarted or
    reloaded and probed again, and both is reported.
  - V(written) changes the files and nothing else. A later V(active) then restarts or reloads the unit.
  - V(reverted) puts back the files that were there before one deploy.
  - A host that is killed at any instant has the old or the new settings. A dead-man switch puts the old ones back,
    unless the activation was finished, and running the same task again repairs what is left.
  - An app that has no release on the host yet, no C(<root>/<app>/current), gets its files, and no unit is touched.
  - It takes the app's lock on the host, as M(sysops.dtk.release) does, so that the two never overlap.
author:
  - Deploy Toolkit authors (@sysops)
notes:
  - Needs Python 3.9 or newer on the host, and for O(paths) boto3. For O(schema) it needs the Python library
    jsonschema, on the controller with O(config) and on the host with O(paths).
  - Values of O(config) are in no result and in no log, at no verbosity. Only a diff shows values, and none of a
    sensitive key. Callbacks print it with C(--diff), and from C(-vvv) on.
  - What was there before stays in C(<root>/<app>/config), readable for root only, as long as it is the way back.
  - An app has one set of files. Two tasks with different O(path) for one app would each undo the memory of the other.
extends_documentation_fragment:
  - sysops.dtk.host
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Tells a missing group or unit, a broken schema, a file system that is full or read-only, as a run would.
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  state:
    description: What to do, see the description.
    type: str
    choices: [written, active, reverted]
    default: active
  config:
    description:
      - The settings, a dictionary of any depth. The controller has fetched them.
      - Exactly one of O(config) and O(paths) is needed, but for O(state=reverted).
    type: raw
  paths:
    description:
      - Paths of Parameter Store whose settings the host reads itself, the least specific first. Later ones win.
      - It uses the instance profile, or whatever credentials its environment has.
    type: list
    elements: str
  format:
    description: What to write, one file each.
    type: list
    elements: str
    choices: [env, json, yml]
    default: [json]
  path:
    description:
      - The file. C({format}) stands for the format.
      - C(/etc/<app>/config.{format}) if not given. A folder that is missing is made, with mode 0755.
    type: path
  owner:
    description: User who owns the files. The user who runs the task if not given.
    type: str
  group:
    description: Group that owns the files. If not given, the group that is named as the app, if there is one.
    type: str
  mode:
    description: Mode of the files. Quote it, V('0640').
    type: raw
    default: '0640'
  env_prefix:
    description: In front of every name in the format V(env), for example V(HELLO_).
    type: str
    default: ''
  env_separator:
    description:
      - Between the parts of a name in the format V(env). C(db.host) is C(DB_HOST) with V(_) and C(DB__HOST) with V(__).
      - A C(-) or C(.) within a part becomes V(_). Two settings that would get one name are an error.
      - Values are quoted so that C(EnvironmentFile=) of systemd and a POSIX shell read the same, line breaks included.
        Lists are JSON, null is empty.
    type: str
    choices: [_, __]
    default: _
  schema:
    description:
      - A JSON Schema that the settings must keep to, checked before anything is written.
      - A dictionary, or a file of the controller in JSON or YAML, looked for in C(files) of the role and the play.
      - A C($ref) must stay within the schema.
    type: raw
  sensitive:
    description:
      - Patterns of dotted keys whose values are never shown, as in a shell, upper case or lower.
      - A folder that matches hides all below it.
    type: list
    elements: str
    default: ['*password*', '*passwd*', '*passphrase*', '*secret*', '*token*', '*key*', '*credential*', '*private*']
  secure:
    description:
      - Dotted keys whose values are never shown either, whatever they are called.
      - With O(paths), what Parameter Store keeps as a SecureString is always among them. With O(config), the lookup
        P(sysops.dtk.ssm_config#lookup) tells which these are, by its option C(secure_keys).
    type: list
    elements: str
    default: []
  unit:
    description: Systemd unit that runs the app, with its suffix. Without one nothing is restarted or reloaded.
    type: str
  activation:
    description:
      - What makes the unit read its files.
      - A unit that does not run is started by V(reload) too.
    type: str
    choices: [restart, reload, none]
    default: restart
  unit_timeout:
    description: Seconds that one restart or reload may take.
    type: float
    default: 60
  fence:
    description:
      - Number of the deploy log slot that allows this. A host that has seen a higher one for its settings refuses.
      - V(0) stands for no fence.
    type: int
    default: 0
  deploy:
    description: Id of the deploy. O(state=reverted) undoes what this deploy did, and nothing if it did nothing here.
    type: str
  by:
    description: Who deploys, for the state file.
    type: str
  lock_timeout:
    description: Seconds to wait for another process that works on the same app.
    type: float
    default: 30
  dead_man:
    description: Whether systemd is told to put the old files back should this activation be killed.
    type: bool
    default: true
  python:
    description:
      - Python on the host that has boto3, and jsonschema if there is a O(schema), for O(paths).
      - The usual interpreter of the host if not given. Not used with O(config).
    type: path
  region:
    description: AWS region for O(paths).
    type: str
  endpoint_url:
    description: AWS endpoint for O(paths).
    type: str
  profile:
    description: AWS profile for O(paths).
    type: str
seealso:
  - module: sysops.dtk.release
"""

EXAMPLES = r"""
- name: Write the settings and have the app use them
  sysops.dtk.app_config:
    app: hello
    config:
      greeting: Good morning
      db:
        host: db.internal
        port: 5432
    unit: hello.service
    activation: reload
    health:
      http:
        url: http://127.0.0.1:8080/health

- name: Write them for systemd and for the app, and leave the unit alone
  sysops.dtk.app_config:
    app: hello
    state: written
    config: "{{ hello_settings }}"
    format: [env, json]
    env_prefix: HELLO_
    schema: hello.schema.json

- name: Let the host read them with its own instance profile
  sysops.dtk.app_config:
    app: hello
    paths: [/dtk/_shared, /dtk/prod/_shared, /dtk/prod/hello/config]
    region: eu-west-1
    python: /opt/dtk/venv/bin/python
    unit: hello.service

- name: Put back what was there before this deploy
  sysops.dtk.app_config:
    app: hello
    state: reverted
    unit: hello.service
    deploy: "{{ deploy_id }}"
"""

RETURN = r"""
app:
  description: Name of the app.
  returned: success
  type: str
  sample: hello
outcome:
  description: What was done, V(written), V(active), V(reverted), V(unchanged) or V(failed).
  returned: success, or when an activation failed
  type: str
  sample: active
files:
  description: The files.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
    sha256:
      description: Hash of its content. Null if it is absent.
      type: str
    changed:
      description: Whether its content, owner, group or mode differ from what was there.
      type: bool
  sample: [{path: /etc/hello/config.json, sha256: 5feceb66ffc8…, changed: true}]
changes:
  description: Names of the settings that differ from what was there. Null if the file there was not written by this
    toolkit and cannot be read.
  returned: success
  type: dict
  contains:
    added:
      description: Dotted keys that are new.
      type: list
      elements: str
    changed:
      description: Dotted keys with another value.
      type: list
      elements: str
    removed:
      description: Dotted keys that are gone.
      type: list
      elements: str
  sample: {added: [], changed: [greeting], removed: [db.port]}
note:
  description: Why no unit was touched although one is named. Null if there is nothing to say.
  returned: success
  type: str
  sample: null
current:
  description: Id of the settings that the unit was last started or reloaded with.
  returned: always
  type: str
  sample: 3f1c9a0be2d47756
previous:
  description: Id of the settings before.
  returned: always
  type: str
  sample: 9b2f00c1d3e4aa10
last_good:
  description: Id of the settings with which the app was found healthy last.
  returned: always
  type: str
  sample: 3f1c9a0be2d47756
fence:
  description: The highest deploy log slot that has changed settings on this host.
  returned: always
  type: int
  sample: 12
phase:
  description:
    - The last phase that was entered, V(begin), V(armed), V(switched), V(restarted), V(probing), V(committed),
      V(written) or V(reverting). Null if none was begun.
  returned: always
  type: str
  sample: committed
reverted:
  description: Whether this host has its old settings back. Null if nothing had to be undone.
  returned: always
  type: bool
  sample: true
revert_error:
  description: Why it has not.
  returned: always
  type: str
  sample: null
health:
  description: The probes, null if there were none.
  returned: success, or when an activation failed
  type: dict
  contains:
    tries:
      description: Number of questions.
      type: int
    last:
      description: The last answer.
      type: str
  sample: {tries: 4, last: "status 200: ok"}
seconds:
  description: Seconds per phase.
  returned: success, or when an activation failed
  type: dict
  sample: {restarted: 0.21, probing: 0.45}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sysops.dtk.plugins.module_utils import app_config


def main() -> None:
    module = AnsibleModule(
        argument_spec=app_config.OPTIONS,
        mutually_exclusive=[("config", "paths")],
        required_if=[("state", wanted, ("config", "paths"), True) for wanted in ("written", "active")],
        supports_check_mode=True,
    )
    answer = _answer(module)
    for text in answer.pop("warnings", []):
        module.warn(text)
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


def _answer(module: AnsibleModule) -> dict:
    options = module.params
    if options["paths"] and options["state"] != "reverted":
        # Not above: with settings that are pushed, a host needs nothing of AWS.
        from ansible_collections.sysops.dtk.plugins.module_utils import app_config_pull

        try:
            options = app_config_pull.pull(options)
        except app_config_pull.FAILURES as exc:
            return app_config.failure(exc, options)
    return app_config.answer(options, module.check_mode, module._diff)


if __name__ == "__main__":
    main()
