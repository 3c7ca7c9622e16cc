"""What AWS has now, beside what the ledger says. Reads only, and asks for no more rights than a reader has.

In the publisher's own account the newest versions are listed. From any other account nobody may list them; there the
recorded versions are read by their ARN, which also proves that they are public.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from builder.errors import InputError
from builder.matrix import Cell, Matrix
from builder.progress import Progress
from publisher.aws.connect import connect_all
from publisher.aws.fanout import each_region, in_lanes
from publisher.aws.gateway import CREATED_FORMAT, Grant, Held, Lambda, Listed, Refused
from publisher.aws.identity import account
from publisher.catalog.index import Index, Row, make_index
from publisher.catalog.select import Query, check, select
from publisher.reconcile.state import carries, is_granted, version_in
from publisher.record.release import Release


@dataclass(frozen=True)
class Sight:
    """One cell as AWS shows it. ``row`` is None where there is nothing, ``public`` where AWS does not tell."""

    cell: str
    row: Row | None
    public: bool | None
    recorded: bool
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Every cell that was asked for, and the regions that did not answer with the reason."""

    sights: tuple[Sight, ...]
    silent: Mapping[str, str]


def look(matrix: Matrix, releases: Iterable[Release], query: Query, progress: Progress) -> Report:
    """Ask AWS for the cells of the query. InputError where the query names nothing or there are no credentials."""
    index = make_index(matrix, releases)
    query = check(index, query)
    own = account(matrix) == matrix.account
    recorded = _recorded(index, query, own)
    cells = [
        Cell(region, target)
        for region in query.regions
        if region in matrix.regions
        for target in matrix.targets
        if (not query.pythons or target.python in query.pythons)
        and (not query.architectures or target.architecture in query.architectures)
    ]
    regions = tuple(dict.fromkeys(cell.region for cell in cells))
    if not cells:
        raise InputError("the matrix has no such layer any more", fix="look it up without --live")
    lambdas = connect_all(matrix.model_copy(update={"regions": regions}))
    viewer = _Viewer(matrix, index, query, recorded, own)
    progress.begin("Asking AWS", len(regions))

    def ask(region: str) -> list[Sight]:
        return viewer.region(lambdas[region], [cell for cell in cells if cell.region == region])

    answers, silent = each_region(regions, ask, progress)
    return Report(tuple(sight for region in regions for sight in answers.get(region, ())), silent)


def _recorded(index: Index, query: Query, own: bool) -> dict[tuple[str, str], Row]:
    """What the ledger says of the cells. Without listing rights it is all there is to go by."""
    try:
        return {(row.region, row.target): row for row in select(index, query).rows}
    except InputError:
        if not own:
            raise
        return {}


@dataclass(frozen=True)
class _Viewer:
    """Looks at cells, one region at a time."""

    matrix: Matrix
    index: Index
    query: Query
    recorded: Mapping[tuple[str, str], Row]
    own: bool

    def region(self, client: Lambda, cells: list[Cell]) -> list[Sight]:
        latest = client.latest([cell.target.layer_name for cell in cells]) if self.own else {}
        return in_lanes(lambda cell: self._cell(client, cell, latest.get(cell.target.layer_name)), cells)

    def _cell(self, client: Lambda, cell: Cell, newest: Listed | None) -> Sight:
        row = self.recorded.get((cell.region, cell.target.id))
        number = self._number(client, cell, newest, row)
        if number is None:
            return Sight(cell.id, None, None, False, ("AWS has no such layer version",) if self._wants(row) else ())
        # GetLayerVersion takes a layer's ARN for its name, and needs it where the layer is another account's.
        name = cell.target.layer_name if self.own else self.matrix.layer_arn(cell)
        held = client.get(name, number)
        if held is None:
            known = row if row and row.layer_version == number else None
            return Sight(cell.id, known, None, known is not None, (f"AWS has no layer version {number}",))
        entry = self._entry(cell, number)
        public = self._public(client, cell, number)
        return Sight(
            cell.id,
            self._row(cell, held, entry),
            public,
            entry is not None,
            tuple(self._differences(held, public, entry, row)),
        )

    def _wants(self, row: Row | None) -> bool:
        return row is not None or self.query.layer_version is not None or self.query.version is not None

    def _number(self, client: Lambda, cell: Cell, newest: Listed | None, row: Row | None) -> int | None:
        if self.query.layer_version is not None:
            return self.query.layer_version
        if not self.own:
            return row.layer_version if row else None
        if self.query.version is None:
            return newest.number if newest else None
        if row is not None:
            return row.layer_version
        versions = client.versions(cell.target.layer_name)
        wanted = self.query.version
        return next((seen.number for seen in versions if carries(self.matrix, cell.target, seen, wanted)), None)

    def _public(self, client: Lambda, cell: Cell, number: int) -> bool | None:
        if not self.own:
            return True  # this account could read it
        try:
            grants: tuple[Grant, ...] = client.grants(cell.target.layer_name, number)
        except Refused:
            return None  # a reader need not be allowed to read policies
        return is_granted(grants, self.matrix.permission)

    def _entry(self, cell: Cell, number: int) -> Row | None:
        """What the ledger has of this number, whichever release was selected."""
        release = next((release for release in self.index.releases if release.layer_version == number), None)
        rows = self.index.rows(release) if release else ()
        return next((row for row in rows if (row.region, row.target) == (cell.region, cell.target.id)), None)

    def _differences(self, held: Held, public: bool | None, entry: Row | None, row: Row | None) -> Iterable[str]:
        if entry is None:
            yield f"layer version {held.number} is not in the ledger"
        elif entry.sha256 != held.sha256:
            yield f"layer version {held.number} has sha256 {held.sha256[:12]}…, the ledger says {entry.sha256[:12]}…"
        if row and row.layer_version > held.number:
            yield f"the ledger has layer version {row.layer_version}, AWS none above {held.number}"
        if entry and entry.yanked and public:
            yield f"layer version {held.number} was withdrawn and is public"
        if entry and not entry.yanked and public is False:
            yield f"layer version {held.number} is not public"

    def _row(self, cell: Cell, held: Held, entry: Row | None) -> Row:
        same_bytes = entry is not None and entry.sha256 == held.sha256
        return Row(
            region=cell.region,
            python=cell.target.python,
            architecture=cell.target.architecture,
            layer_name=cell.target.layer_name,
            layer_version=held.number,
            package=self.matrix.package,
            version=entry.version if entry else version_in(self.matrix, cell.target, held.description) or "?",
            arn=self.matrix.layer_arn(cell, held.number),
            sha256=held.sha256,
            size=held.size,
            unzipped_size=entry.unzipped_size if entry and same_bytes else None,
            published=datetime.strptime(held.created, CREATED_FORMAT),
            yanked=entry.yanked if entry else None,
        )
