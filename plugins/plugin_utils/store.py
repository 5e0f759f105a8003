# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each answer of AWS once, for whoever asks: what the broker of a run keeps in its memory.

Nothing of Ansible in here, for the broker is a process of its own. Questions and answers are what JSON can hold.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from ..module_utils import secrets, settings_read
from ..module_utils.connections import Access, Connections
from ..module_utils.settings_read import AwsError, Layer, Term

Question = Mapping[str, Any]
Answer = dict[str, Any]
Found = Mapping[Any, Any]  # of each key the fact, or an AwsError

# What the options on_missing, on_denied and on_deleted are about.
_STATES = (
    (settings_read.MissingError, "missing"),
    (settings_read.DeniedError, "denied"),
    (secrets.DeletedError, "deleted"),
)


class Source(Protocol):
    """Where facts come from; part of what a fact is kept under."""

    access: Access
    service: str

    def fetch(self, client: Any, wanted: Sequence[Any], hints: Sequence[Any]) -> Found:
        """All that is wanted, and what of the hints comes with it."""


@dataclass(frozen=True)
class Secrets:
    access: Access
    service = "secretsmanager"

    def fetch(self, client: Any, wanted: Sequence[Any], hints: Sequence[Any]) -> Found:
        return secrets.fetch(client, wanted, hints)


@dataclass(frozen=True)
class Leaves:
    """Single parameters."""

    access: Access
    decrypt: bool
    service = "ssm"

    def fetch(self, client: Any, wanted: Sequence[Any], hints: Sequence[Any]) -> Found:
        return settings_read.leaves(client, [*wanted, *hints], self.decrypt)


@dataclass(frozen=True)
class Branches:
    """What lies below paths."""

    access: Access
    decrypt: bool
    service = "ssm"

    def fetch(self, client: Any, wanted: Sequence[Any], hints: Sequence[Any]) -> Found:
        found: dict[Any, Any] = {}
        for term in (*wanted, *hints):
            try:
                found[term] = settings_read.branch(client, term, self.decrypt)
            except AwsError as exc:
                found[term] = exc
        return found


class UnknownError(Exception):
    """The answer takes a call, which was not to be made."""


