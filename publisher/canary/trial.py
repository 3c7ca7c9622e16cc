"""The trial of one cell: a function on its layer, made, awaited, invoked, compared, and removed whatever happened.

A function belongs to the run that is named in its description. One of the same name that another run made a while
ago is what a killed run left, and is removed first; a younger one means that another canary is at work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Literal, TypeVar

from builder.model.clock import Clock
from publisher.aws.gateway import GatewayError, Refused, Unavailable
from publisher.canary.function_port import (
    Function,
    Functions,
    InvalidError,
    Invoked,
    NameTakenError,
    NotNowError,
    RoleError,
    Spec,
)
from publisher.canary.function_zip import HANDLER, function_zip
from publisher.canary.verdict import Case, problems, read_answer, read_error

T = TypeVar("T")

#: A function this old was left by a run that was killed: no trial takes as long.
LEFT_AFTER = timedelta(minutes=15)
#: Seconds for a new role to be known to Lambda, for a function to become active, and to let go of one.
PATIENCE = 90.0
#: Waits between the looks at something that changes; the last one again and again.
LOOKS = (0.2, 0.5, 1.0, 2.0, 3.0)

Status = Literal["proven", "failed", "deferred"]


@dataclass(frozen=True)
class Trial:
    """What became of a cell: proven; failed, where the layer is not what the ledger says or does not work; deferred,
    where nothing can be said of it."""

    case: Case
    status: Status
    reason: str | None = None
    sha256: str | None = None  #: of the layer's zip, as AWS says
    package_version: str | None = None  #: as the function says
    import_seconds: float | None = None
    log: str = ""  #: the function's last words, where it failed
    silent: bool = False  #: AWS did not answer; its region need not be asked again


@dataclass(frozen=True)
class Setting:
    """What all trials of a run have in common."""

    run: str  #: a word of this run's alone
    clock: Clock
    now: Callable[[], datetime]
    stopped: Callable[[], str | None] = lambda: None  #: why the run shall end, if it shall


class _DeferredError(Exception):
    """Nothing can be said of the layer."""


class _FailedError(Exception):
    """The layer is not what the ledger says, or does not work."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


def attempt(case: Case, functions: Functions, name: str, role: str, setting: Setting) -> Trial:
    """Try a cell. Never raises for what AWS does; a function that cannot be removed is named in the reason."""
    trial = Trial(case, "deferred")
    function = _Function(functions, _spec(case, name, role, setting), setting)
    left: str | None = None
    try:
        trial = _with_layer(trial, functions)
        if trial.status != "failed":
            function.make()
            function.await_active()
            trial = _with_answer(trial, function.invoke(case.package))
    except (_FailedError, InvalidError) as error:
        trial = replace(trial, status="failed", reason=str(error), log=getattr(error, "log", ""))
    except RoleError as error:
        reason = f"Lambda cannot assume {role}: is it there? `layers infra` has its template, --role names another"
        trial = replace(trial, reason=f"{reason} ({error.message})")
    except _DeferredError as error:
        trial = replace(trial, reason=str(error))
    except GatewayError as error:
        trial = replace(trial, reason=error.message, silent=isinstance(error, Unavailable))
    finally:  # also when this is being ended by force
        left = function.remove()
    if left is None:
        return trial
    status: Status = "failed" if trial.status == "failed" else "deferred"
    return replace(trial, status=status, reason=f"{trial.reason}; {left}" if trial.reason else left)


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


def _with_layer(trial: Trial, functions: Functions) -> Trial:
    """What AWS says of the layer. Failed where it is not the recorded one: what nobody knows is not run."""
    case = trial.case
    held = functions.layer(case.target.layer_name, case.number)
    if held is None:
        return replace(trial, status="failed", reason="AWS has no such layer version")
    trial = replace(trial, sha256=held.sha256)
    if held.sha256 != case.sha256:
        reason = f"it holds other bytes ({held.sha256[:12]}…) than the ledger says ({case.sha256[:12]}…)"
        return replace(trial, status="failed", reason=reason)
    return trial


