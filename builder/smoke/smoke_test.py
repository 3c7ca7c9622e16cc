"""Smoke test a zip: unpack it as Lambda does, run it with Lambda's own runtime client, invoke it twice.

In a layer with Strands an agent runs a turn with a tool call, against a stand-in for Bedrock. In every layer, each
distribution is imported. A user's own function can be tested too. Connections to other machines are refused, and no
process outlives the test.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from builder.inspection.file_checks import check_function_files, import_roots, other_roots
from builder.inspection.inspector import Inspection, inspect_zip
from builder.inspection.zip_reader import read_zip
from builder.model.artifact import Finding
from builder.model.cold_start import PackageImport
from builder.model.file_access import sha256_of
from builder.model.runtimes import Architecture
from builder.model.target import Target
from builder.smoke.bedrock import BedrockServer
from builder.smoke.bedrock_model import ConverseRequest, Model, ToolCall, Turn, default_model, tool_results
from builder.smoke.execution import Machine, Unproven, machine_for
from builder.smoke.function_process import FUNCTION_FOLDER, FunctionCode, FunctionProcess, environment, refused, running
from builder.smoke.import_plan import import_plan
from builder.smoke.import_profile import profile_imports
from builder.smoke.runtime_api import FunctionError, RuntimeApi
from builder.smoke.runtime_client import client_folder, version_of
from builder.smoke.unpack_zip import unpack_zip

#: Timeout in seconds for the start and for each invocation; ten times as long under emulation.
TIMEOUT_SECONDS = 60.0
#: Findings with which a zip is not unpacked: it is dangerous, or another user than this machine's cannot read it.
_UNSAFE = ("name-", "link-", "special-file", "zip-", "size-unzipped", "empty", "mode-unreadable")
_EVENTS: tuple[dict[str, int], ...] = ({"a": 17, "b": 23}, {"a": 31, "b": 19})
_AGENT_STATEMENT = "from strands import Agent"


@dataclass(frozen=True)
class SmokeReport:
    """The result of a smoke test."""

    zip: str
    target: str
    status: Literal["proven", "unproven", "failed"]
    sha256: str  #: of the zip
    reason: str | None = None  #: the reason if it is not proven
    kind: Literal["agent", "imports", "app"] | None = None
    interpreter: str | None = None
    client: str | None = None  #: the version of awslambdaric
    emulated: bool = False
    starts: int = 1  #: the figures are those of the median one
    import_seconds: float | None = None
    ready_seconds: float | None = None  #: from the start of the process to the first request for work
    first_seconds: float | None = None
    second_seconds: float | None = None
    peak_memory: int | None = None  #: bytes
    refused: tuple[str, ...] = ()  #: refused connections to other machines
    output: str | None = None  #: the end of a failed function's output
    response: Any = None  #: of an app, to the second invocation
    imports: tuple[PackageImport, ...] = ()  #: the import time by package, with ``profile``


@dataclass(frozen=True)
class App:
    """A user's own function, to be smoke tested on layers."""

    zip: Path
    handler: str  #: ``module.function``
    event: object = field(default_factory=dict)
    model: Model = default_model
    variables: Mapping[str, str] = field(default_factory=dict)


def smoke(path: Path, target: Target | None = None, *, profile: bool = False) -> SmokeReport:
    """Smoke test a layer's zip. ``profile``: also measure its import time by package.

    Raises InputError if it is not a zip, BuildError if Lambda's runtime client is not available.
    """
    inspection = inspect_zip(path, target)
    if target is None:
        if inspection.python is None:
            unknown = "the zip does not tell its Python: give --python and --arch"
            return SmokeReport(str(path), "unknown", "unproven", inspection.sha256, unknown)
        architecture = Architecture(inspection.architecture or Architecture.X86_64)
        target = Target(inspection.python, architecture, path.stem)
    report = SmokeReport(str(path), target.id, "failed", inspection.sha256)
    if reason := _unsafe(inspection.findings):
        return replace(report, reason=reason)
    if not any(file.path.startswith("python/") for file in inspection.files):
        return replace(report, status="unproven", reason="it has nothing in python/, so nothing to import")
    machine = machine_for(target, inspection.glibc)
    if isinstance(machine, Unproven):
        return replace(report, status="unproven", reason=machine.reason)
    with _temporary_folder() as folder:
        unpack_zip(path, folder / "opt")
        is_agent = any(package.name == "strands-agents" for package in inspection.packages)
        report = replace(report, emulated=machine.emulated, kind="agent" if is_agent else "imports")
        run = _SmokeRun(machine, target, folder, [inspection], multiply_model)
        report = run.layer(report, is_agent)
        if profile and report.status == "proven":
            report = replace(
                report, imports=run.profile(_AGENT_STATEMENT if is_agent else _import_statement(inspection))
            )
        return report


