# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Auto Scaling as a whole: requests, regions, time, and what a test may ask and do."""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.contract import Allowance, Contract, Outcome
from tests.fakes.query import Query
from tests.fakes.rest_json import MalformedError, NoSuchOperationError, Response

from . import (
    activities,
    engine,
    groups,
    hooks,
    instances,
    policies,
    pools,
    processes,
    refreshes,
    schedules,
    sources,
    tags,
)
from .clock import Clock, ManualClock
from .cloud import Cloud
from .launcher import Errands, Launcher
from .region import Dials, Region
from .state import Group, Instance, Parameters, State, Time, seconds

SERVICE = "autoscaling"
ALLOWANCES = (
    Allowance(
        "Throttling",
        400,
        "botocore's retry handlers list this code, with the message Rate exceeded, for the query services "
        "(botocore/retries/throttling and _retry.json).",
    ),
    Allowance(
        "AccessDenied",
        403,
        "The model's text on the Operator of a group says that calls are rejected with an AccessDenied exception.",
    ),
    Allowance("NotImplemented", 501, "Our own: what the fake does not do, it refuses."),
)
OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    **activities.OPERATIONS,
    **groups.OPERATIONS,
    **hooks.OPERATIONS,
    **instances.OPERATIONS,
    **policies.OPERATIONS,
    **pools.OPERATIONS,
    **processes.OPERATIONS,
    **refreshes.OPERATIONS,
    **schedules.OPERATIONS,
    **sources.OPERATIONS,
    **tags.OPERATIONS,
}
_READS = "Describe"
# A state machine that never comes to rest has a fault of its own.
_STEPS_AT_MOST = 10_000


@dataclass(frozen=True)
class Options:
    clock: Clock | None = None  # real time
    launcher: Launcher | None = None  # that does nothing
    dials: Dials | None = None


