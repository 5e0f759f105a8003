# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that say where settings lie; see settings.py, _COMMON."""

    DOCUMENTATION = r"""
options:
  app:
    description: Name of the app. Needed by O(scope=app) without O(path).
    type: str
  env:
    description: Name of the env, for example V(prod). Needed by O(scope=app) and O(scope=env) without O(path).
    type: str
  scope:
    description:
      - Which layer of settings is meant. What an app gets is V(shared), then V(env) over it, then V(app) over both.
      - V(app) is C(<prefix>/<env>/<app>/config), the settings of one app in one env.
      - V(env) is C(<prefix>/<env>/_shared), what all apps of the env share.
      - V(shared) is C(<prefix>/_shared), what all envs share.
    type: str
    choices: [app, env, shared]
    default: app
  prefix:
    description: Path in Parameter Store below which everything of the toolkit is kept.
    type: str
    default: /dtk
  path:
    description: The path in Parameter Store, instead of O(app), O(env), O(scope) and O(prefix).
    type: str
  sensitive:
    description:
      - Settings whose values are not shown, as patterns like those of the shell. A setting is meant if any part of its
        name matches, in upper or lower case.
      - Values of SecureStrings are never shown.
    type: list
    elements: str
    default: ["*password*", "*secret*", "*token*", "*key*"]
notes:
  - Each setting is one parameter. Its place in the tree is its name, its type a suffix of the name (C(.int), C(.float),
    C(.bool), C(.json)); text has none, and a list of text is a StringList. So C(port.int) is the setting C(port).
  - An object that is kept as one C(.json) value stays one. A folder whose keys cannot be names becomes one.
"""
