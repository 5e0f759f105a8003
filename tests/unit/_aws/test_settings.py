# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings over a real Parameter Store API: what is written, in which order, and what is told if it breaks off."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import pytest
from ansible_collections.sysops.dtk.plugins.module_utils import settings
from ansible_collections.sysops.dtk.plugins.module_utils._aws import ssm_write
from ansible_collections.sysops.dtk.plugins.module_utils._core.config_tree import Parameter, nest
from botocore.config import Config
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.emulation import ACCESS_KEY, REGION, SECRET_KEY, Emulation

TREE = {"log_level": "info", "db": {"host": "db-1", "port": 5432}, "origins": ["a", "b"], "debug": False}


@pytest.fixture(scope="module")
def server() -> Iterator[Emulation]:
    with Emulation.start() as running:
        yield running


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssm_write, "READS", 1e9)


def spec_defaults(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: option.get("default") for name, option in spec.items()}


@dataclass
class Store:
    """One prefix in the emulated Parameter Store, and the modules' functions with their options filled in."""

    aws: Emulation
    prefix: str

    @property
    def root(self) -> str:
        return f"{self.prefix}/prod/api/config"

    @property
    def ssm(self) -> Any:
        return self.aws.client("ssm")

    def answer(self, which: str, given: dict[str, Any], check: bool = False, now: datetime | None = None) -> dict:
        spec = getattr(settings, f"{which.upper()}_OPTIONS")
        options = {**spec_defaults(spec), "prefix": self.prefix, "app": "api", "env": "prod", **given}
        function: Callable[..., dict[str, Any]] = getattr(settings, f"answer_{which}")
        return function(options, self.aws.client, lambda: now or datetime.now(UTC), check)

    def set(self, check: bool = False, **given: Any) -> dict[str, Any]:
        return self.answer("set", {"rate": 1e9, "by": "alice", **given}, check)

    def diff(self, **given: Any) -> dict[str, Any]:
        return self.answer("diff", given)

    def history(self, **given: Any) -> dict[str, Any]:
        return self.answer("history", given)

    def parameters(self, root: str | None = None) -> list[Parameter]:
        pages = self.ssm.get_paginator("get_parameters_by_path")
        found = pages.paginate(Path=root or self.root, Recursive=True, WithDecryption=True)
        return [Parameter(p["Name"], p["Value"], p["Type"], p["Version"]) for page in found for p in page["Parameters"]]

    def tree(self, root: str | None = None) -> dict[str, Any]:
        return nest(self.parameters(root), root or self.root)

    def put(self, name: str, value: str, kind: str = "String", root: str | None = None) -> None:
        self.ssm.put_parameter(Name=f"{root or self.root}/{name}", Value=value, Type=kind, Overwrite=True)

    def writes(self) -> dict[str, int]:
        calls = self.aws.calls()
        return {name.split(":")[1]: count for name, count in calls.items() if "Put" in name or "Delete" in name}


@pytest.fixture
def store(server: Emulation) -> Store:
    server.reset()
    return Store(server, f"/test/{uuid.uuid4().hex}")


def ok(answer: dict[str, Any]) -> dict[str, Any]:
    assert not answer.get("failed"), answer["msg"]
    return answer


# --- writing ------------------------------------------------------------------------------------------------------


def test_only_what_differs_is_written(store: Store) -> None:
    first = ok(store.set(values=TREE, why="a new app"))
    assert (first["changed"], len(first["written"]), store.tree()) == (True, 5, TREE)
    store.aws.reset()
    again = ok(store.set(values=TREE))
    assert (again["changed"], again["written"], again["warnings"], store.writes()) == (False, [], [], {})
    other = ok(store.set(values={"db": {"port": 5433}}))
    assert other["written"] == [f"{store.root}/db/port.int"] and store.writes() == {"PutParameter": 1}
    assert other["text"] == [
        store.root,
        "~  db/port  5432 -> 5433",
        "0 added, 1 changed, 0 removed, 4 settings the same",
    ]
    assert other["diff"]["before"] == {"db/port": 5432} and other["diff"]["after"] == {"db/port": 5433}


