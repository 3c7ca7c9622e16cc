"""Find releases that this ledger does not have at the numbers that a plan would use up with placeholders.

Another publisher, with another ledger, may be publishing there, or may have finished in other regions. A placeholder
would keep its release incomplete for ever, so the plan publishes the same bytes instead, privately: the other
publisher's next run finds them and grants the permission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from builder.model.figures import counted
from builder.model.matrix import Cell
from publisher.aws.fanout import each_item
from publisher.aws.gateway import PublishedVersion
from publisher.ledger.release import Release
from publisher.reconcile.plan import Copy, Placeholder, Plan, Publish
from publisher.reconcile.run import Run
from publisher.reconcile.state import Remote, version_in


def with_copies(run: Run, plan: Plan, releases: Sequence[Release], remote: Remote) -> Plan:
    """Return the plan with copies in place of placeholders, where another region has a release at that number."""
    gaps = {
        (cell.target.id, each.number)
        for cell, action in plan.actions.items()
        if isinstance(action, Publish)
        for each in action.first
        if isinstance(each, Placeholder) and not any(r.layer_version == each.number and r.cells for r in releases)
    }
    unexpected = {(*each.key, each.layer_version) for release in releases for each in release.unexpected_versions}
    numbers = {
        cell: [
            number
            for target, number in sorted(gaps)
            if target == cell.target.id and number <= state.latest and (*cell.key, number) not in unexpected
        ]
        for cell, state in remote.cells.items()
    }
    if not any(numbers.values()):
        return plan
    copies: dict[tuple[str, int], Copy] = {}
    for cell, published in _read(run, {cell: wanted for cell, wanted in numbers.items() if wanted}):
        number = published.number
        version = version_in(run.matrix, cell.target, published.description)
        known = copies.get((cell.target.id, number))
        if version and known is None:
            copies[cell.target.id, number] = Copy(number, version, published.sha256, (cell.region,))
        elif known and known.sha256 == published.sha256:
            copies[cell.target.id, number] = replace(known, sources=(*known.sources, cell.region))

    def replaced(action: Publish, cell: Cell) -> Publish:
        first = (
            copies.get((cell.target.id, each.number), each) if isinstance(each, Placeholder) else each
            for each in action.first
        )
        return replace(action, first=tuple(first))

    return replace(
        plan,
        actions={
            cell: replaced(action, cell) if isinstance(action, Publish) else action
            for cell, action in plan.actions.items()
        },
    )


def _read(run: Run, numbers: Mapping[Cell, Sequence[int]]) -> list[tuple[Cell, PublishedVersion]]:
    """Return the layer versions at these numbers. A region that fails is left out."""
    title = f"Reading {counted(sum(map(len, numbers.values())), 'layer version')} that the ledger does not have"
    run.progress.begin(title, len({cell.region for cell in numbers}))

    def read(cell: Cell) -> list[PublishedVersion]:
        gateway, name = run.lambdas[cell.region], cell.target.layer_name
        return [published for number in numbers[cell] if (published := gateway.get(name, number))]

    versions, _ = each_item(numbers, read, run.progress)
    return [(cell, published) for cell, of_cell in versions.items() for published in of_cell]
