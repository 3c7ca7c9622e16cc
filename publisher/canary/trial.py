"""Try one cell: create a function with its layer, invoke it, compare its result, and delete it in any case.

A function belongs to the run that its description names. One with the same name that another run created some time
ago is left over from a killed run, and is deleted first; a newer one means that another canary is running.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from builder.model.clock import Clock
from builder.model.retry import repeat
from builder.model.stop import Stop
from publisher.aws.gateway import Failure, GatewayError, Refused, Unavailable
from publisher.canary.function_port import (
    Function,
    Functions,
    InvalidError,
    Invoked,
    NameTakenError,
    NotNowError,
    RoleError,
    RuntimeRefused,
    Spec,
)
from publisher.canary.function_zip import HANDLER, function_zip
from publisher.canary.verdict import Case, problems, read_error, read_result

T = TypeVar("T")

#: A function of this age is left over from a killed run, because no trial takes this long.
LEFTOVER_AGE = timedelta(minutes=15)
#: Until Lambda knows a new role, until a function is active, and until it can be deleted.
MAX_WAIT_SECONDS = 90.0
#: Waits while searching a function that may have been created.
SEARCH_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0)

#: ``failed``: the layer differs from the ledger, or does not work. ``deferred``: unknown, see the failure class.
#: ``not provable``: Lambda creates no functions of this runtime or architecture in the region.
Status = Literal["proven", "failed", "deferred", "not provable"]


@dataclass(frozen=True)
class Trial:
    """The result of a cell's trial."""

    case: Case
    status: Status
    reason: str | None = None
    failure: Failure | None = None  #: of AWS, where the status is ``deferred`` or ``not provable``
    sha256: str | None = None  #: of the layer's zip, by AWS
    package_version: str | None = None  #: by the function
    import_seconds: float | None = None
    log: str = ""  #: the end of the function's log, if it failed
    unreachable: bool = False  #: the region did not respond; its other cells are not tried

    @property
    def is_bad(self) -> bool:
        """Whether it holds a release back. A layer that is not provable does not."""
        return self.status in ("failed", "deferred")


@dataclass(frozen=True)
class Setting:
    """The values that all trials of a run share."""

    run: str  #: a unique name of this run
    clock: Clock
    now: Callable[[], datetime]
    stop: Stop = field(default_factory=Stop)


class _DeferredError(Exception):
    """The layer cannot be tried now."""


class _FailedError(Exception):
    """The layer differs from the ledger, or does not work."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


def attempt(case: Case, functions: Functions, name: str, role: str, setting: Setting) -> Trial:
    """Try a cell. Never raises for an error of AWS. The reason reports a function that cannot be deleted."""
    trial = Trial(case, "deferred")
    function = _CanaryFunction(functions, _spec(case, name, role, setting), setting)
    leftover: Failure | None = None
    try:
        trial = _add_layer(trial, functions)
        if trial.status != "failed":
            function.create()
            function.await_active()
            trial = _add_result(trial, function.invoke(case.package))
    except (_FailedError, InvalidError) as error:
        trial = replace(trial, status="failed", reason=str(error), log=getattr(error, "log", ""))
    except RuntimeRefused as error:
        target = case.target
        kind = f"{target.runtime.api_name} functions for {target.architecture.api_name}"
        reason = f"Lambda creates no {kind} in {case.region}: {error.message}"
        trial = replace(trial, status="not provable", reason=reason, failure=error.failure)
    except RoleError as error:
        reason = f"Lambda cannot assume {role} ({error.message})"
        advice = "create it (`layers infra` prints its template), or name another role with --role"
        trial = replace(trial, reason=reason, failure=replace(error.failure, advice=advice))
    except _DeferredError as error:
        trial = replace(trial, reason=str(error), failure=Failure(str(error)))
    except GatewayError as error:
        unreachable = isinstance(error, Unavailable)
        trial = replace(trial, reason=error.message, failure=error.failure, unreachable=unreachable)
    finally:  # also after KeyboardInterrupt
        leftover = function.remove()
    if leftover is None:
        return trial
    status: Status = "failed" if trial.status == "failed" else "deferred"
    reason = f"{trial.reason}; {leftover.text}" if trial.reason else leftover.text
    return replace(trial, status=status, reason=reason, failure=leftover)


def _spec(case: Case, name: str, role: str, setting: Setting) -> Spec:
    return Spec(
        name=name,
        description=f"layers canary of {case.package} {case.version}, run {setting.run}"[-256:],
        role=role,
        runtime=case.target.runtime.api_name,
        architecture=case.target.architecture.api_name,
        layer=case.arn,
        handler=HANDLER,
        code=function_zip(),
    )


def _add_layer(trial: Trial, functions: Functions) -> Trial:
    """Add the layer's facts from AWS. Failed if it is not the recorded one: unknown code is not run."""
    case = trial.case
    layer = functions.layer(case.target.layer_name, case.number)
    if layer is None:
        return replace(trial, status="failed", reason="the layer version does not exist in AWS")
    trial = replace(trial, sha256=layer.sha256)
    if layer.sha256 != case.sha256:
        reason = f"its sha256 is {layer.sha256[:12]}…, in the ledger {case.sha256[:12]}…: other bytes"
        return replace(trial, status="failed", reason=reason)
    return trial