def test_check_mode_tells_the_same_and_writes_nothing(store: Store) -> None:
    ok(store.set(values=TREE))
    store.aws.reset()
    given = {"values": {"db": {"port": "5432", "name": "x"}}, "purge": True}
    dry = ok(store.set(check=True, **given))
    assert store.writes() == {} and store.tree() == TREE
    assert ok(store.set(**given)) == dry


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "/prod/api/config"),
        ({"scope": "env"}, "/prod/_shared"),
        ({"scope": "shared", "env": None, "app": None}, "/_shared"),
        ({"scope": "env", "env": "stg-alice", "app": None}, "/stg-alice/_shared"),
    ],
)
def test_where_settings_lie(store: Store, given: dict[str, Any], path: str) -> None:
    assert ok(store.set(values={"a": "x"}, **given))["path"] == store.prefix + path
    assert store.tree(store.prefix + path) == {"a": "x"}


def test_a_path_may_be_anything(store: Store) -> None:
    path = f"{store.prefix}/of/my/own"
    assert ok(store.set(values={"a": "x"}, path=f"{path}/"))["path"] == path


def test_a_change_of_type_and_shape(store: Store) -> None:
    ok(store.set(values={"port": "80", "tags": ["a"], "db": "x", "log": {"level": "info"}}))
    ok(store.set(values={"port": 80, "tags": "a", "db": {"host": "y"}, "log": "off"}))
    assert store.tree() == {"port": 80, "tags": "a", "db": {"host": "y"}, "log": "off"}


def test_purge_makes_it_exactly_this(store: Store) -> None:
    ok(store.set(values=TREE))
    answer = ok(store.set(values={"log_level": "info", "new": 1}, purge=True))
    assert store.tree() == {"log_level": "info", "new": 1}
    assert answer["written"] == [f"{store.root}/new.int"] and len(answer["deleted"]) == 4
    assert sorted(answer["settings"]["removed"]) == ["db/host", "db/port", "debug", "origins"]


def test_deleting_keys_and_folders(store: Store) -> None:
    ok(store.set(values=TREE))
    answer = ok(store.set(state="absent", keys=["db", "debug", "nothing"]))
    assert store.tree() == {"log_level": "info", "origins": ["a", "b"]} and len(answer["deleted"]) == 3
    assert not ok(store.set(state="absent", keys=["db"]))["changed"]


def test_deleting_everything_needs_a_word_more(store: Store) -> None:
    ok(store.set(values=TREE))
    assert "would delete the whole tree" in store.set(state="absent")["msg"]
    assert store.tree() == TREE
    assert len(ok(store.set(state="absent", purge=True))["deleted"]) == 5
    assert store.tree() == {}
    assert not ok(store.set(state="absent", purge=True))["changed"]


def test_who_and_why_are_kept(store: Store) -> None:
    ok(store.set(values={"a": "x"}, why="it\nis Friday"))
    ok(store.set(values={"b": "x"}, by=""))
    told = {one["setting"]: one["why"] for one in ok(store.history())["history"]}
    assert told == {"a": "by alice: it is Friday", "b": ""}


def test_values_of_a_thousand_bytes_in_other_tongues(store: Store) -> None:
    ok(store.set(values={"a": "é" * 2048}))
    failed = store.set(values={"a": "x", "b": "é" * 2049})
    assert f"{store.root}/b (4098 bytes). Nothing was written: give tier: advanced" in failed["msg"]
    assert store.tree() == {"a": "é" * 2048}
    ok(store.set(values={"b": "é" * 2049}, tier="advanced"))
    assert "8192 bytes a value in tier advanced" in store.set(values={"b": "x" * 8193}, tier="advanced")["msg"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "There is nothing to write. Give values, copy_from or both."),
        ({"values": {}, "purge": True}, "to delete the whole tree, give state: absent and purge: true"),
        ({"values": {"a b": "x"}}, "cannot be the name of a setting"),
        ({"values": {"a": "x"}, "env": "../x"}, "The env '../x' is not allowed."),
        ({"values": {"a": "x"}, "env": None}, "env is not given. Settings of scope app need it"),
        ({"values": {"a": "x"}, "app": "A B"}, "A B"),
        ({"values": {"a": "x"}, "path": "/"}, "The path '/' is not a path in Parameter Store."),
        ({"values": {"a": "x"}, "path": "dtk/x"}, "is not a path in Parameter Store."),
        ({"values": {"a": "x"}, "path": "/AWS-things/x"}, "names that begin with aws or ssm belong to AWS"),
        ({"values": {"a": "x"}, "path": "/ssm"}, "names that begin with aws or ssm belong to AWS"),
        ({"values": {"a": "x"}, "keys": ["a"]}, "keys are deleted by state: absent only"),
        ({"values": {"a": "x"}, "state": "absent"}, "neither values nor copy_from"),
        ({"state": "absent", "keys": ["a"], "purge": True}, "Give one of the two."),
        ({"values": {"a": "x"}, "rate": 0}, "rate is 0"),
        ({"copy_from": {"env": "staging"}}, "There is nothing to copy from"),
        ({"copy_from": {"env": "staging", "at": "2h", "label": "x"}}, "Give one of them."),
        ({"copy_from": {"at": "yesterday"}}, "'yesterday' is no time."),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(store: Store, given: dict[str, Any], words: str) -> None:
    answer = store.set(**given)
    assert answer.get("failed") and words in answer["msg"], answer
    assert store.writes() == {}


