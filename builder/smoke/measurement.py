"""Measuring the start: a zip smoked several times, and what is recorded of it."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

from builder.model.cold_start import ColdStart, Smoked
from builder.model.target import Target
from builder.smoke.smoke_test import Smoke, smoke


def smoke_often(path: Path, target: Target | None, times: int) -> Smoke:
    """Smoke a zip ``times`` times: the one that was ready in the median time, or the first that is not proven."""
    reports: list[Smoke] = []
    for _ in range(times):
        report = smoke(path, target)
        if report.status != "proven":
            return report
        reports.append(report)
    reports.sort(key=lambda report: report.ready_seconds or 0)
    return replace(reports[(times - 1) // 2], starts=times)


def smoked(report: Smoke) -> Smoked:
    """What is recorded of a report."""
    return Smoked(
        file=Path(report.zip).name,
        target=report.target,
        status=report.status,
        reason=report.reason,
        kind=report.kind,
        client=report.client,
        emulated=report.emulated,
        cold_start=_cold_start(report) if report.status == "proven" else None,
    )


def _cold_start(report: Smoke) -> ColdStart:
    measured = ("import_seconds", "ready_seconds", "first_seconds", "second_seconds", "peak_memory", "interpreter")
    return ColdStart.model_validate(
        {
            **{name: getattr(report, name) for name in measured},
            "machine": platform.machine(),
            "processor": processor(),
            "starts": report.starts,
        }
    )


def processor() -> str | None:
    """The processor as Linux names it (x86 only), or else as Python does."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return " ".join(value.split())
    except OSError:
        pass
    return platform.processor() or None
