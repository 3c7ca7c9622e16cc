"""Select the cells that a canary tries: those of one recorded release."""

from __future__ import annotations

from dataclasses import dataclass

from builder.model.errors import FailureClass, InputError
from builder.model.matrix import Cell, Matrix
from builder.model.target import Target
from builder.model.versions import same_version
from publisher.aws.gateway import Failure
from publisher.canary.trial import Trial
from publisher.canary.verdict import Case
from publisher.catalog.index import Index, IndexedRelease, Row
from publisher.catalog.lookup import Query, check


@dataclass(frozen=True)
class Selected:
    """A release's cells to try, and the results for the cells of the matrix in which it is not published yet."""

    package: str
    version: str
    number: int
    cases: tuple[Case, ...]
    absent: tuple[Trial, ...]


def select(matrix: Matrix, index: Index, query: Query) -> Selected:
    """Return the cells that the query selects. Raises InputError if it selects none, or a yanked release."""
    query = check(index, query)
    release = _release(index, query)
    cases = tuple(_case(row) for row in index.rows(release) if query.selects(row.region, row.target_key))
    case_ids = {case.id for case in cases}
    absent = tuple(
        _absent(matrix, cell, release)
        for cell in matrix.cells
        if cell.id not in case_ids and query.selects(cell.region, cell.target)
    )
    if not cases:
        raise InputError(
            f"{index.package} {release.version} (layer version {release.layer_version}) is in none of these cells yet",
            fix="publish it there first: `layers publish` completes a release",
        )
    return Selected(index.package, release.version, release.layer_version, cases, absent)


def _absent(matrix: Matrix, cell: Cell, release: IndexedRelease) -> Trial:
    number = release.layer_version
    case = Case(cell.region, cell.target, number, matrix.layer_arn(cell, number), "", matrix.package, release.version)
    advice = f"publish the missing cells: layers publish --version {release.version}"
    failure = Failure("not published in this cell yet", FailureClass.PERMANENT, advice)
    return Trial(case, "deferred", failure.text, failure)


def _release(index: Index, query: Query) -> IndexedRelease:
    """Return the selected release: by its number, else the newest of the version, else the newest."""
    is_named = query.layer_version is not None or query.version is not None
    matching = [
        release
        for release in index.releases
        if release.layers
        and query.layer_version in (None, release.layer_version)
        and (query.version is None or same_version(release.version, query.version))
    ]
    usable = [release for release in matching if not release.yanked]
    if usable:
        return usable[0]
    if matching and is_named:
        yanked = matching[0]
        raise InputError(
            f"{index.package} {yanked.version} was {yanked.yanked}",
            where=f"layer version {yanked.layer_version}",
            fix="select another release; functions cannot use this one",
        )
    newest = ", ".join(f"{r.layer_version} ({r.version})" for r in index.releases[:8] if r.layers and not r.yanked)
    title = f"layer version {query.layer_version}" if query.layer_version is not None else query.version
    raise InputError(
        f"the ledger has no layer of {index.package} recorded as {title}"
        if is_named
        else "the ledger has no release that is not yanked",
        fix=f"the newest are {newest}"
        if newest
        else "publish one with `layers publish --version V`, or record existing layers with `layers sync`",
    )


def _case(row: Row) -> Case:
    target = Target(row.python, row.architecture, row.layer_name)
    return Case(row.region, target, row.layer_version, row.arn, row.sha256, row.package, row.version)
