"""Measure the start of a zip: smoke test it several times, and create the recorded result."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.model.cold_start import ColdStart, SmokeResult
from builder.model.frozen import Frozen
from builder.model.target import Target
from builder.smoke.smoke_test import SmokeReport, smoke


def smoke_repeatedly(path: Path, target: Target | None, times: int, *, profile: bool) -> SmokeReport:
    """Smoke test a zip ``times`` times. Return the run with the median ready time, or the first that is not proven."""
    reports: list[SmokeReport] = []
    for _ in range(times):
        report = smoke(path, target, profile=profile)
        if report.status != "proven":
            return report
        reports.append(report)
    reports.sort(key=lambda report: report.ready_seconds or 0)
    return replace(reports[(times - 1) // 2], starts=times)


def smoke_result(report: SmokeReport) -> SmokeResult:
    """Return the part of a report that ``--record`` writes."""
    cold_start = None
    if report.status == "proven":
        cold_start = ColdStart(machine=platform.machine(), processor=processor(), **_facts(report, ColdStart))
    return SmokeResult(file=Path(report.zip).name, cold_start=cold_start, **_facts(report, SmokeResult))


def _facts(report: SmokeReport, model: type[Frozen]) -> dict[str, Any]:
    """Return the facts of a report that the model records under the same name."""
    return {name: value for name, value in vars(report).items() if name in model.model_fields}


def processor() -> str | None:
    """Return the processor's name from Linux (x86 only), else from Python."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return " ".join(value.split())
    except OSError:
        pass
    return platform.processor() or None
