"""Invoke: run a function of the embedded AWS on this machine, in Lambda's own runtime client.

Each invocation is a cold start in a process of its own. Layers are unpacked once for all functions that have the same
ones. In the function's output, paths of this machine are replaced by those of Lambda, such as ``/opt``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

from builder.inspection.file_checks import import_roots
from builder.model.errors import LayersError
from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.target import Target
from builder.smoke.execution import Machine, Unproven, machine_for
from builder.smoke.function_process import FunctionCode, FunctionProcess, environment, running
from builder.smoke.runtime_api import EndedError, RuntimeApi, TimedOutError
from builder.smoke.runtime_client import client_folder
from builder.smoke.unpack_zip import unpack_zip
from publisher.aws.once_per_key import Once
from publisher.canary.function_zip import function_zip
from publisher.sandbox.canary_stand_in import metadata_response
from publisher.sandbox.function_rules import SandboxFunction
from publisher.sandbox.zip_store import Refusal, Store, invalid_parameter

#: Time for the start, which Lambda does not count in the timeout.
START_SECONDS = 10.0
#: Emulation of another architecture is slower by about this factor.
EMULATION_FACTOR = 10
MAX_CONCURRENT_INVOCATIONS = max(2, os.cpu_count() or 2)
#: An invocation that waits longer for another one to end is throttled.
MAX_WAIT_SECONDS = 20.0
#: ``LogType=Tail`` returns this much of the log's end.
LOG_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Invocation:
    """The response to an Invoke request."""

    status: int
    payload: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _RunResult:
    """The result of a run: its JSON, whether that is an error, and the log."""

    payload: str
    failed: bool
    log: str


class Invoker:
    """Runs functions. ``stand_in``: respond for canary functions that cannot run here, from their layers' metadata."""

    def __init__(self, store: Store, folder: Path, address: str, stand_in: bool, log: Callable[[str], None]) -> None:
        self._store = store
        self._folder = folder
        self._address = address
        self._stand_in = stand_in
        self._log = log
        self._turns = threading.BoundedSemaphore(MAX_CONCURRENT_INVOCATIONS)
        self._unpacked: Once[tuple[str, ...], Path] = Once(self._unpack)
        self._machines: Once[Target, Machine | Unproven] = Once(lambda target: machine_for(target, None))

    def invoke(self, function: SandboxFunction, body: bytes, kind: str, log_type: str) -> Invocation:
        """Invoke a function. Raises Refusal if it cannot be invoked."""
        try:
            event = json.loads(body or b"{}")
        except ValueError as error:
            raise Refusal(
                "InvalidRequestContentException", f"Could not parse request body into json: {error}"
            ) from None
        if kind == "DryRun":
            return Invocation(204, b"", ())
        if kind != "RequestResponse":
            raise invalid_parameter(f"the embedded AWS invokes as RequestResponse, not {kind}")
        request_id = str(uuid.uuid4())
        try:
            outcome = self._run_or_respond(function, event, request_id)
        except OSError as error:
            raise Refusal("ServiceException", f"this machine cannot run the function: {error}", 500) from None
        headers = [("X-Amz-Executed-Version", "$LATEST"), ("x-amzn-RequestId", request_id)]
        if outcome.failed:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        if log_type == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.log.encode()[-LOG_TAIL_BYTES:]).decode()))
        return Invocation(200, outcome.payload.encode(), tuple(headers))

    def _run_or_respond(self, function: SandboxFunction, event: Any, request_id: str) -> _RunResult:
        target = _target(function)
        machine = self._machines(target)
        if isinstance(machine, Unproven):
            return self._respond_for(function, target, event, machine.reason)
        try:
            client = client_folder(target)
        except LayersError as error:
            return self._respond_for(function, target, event, error.what)
        if not self._turns.acquire(timeout=MAX_WAIT_SECONDS):
            raise Refusal("TooManyRequestsException", "Rate Exceeded.", 429)
        try:
            return self._run(function, target, machine, client, event, request_id)
        finally:
            self._turns.release()

    def _run(
        self, function: SandboxFunction, target: Target, machine: Machine, client: Path, event: Any, request_id: str
    ) -> _RunResult:
        """Run a function with Lambda's runtime client, which is in the folder ``client``."""
        task, opt = self._unpacked((function.code,)), self._unpacked(function.layers)
        roots = [opt / root for root in import_roots(target.python)]
        code = FunctionCode(function.handler, before=(task, *roots), after=(client,), command="sandbox")
        slower = EMULATION_FACTOR if machine.emulated else 1
        limit = RuntimeApi(function.timeout * slower, start=START_SECONDS * slower, arn=function.arn)
        with tempfile.TemporaryDirectory(prefix="function-", dir=self._folder) as name, limit as api:
            folder = Path(name)
            variables = {**environment(target, folder, api, opt, function.name), **self._own_variables(function, task)}
            with running(machine, code, api, variables, folder) as process:
                outcome = _outcome(process, function, event, request_id)
        places = {opt: "/opt", task: "/var/task", client: "/var/runtime", folder / "home": "/tmp"}  # noqa: S108
        payload, log = (_with_lambda_paths(each, places) for each in (outcome.payload, outcome.log))
        return _RunResult(payload, outcome.failed, log)

    def _own_variables(self, function: SandboxFunction, task: Path) -> dict[str, str]:
        """Return a function's own environment variables, with this AWS as its endpoint."""
        return {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ENDPOINT_URL": self._address,
            "LAMBDA_TASK_ROOT": str(task),
            "_HANDLER": function.handler,
            **function.variables,
        }

    def _respond_for(self, function: SandboxFunction, target: Target, event: Any, reason: str) -> _RunResult:
        """Return the response of a canary function that this machine cannot run, if ``--stand-in`` allows it."""
        canary = function.code == sha256(function_zip()).hexdigest() and isinstance(event, dict)
        if not (self._stand_in and canary):
            more = "" if self._stand_in else "; `layers sandbox --stand-in` responds for canary functions"
            raise invalid_parameter(f"the embedded AWS cannot run {function.name} ({target.id}): {reason}{more}")
        package = str(event.get("package"))
        self._log(f"{function.name} in {function.region} was not run; its layers' metadata was read: {reason}")
        response = metadata_response(package, [self._store.path(layer) for layer in function.layers], target)
        if response is None:
            error = {
                "errorMessage": f"No package metadata was found for {package}",
                "errorType": "PackageNotFoundError",
                "stackTrace": [],
            }
            return _RunResult(json.dumps(error), True, "")
        return _RunResult(json.dumps(response), False, "")

    def _unpack(self, zips: tuple[str, ...]) -> Path:
        """Unpack these zips into one folder, a later one over the earlier ones, as Lambda does in ``/opt``."""
        place = Path(tempfile.mkdtemp(prefix="unpacked-", dir=self._folder))
        for each in zips:
            unpack_zip(self._store.path(each), place)
        return place


