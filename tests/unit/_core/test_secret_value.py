# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.sysops.dtk.plugins.module_utils._core.secret_value import NoSuchKeyError, Secret, pick
from hypothesis import given
from hypothesis import strategies as st

keys = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(keys, inner)
)


@given(st.text())
def test_a_text_is_never_touched(text: str) -> None:
    assert pick(Secret("s", text)) == text
    assert text not in repr(Secret("s", text)) or text in "Secret(name='s')"


@given(st.dictionaries(keys, values, min_size=1))
def test_every_key_finds_its_own_value(document: dict[str, Any]) -> None:
    secret = Secret("s", json.dumps(document))
    assert pick(secret, document=True) == document
    assert {key: pick(secret, [key]) for key in document} == document


@given(st.dictionaries(keys, values), st.lists(keys, min_size=1, max_size=4))
def test_a_path_leads_to_a_value_or_to_an_error_that_holds_none(document: dict[str, Any], path: list[str]) -> None:
    expected: Any = document
    try:
        for key in path:
            expected = expected[key] if isinstance(expected, dict) else {}[key]
    except KeyError:
        with pytest.raises(NoSuchKeyError):
            pick(Secret("s", json.dumps(document)), path)
    else:
        assert pick(Secret("s", json.dumps(document)), path) == expected


@given(st.binary())
def test_bytes_survive(raw: bytes) -> None:
    assert base64.b64decode(pick(Secret("s", None, raw))) == raw
