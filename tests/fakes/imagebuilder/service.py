# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 Image Builder as a whole: regions, tokens, the builds that are under way, and what a test may do to it."""

from __future__ import annotations

import contextlib
import copy
import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.contract import Allowance, Contract, Outcome, RefusalError
from tests.fakes.rest_json import MalformedError, NoSuchOperationError, Response, RestJson

from . import components, configurations, images, lifecycle, pipelines, policies, recipes, tags, workflows
from .arns import Arn
from .job import Builder
from .mishaps import Mishaps
from .production import Production, Stepped
from .region import UNFINISHED, Clock, Parameters, Region, State
from .simulated import Simulated

SERVICE = "imagebuilder"
THROTTLED = "CallRateLimitExceededException"
STOP_SECONDS = 10
ALLOWANCES = (
    Allowance(
        "ResourceNotFoundException",
        404,
        "Terraform's provider of AWS takes this code of GetImage, GetComponent, DeleteImage and the like for a thing "
        "that is gone (internal/service/imagebuilder/*.go), although their model has no such error.",
        ("Get", "Delete"),
    ),
)
OPERATIONS: dict[str, Callable[[Region, Parameters], Parameters]] = {
    **components.OPERATIONS,
    **recipes.OPERATIONS,
    **configurations.OPERATIONS,
    **pipelines.OPERATIONS,
    **images.OPERATIONS,
    **workflows.OPERATIONS,
    **policies.OPERATIONS,
    **lifecycle.OPERATIONS,
    **tags.OPERATIONS,
}
# Read-only ones that the model makes POSTs.
_READS = ("Get", "List")


