"""Observing: ask every region of the matrix what it holds, all regions at once, with as few calls as will do.

First the newest version of every cell (one or two lists a region). Older versions are read only where the release's
number cannot be known without them. Lists lag, ``GetLayerVersion`` does not: before a cell is believed to be behind,
it is asked for the next number. Then, once the number is known, what stands at it: bytes and permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from builder.model.matrix import Cell, Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import each_region, in_lanes
from publisher.aws.gateway import Failure, Lambda, Listed
from publisher.reconcile.state import CellState, Remote, carries


def observe(matrix: Matrix, lambdas: Mapping[str, Lambda], progress: Progress) -> Remote:
    """The newest version of every cell. A region that does not answer is in ``silent``, with the reason."""
    names = [target.layer_name for target in matrix.targets]
    progress.begin("Observing", len(matrix.regions))

    def ask(region: str) -> dict[Cell, CellState]:
        latest = lambdas[region].latest(names)
        cells = matrix.cells_in(region)
        return {
            cell: CellState(listed.number, {listed.number: listed})
            if (listed := latest.get(cell.target.layer_name))
            else CellState()
            for cell in cells
        }

    answers, silent = each_region(matrix.regions, ask, progress)
    return Remote({cell: state for found in answers.values() for cell, state in found.items()}, silent)


def look_back(
    matrix: Matrix, version: str, lambdas: Mapping[str, Lambda], remote: Remote, progress: Progress
) -> Remote:
    """The older versions that tell whether, and at which number, AWS holds this release already.

    A release that is complete stands at its number in every cell, so one cell's history shows it. One that is not
    complete can only be completed above the lowest ``latest`` of all cells, so only what lies above that is read, and
    nothing is where all cells stand at one number.
    """
    if not remote.cells or _is_newest_everywhere(matrix, version, remote):
        return remote
    lowest = min(state.latest for state in remote.cells.values())
    sample = next(iter(remote.cells))
    wanted = {
        cell: 0 if cell == sample else lowest
        for cell, state in remote.cells.items()
        if state.latest > (1 if cell == sample else lowest + 1)
    }
    if not wanted:
        return remote

    def ask(region: str) -> dict[Cell, CellState]:
        return {
            cell: replace(state, listed={**state.listed, **{v.number: v for v in _history(lambdas, cell, above)}})
            for cell, above in wanted.items()
            if cell.region == region and (state := remote.cells[cell])
        }

    regions = tuple(dict.fromkeys(cell.region for cell in wanted))
    progress.begin(f"Reading the history of {len(wanted)} cells to find {version}", len(regions))
    return _merge(remote, *each_region(regions, ask, progress))


def look_past_lists(lambdas: Mapping[str, Lambda], remote: Remote, cells: Iterable[Cell], progress: Progress) -> Remote:
    """Count these cells up to where AWS really is: one call a cell, and one more for each version lists do not show."""
    asked = tuple(cells)

    def count_up(cell: Cell) -> CellState:
        state, gateway, name = remote.cells[cell], lambdas[cell.region], cell.target.layer_name
        listed = dict(state.listed)
        if state.latest and state.latest not in listed and (known := gateway.get(name, state.latest)):
            listed[state.latest] = known
        latest = state.latest
        while found := gateway.get(name, latest + 1):
            latest += 1
            listed[latest] = found
        return replace(state, latest=latest, listed=listed)

    def ask(region: str) -> dict[Cell, CellState]:
        mine = [cell for cell in asked if cell.region == region]
        return dict(zip(mine, in_lanes(count_up, mine), strict=True))

    regions = tuple(dict.fromkeys(cell.region for cell in asked))
    if not regions:
        return remote
    progress.begin(f"Asking {len(asked)} cells for their next number", len(regions))
    return _merge(remote, *each_region(regions, ask, progress))


def look_at(
    matrix: Matrix,
    number: int,
    lambdas: Mapping[str, Lambda],
    remote: Remote,
    selected: Sequence[Cell],
    progress: Progress,
) -> Remote:
    """What stands at the number in every cell that has come so far; for the selected ones also who may use it."""
    chosen = frozenset(selected)
    there = [cell for cell, state in remote.cells.items() if state.latest >= number]
    if not there:
        return remote
    progress.begin("Reading back", len(matrix.regions))

    def look(cell: Cell) -> CellState:
        name = cell.target.layer_name
        held = lambdas[cell.region].get(name, number)
        grants = lambdas[cell.region].grants(name, number) if held and cell in chosen else ()
        return replace(remote.cells[cell], held=held, grants=grants)

    def ask(region: str) -> dict[Cell, CellState]:
        cells = [cell for cell in there if cell.region == region]
        return dict(zip(cells, in_lanes(look, cells), strict=True))

    return _merge(remote, *each_region(matrix.regions, ask, progress))


def _is_newest_everywhere(matrix: Matrix, version: str, remote: Remote) -> bool:
    """Whether every cell's newest version, at one number, is this release already."""
    numbers = {state.latest for state in remote.cells.values()}
    return len(numbers) == 1 and all(
        (newest := state.listed.get(state.latest)) is not None and carries(matrix, cell.target, newest, version)
        for cell, state in remote.cells.items()
    )


def _history(lambdas: Mapping[str, Lambda], cell: Cell, above: int) -> Iterable[Listed]:
    return lambdas[cell.region].versions(cell.target.layer_name, above)


def _merge(remote: Remote, answers: Mapping[str, Mapping[Cell, CellState]], silent: Mapping[str, Failure]) -> Remote:
    fresh = {cell: state for found in answers.values() for cell, state in found.items()}
    cells = {cell: fresh.get(cell, state) for cell, state in remote.cells.items() if cell.region not in silent}
    return Remote(cells, {**remote.silent, **silent})
