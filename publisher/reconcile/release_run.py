"""Publish a release: observe → number → read the number → plan → gather bytes → execute → record.

``prepare`` makes the plan and writes nothing; ``carry_out`` executes it.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.model.artifact import BuildOutput
from builder.model.clock import utc_now
from builder.model.errors import InputError
from builder.model.file_access import sha256_of
from builder.model.matrix import Cell, Matrix
from publisher.aws.gateway import Zip
from publisher.aws.session import new_session
from publisher.aws.signing import Signer
from publisher.ledger.recorder import Recorder
from publisher.ledger.release import Release, at_number
from publisher.reconcile.artifact_facts import keep_sboms
from publisher.reconcile.execute import CanaryRegion, execute
from publisher.reconcile.job import Job, Outcome
from publisher.reconcile.number import (
    Number,
    drop_other,
    next_number,
    rebuilt_number,
    recorded_number,
    refuse_gap,
    seen_number,
)
from publisher.reconcile.observe import count_past_lists, observe, read_history, read_number
from publisher.reconcile.plan import Plan, is_kept_out, make_plan
from publisher.reconcile.run import Prepared, Run
from publisher.reconcile.sources import Sources, facts_to_record, gather, gather_backfills
from publisher.reconcile.state import Remote, with_recorded_numbers
from publisher.reconcile.unrecorded import with_copies


@dataclass(frozen=True)
class PublishReport:
    """The result of a run."""

    plan: Plan
    outcomes: Mapping[Cell, Outcome]
    seconds: float
    stopped: str | None
    waited: str | None  #: why the other regions had to wait for the first one, or None

    @property
    def complete(self) -> bool:
        """Whether every selected cell has the release, and no region had to wait."""
        return self.waited is None and all(outcome.done for outcome in self.outcomes.values())


def prepare(run: Run) -> Prepared:
    """Observe AWS and plan, without writing to AWS or the ledger."""
    releases, requested = run.ledger.releases(), run.requested
    remote = with_recorded_numbers(observe(run), releases)
    refuse_gap(requested, remote, releases)
    remote, number = _find_number(run, releases, remote)
    suspects = _suspects(number, releases, remote, run.selected)
    before = remote
    remote = count_past_lists(run, remote, suspects)
    if any(state.latest > before.cells[cell].latest for cell, state in remote.cells.items()):
        # Lists lag behind another run: correct every cell's latest number, then find the release's number again.
        rest = [cell for cell in remote.cells if cell not in suspects]
        remote = count_past_lists(run, remote, rest)
        remote, number = _find_number(run, releases, remote)
    remote, plan, releases_left = _plan(run, number, releases, remote)
    whole = len(run.selected) == len(run.matrix.cells)
    kept_out = whole and is_kept_out(run.matrix, plan, remote, at_number(releases_left, number.value))
    if plan.conflict and requested.layer_version is None and (kept_out or not plan.public):
        # Some cell can never reach the number: choose one that every cell can reach.
        remote = count_past_lists(run, remote, remote.cells)
        following = next_number(remote, releases)
        number = Number(following.value, f"{following.reason}; {number.value} is taken ({plan.conflict})")
        remote, plan, releases_left = _plan(run, number, releases, remote)
    _refuse_revoked(number, releases_left, remote)
    plan = with_copies(run, plan.only(run.selected), releases_left, remote)
    return Prepared(**vars(run), releases=releases_left, remote=remote, plan=plan)


def _plan(
    run: Run, number: Number, releases: Sequence[Release], remote: Remote
) -> tuple[Remote, Plan, tuple[Release, ...]]:
    """Return the plan at this number, with its state and records."""
    releases_left = drop_other(run.requested.version, number, releases)
    incomplete = [each for each in releases_left if each.layer_version == number.value and each.completed is None]
    existing = {record.key for each in incomplete for record in each.cells}
    remote = read_number(run, number.value, remote, existing)
    return remote, make_plan(run.matrix, run.requested.version, number, remote, releases_left), releases_left


def _find_number(run: Run, releases: Sequence[Release], remote: Remote) -> tuple[Remote, Number]:
    requested = run.requested
    # A release that was only started does not count if AWS has assigned its number to something else.
    standing = [r for r in releases if r.cells or r.rebuild is not None or remote.highest < r.layer_version]
    number = recorded_number(requested, standing)
    if number is None and requested.rebuild is None:
        remote = read_history(run, remote)
        number = seen_number(run.matrix, requested, remote, releases)
    elif number is None and requested.digests and not at_number(releases, remote.highest):
        remote = read_number(run, remote.highest, remote)
        number = rebuilt_number(run.matrix, requested, remote)
    return remote, number or next_number(remote, releases)


def _suspects(
    number: Number, releases: Sequence[Release], remote: Remote, selected: Sequence[Cell]
) -> tuple[Cell, ...]:
    """Return the cells to check with ``GetLayerVersion``, because a lagging list could cause an unnecessary version.

    For a release that was started before: the selected cells that are behind. Otherwise those that are behind by more
    than one, and for a new release one cell in each region, the one that every run publishes first.
    """
    begun = any(release.layer_version == number.value for release in releases) or remote.highest >= number.value
    readable = [cell for cell in selected if cell in remote.cells]
    behind = [cell for cell in readable if remote.cells[cell].latest < number.value - (not begun)]
    first = {cell.region: cell for cell in reversed(tuple(remote.cells)) if remote.cells[cell].latest < number.value}
    return tuple(dict.fromkeys((*behind, *first.values())))


def _refuse_revoked(number: Number, releases: Sequence[Release], remote: Remote) -> None:
    """Raise InputError if a recorded release is private in all cells: a yank that this ledger does not have."""
    recorded = at_number(releases, number.value)
    keys = {record.key for record in recorded.cells if record.public} if recorded else set()
    states = [state for cell, state in remote.cells.items() if cell.key in keys and state.published]
    if len(states) > 1 and not any(state.grants for state in states):
        raise InputError(
            f"layer version {number.value} is public in the ledger, but private in all {len(states)} cells: "
            "another machine yanked it",
            fix=f"record that: layers yank --layer-version {number.value} --reason TEXT (--undo makes it public again)",
        )


def carry_out(run: Prepared, artifacts: BuildOutput | None, canary: CanaryRegion | None = None) -> PublishReport:
    """Execute the plan; each change is recorded before the next one."""
    started = time.monotonic()
    plan, releases = run.plan, run.releases
    with tempfile.TemporaryDirectory(prefix="layers-publish-") as name:
        folder = Path(name)
        signer = Signer(run.matrix, new_session(stop=run.stop), run.clock) if run.matrix.signing else None
        sources = Sources(**vars(run), artifacts=artifacts, folder=folder, signer=signer)
        payloads = gather(sources)
        backfills = gather_backfills(sources)
        recorder = Recorder(run.ledger, run.matrix, plan.version, plan.number.value, utc_now())
        facts = tuple(facts_to_record(sources, payloads))
        keep_sboms(run.ledger, plan.number.value, at_number(releases, plan.number.value), facts)
        if facts:
            recorder.begin(tuple(each.record for each in facts), run.requested.rebuild)
            recorder.abandon_lower_numbers()
        placeholder = _placeholder_zip(folder)
        job = Job(**vars(run), payloads=payloads, backfills=backfills, placeholder=placeholder, recorder=recorder)
        outcomes, waited = execute(job, canary)
    if all(outcome.done for outcome in outcomes.values()):
        _complete(run, recorder)
    return PublishReport(plan, outcomes, time.monotonic() - started, run.stop.reason, waited)


def _complete(run: Prepared, recorder: Recorder) -> None:
    """Record the release as complete once every cell of the matrix has it."""
    release = at_number(run.ledger.releases(), run.plan.number.value)
    if release is None or release.completed or release.yanked or not release.is_of(run.plan.version):
        return
    if release.is_public_in(run.matrix.cells):
        recorder.complete(utc_now())


def _placeholder_zip(folder: Path) -> Zip:
    """Return the zip of a placeholder; its bytes are always the same."""
    path = folder / "placeholder.zip"
    with zipfile.ZipFile(path, "w") as archive:
        text = "This layer version holds a number that has no release in this region. Do not use it.\n"
        archive.writestr(zipfile.ZipInfo("RESERVED.txt", (1980, 1, 1, 0, 0, 0)), text)
    return Zip(path, sha256_of(path), path.stat().st_size)


def check_artifacts(build: BuildOutput, matrix: Matrix, version: str) -> None:
    """Raise InputError if the artifacts are of another package or version."""
    folder, manifest = build
    if manifest.package != matrix.package or manifest.version != version:
        raise InputError(
            f"the artifacts are of {manifest.package} {manifest.version}, not of {matrix.package} {version}",
            where=str(folder),
            fix=f"build them: layers build --version {version} --output {folder}",
        )