class ImageBuilder:
    """The service behind its contract; `client` makes clients of the other services that it uses."""

    def __init__(self, account: str, client: Callable[[str, str, str], Any], builder: Builder | Stepped | None) -> None:
        self.builder: Builder | Stepped = Simulated() if builder is None else builder
        self.clock = Clock()
        self.mishaps = Mishaps()
        self.quotas: dict[str, int] = {}
        self.bugs: list[BaseException] = []
        """What went wrong in here, or was raised by a builder and is neither a failed step nor a cancelled build."""
        self._account, self._client = account, client
        self._lock = threading.RLock()
        self._loading = threading.Lock()
        self._loaded: tuple[Contract, RestJson] | None = None
        self._regions: dict[str, Region] = {}
        self._productions: dict[str, Production] = {}
        self._threads: list[threading.Thread] = []

    @property
    def contract(self) -> Contract:
        return self._model[0]

    @property
    def _wire(self) -> RestJson:
        return self._model[1]

    @property
    def _model(self) -> tuple[Contract, RestJson]:
        """Read with the first request: whoever wants no images does not wait for it."""
        with self._loading:
            if self._loaded is None:
                contract = Contract(SERVICE, ALLOWANCES)
                self._loaded = contract, RestJson(contract.model)
            return self._loaded

    @property
    def violations(self) -> list[str]:
        return self.contract.violations

    # --- requests ---

    def read(self, method: str, uri: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Parameters]:
        """Name and parameters of the operation; for what is none, the method and the error."""
        try:
            return self._wire.read(method, uri, headers, body)
        except NoSuchOperationError as error:
            return method, {"code": "UnknownOperationException", "message": str(error)}
        except MalformedError as error:
            return method, {"code": "SerializationException", "message": str(error)}

    def answer(self, action: str, region: str, parameters: Parameters, *, stale: bool = False) -> Response:
        if action not in OPERATIONS:
            return self._unknown(action, parameters)
        with self._lock:
            held = self._region(region)
            if stale and action.startswith(_READS):
                held = held.as_before()
            outcome = copy.deepcopy(self._outcome(action, held, parameters))
            if action == "GetImage" and not stale:
                self._polled(parameters["imageBuildVersionArn"])
        return self._wire.write(self.contract.operation(action), outcome)

    def _outcome(self, action: str, region: Region, parameters: Parameters) -> Outcome:
        try:
            return self.contract.answer(action, parameters, functools.partial(self._carry_out, action, region))
        except Exception as bug:
            self.bugs.append(bug)
            return Outcome(500, code="InternalFailure", message=f"the emulated Image Builder failed: {bug!r}")

    def error(self, action: str, code: str, message: str) -> Response:
        """This error in the words of the service, if the operation may say it."""
        if action not in self.contract.model.operation_names:
            return self._unknown(action, {})
        return self._wire.write(self.contract.operation(action), self.contract.error(action, code, message))

    def throttling(self, action: str) -> Response:
        known = action in self.contract.model.operation_names and self.contract.declares(action, THROTTLED)
        return self.error(action, THROTTLED if known else "ThrottlingException", "Rate exceeded")

    def _unknown(self, action: str, wrong: Parameters) -> Response:
        if action in self.contract.model.operation_names:
            outcome = Outcome(501, code="NotImplemented", message=f"The emulated Image Builder has no {action}.")
        else:
            code = wrong.get("code", "UnknownOperationException")
            status = 404 if code == "UnknownOperationException" else 400
            outcome = Outcome(status, code=code, message=wrong.get("message", action))
        return self._wire.write(self.contract.operation("GetImage"), outcome)

    def _carry_out(self, action: str, region: Region, parameters: Parameters) -> Parameters:
        if action.startswith(_READS):
            answer = OPERATIONS[action](region, parameters)
        else:
            answer = self._write(action, region, parameters)
        members = self.contract.operation(action).output_shape.members
        own = {"requestId": f"request-{next(region.serials)}", "clientToken": parameters.get("clientToken")}
        return answer | {key: value for key, value in own.items() if value and key in members and key not in answer}

    def _write(self, action: str, region: Region, parameters: Parameters) -> Parameters:
        """Once per token; what was before stays known to reads that are told to be stale."""
        token = parameters.get("clientToken")
        if token is not None and (action, token) in region.state.tokens:
            body, answer = region.state.tokens[action, token]
            if body != parameters:
                raise RefusalError(
                    "IdempotentParameterMismatchException",
                    f"The client token '{token}' was used with other parameters before.",
                )
            return copy.deepcopy(answer)
        before = copy.deepcopy(region.state)
        answer = OPERATIONS[action](region, parameters)
        region.before = before
        if token is not None:
            region.state.tokens[action, token] = copy.deepcopy(parameters), copy.deepcopy(answer)
        return answer

    def _region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = Region(
                name=name,
                account=self._account,
                contract=self.contract,
                clock=self.clock,
                quotas=self.quotas,
                client=functools.partial(self._client_of, name),
                begin=self._begin,
                cancel=self._cancel,
                lock=self._lock,
            )
        return self._regions[name]

    def _client_of(self, home: str, service: str, region: str | None = None, account: str | None = None) -> Any:
        return self._client(service, region or home, account or self._account)

    # --- builds ---

    def _begin(self, region: Region, arn: str) -> None:
        production = Production(region, arn, self.builder, self.mishaps, self.bugs.append)
        self._productions[arn] = production
        if not isinstance(self.builder, Stepped):
            thread = threading.Thread(target=production.run, name=f"build of {arn}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _cancel(self, arn: str) -> None:
        if arn in self._productions:
            self._productions[arn].cancelled.set()

    def _polled(self, arn: str) -> None:
        if isinstance(self.builder, Stepped) and arn in self._productions:
            self.advance(self.builder.pace, arn)

    # --- what a test may do ---

    def advance(self, transitions: int = 1, arn: str | None = None) -> None:
        """Move this image, or all of them, on by so many transitions; simulated ones only."""
        with self._lock:
            for production in [one for key, one in self._productions.items() if arn in {None, key}]:
                for _ in range(transitions):
                    if not production.over:
                        production.advance()

    def fail_at(self, stage: str, reason: str | None = None, *, times: int | None = None) -> None:
        self.mishaps.fail_at(stage, reason, times=times)

    def end_as(self, status: str, *, at: str = "BUILDING", times: int | None = None) -> None:
        self.mishaps.end_as(status, at=at, times=times)

    def quota(self, kind: str, most: int) -> None:
        """So many things of a kind, which is the name in ARNs; of images, so many that are being built."""
        self.quotas[kind] = most

    def set_status(self, arn: str, status: str, reason: str | None = None) -> None:
        """Of an image or a component, as if somebody else had done it; a build that is under way ends."""
        with self._lock:
            thing = self._region(Arn.parse(arn).region).exact(arn)
            thing["state"] = {"status": status} | ({"reason": reason} if reason else {})
            if status not in UNFINISHED:
                self._cancel(arn)

    def apply_lifecycle(self) -> list[lifecycle.Act]:
        """Let all enabled policies of all regions run now; what they did to which image."""
        with self._lock:
            return [act for region in self._regions.values() for act in lifecycle.run(region)]

    def state(self, region: str) -> State:
        """A copy of all that a region holds."""
        with self._lock:
            return copy.deepcopy(self._region(region).state)

    # --- ends ---

    def reset(self) -> None:
        """Nothing goes wrong any more, and the clock is right; the data stays."""
        self.mishaps.clear()
        self.quotas.clear()
        self.clock.ahead *= 0

    def forget(self) -> None:
        """No data any more; what is being built is stopped."""
        self.stop()
        with self._lock:
            self._regions.clear()

    def stop(self) -> None:
        with self._lock:
            productions, self._productions = self._productions, {}
            threads, self._threads = self._threads, []
        for production in productions.values():
            production.cancelled.set()
            if isinstance(self.builder, Stepped):
                production.close()
        for thread in threads:
            with contextlib.suppress(RuntimeError):  # one that stops us from inside its own build
                thread.join(STOP_SECONDS)
