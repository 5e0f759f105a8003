# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facade: what a host does for each effect of the boot protocol, by the very code that a deploy has it do.

Imports stand in the functions that need them: the time until an instance serves is the time of this program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ._aws.boot_session import Clients
from ._aws.errors import AwsError
from ._core import boot_facts, boot_protocol
from ._core.boot_protocol import Behind, Done, Failed, Joined, Local, Log, Looked, Nobodys, Seen
from ._core.errors import CoreError
from ._host import imds, role_file
from ._host.errors import FenceError, HostError
from ._host.runtime import FOLDER
from .converge_orders import Memory, Orders

__all__ = ["FAILURES", "Acts"]

FAILURES = (AwsError, CoreError, HostError, OSError)
BY = "dtk-converge"
PAUSE_S = 2.0  # after the first round that failed
GRACE_S = 60.0  # in which the group is told that the deadline is over

_OF_A_SPEC = ("unit", "activation", "unit_timeout", "dead_man", "health")
_OF_A_RELEASE = (*_OF_A_SPEC, "owner", "group", "keep", "keep_failed", "hooks")
_OF_A_CONFIG = ("format", "path", "owner", "group", "mode", "env_prefix", "env_separator", "sensitive")
# How long a link to an artifact is good for beyond the deadline: whoever begins late ends later still.
_LINK_GRACE = 300
_LINK_MOST = 7 * 24 * 3600


Note = Callable[..., None]


