"""The sections of builds, inspections, smokes and audits in a job's summary, and their findings as notes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.inspection.inspector import Inspection
from builder.model.artifact import Finding, Manifest, group_findings
from builder.model.figures import counted, duration, megabytes, seconds
from builder.smoke.measurement import smoke_result
from builder.smoke.smoke_test import SmokeReport
from publisher.audit.audit import Drift
from publisher.ledger.release import Release, last_before
from publisher.report.annotations import Level, Note
from publisher.report.import_times import import_section
from publisher.report.release_comparison import BuiltTarget, package_section, size_table, title
from publisher.text.markdown import table, text

#: So many rows of findings or drift are shown; the rest is counted.
_MAX_ROWS = 200


def build_section(manifest: Manifest, releases: Sequence[Release], seconds: float) -> str:
    """Return the zips of a build, and what changed since the last release."""
    last = last_before(releases)
    built = [BuiltTarget(each.target, each.size, each.unzipped_size, each.lock) for each in manifest.artifacts]
    against = f" Differences are to {text(title(last))}." if last else ""
    zips = table(
        ["Zip", "Packages", "Bytecode by", "sha256"],
        [
            [text(each.file), str(len(each.lock)), each.interpreter or "none", f"`{each.sha256}`"]
            for each in manifest.artifacts
        ],
        right=(1,),
    )
    parts = [
        f"### Built {text(manifest.package)} {text(manifest.version)}\n",
        f"{counted(len(built), 'zip')} after {duration(seconds)}.{against}\n",
        size_table(built, last),
        *([package_section(built, last)] if last else []),
        f"#### Zips\n\n{zips}",
    ]
    rows = [
        [each.finding.level, each.finding.code, text(each.finding.path or ""), text(each.finding.message),
         text(", ".join(each.targets))]
        for each in group_findings(manifest)
    ]  # fmt: skip
    if rows:
        parts.append("#### Findings\n\n" + _first_rows(["Level", "Code", "Where", "What", "Targets"], rows))
    return "\n".join(parts)


def build_notes(manifest: Manifest) -> Iterator[Note]:
    """Return an annotation for each finding of a build's own checks, one for all targets that have it."""
    for group in group_findings(manifest):
        yield _finding(", ".join(group.targets), group.finding)


def smoke_section(reports: Sequence[SmokeReport], releases: Sequence[Release] = ()) -> str:
    """Return how each zip started; with the import time by package if it was measured."""
    rows = [
        [
            text(each.target),
            f"{each.status} (emulated)" if each.emulated else each.status,
            *map(seconds, (each.import_seconds, each.ready_seconds, each.first_seconds, each.second_seconds)),
            megabytes(each.peak_memory),
            text(each.reason or ""),
        ]
        for each in reports
    ]
    headers = ["Target", "Status", "Import", "Ready", "First", "Second", "Memory", "Why"]
    starts = [(each.target, smoke_result(each).cold_start) for each in reports if each.imports]
    sections = [import_section(target, start, releases) for target, start in starts if start]
    return "\n".join(["### Smoke\n\n" + table(headers, rows, right=(2, 3, 4, 5, 6)), *sections])


def smoke_notes(reports: Sequence[SmokeReport], strict: bool) -> Iterator[Note]:
    """Yield the zips that did not run: an error if the smoke fails because of it."""
    for each in reports:
        if each.status != "proven":
            failed = each.status == "failed" or strict
            yield Note("error" if failed else "warning", f"{each.target} {each.status}", each.reason or "")


def inspect_section(inspections: Sequence[Inspection]) -> str:
    """Return each zip's facts, and the findings."""
    zips = [
        [
            text(each.path.name),
            megabytes(each.size),
            megabytes(each.unzipped_size),
            str(len(each.packages)),
            str(each.errors),
            str(len(each.findings) - each.errors),
        ]
        for each in inspections
    ]
    parts = [
        "### Inspected zips\n",
        table(["Zip", "Zipped", "Unzipped", "Packages", "Errors", "Warnings"], zips, right=(1, 2, 3, 4, 5)),
    ]
    rows = [
        [text(each.path.name), finding.level, finding.code, text(finding.path or ""), text(finding.message)]
        for each in inspections
        for finding in sorted(each.findings, key=lambda finding: finding.level)
    ]
    if rows:
        parts.append("#### Findings\n\n" + _first_rows(["Zip", "Level", "Code", "Where", "What"], rows))
    return "\n".join(parts)


def inspect_notes(inspections: Sequence[Inspection]) -> Iterator[Note]:
    """Yield the findings as notes."""
    for each in inspections:
        yield from (_finding(each.path.name, finding) for finding in each.findings)


def audit_section(checked: int, releases: int, drifts: Sequence[Drift]) -> str:
    """Return what an audit found."""
    headline = f"**{counted(len(drifts), 'finding')}**" if drifts else "**everything is as recorded**"
    compared = f"{counted(checked, 'recorded layer version')} of {counted(releases, 'release')}"
    head = f"### Audit\n\n{compared} compared: {headline}.\n"
    rows = [[*map(text, each.cells)] for each in drifts]
    if not rows:
        return head
    return f"{head}\n" + _first_rows(["Region", "Target", "Number", "Problem", "What", "Remedy"], rows)


def audit_notes(drifts: Sequence[Drift]) -> Iterator[Note]:
    """Yield an annotation for each difference; an unreachable region is a warning."""
    for each in drifts:
        place = "/".join(filter(None, (each.region, each.target, str(each.layer_version or ""))))
        level: Level = "warning" if each.problem == "unreachable" else "error"
        yield Note(level, f"{place} {each.problem}", f"{each.detail}\n→ {each.remedy}")


def _finding(where: str, finding: Finding) -> Note:
    place = f"{finding.path}: " if finding.path else ""
    return Note(finding.level, f"{where} {finding.code}", f"{place}{finding.message}")


def _first_rows(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    more = f"\n… and {len(rows) - _MAX_ROWS} more; the log has them all.\n" if len(rows) > _MAX_ROWS else ""
    return table(headers, rows[:_MAX_ROWS]) + more