class Store:
    """Answers several threads at once. What is being fetched is waited for, and never fetched twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: dict[tuple[Source, Any], Future[Any]] = {}
        self._hinted: set[tuple[Source, Any]] = set()
        self._told: set[str] = set()
        self._connections = Connections()
        self.age = 0  # grows with each new fact: until then answers stay what they are

    def answer(self, question: Question) -> list[Answer] | None:
        """One answer per thing asked for; None if the question is only about what is known, and something is not."""
        access = Access(**question["access"])
        answer = self._secrets if question["kind"] == "secrets" else self._settings
        try:
            return answer(access, question)
        except UnknownError:
            return None

    def _secrets(self, access: Access, question: Question) -> list[Answer]:
        wanted = [secrets.Wanted(**each) for each in question["wanted"]]
        hints = [secrets.Wanted(name) for name in question.get("hints", ())]
        found = self._find(Secrets(access), wanted, hints, question)
        return [_secret(found[each], question) for each in wanted]

    def _settings(self, access: Access, question: Question) -> list[Answer]:
        try:
            terms = [settings_read.parse(text) for text in question["terms"]]
            hints = list(_parsable(question.get("hints", ())))
            # A path alone may well be a parameter; of several, to be merged, each is expected to be a folder.
            sources = [Leaves(access, question["decrypt"]), Branches(access, question["decrypt"])]
            first, second = sources if len(terms) == 1 else reversed(sources)
            found = dict(self._find(first, terms, hints, question))
            open_terms = [term for term in terms if _is_open(found[term])]
            open_hints = self._known_empty(first, hints) if len(terms) == 1 else ()
            for term, fact in self._find(second, open_terms, open_hints, question).items():
                found[term] = _better(found[term], fact)
            return [self._merged(terms, found, question["types"])]
        except settings_read.ConfigTreeError as exc:
            return [{"state": "failed", "message": str(exc)}]

    def _merged(self, terms: Sequence[Term], found: Found, types: str) -> Answer:
        troubles = [fact for fact in found.values() if isinstance(fact, AwsError)]
        failed = next((str(trouble) for trouble in troubles if _state(trouble) == "failed"), None)
        if failed:
            return {"state": "failed", "message": failed}
        layers = [found[term] if isinstance(found[term], Layer) else Layer(term) for term in terms]
        settings = settings_read.assemble(layers, types, alone=True)
        denied = [str(trouble) for trouble in troubles]
        nothing = [str(layer.term) for layer in layers if isinstance(found[layer.term], Layer) and not layer]
        return {
            "state": "found" if any(layers) else "missing",
            "value": settings.tree,
            "denied": denied,
            "message": settings_read.nothing_found(nothing) if nothing else "",
            "secure": self._tell_once(settings.secure),
            "sensitive": sorted(settings.sensitive),
        }

    def _find(self, source: Source, wanted: Sequence[Any], hints: Sequence[Any], question: Question) -> Found:
        """The facts that are wanted. What the hints name is fetched on the way, once."""
        if question.get("known") and not self._are_known(source, wanted):
            raise UnknownError
        mine, ahead, futures = self._claim(source, wanted, hints, question.get("fresh", False))
        if mine or ahead:
            self._fetch(source, mine, ahead)
        return {key: future.result() for key, future in futures.items()}

    def _are_known(self, source: Source, keys: Iterable[Any]) -> bool:
        with self._lock:
            return all((source, key) in self._facts and self._facts[source, key].done() for key in keys)

    def _claim(
        self, source: Source, wanted: Sequence[Any], hints: Sequence[Any], fresh: bool
    ) -> tuple[list[Any], list[Any], dict[Any, Future[Any]]]:
        """What this thread has to fetch, and where everything that is wanted will be."""
        mine, ahead = [], []
        with self._lock:
            for key in dict.fromkeys(wanted):
                place = (source, key)
                if place not in self._facts or (fresh and self._facts[place].done()):
                    self._facts[place] = Future()
                    mine.append(key)
            for key in dict.fromkeys(hints):
                place = (source, key)
                if place not in self._facts and place not in self._hinted:
                    self._hinted.add(place)
                    self._facts[place] = Future()
                    ahead.append(key)
            return mine, ahead, {key: self._facts[source, key] for key in wanted}

    def _fetch(self, source: Source, mine: list[Any], ahead: list[Any]) -> None:
        found: Found = {}
        trouble = AwsError("The broker of the lookups broke down on an answer of AWS. Please report this.")
        try:
            found = source.fetch(self._connections.client(source.service, source.access), mine, ahead)
        except AwsError as exc:
            trouble = exc
        finally:
            # Whatever happens, nobody waits for ever.
            for key in (*mine, *ahead):
                self._settle((source, key), found.get(key, trouble))

    def _settle(self, place: tuple[Source, Any], fact: Any) -> None:
        with self._lock:
            future = self._facts[place]
            if isinstance(fact, AwsError) and _state(fact) == "failed":
                del self._facts[place]  # it may go better the next time that somebody wants it
        future.set_result(fact)
        with self._lock:
            self.age += 1

    def _known_empty(self, source: Source, keys: Iterable[Any]) -> list[Any]:
        with self._lock:
            futures = [(key, self._facts.get((source, key))) for key in keys]
        return [key for key, future in futures if future and future.done() and _is_open(future.result())]

    def _tell_once(self, names: Iterable[str]) -> list[str]:
        with self._lock:
            new = [name for name in names if name not in self._told]
            self._told.update(new)
            return new


def _parsable(texts: Iterable[str]) -> Iterable[Term]:
    for text in texts:
        with contextlib.suppress(settings_read.ConfigTreeError):
            yield settings_read.parse(text)


def _state(trouble: Exception) -> str:
    return next((state for kind, state in _STATES if isinstance(trouble, kind)), "failed")


def _secret(fact: secrets.Secret | AwsError, question: Question) -> Answer:
    """No more of the secret than is asked for."""
    try:
        if isinstance(fact, AwsError):
            raise fact
        return {"state": "found", "value": secrets.pick(fact, question["key"], question["json"], question["binary"])}
    except secrets.NoSuchKeyError as exc:
        return {"state": "missing", "message": str(exc)}
    except secrets.FAILURES as exc:
        return {"state": _state(exc), "message": str(exc)}


def _is_layer(fact: Any) -> bool:
    return isinstance(fact, Layer) and bool(fact)


def _is_open(fact: Any) -> bool:
    """Nothing that may be read was found yet, and no trouble that would be the same again."""
    return not fact if isinstance(fact, Layer) else isinstance(fact, settings_read.DeniedError)


def _better(before: Any, now: Any) -> Any:
    """Of two facts about one term the one that tells more: something found, then the first trouble, then nothing."""
    return now if _is_layer(now) or not isinstance(before, AwsError) else before
