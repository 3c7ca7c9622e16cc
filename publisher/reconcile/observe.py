"""Read the state of every region of the matrix, in parallel and with as few requests as possible.

First, the newest version of every cell (one or two lists for each region). Older versions are read only if the
release's number cannot be known without them. Lists lag more than ``GetLayerVersion``, so a cell counts as behind only
after its next number was requested. Once the release's number is known, the bytes and the permission at it are read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from builder.model.figures import counted
from builder.model.matrix import Cell, Matrix
from publisher.aws.fanout import each_item, each_region
from publisher.reconcile.read_lag import READ_BACKOFF_SECONDS
from publisher.reconcile.run import Run
from publisher.reconcile.state import CellState, Remote, carries


def observe(run: Run) -> Remote:
    """Read the newest version of every cell. A region without a response is in ``unreachable``, with the reason."""
    names = [target.layer_name for target in run.matrix.targets]
    run.progress.begin("Observing", len(run.matrix.regions))

    def read_region(region: str) -> dict[Cell, CellState]:
        latest = run.lambdas[region].latest(names)
        cells = run.matrix.cells_in(region)
        return {
            cell: CellState(version.number, {version.number: version})
            if (version := latest.get(cell.target.layer_name))
            else CellState()
            for cell in cells
        }

    responses, unreachable = each_region(run.matrix.regions, read_region, run.progress)
    return Remote({cell: state for states in responses.values() for cell, state in states.items()}, unreachable)


def read_history(run: Run, remote: Remote) -> Remote:
    """Add older versions that can show at which number AWS already holds this release.

    A complete release is in every cell, so the history of one cell shows it. An incomplete release can only be
    completed above the lowest ``latest`` of all cells, so only newer versions are read, and none if all cells have the
    same number.
    """
    version = run.requested.version
    if not remote.cells or _is_newest_everywhere(run.matrix, version, remote):
        return remote
    lowest = min(state.latest for state in remote.cells.values())
    sample = next(iter(remote.cells))
    first_unread = {
        cell: 0 if cell == sample else lowest
        for cell, state in remote.cells.items()
        if state.latest > (1 if cell == sample else lowest + 1)
    }

    def read(cell: Cell) -> CellState:
        state = remote.cells[cell]
        versions = run.lambdas[cell.region].versions(cell.target.layer_name, first_unread[cell])
        return replace(state, listed={**state.listed, **{each.number: each for each in versions}})

    title = f"Reading the history of {counted(len(first_unread), 'cell')} to find {version}"
    return _update(run, remote, first_unread, read, title)


def count_past_lists(run: Run, remote: Remote, cells: Collection[Cell]) -> Remote:
    """Correct ``latest`` of these cells with ``GetLayerVersion``: a request per cell, and one per unlisted version."""

    def count(cell: Cell) -> CellState:
        state, gateway, name = remote.cells[cell], run.lambdas[cell.region], cell.target.layer_name
        versions = dict(state.listed)
        if state.latest and state.latest not in versions and (newest := gateway.get(name, state.latest)):
            versions[state.latest] = newest
        latest = state.latest
        while published := gateway.get(name, latest + 1):
            latest += 1
            versions[latest] = published
        return replace(state, latest=latest, listed=versions)

    return _update(run, remote, cells, count, f"Checking the next number in {counted(len(cells), 'cell')}")


def read_number(run: Run, number: int, remote: Remote, existing: Collection[tuple[str, str]] = ()) -> Remote:
    """Add the layer version at the number and its grants, in every cell that has reached it.

    Wait for versions that ``GetLayerVersion`` does not find although a list shows them, or that are in ``existing``:
    keys (region, target id) of cells where it was published. A run that was killed a moment ago may have made them.
    """

    def read(cell: Cell) -> CellState:
        name = cell.target.layer_name
        published = run.lambdas[cell.region].get(name, number)
        grants = run.lambdas[cell.region].grants(name, number) if published else ()
        return replace(remote.cells[cell], published=published, grants=grants)

    # Forget what was read at another number: the plan would take its bytes for the release's.
    unread = {cell: replace(state, published=None, grants=()) for cell, state in remote.cells.items()}
    remote = replace(remote, cells=unread)
    cells = [cell for cell, state in remote.cells.items() if state.latest >= number]
    remote = _update(run, remote, cells, read, "Reading back")
    for wait in READ_BACKOFF_SECONDS:
        hidden = [
            cell
            for cell, state in remote.cells.items()
            if state.published is None and (number in state.listed or cell.key in existing)
        ]
        if not hidden:
            break
        run.clock.sleep(wait)
        title = f"Waiting for layer version {number} in {counted(len(hidden), 'cell')}: "
        title += "ResourceNotFoundException, but it exists"
        remote = _update(run, remote, hidden, read, title)
    return remote


def _update(run: Run, remote: Remote, cells: Collection[Cell], read: Callable[[Cell], CellState], title: str) -> Remote:
    """Return the state with these cells read again. A region that fails becomes unreachable."""
    if not cells:
        return remote
    run.progress.begin(title, len({cell.region for cell in cells}))
    updated, unreachable = each_item(cells, read, run.progress)
    cells_left = {cell: updated.get(cell, s) for cell, s in remote.cells.items() if cell.region not in unreachable}
    return Remote(cells_left, {**remote.unreachable, **unreachable})


def _is_newest_everywhere(matrix: Matrix, version: str, remote: Remote) -> bool:
    """Whether this release is the newest version of every cell, at one number."""
    numbers = {state.latest for state in remote.cells.values()}
    return len(numbers) == 1 and all(
        (newest := state.listed.get(state.latest)) is not None and carries(matrix, cell.target, newest, version)
        for cell, state in remote.cells.items()
    )
