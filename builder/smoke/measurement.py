"""Measure the start of a zip: smoke test it several times, and create the recorded result."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

from builder.model.cold_start import ColdStart, SmokeResult
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
    return SmokeResult(
        file=Path(report.zip).name,
        target=report.target,
        status=report.status,
        reason=report.reason,
        kind=report.kind,
        client=report.client,
        emulated=report.emulated,
        cold_start=_cold_start(report) if report.status == "proven" else None,
    )


def _cold_start(report: SmokeReport) -> ColdStart:
    measured = ("import_seconds", "ready_seconds", "first_seconds", "second_seconds", "peak_memory", "interpreter")
    return ColdStart.model_validate(
        {
            **{name: getattr(report, name) for name in measured},
            "machine": platform.machine(),
            "processor": processor(),
            "starts": report.starts,
            "imports": report.imports,
        }
    )


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