class AutoScaling:
    """The service behind its contract; `client` makes clients of the other services that it uses.

    With a real clock a thread does what is due; with a ManualClock nothing happens but in tick(), settle(), advance().
    """

    def __init__(
        self,
        account: str,
        client: Callable[[str, str, str], Any],
        options: Options,
    ) -> None:
        self.clock, self.launcher = options.clock or Clock(), options.launcher or Launcher()
        self.dials = options.dials or Dials()
        self.bugs: list[BaseException] = []
        """What went wrong in the fake itself, in its thread."""
        self._account, self._client = account, client
        self._manual = isinstance(self.clock, ManualClock)
        self._errands = Errands(not self._manual, self._wake)
        self._changed = threading.Condition(threading.RLock())
        self._regions: dict[str, Region] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._woken = False  # something was asked for since the thread last looked
        self._version = 0  # of everything
        self._initial_dials = copy.deepcopy(vars(self.dials))

    @functools.cached_property
    def contract(self) -> Contract:
        return Contract(SERVICE, ALLOWANCES)

    @functools.cached_property
    def _wire(self) -> Query:
        return Query(self.contract.model)

    @property
    def violations(self) -> list[str]:
        """Answers that the model forbids, and that were not sent."""
        return self.contract.violations

    # --- requests ---

    def read(self, body: bytes) -> tuple[str, Parameters]:
        """Name and parameters of the operation; what is wrong, of what is none."""
        try:
            return self._wire.read(body)
        except (NoSuchOperationError, MalformedError) as error:
            return "", {"malformed": str(error)}

    def answer(
        self, action: str, region: str, parameters: Parameters, *, stale: bool = False, at_most: int | None = None
    ) -> Response:
        """stale: as it was before the last change. at_most: items of a page."""
        if action not in OPERATIONS:
            return self._unknown(action, parameters)
        if at_most is not None and "MaxRecords" in self.contract.operation(action).input_shape.members:
            parameters = parameters | {"MaxRecords": min(at_most, parameters.get("MaxRecords", at_most))}
        with self._changed:
            held = self._region(region)
            if action.startswith(_READS):
                carry_out = functools.partial(OPERATIONS[action], held.as_before() if stale else held)
            else:
                carry_out = functools.partial(self._write, action, held)
            outcome = copy.deepcopy(self.contract.answer(action, parameters, carry_out))
        return self._wire.write(self.contract.operation(action), outcome)

    def _write(self, action: str, region: Region, parameters: Parameters) -> Parameters:
        before, changes = copy.deepcopy(region.state), region.changes
        answer = OPERATIONS[action](region, parameters)
        if region.changes != changes:
            region.before = before
            self._wake()
        return answer

    def error(self, action: str, code: str, message: str) -> Response:
        """This error in the words of the service, if the operation may say it."""
        if action not in self.contract.model.operation_names:
            return self._unknown(action, {})
        return self._wire.write(self.contract.operation(action), self.contract.error(action, code, message))

    def throttling(self, action: str) -> Response:
        return self.error(action, "Throttling", "Rate exceeded")

    def _unknown(self, action: str, parameters: Parameters) -> Response:
        if action in self.contract.model.operation_names:
            what = f"The emulated Auto Scaling has no {action}."
            return self._wire.error(Outcome(501, code="NotImplemented", message=what))
        return self._wire.error(Outcome(400, code="InvalidAction", message=parameters.get("malformed", action)))

    def _region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = Region(
                name,
                self._account,
                self.contract,
                self.clock,
                self.dials,
                Cloud(lambda service: self._client(service, name, self._account)),
                self.launcher,
                self._errands,
            )
        return self._regions[name]

    # --- time ---

    def tick(self) -> bool:
        """One step of everything that is due; whether anything changed."""
        with self._changed:
            changed = self._tick()
        return self._errands.run() or changed

    def settle(self) -> None:
        """Steps until nothing more is due now."""
        for _ in range(_STEPS_AT_MOST):
            with self._changed:
                changed = self._tick()
            # Not before hooks hold what was launched, since a host may complete its actions at once.
            if not changed and not self._errands.run():
                return
        raise RuntimeError("the emulated Auto Scaling never comes to rest")

    def advance(self, number: float) -> None:
        """So many seconds of a ManualClock, in which everything happens in its time."""
        if not isinstance(self.clock, ManualClock):
            raise TypeError("only a ManualClock can be advanced")
        end = self.clock.now() + seconds(number)
        self.settle()
        while (due := self._next_due(self.clock.now())) is not None and due <= end:
            self.clock.move_to(due)
            self.settle()
        self.clock.move_to(end)
        self.settle()

    def _next_due(self, after: Time) -> Time | None:
        with self._changed:
            times = [engine.next_due(region, after) for region in self._regions.values()]
        return min((one for one in times if one), default=None)

    def _tick(self) -> bool:
        changed = False
        for region in list(self._regions.values()):
            before = copy.deepcopy(region.state)
            if engine.tick(region):
                region.before = before
                changed = True
        if changed:
            self._announce()
        return changed

    def _announce(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._woken = True
            self._announce()
            if self._thread is None and not self._manual and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="auto scaling", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self._woken, began = False, self.clock.now()
            try:
                self.settle()
            except Exception as error:
                # While the server goes down, what it is asked for fails.
                if not self._stopping:
                    self.bugs.append(error)
            with self._changed:
                due = self._next_due(began)
                seconds_left = None if due is None else max(0, (due - self.clock.now()).total_seconds())
                self._changed.wait_for(lambda: self._woken or self._stopping, seconds_left)

    # --- what a test may ask ---

    def state(self, region: str) -> State:
        """A copy of all that a region holds."""
        with self._changed:
            return copy.deepcopy(self._region(region).state)

    def group(self, name: str, region: str) -> Group:
        """A copy of a group, its hooks, refreshes and instances included."""
        return self.state(region).groups[name]

    def instance(self, instance_id: str, region: str) -> Instance | None:
        found = self.state(region).find(instance_id)
        return found[1] if found else None

    def wait_for(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        """In real time: until something that the service changed makes this true."""
        end = time.monotonic() + timeout
        while True:
            seen = self._version
            # Not under the lock: a condition may be a request.
            if condition():
                return
            with self._changed:
                left = max(0, end - time.monotonic())
                if not self._changed.wait_for(functools.partial(self._is_newer, seen), left):
                    raise TimeoutError(f"not within {timeout} seconds: {condition}")

    def _is_newer(self, version: int) -> bool:
        return self._version != version

    # --- ends ---

    def reset(self) -> None:
        """The dials are where they were at the beginning; the data stays."""
        vars(self.dials).update(copy.deepcopy(self._initial_dials))

    def forget(self) -> None:
        """No data any more. Instances are not terminated: EC2 forgets them at the same time."""
        with self._changed:
            self._regions.clear()
        self._errands.forget()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._announce()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
        self._errands.stop()
