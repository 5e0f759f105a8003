# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages as AWS makes them: moto counts reservations where AWS counts instances, and some lists it never pages."""

from __future__ import annotations

import functools
import itertools
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import botocore.loaders

from .protocols import Answer, Call, error, with_parameters


@dataclass(frozen=True)
class List:
    """A list that is cut here: AWS's size of a page, who asks for less how, and the names in the XML."""

    size: int
    limit: str
    element: str
    token: str
    of_reservations: bool = False


CUT_HERE = {
    "ec2:DescribeInstances": List(1000, "MaxResults", "reservationSet", "nextToken", of_reservations=True),
    "autoscaling:DescribeAutoScalingInstances": List(50, "MaxRecords", "AutoScalingInstances", "NextToken"),
}
# moto pages by default; asked for this many it never does.
EVERYTHING = 1_000_000
Ask = Callable[[bytes], Answer]


@functools.cache
def limit_key(service: str, action: str) -> str | None:
    """The parameter that asks for smaller pages, from botocore's model of the service."""
    model = botocore.loaders.Loader().load_service_model(service, "paginators-1")
    return model["pagination"].get(action, {}).get("limit_key")


class Pager:
    """Keeps the pages of the lists that it cut, until a client asks for them by their token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._serials = itertools.count(1)
        self._pages: dict[str, Answer] = {}

    def clear(self) -> None:
        with self._lock:
            self._pages.clear()

    def answer(self, call: Call, body: bytes, at_most: int | None, ask: Ask) -> Answer:
        """What `ask` answers, in pages of at most this many items (None: as many as AWS would send)."""
        form = CUT_HERE.get(f"{call.service}:{call.action}")
        if form is None:
            return ask(body if at_most is None else _asking_for_less(call, at_most))
        if "NextToken" in call.parameters:
            with self._lock:
                return self._pages.get(call.parameters["NextToken"]) or error(call, "InvalidNextToken")
        if "InstanceId.1" in call.parameters:
            return ask(body)
        size = min(form.size, int(call.parameters.get(form.limit, form.size)), at_most or form.size)
        return self._cut(ask(with_parameters(call, {form.limit: EVERYTHING})), form, size)

    def _cut(self, whole: Answer, form: List, size: int) -> Answer:
        if whole.status != 200:
            return whole
        bodies = cut(whole.body, form, size, f"emulated-{next(self._serials)}")
        pages = {token: Answer(whole.status, whole.headers, body) for token, body in bodies.items()}
        with self._lock:
            self._pages |= pages
        return pages[""]


def _asking_for_less(call: Call, at_most: int) -> bytes:
    key = limit_key(call.service, call.action)
    return with_parameters(call, {key: min(at_most, int(call.parameters.get(key, at_most)))})


def cut(xml: bytes, form: List, size: int, mark: str) -> dict[str, bytes]:
    """The pages of one list, each by the token that asks for it; the first one by none."""
    root = ElementTree.fromstring(xml)
    namespace = root.tag.rpartition("}")[0].strip("{")
    ElementTree.register_namespace("", namespace)
    parent, whole = next((above, child) for above in root.iter() for child in above if _name(child) == form.element)
    items = list(_instances(whole) if form.of_reservations else whole)
    chunks = [items[start : start + size] for start in range(0, len(items), size)] or [[]]
    next_token = ElementTree.SubElement(parent, f"{{{namespace}}}{form.token}")
    pages = {}
    for number, chunk in enumerate(chunks, 1):
        whole[:] = _regrouped(chunk) if form.of_reservations else chunk
        next_token.text = f"{mark}-{number}"
        if number == len(chunks):
            parent.remove(next_token)
        pages[f"{mark}-{number - 1}" if number > 1 else ""] = ElementTree.tostring(root)
    return pages


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _instances(reservations: Element) -> Iterator[tuple[Element, Element]]:
    for reservation in reservations:
        for child in reservation:
            if _name(child) == "instancesSet":
                yield from ((reservation, instance) for instance in child)


def _regrouped(pairs: Sequence[tuple[Element, Element]]) -> list[Element]:
    """Reservations that hold only these instances; as with AWS, one may be continued on the next page."""
    parts = []
    for reservation, members in itertools.groupby(pairs, key=lambda pair: pair[0]):
        part = ElementTree.Element(reservation.tag)
        for child in reservation:
            if _name(child) == "instancesSet":
                ElementTree.SubElement(part, child.tag).extend(instance for _reservation, instance in members)
            else:
                part.append(child)
        parts.append(part)
    return parts