class Acts:
    """Performs the effects. note(event, …) tells the journal; deadline: on the clock of time.monotonic."""

    def __init__(self, orders: Orders, note: Note, began: float) -> None:
        self.orders = orders
        self.note = note
        self.began = began
        self.changed = False
        self.options, self._trouble = self._read_options()
        self._clients = Clients(FOLDER)
        self._preload = Background(self._clients.preload)
        self._metadata: imds.Metadata | None = None
        self._instance = ""
        self._beats: Any = None
        self._facts = boot_facts.Facts("", "", "", "")
        self._memory = Memory.of(orders.state)
        self._target: str | None = None
        self._group = ""
        self._membership: Any = None
        self._rereading: Any = None
        self._written: dict[str, Any] = {}
        self._handlers: dict[type, Callable[[Any], Any]] = {
            boot_protocol.Heartbeat: self._heartbeat,
            boot_protocol.Look: self._look,
            boot_protocol.ReadLog: self._read_log,
            boot_protocol.AskPlace: self._ask_place,
            boot_protocol.Stage: self._stage,
            boot_protocol.Configure: self._configure,
            boot_protocol.Activate: self._activate,
            boot_protocol.Report: self._report,
            boot_protocol.Wait: self._wait,
            boot_protocol.Complete: self._complete,
        }

    @property
    def rules(self) -> boot_protocol.Rules:
        deadline = self.began + self.options["deadline"]
        return boot_protocol.Rules(deadline, pause=PAUSE_S, grace=GRACE_S, once=self.orders.check)

    def perform(self, effect: Any) -> Any:
        """What became of it; trouble is an outcome, too."""
        began = time.monotonic()
        told = {name: value for name, value in vars(effect).items() if name in ("app", "version", "n")}
        try:
            outcome = self._handlers[type(effect)](effect)
        except FenceError as exc:
            outcome = Behind()
            told["reason"] = str(exc)
        except FAILURES as exc:
            outcome = Failed(" ".join(str(exc).split()) or type(exc).__name__)
        except Exception as exc:
            # An instance that fell silent would be waited for; the text of a foreign error may hold anything.
            outcome = Failed(f"a fault of dtk-converge itself: {type(exc).__name__} at {_whereabouts(exc)}")
        if isinstance(outcome, Failed):
            told["reason"] = outcome.reason
        result = type(outcome).__name__.lower()
        self.note(type(effect).__name__.lower(), result=result, seconds=round(time.monotonic() - began, 3), **told)
        return outcome

    def end(self) -> None:
        """Nobody needs to be told any more that this host is at work."""
        if self._beats:
            self._beats.stop()

    def settle(self, app: str) -> None:
        """The settings of this boot are written: from now on they come by the playbook config, wave by wave."""
        if not self.orders.check:
            os.makedirs(os.path.dirname(self._marker(app)), mode=0o755, exist_ok=True)
            with open(self._marker(app), "w", encoding="ascii"):
                pass

    def _marker(self, app: str) -> str:
        return os.path.join(self.orders.run, "settled", app)

    # --- who am I ---------------------------------------------------------------------------------------------------

    def _read_options(self) -> tuple[dict[str, Any], str]:
        """The options, and what is wrong with their file; then they are the defaults."""
        path = self.orders.config
        try:
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as exc:
            return dict(boot_facts.DEFAULTS), f"cannot read {path}: {exc}"
        try:
            return boot_facts.options(text, path), ""
        except boot_facts.BootError as exc:
            return dict(boot_facts.DEFAULTS), str(exc)

    def _heartbeat(self, effect: boot_protocol.Heartbeat) -> Any:
        options = self.options
        url = imds.endpoint() if options["metadata"] else None
        target = "InService" if options["instance_id"] else None
        self._instance, region = options["instance_id"], ""
        if url:
            self._metadata = imds.Metadata(url)
            identity = self._metadata.identity()
            self._instance, region = options["instance_id"] or identity["instance_id"], identity["region"]
            target = self._metadata.lifecycle()
        _into_environment(AWS_REGION=options["region"], AWS_ENDPOINT_URL=options["endpoint_url"])
        os.environ.setdefault("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION") or region)
        self._target = target
        self._make_ready("ssm")
        place = None if target == "InService" else boot_facts.place(target or "")
        if target is not None and place != boot_protocol.LEAVING and not self.orders.check:
            self._beats = self._begin_beats(effect.until)
        return Joined(place)

    def _make_ready(self, service: str) -> None:
        """A client that will be needed, while something else is waited for. Whoever asks for it hears of trouble."""
        Background(lambda: self._clients(service))

    def _begin_beats(self, until: float) -> Any:
        from .converge_beats import Beats

        beats = Beats(self._clients, self._instance, self.options["hook"], self.options["heartbeat"], until, self.note)
        beats.start()
        return beats

    def _look(self, _effect: boot_protocol.Look) -> Any:
        self.options, self._trouble = self._read_options()
        if self._trouble:
            return Failed(self._trouble)
        tags = self._metadata.tags(boot_facts.TAGS_READ) if self._metadata else {}
        if self._is_nobodys(tags):
            return Nobodys(
                f"this host is in no group and has no tag {boot_facts.ENV}: there is nothing that it should be"
            )
        document, source = role_file.read(self.options["server_role"], "" if self.orders.check else self.orders.role)
        self._facts = boot_facts.facts(self.options, tags, document, source)
        found = tuple(self._local(app) for app in self._facts.apps)
        self._tell_env([local.app for local in found if local.settings])
        if any(local.current is None for local in found):
            self._make_ready("s3")
        return Looked(found)

    def _is_nobodys(self, tags: Mapping[str, str]) -> bool:
        """Such as an instance that an image is built or tested on. Whoever asks for it by hand means this host."""
        known = self.options["env"] or tags.get(boot_facts.ENV)
        return self._metadata is not None and self._target is None and not known and not self.orders.by_hand

    def _local(self, app: str) -> Local:
        from ._host.state import link_version, load

        layout = self._layout(app)
        state = load(layout)
        settings = self.orders.by_hand or not os.path.exists(self._marker(app))
        return Local(app, link_version(layout), state.fence, self._refused(app, state.failed), settings)

    def _refused(self, app: str, failed: tuple[str, ...]) -> tuple[str, ...]:
        """Releases that failed here, and not so long ago that what was around them may have changed."""
        tried, now = self._memory.tried.get(app, {}), time.time()
        if self.orders.by_hand:
            return ()
        return tuple(v for v in failed if now - tried.get(v, 0.0) < self.options["retry_after"])

    def _tell_env(self, apps: list[str]) -> None:
        """Units whose file does not say DTK_ENV yet; systemd reads them while the release is fetched."""
        from ._core import unit_file
        from ._host import systemd, units

        if self.orders.check or not systemd.is_there():
            return
        specs = [self._facts.apps[app] for app in apps]
        drop_ins = [unit_file.env_drop_in(spec, self._facts.env) for spec in specs if spec.get("unit")]
        wrong = [(path, text) for path, text in drop_ins if units.read(path) != text]
        for path, text in wrong:
            units.put(path, text)
        if wrong:
            self.changed = True
            self._rereading = Background(units.reread)

    def _layout(self, app: str) -> Any:
        from ._host.layout import Layout

        return Layout(app, self._facts.apps[app].get("root") or "/srv")

    def _ask_place(self, _effect: boot_protocol.AskPlace) -> Any:
        asked, self._membership = self._membership, None
        found = asked.result() if asked else self._ask_group()
        if found is None:
            return Joined(boot_protocol.SERVING)
        self._group, state = found
        place = boot_facts.place(state)
        if place == boot_protocol.WARMING and self._target == "InService":
            place = boot_protocol.PENDING  # it has just left the warm pool
        return Joined(place)

    def _ask_group(self) -> tuple[str, str] | None:
        from ._aws import lifecycle

        return lifecycle.membership(self._clients("autoscaling"), self._instance)

    # --- what is wanted ---------------------------------------------------------------------------------------------

    def _read_log(self, effect: boot_protocol.ReadLog) -> Any:
        from datetime import datetime

        from . import deploy_tops
        from ._core.deploy_log import AMI, UTC, moment

        facts, now = self._facts, datetime.now(UTC)
        tops = deploy_tops.tops(self._clients("ssm"), facts.prefix, facts.env, effect.at_least)
        seen = []
        for app, _floor in effect.at_least:
            top = tops[app]
            # Under an image that is being rolled out no release moves: to a host it is as if nobody held the log.
            held = top.target if top.target is not None and top.target.kind != AMI else None
            over = held is not None and now >= moment(held.lease_until)
            target = None if held is None else held.release
            seen.append(Seen(top.n, top.stable, target, over))
            self.note("log", app=app, slot=top.n, stable=top.stable, target=target)
        if self._target == "InService" and not self._group and not self._membership:
            self._membership = Background(self._ask_group)  # while the release is fetched
        return Log(tuple(seen))

    # --- what is done -----------------------------------------------------------------------------------------------

    def _stage(self, effect: boot_protocol.Stage) -> Any:
        from ._host.activate import is_staged

        if not is_staged(self._layout(effect.app), effect.version):
            self._fetch(effect.app, effect.version)
            self.changed = True
        return Done()

    def _fetch(self, app: str, version: str) -> None:
        from . import artifacts
        from ._aws import s3
        from ._host.archive import Limits
        from ._host.fetch import FetchOptions
        from ._host.stage import stage

        bucket, spec = self._facts.bucket, self._facts.apps[app]
        if not bucket:
            raise boot_facts.BootError(
                f"{app} {version} is not on this host, which does not know the bucket of the releases. Give its launch "
                f"template the tag {boot_facts.BUCKET}, or set bucket in {self.orders.config}."
            )
        client = self._clients("s3")
        manifest = artifacts.load(client, bucket, app, version, look=False)
        left = max(1.0, self.rules.deadline - time.monotonic())
        key = artifacts.location(bucket, manifest)["key"]
        limits = {name: value for name, value in (spec.get("limits") or {}).items() if value is not None}
        done = stage(
            self._layout(app),
            manifest,
            s3.link(client, bucket, key, min(int(left) + _LINK_GRACE, _LINK_MOST)),
            limits=Limits(**limits),
            owner=spec.get("owner"),
            group=spec.get("group"),
            check=self.orders.check,
            options=FetchOptions(deadline_s=left),
            lock_timeout_s=self.options["lock_timeout"],
        )
        self.note("fetched", app=app, version=version, bytes=done.bytes_fetched, phases=done.seconds)

    def _configure(self, effect: boot_protocol.Configure) -> Any:
        """Write the files. With a release in place, the unit reads them once the right one is there."""
        app = effect.app
        self._written.pop(app, None)
        found = self._settings(app)
        if found is None:
            return Done()
        if _serves(self._layout(app)):
            self._write_settings(app, effect.n, "written", found)
            self._written[app] = found
        else:
            self._write_settings(app, effect.n, "active", found)
        return Done()

    def _settings(self, app: str) -> Any:
        """The settings out of Parameter Store; None if the app has no files for them, or there are none."""
        if "config" not in self._facts.apps[app]:
            return None
        from . import settings_read

        found = settings_read.read(self._clients("ssm"), self._facts.settings_paths(app), on_missing="nothing")
        if len(found.missing) == len(self._facts.settings_paths(app)):
            self.note("settings", app=app, found="none")
            return None
        return found

    def _write_settings(self, app: str, fence: int, state: str, found: Any) -> None:
        from . import app_config

        spec = self._facts.apps[app]
        given = {**_picked(spec, _OF_A_SPEC), **_picked({"group": spec.get("group")}, ("group",))}
        given |= _picked(spec["config"], _OF_A_CONFIG)
        options = {
            **_defaults(app_config.OPTIONS),
            **given,
            "app": app,
            "root": self._layout(app).root,
            "state": state,
            "config": found.tree,
            "secure": sorted(found.sensitive),
            "schema": self._schema(app, spec["config"].get("schema")),
            "fence": fence,
            "by": BY,
            "lock_timeout": self.options["lock_timeout"],
        }
        done = app_config.converge(options, self.orders.check)
        self._remark("settings", app, done)

    def _schema(self, app: str, schema: Any) -> Any:
        """A schema that can be checked here. A file of the controller, and a missing library, cannot."""
        import importlib.util

        if schema is None or (isinstance(schema, Mapping) and importlib.util.find_spec("jsonschema")):
            return schema
        self.note("settings", app=app, schema="not checked: it is a file of the controller, or jsonschema is missing")
        return None

    def _activate(self, effect: boot_protocol.Activate) -> Any:
        from . import host

        app, spec = effect.app, self._facts.apps[effect.app]
        if self._rereading:
            self._rereading.result()
            self._rereading = None
        if self._instance:
            self._make_ready("ec2")
        options = {
            **_defaults(host.RELEASE_OPTIONS),
            **_picked(spec, _OF_A_RELEASE),
            # Without a release before there is nothing that a switch could return to.
            **({} if _serves(self._layout(app)) else {"dead_man": False}),
            "app": app,
            "root": self._layout(app).root,
            "version": effect.version,
            "state": "active",
            "fence": effect.n,
            "by": BY,
            "lock_timeout": self.options["lock_timeout"],
        }
        try:
            self._remark("release", app, host.converge(options, self.orders.check))
            if app in self._written and not self.orders.check:
                self._write_settings(app, effect.n, "active", self._written.pop(app))
        except FenceError:
            raise
        except HostError:
            self._memory.tried.setdefault(app, {})[effect.version] = time.time()
            self._remember()
            raise
        return Done()

    def _remark(self, event: str, app: str, done: Mapping[str, Any]) -> None:
        self.changed = self.changed or bool(done["changed"])
        self.note(event, app=app, outcome=done["outcome"], phases=done["seconds"])
        for text in done.get("warnings", ()):
            self.note("warning", app=app, text=text)

    # --- what is told -----------------------------------------------------------------------------------------------

    def _report(self, effect: boot_protocol.Report) -> Any:
        tags = boot_facts.tags_of(effect.rows, effect.boot)
        said = {"instance": self._instance, "tags": tags}
        if not self._instance or self.orders.check or self._memory.said == said:
            return Done()
        from ._aws import lifecycle

        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        lifecycle.tag(self._clients("ec2"), self._instance, boot_facts.stamped(tags, stamp))
        self._memory.said = said
        self._remember()
        return Done()

    def _remember(self) -> None:
        if self.orders.check:
            return
        try:
            self._memory.keep()
        except OSError as exc:
            self.note("warning", text=f"cannot write {self._memory.path}: {exc.strerror}")

    def _wait(self, effect: boot_protocol.Wait) -> Any:
        # Half of it random: many hosts may have lost the same service at the same moment.
        time.sleep(effect.seconds * (0.5 + os.urandom(1)[0] / 510))
        return Done()

    def _complete(self, effect: boot_protocol.Complete) -> Any:
        if self.orders.check:
            return Done()
        if not self._group:
            self._ask_place(boot_protocol.AskPlace())
        if not self._group or self._tell_group(effect.result):
            return Done()
        # Nobody waits for it: not any more, not yet, or by a hook of another name.
        found = self._ask_group()
        state = found[1] if found else ""
        if boot_facts.place(state) not in (boot_protocol.PENDING, boot_protocol.WARMING):
            return Done()
        if state.endswith(":Wait"):
            return Failed(
                f"the group {self._group} waits for this instance, but not by a hook {self.options['hook']}: "
                f"name the one that it has in the option hook of {self.orders.config}"
            )
        return (
            Done() if state.endswith(":Proceed") else Failed(f"{self._group} does not wait for it yet: it is {state}")
        )

    def _tell_group(self, result: str) -> bool:
        from ._aws import lifecycle

        client = self._clients("autoscaling")
        return lifecycle.complete(client, self._group, self.options["hook"], self._instance, result)


class Background:
    """Something that need not be waited for at once."""

    def __init__(self, act: Callable[[], Any]) -> None:
        import threading

        self._act = act
        self._found: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._act()
        except FAILURES as exc:
            self._error = exc

    def result(self) -> Any:
        """What it came to; raises what it raised."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._found


def _whereabouts(exc: BaseException) -> str:
    """Where an exception was raised, without a value of anything."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "an unknown place"


def _serves(layout: Any) -> bool:
    from ._host.state import link_version

    return link_version(layout) is not None


def _into_environment(**variables: str) -> None:
    """Where every client of this process looks for them."""
    os.environ.update({name: value for name, value in variables.items() if value})


def _defaults(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """As a module's options are when nothing is given."""
    return {name: option.get("default") for name, option in options.items()}


def _picked(spec: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: spec[name] for name in names if spec.get(name) is not None}
