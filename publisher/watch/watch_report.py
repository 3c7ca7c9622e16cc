"""Render what ``layers watch`` found: as JSON, as outputs of a workflow step, and in one line. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from builder.model.escape import shorten
from builder.model.figures import counted
from builder.model.matrix import Matrix
from publisher.ledger.release import Release, newest_of
from publisher.watch.incomplete_releases import IncompleteRelease
from publisher.watch.matrix_gaps import MatrixGaps
from publisher.watch.policy import Choice, HeldBack
from publisher.watch.rebuild import AdvisoryReport, PackageAdvisory

#: Characters of the reason, which goes into a workflow output and from there into the ledger.
MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True)
class WatchReport:
    """The findings of ``layers watch``: what to publish now, and which versions are held back."""

    package: str
    newest: str | None  #: the newest stable version on the index
    choice: Choice
    incomplete: tuple[IncompleteRelease, ...]
    advisories: AdvisoryReport | None  #: None if they were not requested
    gaps: MatrixGaps
    today: date

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions to publish now, in this order: incomplete releases, then the new version."""
        new = (self.choice.release.version,) if self.choice.release else ()
        return tuple(dict.fromkeys((*(each.version for each in self.incomplete), *new)))

    @property
    def rebuild(self) -> str | None:
        """The version to publish with ``--rebuild``."""
        advisories = self.advisories
        return advisories.release.version if advisories and advisories.release and advisories.fixed else None

    def reason(self, matrix: Matrix) -> str:
        """Return everything in one sentence."""
        parts = [f"{each.version} needs completing: {missing_words(each, matrix)}" for each in self.incomplete]
        if self.choice.release:
            parts.append(f"{self.choice.release.version} needs a release: {self.choice.release.reason}")
        if self.advisories and self.advisories.fixed and self.rebuild:
            packages = "; ".join(named_words(each) for each in self.advisories.fixed)
            parts.append(f"{self.rebuild} needs a rebuild: {packages}")
        if not parts:
            parts = ["nothing to do"]
            parts += [
                f"{version.version} is held back: {describe_held_back(version)}"
                for version in self.choice.held_back[:1]
            ]
        return "; ".join(parts)


def report_json(report: WatchReport) -> dict[str, Any]:
    """Return the report for ``--json``."""
    advisories = report.advisories
    return {
        "package": report.package,
        "newest": report.newest,
        "versions": report.versions,
        "release": report.choice.release,
        "held_back": report.choice.held_back,
        "incomplete": report.incomplete,
        "rebuild": _rebuild_json(advisories) if advisories else None,
        "unfixed": advisories.unfixed if advisories else None,
        "unknown": advisories.unknown if advisories else None,
        "missing_regions": report.gaps.regions,
        "missing_pythons": report.gaps.pythons,
        "ending_pythons": report.gaps.ending,
    }


def gap_lines(report: WatchReport) -> list[str]:
    """Return what the matrix misses, in one line for each kind."""
    gaps = report.gaps
    lines = [f"Python {each.python} of the matrix: {each.describe(report.today)}" for each in gaps.ending]
    for supported, note in ((True, ""), (False, " (new or a preview: this version of layers cannot build for it)")):
        if pythons := [each.python for each in gaps.pythons if each.supported is supported]:
            lines.append(f"not in the matrix: Python {', '.join(pythons)}, which Lambda offers{note}")
    if gaps.regions:
        lines.append(
            f"not in the matrix: {counted(len(gaps.regions), 'region')} of {gaps.partition}: {', '.join(gaps.regions)}"
        )
    return lines


def _rebuild_json(report: AdvisoryReport) -> list[dict[str, Any]]:
    if report.release is None or not report.fixed:
        return []
    return [
        {
            "layer_version": report.release.layer_version,
            "version": report.release.version,
            "advisories": report.fixed,
        }
    ]


def outputs(
    version: str | None, versions: Sequence[str], rebuild: str | None, reason: str, *, locked: bool | None = None
) -> str:
    """Return lines for ``$GITHUB_OUTPUT``. Each value is one line, so that none can start another output.

    ``locked``, for a named version: the ledger has its lock for every target, so that a build can use it.
    """
    lines = {
        "version": shorten(version or ""),
        "versions": json.dumps(list(versions), separators=(",", ":")),
        "rebuild": shorten(rebuild or ""),
        "reason": shorten(reason, MAX_REASON_CHARACTERS),
    }
    if locked is not None:
        lines["locked"] = "true" if locked else "false"
    return "\n".join(f"{name}={value}" for name, value in lines.items())


def has_locks(matrix: Matrix, releases: Sequence[Release], version: str) -> bool:
    """Return whether the newest release of a version has a lock for each of the matrix's targets."""
    last = newest_of(release for release in releases if release.is_of(version))
    records = [last.target(target.id) for target in matrix.targets] if last else []
    return bool(records) and all(record and record.lock for record in records)


def describe_held_back(version: HeldBack) -> str:
    """Return why a version is held back: ``younger than 2 days, until 2026-11-26 12:00 UTC``."""
    return version.reason + (f", until {version.until:%Y-%m-%d %H:%M} UTC" if version.until else "")


def named_words(advisory: PackageAdvisory) -> str:
    """Return the advisory and its package: ``GHSA-… urllib3 1.26.0 (fixed in 1.26.19, 2.2.2)``."""
    fixed = f"fixed in {', '.join(advisory.fixed)}" if advisory.fixed else "no fix is known"
    return f"{advisory.id} {advisory.package} {advisory.version} ({fixed})"


def missing_words(each: IncompleteRelease, matrix: Matrix) -> str:
    """Return how incomplete a release is: ``layer version 3 misses 8 of 136 cells``."""
    problem = (
        f"misses {len(each.missing)} of {counted(len(matrix.cells), 'cell')}"
        if each.missing
        else "is not recorded as complete"
    )
    return f"layer version {each.layer_version} {problem}"
