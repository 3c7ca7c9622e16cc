"""The smoke of a zip: unpacked as Lambda has it, run by Lambda's own runtime client, invoked twice.

A layer with Strands gets an agent's turn with a tool call, against a stand-in for Bedrock; any other has its packages
imported. Nothing leaves this machine, and everything that is started ends here.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from builder.inspection import Inspection, inspect_zip
from builder.inspection.file_checks import import_roots
from builder.model.runtimes import Architecture
from builder.model.target import Target
from builder.smoke.bedrock import Bedrock
from builder.smoke.execution import Machine, Unproven, machine_for
from builder.smoke.function_process import FUNCTION, Code, FunctionProcess, environment, refused, running
from builder.smoke.runtime_api import FunctionError, RuntimeApi
from builder.smoke.runtime_client import client_folder, version_of

#: Seconds for the start and an invocation; under emulation ten times as many.
LIMIT = 60.0
#: Findings with which a zip is not even unpacked here.
_UNSAFE = ("name-", "link", "zip-", "size-unzipped", "empty")
_EVENTS = ({"a": 17, "b": 23}, {"a": 31, "b": 19})


@dataclass(frozen=True)
class Smoke:
    """What a smoke showed."""

    zip: str
    target: str
    status: Literal["proven", "unproven", "failed"]
    sha256: str  #: of the zip
    reason: str | None = None  #: why not proven
    kind: Literal["agent", "imports"] | None = None
    interpreter: str | None = None
    client: str | None = None  #: the version of awslambdaric
    emulated: bool = False
    starts: int = 1  #: the figures are those of the median one
    import_seconds: float | None = None
    ready_seconds: float | None = None  #: from the start of the process to the first request for work
    first_seconds: float | None = None
    second_seconds: float | None = None
    peak_memory: int | None = None  #: bytes
    refused: tuple[str, ...] = ()  #: connections to elsewhere that it tried
    output: str | None = None  #: the end of what a failed function wrote

    def as_json(self) -> dict[str, Any]:
        """The JSON of ``layers smoke --json``."""
        return asdict(self)


def smoke(path: Path, target: Target | None = None) -> Smoke:
    """Smoke a zip. InputError where it is none, BuildError where Lambda's client cannot be had."""
    inspection = inspect_zip(path, target)
    if target is None:
        if inspection.python is None:
            reason = "nothing in the zip says which Python it is for"
            return Smoke(str(path), "unknown", "unproven", inspection.sha256, reason)
        architecture = Architecture(inspection.architecture or Architecture.X86_64)
        target = Target(inspection.python, architecture, path.stem)
    report = Smoke(str(path), target.id, "failed", inspection.sha256)
    unsafe = [f for f in inspection.findings if f.level == "error" and f.code.startswith(_UNSAFE)]
    if unsafe:
        return replace(report, reason=f"not unpacked: {unsafe[0].path or 'it'} {unsafe[0].message}")
    machine = machine_for(target, inspection.glibc)
    if isinstance(machine, Unproven):
        return replace(report, status="unproven", reason=machine.reason)
    report = replace(report, emulated=machine.emulated)
    with _workplace() as folder:
        return _run(report, inspection, target, machine, folder)


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="layers-smoke-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(report: Smoke, inspection: Inspection, target: Target, machine: Machine, folder: Path) -> Smoke:
    layer = folder / "opt"
    with zipfile.ZipFile(inspection.path) as archive:
        archive.extractall(layer)
    packages = {package.name for package in inspection.packages}
    client = client_folder(target, sdk="botocore" not in packages)
    is_agent = "strands-agents" in packages
    report = replace(report, kind="agent" if is_agent else "imports", client=version_of(client))
    code = Code(
        handler="smoke_agent.handler" if is_agent else "smoke_imports.handler",
        before=(FUNCTION, *(layer / root for root in import_roots(target.python))),
        after=(client,),
    )
    with RuntimeApi(LIMIT * (10 if machine.emulated else 1)) as api, Bedrock() as bedrock:
        variables = {
            **environment(target, folder, api, layer),
            "AWS_ENDPOINT_URL": f"http://{bedrock.address}",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"http://{bedrock.address}",
            "SMOKE_MODULES": json.dumps(_modules(inspection)),
        }
        with running(machine, code, api, variables, folder) as function:
            try:
                facts, times = _invoke_twice(function, is_agent, layer)
            except FunctionError as error:
                return replace(report, reason=str(error), refused=refused(function.log), output=function.words())
            return replace(
                report,
                status="proven",
                interpreter=str(facts.get("python")),
                import_seconds=round(float(facts["import_seconds"]), 3),
                ready_seconds=round(function.ready_seconds, 3),
                first_seconds=round(times[0], 3),
                second_seconds=round(times[1], 3),
                peak_memory=facts.get("peak_memory"),
                refused=refused(function.log),
            )


def _invoke_twice(function: FunctionProcess, is_agent: bool, layer: Path) -> tuple[dict[str, Any], list[float]]:
    """What the function said at last, and how long each invocation took. FunctionError where one is not right."""
    times = []
    facts: dict[str, Any] = {}
    for event in _EVENTS:
        answer, seconds = function.invoke(event)
        if answer.kind != "response" or not isinstance(answer.body, dict):
            raise FunctionError(_why(answer.kind, answer.body))
        facts = answer.body
        times.append(seconds)
        if is_agent:
            _check_agent(facts, event, layer)
        elif facts["failed"]:
            name, reason = next(iter(facts["failed"].items()))
            more = f" (and {len(facts['failed']) - 1} more)" if len(facts["failed"]) > 1 else ""
            raise FunctionError(f"import {name}: {reason}{more}")
    return facts, times


def _check_agent(facts: dict[str, Any], event: dict[str, int], layer: Path) -> None:
    product = str(event["a"] * event["b"])
    if not str(facts["loaded_from"]).startswith(str(layer)):
        raise FunctionError(f"strands was loaded from {facts['loaded_from']}, not from the layer")
    if facts["tool_calls"] != [[event["a"], event["b"]]] or product not in facts["answer"]:
        raise FunctionError(
            f"the agent answered {facts['answer']!r} after tool calls {facts['tool_calls']}, not {product}"
        )


def _why(kind: str, body: Any) -> str:
    when = "at its start" if kind == "init-error" else "when invoked"
    if isinstance(body, dict):
        return f"the function failed {when}: {body.get('errorType')}: {body.get('errorMessage')}"
    return f"the function failed {when}: {body!r}"


def _modules(inspection: Inspection) -> list[str]:
    """What to import of a layer without Strands: every package's public modules, private ones where it has no other."""
    names: set[str] = set()
    for package in inspection.packages:
        public = [name for name in package.modules if not name.startswith("_")]
        names.update(public or package.modules)
    return sorted(names - {"test", "tests", "docs", "examples"})