def _with_answer(trial: Trial, invoked: Invoked) -> Trial:
    if invoked.failed:
        raise _FailedError(f"the function failed: {read_error(invoked.payload)}", invoked.log)
    answer = read_answer(invoked.payload)
    if answer is None:
        text = invoked.payload.decode("utf-8", "replace")[:200]
        raise _FailedError(f"the function answered something else than a canary does: {text!r}", invoked.log)
    seconds = round(answer.import_seconds, 3) if answer.loaded_from else None
    trial = replace(trial, package_version=answer.version, import_seconds=seconds)
    wrong = "; ".join(problems(trial.case, answer))
    return replace(trial, status="failed" if wrong else "proven", reason=wrong or None)


class _Function:
    """A function of this run's, and what is known of its being there."""

    def __init__(self, functions: Functions, spec: Spec, setting: Setting) -> None:
        self._functions = functions
        self._spec = spec
        self._setting = setting
        self._made = False
        self._looks: tuple[float, ...] = ()  #: how to look for one that may have been made all the same

    def make(self) -> None:
        """Make it, after removing what a killed run left. Deferred where another canary is at work."""
        found = self._functions.find(self._spec.name)
        if found is not None:
            self._refuse_young(found)
            self._when_it_can(lambda: self._functions.delete(self._spec.name))
        self._looks = LOOKS
        try:
            self._when_it_can(self._create, (NotNowError, RoleError))
        except (Refused, RoleError, NotNowError):
            self._looks = (0.0,)
            raise
        self._made = True

    def await_active(self) -> None:
        """Wait until it can be invoked."""

        def look() -> Function:
            found = self._functions.find(self._spec.name)
            if found is None or found.state == "Pending":
                raise NotNowError("the function does not become active")
            return found

        found = self._when_it_can(look)
        if found.state not in ("Active", "Inactive"):
            raise _FailedError(f"the function is {found.state}: {found.reason or 'AWS does not say why'}")

    def invoke(self, package: str) -> Invoked:
        """What it says of the package."""
        return self._when_it_can(lambda: self._functions.invoke(self._spec.name, {"package": package}))

    def remove(self) -> str | None:
        """Remove it, also where it is not sure that there is one; why it may still be there, or None."""
        try:
            if self._made or self._appears():
                self._when_it_can(lambda: self._functions.delete(self._spec.name), stoppable=False)
        except GatewayError as error:
            minutes = int(LEFT_AFTER.total_seconds()) // 60
            return (
                f"function {self._spec.name} may still be there, since it could not be removed ({error.message}); "
                f"a canary removes it {minutes} minutes after it was made"
            )
        return None

    def _create(self) -> None:
        """One that an unanswered try has made is ours all the same; one that is being deleted is waited for."""
        try:
            self._functions.create(self._spec)
        except NameTakenError as error:
            found = self._functions.find(self._spec.name)
            if found is not None and found.description == self._spec.description:
                return
            if found is not None:
                self._refuse_young(found)
            raise NotNowError(error.message, error.request_id) from None

    def _refuse_young(self, found: Function) -> None:
        age = self._setting.now() - found.modified
        if age < LEFT_AFTER:
            minutes, limit = max(0, int(age.total_seconds()) // 60), int(LEFT_AFTER.total_seconds()) // 60
            raise _DeferredError(
                f"another canary is at work: function {self._spec.name} was made {minutes} minutes ago "
                f"(what a killed run left is removed when it is {limit} minutes old)"
            )

    def _appears(self) -> bool:
        for wait in self._looks:
            self._setting.clock.sleep(wait)
            found = self._functions.find(self._spec.name)
            if found is not None:
                return found.description == self._spec.description
        return False

    def _when_it_can(
        self, call: Callable[[], T], kinds: tuple[type[GatewayError], ...] = (NotNowError,), *, stoppable: bool = True
    ) -> T:
        """Call until AWS is ready for it, and not for ever."""
        clock = self._setting.clock
        end = clock.monotonic() + PATIENCE
        for wait in chain(LOOKS, repeat(LOOKS[-1])):
            if stoppable and (reason := self._setting.stopped()):
                raise _DeferredError(reason)
            try:
                return call()
            except kinds:
                if clock.monotonic() >= end:
                    raise
            clock.sleep(wait)
        raise AssertionError  # the waits never end