def _add_result(trial: Trial, invoked: Invoked) -> Trial:
    if invoked.failed:
        raise _FailedError(f"the function failed: {read_error(invoked.payload)}", invoked.log)
    result = read_result(invoked.payload)
    if result is None:
        text = invoked.payload.decode("utf-8", "replace")[:200]
        raise _FailedError(f"the function returned something else than the canary's result: {text!r}", invoked.log)
    seconds = round(result.import_seconds, 3) if result.loaded_from else None
    trial = replace(trial, package_version=result.version, import_seconds=seconds)
    differences = "; ".join(problems(trial.case, result))
    return replace(trial, status="failed" if differences else "proven", reason=differences or None)


class _CanaryFunction:
    """A function of this run, and whether it may exist."""

    def __init__(self, functions: Functions, spec: Spec, setting: Setting) -> None:
        self._functions = functions
        self._spec = spec
        self._setting = setting
        self._created = False
        self._search_waits: tuple[float, ...] = ()  #: waits while searching one that may have been created

    def create(self) -> None:
        """Create it, after deleting a leftover of a killed run. Deferred if another canary is running."""
        existing = self._functions.find(self._spec.name)
        if existing is not None:
            self._refuse_recent(existing)
            self._retry(lambda: self._functions.delete(self._spec.name))
        self._search_waits = SEARCH_SECONDS
        try:
            self._retry(self._create, (NotNowError, RoleError))
        except (Refused, RoleError, NotNowError):
            self._search_waits = (0.0,)
            raise
        self._created = True

    def await_active(self) -> None:
        """Wait until it is active."""

        def read() -> Function:
            function = self._functions.find(self._spec.name)
            if function is None or function.state == "Pending":
                raise NotNowError("the function is still Pending")
            return function

        function = self._retry(read)
        if function.state not in ("Active", "Inactive"):
            raise _FailedError(f"the function is {function.state}: {function.reason or 'AWS gives no reason'}")

    def invoke(self, package: str) -> Invoked:
        """Return its result for the package."""
        return self._retry(lambda: self._functions.invoke(self._spec.name, {"package": package}))

    def remove(self) -> Failure | None:
        """Delete it if it exists or may exist; return why it may still exist, or None."""
        try:
            if self._created or self._appears():
                self._retry(lambda: self._functions.delete(self._spec.name), stoppable=False)
        except GatewayError as error:
            minutes = int(LEFTOVER_AGE.total_seconds()) // 60
            text = (
                f"function {self._spec.name} may still exist, since it could not be deleted ({error.message}); "
                f"a canary deletes it {minutes} minutes after its creation"
            )
            return replace(error.failure, text=text)
        return None

    def _create(self) -> None:
        """Create it. If an attempt without a response created it, that is fine; wait for one that is being deleted."""
        try:
            self._functions.create(self._spec)
        except NameTakenError as error:
            created = self._functions.find(self._spec.name)
            if created is not None and created.description == self._spec.description:
                return
            if created is not None:
                self._refuse_recent(created)
            raise NotNowError(error.message, error.request_id) from None

    def _refuse_recent(self, existing: Function) -> None:
        age = self._setting.now() - existing.modified
        if age < LEFTOVER_AGE:
            minutes, limit = max(0, int(age.total_seconds()) // 60), int(LEFTOVER_AGE.total_seconds()) // 60
            raise _DeferredError(
                f"another canary is running: function {self._spec.name} was created {minutes} minutes ago "
                f"(a leftover of a killed run is deleted when it is {limit} minutes old)"
            )

    def _appears(self) -> bool:
        for wait in self._search_waits:
            self._setting.clock.sleep(wait)
            created = self._functions.find(self._spec.name)
            if created is not None:
                return created.description == self._spec.description
        return False

    def _retry(
        self, call: Callable[[], T], kinds: tuple[type[GatewayError], ...] = (NotNowError,), *, stoppable: bool = True
    ) -> T:
        """Retry while AWS is not ready, for at most ``MAX_WAIT_SECONDS``."""
        clock, stop = self._setting.clock, self._setting.stop
        end = clock.monotonic() + MAX_WAIT_SECONDS

        def call_unless_stopped() -> T:
            if stoppable and (reason := stop.reason):
                raise _DeferredError(reason)
            return call()

        return repeat(
            call_unless_stopped,
            lambda error: isinstance(error, kinds),
            lambda _: clock.monotonic() >= end,
            first_wait_seconds=0.2,
            max_wait_seconds=3,
            jitter=False,
            sleep=clock.sleep,
        )