def _target(function: SandboxFunction) -> Target:
    python = function.runtime.removeprefix("python")
    if python not in RUNTIMES:
        raise invalid_parameter(f"the embedded AWS cannot run {function.runtime}")
    architecture = Architecture.AARCH64 if function.architecture == "arm64" else Architecture.X86_64
    return Target(python, architecture, "function")


def _outcome(process: FunctionProcess, function: SandboxFunction, event: Any, request_id: str) -> _RunResult:
    """Invoke the function and return the result in Lambda's form."""
    seconds = float(function.timeout)
    note = ""
    try:
        response, seconds = process.invoke(event, request_id)
        body, failed = response.body, response.kind != "response"
    except TimedOutError:
        note = f"Task timed out after {function.timeout:.2f} seconds"
        body, failed = _error("Sandbox.Timedout", note, request_id), True
        note = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {request_id} {note}\n\n"
    except EndedError:
        body, failed = _error("Runtime.ExitError", _exit_reason(process.process.returncode), request_id), True
    return _RunResult(json.dumps(body), failed, _log(process, function, request_id, seconds, note))


def _error(kind: str, message: str, request_id: str) -> dict[str, str]:
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}


def _exit_reason(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    how = f"exit status {code}" if code > 0 else f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    return f"Runtime exited with error: {how}"


def _log(process: FunctionProcess, function: SandboxFunction, request_id: str, seconds: float, note: str) -> str:
    """Return the log of an invocation with Lambda's START, END and REPORT lines."""
    figures = (
        f"Duration: {seconds * 1000:.2f} ms",
        f"Billed Duration: {math.ceil(seconds * 1000)} ms",
        f"Memory Size: {function.memory} MB",
        f"Max Memory Used: {_peak(process) >> 20} MB",
        f"Init Duration: {process.ready_seconds * 1000:.2f} ms",
    )
    return (
        f"START RequestId: {request_id} Version: $LATEST\n{process.last_output(1 << 20)}\n{note}"
        f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\t" + "\t".join(figures) + "\t\n"
    )


def _peak(process: FunctionProcess) -> int:
    """Return the peak memory in bytes; 0 if the system does not report it."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        status = Path(f"/proc/{process.process.pid}/status").read_text("ascii", "replace").splitlines()
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024
    return 0


def _with_lambda_paths(text: str, places: Mapping[Path, str]) -> str:
    """Replace this machine's paths with Lambda's in a text, which may be JSON."""
    for place, name in places.items():
        text = text.replace(json.dumps(str(place))[1:-1], name).replace(str(place), name)
    return text