def smoke_app(app: App, layers: Sequence[Inspection], target: Target) -> SmokeReport:
    """Invoke a user's function on layers twice with its event. Raises InputError and BuildError as ``smoke`` does."""
    contents = read_zip(app.zip)
    report = SmokeReport(str(app.zip), target.id, "failed", sha256_of(app.zip), kind="app")
    if reason := _unsafe([*contents.findings, *check_function_files(contents.files)]):
        return replace(report, reason=reason)
    for inspection in layers:
        if reason := _unsafe(inspection.findings):
            return replace(report, reason=f"{inspection.path}: {reason}")
    newest = [each.elf.highest("GLIBC") for each in contents.files if each.elf]
    glibc = max([*(each for each in newest if each), *(each.glibc for each in layers if each.glibc)], default=None)
    machine = machine_for(target, glibc)
    if isinstance(machine, Unproven):
        return replace(report, status="unproven", reason=machine.reason)
    with _temporary_folder() as folder:
        for layer in layers:
            unpack_zip(layer.path, folder / "opt")
        unpack_zip(app.zip, folder / "task")
        run = _SmokeRun(machine, target, folder, layers, app.model)
        return run.app(replace(report, emulated=machine.emulated), app)


def _unsafe(findings: Iterable[Finding]) -> str | None:
    """Return why a zip must not be unpacked, or None."""
    for finding in findings:
        if finding.level == "error" and finding.code.startswith(_UNSAFE):
            return f"not unpacked: {finding.path or 'it'} {finding.message}"
    return None


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="layers-smoke-"))
    try:
        (folder / "opt").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _SmokeRun:
    """Runs a function on unpacked layers in ``folder / "opt"``."""

    def __init__(
        self, machine: Machine, target: Target, folder: Path, layers: Sequence[Inspection], model: Model
    ) -> None:
        self._machine, self._target, self._folder, self._layers = machine, target, folder, layers
        self._model = model
        self._client = client_folder(target)
        self._opt = folder / "opt"
        self._roots = [self._opt / root for root in import_roots(target.python)]
        distributions = [each for layer in layers for each in layer.packages]
        sizes = {file.path: file.size for layer in layers for file in layer.files}
        others = tuple(other_roots(sizes, target.python))
        sizes = {path: size for path, size in sizes.items() if not path.startswith(others)}
        self._plan = folder / "plan.json"
        self._plan.write_text(json.dumps([asdict(trial) for trial in import_plan(distributions, sizes)]), "utf-8")

    def layer(self, report: SmokeReport, is_agent: bool) -> SmokeReport:
        """Invoke the handler for the layer twice, then import its distributions."""
        handler = "smoke_agent.handler" if is_agent else "smoke_imports.handler"
        code = FunctionCode(handler, (FUNCTION_FOLDER, *self._roots), (self._client,))

        def check(function: FunctionProcess) -> dict[str, Any]:
            facts, times = _invoke_twice(function, _EVENTS)
            for event, each in zip(_EVENTS, facts, strict=True):
                if is_agent:
                    _check_agent(each, event, self._opt)
            last = facts[-1]
            _check_imports(_response(function, {"imports": True})[0] if is_agent else last)
            return {
                "interpreter": str(last.get("python")),
                "import_seconds": round(float(last["import_seconds"]), 3),
                "peak_memory": last.get("peak_memory"),
                **times,
            }

        return self._report(report, code, {}, check)

    def app(self, report: SmokeReport, app: App) -> SmokeReport:
        """Invoke a user's handler twice."""
        code = FunctionCode(app.handler, (self._folder / "task", *self._roots), (self._client,))
        variables = {"LAMBDA_TASK_ROOT": str(self._folder / "task"), **app.variables}

        def check(function: FunctionProcess) -> dict[str, Any]:
            responses, times = _invoke_twice(function, (app.event, app.event))
            return {"response": responses[-1], **times}

        return self._report(report, code, variables, check)

    def _report(
        self,
        report: SmokeReport,
        code: FunctionCode,
        variables: Mapping[str, str],
        check: Callable[[FunctionProcess], dict[str, Any]],
    ) -> SmokeReport:
        """Run the function for a check, which returns the report's figures or raises FunctionError."""
        report = replace(report, client=version_of(self._client))
        limit = TIMEOUT_SECONDS * (10 if self._machine.emulated else 1)
        with RuntimeApi(limit) as api, BedrockServer(self._model) as bedrock:
            settings = {
                **environment(self._target, self._folder, api, self._opt),
                "AWS_ENDPOINT_URL": f"http://{bedrock.address}",
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://{bedrock.address}",
                "SMOKE_PLAN": str(self._plan),
                "_HANDLER": code.handler,
                **variables,
            }
            with running(self._machine, code, api, settings, self._folder) as function:
                try:
                    figures = check(function)
                except FunctionError as error:
                    output = function.last_output()
                    return replace(report, reason=str(error), refused=refused(function.log), output=output)
                ready = round(function.ready_seconds, 3)
                return replace(report, status="proven", ready_seconds=ready, refused=refused(function.log), **figures)

    def profile(self, statement: str) -> tuple[PackageImport, ...]:
        """Return the import time of a statement by package."""
        code = FunctionCode("", tuple(self._roots), (self._client,))
        distributions = [each for layer in self._layers for each in layer.packages]
        return profile_imports(self._machine, code, statement, distributions, self._folder, TIMEOUT_SECONDS)