def test_too_many_settings(store: Store) -> None:
    answer = store.set(values={f"k{number}": "x" for number in range(10_001)})
    assert "There would be 10001 settings here" in answer["msg"] and store.writes() == {}


def test_the_deploy_log_is_no_setting(store: Store) -> None:
    store.put("deploy/0000000001", "{}", root=f"{store.prefix}/prod/api")
    store.aws.reset()
    answer = store.set(state="absent", purge=True, path=f"{store.prefix}/prod/api")
    assert "is not a setting: the toolkit keeps its own state there" in answer["msg"] and store.writes() == {}


def test_a_name_that_looks_like_a_secret_is_warned_of(store: Store) -> None:
    (warning,) = ok(store.set(values={"db": {"Password": "hunter2"}, "key_count": 3}))["warnings"]
    assert warning.startswith("db/Password: this looks like a secret") and "Secrets Manager" in warning
    assert ok(store.set(values={"db": {"Password": "hunter2"}}))["warnings"] == []


def test_sensitive_values_are_not_in_the_result(store: Store) -> None:
    store.put("api_key", "hunter0")
    answer = ok(
        store.set(values={"api_key": "hunter1", "o": {"a b": {"token": "hunter2"}}, "l": [{"secret": "hunter3"}]})
    )
    assert "hunter" not in json.dumps(answer)
    assert "~  api_key" in answer["text"][1] and "(another value)" in answer["text"][1]
    assert answer["diff"]["before"]["api_key"] != answer["diff"]["after"]["api_key"]
    shown = ok(store.set(values={"api_key": "open"}, sensitive=[]))
    assert shown["settings"]["changed"] == {"api_key": {"before": "hunter1", "after": "open"}}


HOSTILE = ["", "{{ lookup('pipe', 'id') }}", "{{{", "a,b", "\ud800", "\x00", "é\U0001f600", "true", "1", " x ", "\r\n"]
names = st.sampled_from(["a", "b", "a.int", "..", "port.json"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(-1e300, 1e300)
    | st.sampled_from(HOSTILE)
    | st.text(max_size=9)
)
trees = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda below: (
            st.lists(below, max_size=3) | st.dictionaries(names | st.sampled_from(["b c", ""]), below, max_size=3)
        ),
        max_leaves=6,
    ),
    min_size=1,
    max_size=4,
)


