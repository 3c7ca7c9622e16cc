"""The job summary's section of a publish, and annotations for the cells that need attention. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.model.errors import FailureClass
from builder.model.figures import counted, duration
from builder.model.matrix import Matrix
from publisher.ledger.release import Release, at_number, last_before
from publisher.parameters.update import ParameterUpdate
from publisher.reconcile.job import Outcome
from publisher.reconcile.release_run import PublishReport
from publisher.report.annotations import Level, Note
from publisher.report.next_steps import RUN_AGAIN, failure_class_of, next_steps
from publisher.report.release_comparison import built_targets, package_section, size_table, title
from publisher.text.markdown import table, text

#: Longer reasons are cut off; the log has them in full.
_MAX_REASON_CHARACTERS = 400
#: AWS's request ids that are named for one reason.
_MAX_REQUEST_IDS = 3


@dataclass(frozen=True)
class _Group:
    """Cells with the same outcome and reason."""

    name: str  #: the outcome's
    reason: str
    outcomes: tuple[Outcome, ...]

    @property
    def where(self) -> dict[str, list[str]]:
        """Return the targets by region."""
        by_region: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            by_region.setdefault(outcome.cell.region, []).append(outcome.cell.target.id)
        return by_region

    @property
    def requests(self) -> list[str]:
        return list(dict.fromkeys(outcome.request_id for outcome in self.outcomes if outcome.request_id))


def publish_section(
    matrix: Matrix,
    report: PublishReport,
    requests: str,
    releases: Sequence[Release],
    parameters: ParameterUpdate | None,
) -> str:
    """Return the section, the most important part first. ``requests`` describes the run's requests to AWS."""
    number = report.plan.number.value
    release, last = at_number(releases, number), last_before(releases, number)
    groups = _groups(report)
    parts = [
        f"### {text(matrix.package)} {text(report.plan.version)}: layer version {number}\n",
        _state(matrix, report, release, requests),
        _steps(report, release, parameters),
        _remaining(matrix, groups),
        _regions(report),
    ]
    if release and release.targets:
        built = built_targets(release)
        against = f", against {text(title(last))}" if last else ""
        parts.append(f"#### Sizes and cold start{against}\n\n{size_table(built, last)}")
        if last:
            parts.append(package_section(built, last))
    return "\n".join(part for part in parts if part)


def _state(matrix: Matrix, report: PublishReport, release: Release | None, requests: str) -> str:
    total, complete = len(report.outcomes), sum(outcome.done for outcome in report.outcomes.values())
    if not report.complete:
        words = f"**Incomplete**: {total - complete} of {counted(total, 'cell is', 'cells are')} not at the release"
    elif release and release.completed:
        words = f"**Complete**: the release is in {total} of {counted(len(matrix.cells), 'cell')}"
    else:
        words = f"**Every selected cell is done**: {total} of the matrix's {counted(len(matrix.cells), 'cell')}"
    stopped = f" Stopped: {text(_short(report.stopped))}." if report.stopped else ""
    return f"{words}, after {duration(report.seconds)}.{stopped} {text(requests)}.\n"


def _steps(report: PublishReport, release: Release | None, parameters: ParameterUpdate | None) -> str:
    """Return what to do next."""
    again = f"`layers publish --version {report.plan.version}`"
    steps = []
    if advice := next_steps(report.outcomes.values()):
        for step in advice.steps:
            rerun = f"Run the same command again ({again} …): it does only what is left."
            steps.append(rerun if step == RUN_AGAIN else text(step))
    if report.complete and not (release and release.completed):
        steps.append(f"Publish the cells that were not selected: {again}.")
    if parameters and parameters.failed:
        steps.append(f"Fix the parameters in {', '.join(map(text, parameters.failed))}: `layers audit --repair`.")
    if not steps:
        steps.append("Commit the ledger, and what `layers docs` makes of it.")
    return "".join(f"- {step}\n" for step in steps)


def _groups(report: PublishReport) -> list[_Group]:
    """Return the cells that are not at the release, by outcome and reason."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in report.outcomes.values():
        if not outcome.done:
            groups.setdefault((outcome.name, outcome.error or ""), []).append(outcome)
    return [_Group(name, reason, tuple(outcomes)) for (name, reason), outcomes in groups.items()]


def _remaining(matrix: Matrix, groups: Sequence[_Group]) -> str:
    if not groups:
        return ""
    rows = []
    for group in groups:
        places = [f"{region}: {_targets(targets, matrix)}" for region, targets in group.where.items()]
        requests = f" (request {', '.join(group.requests[:_MAX_REQUEST_IDS])})" if group.requests else ""
        rows.append([group.name, "<br>".join(map(text, places)), text(_short(group.reason) + requests)])
    return "#### Not at the release\n\n" + table(["Outcome", "Where", "Why"], rows)


def _targets(targets: Sequence[str], matrix: Matrix) -> str:
    return f"all {len(targets)}" if len(targets) == len(matrix.targets) else ", ".join(targets)


def _regions(report: PublishReport) -> str:
    """Return a row for each region and a column for each outcome; one line if every region has the same."""
    counts: dict[str, Counter[str]] = {}
    for cell, outcome in report.outcomes.items():
        counts.setdefault(cell.region, Counter())[outcome.name] += 1
    if len({frozenset(numbers.items()) for numbers in counts.values()}) == 1:
        each = ", ".join(f"{count} {name}" for name, count in next(iter(counts.values())).most_common())
        regions = f"each of {len(counts)} regions" if len(counts) > 1 else "1 region"
        return f"In {regions} ({', '.join(counts)}): {each}.\n"
    names = [name for name, _ in Counter(outcome.name for outcome in report.outcomes.values()).most_common()]
    rows = [[region, *(str(numbers[name] or "") for name in names)] for region, numbers in counts.items()]
    return "#### Cells by region\n\n" + table(["Region", *names], rows, right=range(1, len(names) + 1))


def _short(words: str) -> str:
    return words if len(words) <= _MAX_REASON_CHARACTERS else f"{words[: _MAX_REASON_CHARACTERS - 1]}…"


def cell_notes(matrix: Matrix, report: PublishReport) -> Iterator[Note]:
    """Return a note for each region and reason: a warning if the next run may succeed, else an error."""
    for group in _groups(report):
        for region, targets in group.where.items():
            temporary = failure_class_of(group.outcomes[0]) is FailureClass.TEMPORARY
            level: Level = "warning" if temporary and group.name != "conflict" else "error"
            yield Note(level, f"{region} {group.name}", f"{_targets(targets, matrix)}: {_short(group.reason)}")
