# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings an Automation Controller to what it should hold: reads, compares, has modules of awx.awx change what differs.

The modules run side by side as far as objects do not need each other. No value of an object ever gets into a result.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.sysops.dtk.plugins.module_utils import controllers
from ansible_collections.sysops.dtk.plugins.plugin_utils.controller_api import Api
from ansible_collections.sysops.dtk.plugins.plugin_utils.in_children import run_all

# As the modules of awx.awx do.
_FROM_ENVIRONMENT = {
    "controller_host": "CONTROLLER_HOST",
    "controller_token": "CONTROLLER_OAUTH_TOKEN",
    "controller_username": "CONTROLLER_USERNAME",
    "controller_password": "CONTROLLER_PASSWORD",
}
# The first update of a project that has just been made may fail, and the next one succeed.
_PROJECT_TRIES = 3
_PROJECT_PAUSE = 2
_SHOWN = 10


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=controllers.OPTIONS)
        for name, variable in _FROM_ENVIRONMENT.items():
            options[name] = options[name] or os.environ.get(variable, "")
        try:
            return {**result, **self._answer(options, task_vars or {})}
        except controllers.CoreError as exc:
            return {**result, "failed": True, "msg": str(exc)}

    def _answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _refuse_nobody(options)
        api = Api(options, options["collection"])
        content, label = options["content"], options["label"]
        whole = options["state"] != "present"
        found = controllers.read(api.ask, content, whole)
        drift = controllers.compare(content, found, label, options["rotate"])
        drift.extra = controllers.extras(content, found, label) if whole else []
        if options["state"] == "compared":
            return {"changed": False, **_told(drift)}
        if options["state"] == "pruned":
            return self._prune(drift, options, task_vars)
        controllers.refuse(drift, label, options["adopt"], found.version)
        stages = drift.stages()
        if stages:
            _refuse_without(options["collection"])
        if not self._task.check_mode:
            self._apply(stages, options, task_vars)
            if stages:
                controllers.confirm(
                    controllers.compare(content, controllers.read(api.ask, content), label), found.version
                )
        return {"changed": bool(stages), **_told(drift)}

    def _prune(self, drift: controllers.Drift, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        numbers = sorted({change.what.stage for change in drift.extra}, reverse=True)
        stages = [[change for change in drift.extra if change.what.stage == number] for number in numbers]
        if not self._task.check_mode:
            self._apply(stages, options, task_vars)
        return {"changed": bool(stages), **_told(drift)}

    # --- one call of a module for each object ---

    def _apply(
        self, stages: Sequence[Sequence[controllers.Change]], options: dict[str, Any], task_vars: dict[str, Any]
    ) -> None:
        done: list[str] = []
        count = sum(len(stage) for stage in stages)
        for stage in stages:
            results = self._call(stage, options, task_vars)
            trouble = []
            for change, result in zip(stage, results, strict=True):
                name = f"{change.what.word} {change.name}"
                if result.get("failed"):
                    trouble.append(f"{name}: {_reason(change, result)}")
                else:
                    done.append(name)
            if trouble:
                raise controllers.ControllerError(_stopped(trouble, done, count))

    def _call(
        self, stage: Sequence[controllers.Change], options: dict[str, Any], task_vars: dict[str, Any]
    ) -> list[dict[str, Any]]:
        results = self._run([(change, False) for change in stage], options, task_vars)
        for _again in range(1, _PROJECT_TRIES):
            failed = [
                index
                for index, change in enumerate(stage)
                if results[index].get("failed") and change.what.module == "project" and "state" not in change.item
            ]
            if failed:
                time.sleep(_PROJECT_PAUSE)
                better = self._run([(stage[index], True) for index in failed], options, task_vars)
                for index, result in zip(failed, better, strict=True):
                    results[index] = result
        return results

    def _run(
        self, changes: Sequence[tuple[controllers.Change, bool]], options: dict[str, Any], task_vars: dict[str, Any]
    ) -> list[dict[str, Any]]:
        jobs = [
            (f"{options['collection']}.{change.what.module}", _arguments(change, again, options))
            for change, again in changes
        ]
        if self._is_here(task_vars):
            same = {"_ansible_no_log": True, "_ansible_tmpdir": None}
            return run_all([(name, {**given, **same}) for name, given in jobs], max(1, options["parallel"]))
        return [self._unlogged(name, given, task_vars) for name, given in jobs]

    def _unlogged(self, name: str, given: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """A module writes its arguments to the system's log, and those of notifications are no secrets to awx.awx."""
        before, self._task.no_log = self._task.no_log, True
        try:
            return self._execute_module(module_name=name, module_args=given, task_vars=task_vars)
        finally:
            self._task.no_log = before

    def _is_here(self, task_vars: dict[str, Any]) -> bool:
        """Whether a module would run on this machine, with this Python and as this user."""
        python = self._templar.template(task_vars.get("ansible_python_interpreter", ""))
        return (
            self._connection.transport.rpartition(".")[2] == "local"
            and not self._connection.become
            and not any(self._task.environment or [])
            and python == sys.executable
        )


def _arguments(change: controllers.Change, again: bool, options: dict[str, Any]) -> dict[str, Any]:
    given = {**change.item, **_credentials(options)}
    if options["rotate"] and "update_secrets" in given:
        given["update_secrets"] = True
    if "nodes" in change.fields:
        given["destroy_current_nodes"] = True
    return {**given, "update_project": True} if again else given


def _reason(change: controllers.Change, result: dict[str, Any]) -> str:
    reason = str(result.get("msg") or result.get("module_stderr") or "it failed without a word")
    answer = result.get("response")
    if isinstance(answer, dict) and answer.get("json"):
        reason = f"{reason}: {answer['json']}"
    for secret in controllers.secrets_of(change.item, change.what.secrets):
        reason = reason.replace(secret, "********")
    return " ".join(reason.split()).rstrip(".")


def _refuse_nobody(options: dict[str, Any]) -> None:
    if not options["controller_host"]:
        raise controllers.ControllerError(
            "The Controller is not named: set controller_host, or CONTROLLER_HOST in the environment."
        )
    if not options["controller_token"] and not (options["controller_username"] and options["controller_password"]):
        raise controllers.ControllerError(
            "Nothing is given to log in to the Controller with: set controller_token, or CONTROLLER_OAUTH_TOKEN in the "
            "environment; a name and a password will do, too."
        )


def _refuse_without(collection: str) -> None:
    try:
        importlib.import_module(f"ansible_collections.{collection}.plugins.modules")
    except ImportError as exc:
        raise controllers.ControllerError(
            f"The collection {collection}, whose modules change the Controller, is not installed. Nothing has been "
            f"changed. Install it (ansible-galaxy collection install {collection}), or name another in "
            "controller_collection."
        ) from exc


def _credentials(options: dict[str, Any]) -> dict[str, Any]:
    who = (
        {"controller_oauthtoken": options["controller_token"]}
        if options["controller_token"]
        else {key: options[key] for key in ("controller_username", "controller_password")}
    )
    same = {key: options[key] for key in ("controller_host", "validate_certs", "request_timeout")}
    return {**same, **who}


def _stopped(trouble: list[str], done: list[str], count: int) -> str:
    shown = ", ".join(done[:_SHOWN]) + (f" and {len(done) - _SHOWN} more" if len(done) > _SHOWN else "")
    so_far = f"Done so far: {len(done)} of {count}{f' ({shown})' if done else ''}."
    return f"{'; '.join(trouble)}. {so_far} Run it again when that is corrected; what is done is left as it is."


def _told(drift: controllers.Drift) -> dict[str, Any]:
    text = [f"missing: {change.text()}" for change in drift.missing]
    text += [f"other: {change.text()}" for change in drift.other]
    text += [f"extra: {change.text()}" for change in drift.extra]
    text += [f"foreign: {name}" for name in drift.foreign]
    names = {
        key: [f"{change.what.word} {change.name}" for change in getattr(drift, key)]
        for key in ("missing", "other", "extra")
    }
    return {**names, "foreign": drift.foreign, "same": drift.same, "text": [*text, f"as declared: {drift.same}"]}
