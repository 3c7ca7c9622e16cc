"""Decide whether a release may become public: a number is public as one release or not at all.

Everything is published privately first. AWS assigns a number once per layer and region, so only one of two publishers
gets it there, and the other one notices. Before the first grant, this module checks the rest: cells that this run did
not publish, and how many regions are unreachable.

If two publishers reach different regions, both could find a number free. A ledger in S3 prevents that: it accepts the
cells of only one release at a number, and each cell is recorded before the first grant. With a ledger in a folder, a
majority of the regions must respond: any two majorities share a region, in which the second publisher finds the first
one's versions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from builder.model.errors import FailureClass
from builder.model.matrix import Cell
from builder.model.progress import Quiet
from publisher.aws.fanout import each_item
from publisher.aws.gateway import Failure
from publisher.ledger.release import Release
from publisher.reconcile.plan import Plan
from publisher.reconcile.read_lag import READ_LAG_SECONDS
from publisher.reconcile.run import Run
from publisher.reconcile.state import carries, other_compatibility


def why_private(
    run: Run, plan: Plan, holding: Collection[Cell], unreachable: Mapping[str, Failure], shared: Release | None
) -> str | None:
    """Return why the release must stay private for now; None if it may become public.

    ``holding`` are the cells with the release. All other cells are read again now, after a wait if reads lag.
    ``shared`` is the record of this number, read now, if all publishers share the ledger.
    """
    if plan.public:
        return None
    if plan.conflict:
        return f"layer version {plan.number.value} cannot become this release everywhere ({plan.conflict})"
    other_cells = [cell for cell in run.matrix.cells if cell not in holding and cell.region not in unreachable]
    if other_cells and run.matrix.staging is None and _reads_lag(run, plan, holding):
        run.clock.sleep(READ_LAG_SECONDS)
    problems, failed = each_item(other_cells, lambda cell: _other_content(run, plan, cell), Quiet())
    if problem := next(filter(None, problems.values()), None):
        return problem
    if shared is None:
        return _majority_problem(run.matrix.regions, {**unreachable, **failed})
    mixed = (record for record in shared.cells if record.sha256 != plan.bytes_of.get(record.key[1], record.sha256))
    return next((f"the ledger has other bytes at this number: {record.arn}" for record in mixed), None)


def _reads_lag(run: Run, plan: Plan, holding: Collection[Cell]) -> bool:
    """Return whether ``GetLayerVersion`` does not find a version yet that this run holds.

    It would not find another publisher's version either, and that one would not find this run's. If each waits before
    it reads, the one that published last is found by neither, but finds the other.
    """
    number = plan.number.value
    versions, _ = each_item(holding, lambda cell: run.lambdas[cell.region].get(cell.target.layer_name, number), Quiet())
    return None in versions.values()


def _other_content(run: Run, plan: Plan, cell: Cell) -> str | None:
    """Return the problem if a cell has something else at the release's number."""
    published = run.lambdas[cell.region].get(cell.target.layer_name, plan.number.value)
    if published is None:
        return None
    same_bytes = published.sha256 == plan.bytes_of.get(cell.target.id, published.sha256)
    fits = not any(other_compatibility(cell.target, published))
    if carries(run.matrix, cell.target, published, plan.version) and same_bytes and fits:
        return None
    return f"layer version {published.number} is something else in {cell.id}: {published.description[:60]!r}"


def _majority_problem(matrix_regions: Sequence[str], unreachable: Mapping[str, Failure]) -> str | None:
    """Return why too few regions respond; None if more than half respond, or half with the matrix's first region.

    Regions that refuse the account permanently do not count, because no publisher can publish there.
    """
    closed = [region for region, failure in unreachable.items() if failure.failure_class is FailureClass.PERMANENT]
    regions = [region for region in matrix_regions if region not in closed]
    responding = [region for region in regions if region not in unreachable]
    if 2 * len(responding) > len(regions) or (2 * len(responding) == len(regions) and regions[:1] == responding[:1]):
        return None
    return (
        f"only {len(responding)} of {len(regions)} regions respond, but a release becomes public when most of them do "
        f"(unreachable: {', '.join(region for region in regions if region in unreachable)}; a ledger in S3 lifts this)"
    )