@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=trees, second=trees)
def test_whatever_is_written_is_read_back(store: Store, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Over the wire, from any settings to any others, in one run each."""
    for tree in (first, second):
        ok(store.set(values=tree, purge=True))
        assert json.dumps(store.tree(), sort_keys=True) == json.dumps(tree, sort_keys=True)
        assert not ok(store.set(values=tree, purge=True))["changed"]


# --- copying ------------------------------------------------------------------------------------------------------


@pytest.fixture
def staging(store: Store) -> Store:
    root = f"{store.prefix}/staging/api/config"
    ok(store.set(env="staging", values={**TREE, "url": "https://staging", "limits": {"a b": 1}}))
    store.put("db/password", "hunter2", "SecureString", root)
    store.aws.reset()
    return store


def test_copying_an_env(staging: Store) -> None:
    answer = ok(
        staging.set(copy_from={"env": "staging"}, exclude=["url", "db/h*"], values={"log_level": "warn", "workers": 8})
    )
    assert staging.tree() == {
        "log_level": "warn",
        "db": {"port": 5432},
        "origins": ["a", "b"],
        "debug": False,
        "limits": {"a b": 1},
        "workers": 8,
    }
    assert answer["skipped"] == [f"{staging.prefix}/staging/api/config/db/password"]
    assert "1 SecureString not copied" in answer["warnings"][0] and "hunter2" not in json.dumps(answer)
    assert not ok(staging.set(copy_from={"env": "staging"}, only=["db"], exclude=["db/host"]))["changed"]


def test_secure_strings_are_copied_as_such_when_asked(staging: Store) -> None:
    answer = ok(staging.set(copy_from={"env": "staging"}, secure=True))
    copied = {p.name: (p.type, p.value) for p in staging.parameters()}
    assert copied[f"{staging.root}/db/password"] == ("SecureString", "hunter2")
    assert answer["skipped"] == [] and "Secrets Manager is the better place" in answer["warnings"][-1]
    assert "hunter2" not in json.dumps(answer)
    assert not ok(staging.set(copy_from={"env": "staging"}, secure=True))["changed"]


def test_values_win_over_a_copied_secure_string(staging: Store) -> None:
    ok(staging.set(copy_from={"env": "staging"}, values={"db": {"password": "none"}}, secure=True, only=["db"]))
    assert staging.tree()["db"]["password"] == "none"


def test_a_purge_spares_what_is_excluded_and_secure_strings(staging: Store) -> None:
    ok(staging.set(values={"old": "x", "url": "https://prod", "log_level": "debug"}))
    staging.put("db/token", "t", "SecureString")
    answer = ok(staging.set(copy_from={"env": "staging"}, exclude=["url"], purge=True))
    tree = staging.tree()
    assert tree["url"] == "https://prod" and tree["db"]["token"] == "t" and "old" not in tree
    assert answer["spared"] == [f"{staging.root}/db/token"]
    assert any("left where they are" in warning for warning in answer["warnings"])
    assert "token" not in ok(staging.set(copy_from={"env": "staging"}, purge=True, secure=True)) and (
        "token" not in staging.tree()["db"]
    )


def test_a_secure_string_is_not_read_unless_asked(store: Store) -> None:
    store.put("db/password.int", "5", "SecureString")
    failed = store.set(values={"db": {"password": 6}})
    assert "password.int is a SecureString, which stays as it is" in failed["msg"]
    answer = ok(store.set(values={"db": {"password": 6}}, secure=True))
    assert [p.type for p in store.parameters()] == ["SecureString"] and store.tree() == {"db": {"password": 6}}
    assert answer["settings"]["changed"]["db/password"]["after"].startswith("********")


def test_a_secure_string_keeps_its_key(store: Store) -> None:
    name = f"{store.root}/password"
    store.ssm.put_parameter(Name=name, Value="old", Type="SecureString", KeyId="alias/mine")
    ok(store.set(values={"password": "new"}, secure=True))
    assert ssm_write.key_of(store.ssm, name) == "alias/mine"
    ok(store.set(values={"password": "newer"}, secure=True, kms_key="alias/other"))
    assert ssm_write.key_of(store.ssm, name) == "alias/other"


def test_copying_the_versions_with_a_label(staging: Store) -> None:
    name = f"{staging.prefix}/staging/api/config/log_level"
    staging.ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["good"])
    ok(staging.set(copy_from={"env": "staging", "label": "good"}))
    assert staging.tree() == {"log_level": "info"}


# --- somebody else writes too ---------------------------------------------------------------------------------------


class Meanwhile:
    """A client with which somebody else acts right before the first write."""

    def __init__(self, store: Store, act: Callable[[], Any], call: str = "put_parameter") -> None:
        self._client, self._act, self._call = store.ssm, act, call
        self.meta = store.ssm.meta

    def __getattr__(self, name: str) -> Any:
        if name == self._call and self._act:
            act, self._act = self._act, None
            act()
        return getattr(self._client, name)


def set_while(store: Store, act: Callable[[], Any], **given: Any) -> dict[str, Any]:
    other = Meanwhile(store, act)
    options = {**spec_defaults(settings.SET_OPTIONS), "prefix": store.prefix, "app": "api", "env": "prod", **given}
    return settings.answer_set({**options, "rate": 1e9}, lambda _service: other, lambda: datetime.now(UTC), False)


def test_a_write_in_between_is_told(store: Store) -> None:
    ok(store.set(values={"a": "x"}))
    answer = ok(set_while(store, lambda: store.put("a", "theirs"), values={"a": "ours"}))
    (warning,) = answer["warnings"]
    assert f"{store.root}/a was written by " in warning and "before it was replaced" in warning
    assert store.tree() == {"a": "ours"}


def test_our_own_write_that_was_answered_too_late_is_not_told(store: Store) -> None:
    ok(store.set(values={"a": "x"}))
    assert ok(set_while(store, lambda: store.put("a", "ours"), values={"a": "ours"}))["warnings"] == []


def test_a_deletion_in_between_is_told(store: Store) -> None:
    ok(store.set(values={"a": "x"}))
    gone = set_while(store, lambda: store.ssm.delete_parameter(Name=f"{store.root}/a"), values={"a": "ours"})
    assert "was deleted by somebody else in the meantime" in ok(gone)["warnings"][0]


def test_a_new_parameter_in_between_is_not_overwritten(store: Store) -> None:
    lost = set_while(store, lambda: store.put("a", "theirs"), values={"a": "ours", "b": "x"})
    assert lost["failed"] and f"{store.root}/a was written by somebody else" in lost["msg"]
    assert (lost["changed"], lost["written"], lost["pending"]) == (False, [], [f"{store.root}/a", f"{store.root}/b"])
    assert store.tree() == {"a": "theirs"}


def test_a_new_parameter_in_between_that_is_the_same_is_fine(store: Store) -> None:
    assert ok(set_while(store, lambda: store.put("a", "ours"), values={"a": "ours"}))["warnings"] == []


# --- trouble --------------------------------------------------------------------------------------------------------


def test_throttling_is_waited_out(store: Store) -> None:
    store.aws.fault("ssm:PutParameter", "ThrottlingException", times=2)
    store.aws.fault("ssm:GetParametersByPath", "ThrottlingException", times=1)
    ok(store.set(values=TREE))
    assert store.tree() == TREE


def impatient(store: Store) -> Callable[[str], Any]:
    """A client that does not try again."""
    import boto3

    def client(service: str) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=store.aws.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )

    return client


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "access denied"),
        ("ExpiredTokenException", "the AWS credentials have expired"),
        ("ThrottlingException", "AWS throttled"),
        (500, "500"),
    ],
)
def test_a_run_that_breaks_off_says_what_is_done_and_goes_on_when_repeated(
    store: Store, code: str | int, words: str
) -> None:
    ok(store.set(values={"a": "1", "b": "1", "c": "1", "d": "1"}))
    store.aws.reset()
    store.aws.fault("ssm:PutParameter", code, after=2)
    given = {"values": {"a": "2", "b": "2", "c": "2", "e": "2"}, "purge": True, "prefix": store.prefix}
    options = {**spec_defaults(settings.SET_OPTIONS), "app": "api", "env": "prod", "rate": 1e9, **given}
    broken = settings.answer_set(options, impatient(store), lambda: datetime.now(UTC), False)
    assert broken["failed"] and broken["changed"] and words in broken["msg"], broken
    names = {key: [name.rpartition("/")[2] for name in broken[key]] for key in ("written", "deleted", "pending")}
    assert names == {"written": ["a", "b"], "deleted": [], "pending": ["c", "e", "d"]}
    assert f"Written before that: {store.root}/a, {store.root}/b. Not written: {store.root}/c" in broken["msg"]
    assert "Run it again" in broken["msg"]
    assert store.tree() == {"a": "2", "b": "2", "c": "1", "d": "1"}
    store.aws.reset()
    again = ok(store.set(**given))
    assert [name.rpartition("/")[2] for name in again["written"]] == ["c", "e"]
    assert store.tree() == {"a": "2", "b": "2", "c": "2", "e": "2"}


def test_warnings_are_told_even_if_it_breaks_off(store: Store) -> None:
    ok(store.set(values={"a": "x", "b": "x"}))
    store.aws.reset()
    store.aws.fault("ssm:PutParameter", "AccessDeniedException", after=2)  # theirs and our first one are let through
    broken = set_while(store, lambda: store.put("a", "theirs"), values={"a": "ours", "b": "ours"})
    assert broken["written"] == [f"{store.root}/a"] and "before it was replaced" in broken["warnings"][0]


def test_a_change_of_type_that_breaks_off_leaves_both_and_is_completed(store: Store) -> None:
    ok(store.set(values={"port": "80"}))
    store.aws.reset()
    store.aws.fault("ssm:DeleteParameters", "AccessDeniedException")
    broken = store.set(values={"port": 80})
    assert broken["written"] == [f"{store.root}/port.int"] and broken["pending"] == [f"{store.root}/port"]
    store.aws.reset()
    done = ok(store.set(values={"port": 80}))
    assert done["deleted"] == [f"{store.root}/port"] and store.tree() == {"port": 80}


def test_a_tree_that_may_not_be_read(store: Store) -> None:
    store.aws.fault("ssm:GetParametersByPath", "AccessDeniedException")
    for answer in (store.set(values={"a": "x"}), store.history(), store.diff(after={"env": "beta"})):
        assert answer["failed"] and "access denied" in answer["msg"]


def test_the_answer_of_a_write_gets_lost(store: Store) -> None:
    """The client tries again, and finds what it wrote itself."""
    store.aws.fault("ssm:PutParameter", 503, times=1)
    assert ok(store.set(values={"a": "x"}))["warnings"] == []
    store.aws.drop("ssm:PutParameter", times=1)
    assert ok(store.set(values={"a": "y"}))["warnings"] == []


# --- comparing ------------------------------------------------------------------------------------------------------


def test_two_envs(staging: Store) -> None:
    ok(staging.set(values={"log_level": "warn", "db": {"port": "5432"}, "only_prod": 1, "origins": ["a", "b"]}))
    answer = ok(staging.diff(before={"env": "staging"}))
    told = answer["settings"]
    assert (answer["changed"], answer["differs"], told["same"]) == (False, True, 1)
    assert told["added"] == {"only_prod": 1}
    assert told["removed"]["db/host"] == "db-1" and told["removed"]["db/password"] == "********"
    assert told["changed"] == {
        "log_level": {"before": "info", "after": "warn"},
        "db/port": {"before": 5432, "after": "5432"},
    }
    assert '~  db/port      5432 -> "5432"' in answer["text"]
    assert answer["text"][0] == f"before: {staging.prefix}/staging/api/config"


def test_a_tree_against_a_file(store: Store) -> None:
    ok(store.set(values=TREE))
    assert not ok(store.diff(after={"values": TREE}))["differs"]
    assert ok(store.diff(before={"values": {}}))["settings"]["added"]["db/port"] == 5432


def test_secure_strings_are_compared_only_when_asked(store: Store) -> None:
    for env, value in (("prod", "one"), ("beta", "two")):
        store.put("token", value, "SecureString", f"{store.prefix}/{env}/api/config")
    blind = ok(store.diff(after={"env": "beta"}))
    assert (blind["differs"], blind["settings"]["unknown"]) == (False, ["token"])
    seeing = ok(store.diff(after={"env": "beta"}, secure=True))
    assert seeing["differs"] and seeing["settings"]["changed"]["token"]["before"] == "********"
    assert '"one"' not in json.dumps(seeing) and '"two"' not in json.dumps(seeing)


def test_both_sides_the_same_is_a_mistake(store: Store) -> None:
    assert "before and after are both" in store.diff()["msg"]


# --- history --------------------------------------------------------------------------------------------------------


def test_who_changed_what(store: Store) -> None:
    ok(store.set(values={"a": "1", "password": "hunter1"}, why="first"))
    ok(store.set(values={"a": "2", "password": "hunter2"}, by="bob", why="second"))
    answer = ok(store.history())
    told = [(one["setting"], one["version"], one["before"], one["value"], one["why"]) for one in answer["history"]]
    assert sorted(told, key=lambda one: (one[0], one[1])) == [
        ("a", 1, None, "1", "by alice: first"),
        ("a", 2, "1", "2", "by bob: second"),
        ("password", 1, None, "********", "by alice: first"),
        ("password", 2, "********", "******** (another value)", "by bob: second"),
    ]
    assert answer["settings"] == {"a": "2", "password": "********"}
    assert any('"1" -> "2"' in line and "by bob: second" in line for line in answer["text"])
    assert len(ok(store.history(limit=1))["history"]) == 1
    assert {one["setting"] for one in ok(store.history(only=["a"]))["history"]} == {"a"}


def moved(store: Store, monkeypatch: pytest.MonkeyPatch, when: datetime) -> None:
    """What the emulated AWS writes from now on, it writes at this time."""
    monkeypatch.setattr("moto.ssm.models.utcnow", lambda: when.replace(tzinfo=None))


NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def lived(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    moved(store, monkeypatch, NOON)
    ok(store.set(values={"a": "1", "b": "1"}))
    moved(store, monkeypatch, NOON + timedelta(hours=2))
    ok(store.set(values={"a": 2, "c": "1"}))
    moved(store, monkeypatch, NOON + timedelta(hours=4))
    ok(store.set(values={"b": "3"}))
    return store


def test_settings_as_they_were(lived: Store) -> None:
    now = NOON + timedelta(hours=5)
    then = lived.answer("history", {"at": "2026-01-31T13:00:00Z"}, now=now)
    # a was text then; that parameter is deleted, and Parameter Store forgot it.
    assert then["settings"] == {"b": "1"} and then["at"] == "2026-01-31T13:00:00Z"
    assert lived.answer("history", {"at": "2h"}, now=now)["settings"] == {"a": 2, "b": "1", "c": "1"}
    late = lived.answer("history", {"since": "2026-01-31T14:00:00+00:00"}, now=now)
    assert [(one["setting"], one["at"]) for one in late["history"]] == [
        ("b", "2026-01-31T16:00:00Z"),
        ("c", "2026-01-31T14:00:00Z"),
        ("a", "2026-01-31T14:00:00Z"),
    ]


def test_bringing_back_what_was(lived: Store) -> None:
    now = NOON + timedelta(hours=5)
    difference = lived.answer("diff", {"before": {"at": "2h"}}, now=now)
    assert difference["settings"]["changed"] == {"b": {"before": "1", "after": "3"}}
    back = ok(lived.answer("set", {"copy_from": {"at": "2h"}, "purge": True, "rate": 1e9}, now=now))
    assert back["settings"]["changed"] == {"b": {"before": "3", "after": "1"}}
    assert lived.tree() == {"a": 2, "b": "1", "c": "1"}


def test_versions_that_are_no_longer_kept_are_told_and_not_purged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(store, monkeypatch, NOON)
    store.put("a", "0")
    moved(store, monkeypatch, NOON + timedelta(hours=1))
    for number in range(100):
        store.put("a", str(number))
    then = store.answer("history", {"at": "2026-01-31T12:30:00Z"}, now=NOON + timedelta(hours=2))
    assert then["settings"] == {} and f"is left of {store.root}/a" in then["warnings"][0]
    restored = store.answer("set", {"copy_from": {"at": "2026-01-31T12:30:00Z"}, "purge": True}, now=NOON)
    assert "purge would delete what is there of it now" in restored["msg"]
    assert store.tree() == {"a": "99"}


def test_a_remark_is_not_taken_over_from_who_wrote_before(store: Store) -> None:
    ok(store.set(values={"a": "1"}, why="first"))
    ok(store.set(values={"a": "2"}, by=""))
    assert [one["why"] for one in ok(store.history())["history"]] == ["", "by alice: first"]


def test_the_rate_is_what_an_account_may_do_by_default(store: Store) -> None:
    assert spec_defaults(settings.SET_OPTIONS)["rate"] == 3.0
    assert "rate is 0" in store.set(state="absent", purge=True, rate=0)["msg"]


def test_writes_stay_below_the_limit_of_an_account(store: Store) -> None:
    store.aws.limit("ssm:PutParameter", rate=4, burst=4)
    ok(store.set(values={f"k{number}": "x" for number in range(8)}, rate=3.0))
    assert store.aws.throttled() == {} and store.writes() == {"PutParameter": 8}