def multiply_model(request: ConverseRequest) -> Turn:
    """Call ``multiply`` with the two numbers of the prompt; then answer with what the tool returned."""
    if results := tool_results(request):
        return Turn(f"The answer is {' '.join(results)}.")
    prompt = " ".join(part.get("text", "") for part in request["messages"][-1]["content"])
    first, second = (int(number) for number in re.findall(r"\d+", prompt)[:2])
    return Turn(calls=(ToolCall("multiply", {"a": first, "b": second}),))


def _import_statement(inspection: Inspection) -> str:
    modules = [trial.modules[0] for trial in import_plan(inspection.packages, {}) if trial.must != "none"]
    return f"import {', '.join(modules)}" if modules else "pass"


def _invoke_twice(function: FunctionProcess, events: Sequence[object]) -> tuple[list[Any], dict[str, float]]:
    """Return the responses to two events, and the report's fields for their durations."""
    pairs = [_response(function, event) for event in events]
    (first, second) = (round(seconds, 3) for _, seconds in pairs)
    return [body for body, _ in pairs], {"first_seconds": first, "second_seconds": second}


def _response(function: FunctionProcess, event: object) -> tuple[Any, float]:
    """Return the function's response and its seconds. Raises FunctionError if it failed."""
    response, seconds = function.invoke(event)
    if response.kind == "response":
        return response.body, seconds
    when = "at its start" if response.kind == "init-error" else "when invoked"
    body = response.body
    problem = f"{body.get('errorType')}: {body.get('errorMessage')}" if isinstance(body, dict) else repr(body)
    raise FunctionError(f"the function failed {when}: {problem}")


def _check_imports(facts: dict[str, Any]) -> None:
    if failed := list(facts["failed"].values()):
        raise FunctionError(failed[0] + (f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""))


def _check_agent(facts: dict[str, Any], event: Mapping[str, int], layer: Path) -> None:
    product = str(event["a"] * event["b"])
    if not Path(str(facts["loaded_from"])).resolve().is_relative_to(layer.resolve()):
        raise FunctionError(f"strands was loaded from {facts['loaded_from']}, not from the layer")
    if facts["tool_calls"] != [[event["a"], event["b"]]] or product not in facts["answer"]:
        raise FunctionError(
            f"the agent answered {facts['answer']!r} after the tool calls {facts['tool_calls']}, not {product}"
        )
