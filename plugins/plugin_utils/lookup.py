# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lookups of settings and secrets share: options, questions to the broker, and what to do without an answer.

Only the documented names of options are taken over from amazon.aws. Its base class for lookups would import boto3 and
make a session in every worker, which costs more than all the rest.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from .broker import Broker

ACCESS = (
    "region",
    "profile",
    "access_key",
    "secret_key",
    "session_token",
    "endpoint_url",
    "aws_ca_bundle",
    "validate_certs",
    "assume_role_arn",
    "external_id",
)
# By Ansible for every lookup; it takes these out itself, but not in the text of a template.
_COMMON = frozenset({"errors", "wantlist"})

display = Display()
# A worker uses fifty variables with the same options, and each again in every template.
_options: dict[tuple[str, str], dict[str, Any]] = {}
_answered: dict[str, list[dict[str, Any]]] = {}


class AwsLookup(LookupBase):
    """Base of the lookups; never says a value."""

    full_name: ClassVar[str]
    # Options that change nothing about what is fetched.
    harmless: ClassVar[frozenset[str]]

    def prepare(self, terms: list[Any], variables: Mapping[str, Any] | None, options: dict[str, Any]) -> list[str]:
        """Take the options, and give the terms back if they are what they must be."""
        self._variables = variables or {}
        self._given = options
        same = (self.full_name, repr(options))
        if same not in _options:
            self._refuse_unknown(options)
            self.set_options(direct=options)  # no variable of Ansible is one of our options
            _options[same] = self._options
        self._options = _options[same]
        if not terms or not all(isinstance(term, str) and term.strip() for term in terms):
            raise AnsibleLookupError(f"{self.full_name} takes one or more names, each a text that is not empty.")
        return [str(term) for term in terms]

    def ask(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        """An answer for each thing asked for."""
        question["access"] = {name: self._options[name] for name in ACCESS if self._options[name] is not None}
        if self._options["fresh"]:
            return broker().ask({**question, "fresh": True}) or []
        key = json.dumps(question)
        if key not in _answered:
            _answered[key] = self._asked(question)
        return _own(_answered[key])

    def _asked(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        answers = broker().ask({**question, "known": True})
        if answers is None:
            hints = list(self.hints()) if self._options["read_ahead"] else []
            answers = broker().ask({**question, "hints": hints})
        return answers or []

    def hints(self) -> Iterator[str]:
        """What else is going to be asked for in the same way, as far as the variables of this host tell."""
        from . import read_ahead

        mine = self._weighty(self._given)
        for call in read_ahead.calls(self.full_name, self._variables):
            if self._weighty(call.options) == mine:
                yield from self.hints_of(call.terms)

    def hints_of(self, terms: list[str]) -> list[str]:
        return terms

    def live_with(self, option: str, trouble: str) -> None:
        """Go on without an answer, if the option lets us."""
        choice = self.get_option(option)
        if choice == "error":
            raise AnsibleLookupError(f"{trouble} (Or let the option {option} skip it.)")
        if choice == "warn":
            display.warning(trouble)

    def _weighty(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name not in self.harmless | _COMMON}

    def _refuse_unknown(self, options: Mapping[str, Any]) -> None:
        """Ansible itself lets a misspelt option pass, and on_mising=skip would be an error at night."""
        definitions = self.option_definitions
        known = {"_terms", *definitions, *(alias for one in definitions.values() for alias in one.get("aliases") or ())}
        unknown = sorted(set(options) - known)
        if unknown:
            raise AnsibleLookupError(f"{self.full_name} has no option {', '.join(unknown)}. See its documentation.")


@functools.cache
def broker() -> Broker:
    """The one of this run."""
    return Broker(constants.DEFAULT_LOCAL_TMP, display.v)


def _own(value: Any) -> Any:
    """A copy, which a template may change."""
    if isinstance(value, dict):
        return {key: _own(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_own(each) for each in value]
    return value
