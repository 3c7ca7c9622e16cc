"""Compare the layer versions in AWS with the ledger. Sends read requests only, with a reader's permissions.

In the publisher's own account, the newest versions are listed. Another account is not allowed to list them; it reads
the recorded versions by their ARN, which also shows whether they are public.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from builder.model.errors import InputError
from builder.model.frozen import Frozen
from builder.model.matrix import Cell, Matrix
from builder.model.progress import Progress
from publisher.aws.fanout import each_region, within_region
from publisher.aws.gateway import (
    CREATED_FORMAT,
    CredentialsRefused,
    Failure,
    Lambda,
    ListedVersion,
    PublishedVersion,
    Refused,
)
from publisher.catalog.index import Index, Row, make_index
from publisher.catalog.lookup import Query, check, select
from publisher.ledger.release import Release
from publisher.reconcile.state import carries, is_granted, is_placeholder, version_in


class LiveFacts(Frozen):
    """How a layer version is in AWS. ``public`` is null if its policy is unreadable."""

    public: bool | None
    recorded: bool  #: in the ledger
    differences: tuple[str, ...]


class LiveRow(Row):
    """One layer version with its facts in AWS, as ``layers describe --live --json`` lists it."""

    live: LiveFacts


@dataclass(frozen=True)
class LiveCell:
    """One cell as it is in AWS. ``row`` is None if nothing is known of it, ``public`` if the policy is unreadable."""

    cell: str
    row: Row | None
    public: bool | None
    recorded: bool
    differences: tuple[str, ...]

    @property
    def live_row(self) -> LiveRow | None:
        """The row with the facts in AWS; None if nothing is known of it."""
        facts = LiveFacts(public=self.public, recorded=self.recorded, differences=self.differences)
        return LiveRow(**self.row.model_dump(), live=facts) if self.row else None


@dataclass(frozen=True)
class LiveReport:
    """Every cell of the query, and why each unreachable region failed."""

    cells: tuple[LiveCell, ...]
    failures: Mapping[str, Failure]  #: by region


def read_live_state(
    matrix: Matrix,
    releases: Sequence[Release],
    query: Query,
    lambdas: Mapping[str, Lambda],
    own_account: bool,
    progress: Progress,
) -> LiveReport:
    """Read the cells of the query from AWS. ``own_account``: the credentials are those of the matrix's account.

    Raises InputError if the query selects nothing, or if another account finds no recorded version to read.
    """
    index = make_index(matrix, releases)
    query = check(index, query)
    reader = _Reader(matrix, index, query, _recorded_rows(index, query, own_account), own_account)
    regions = tuple(r for r in query.regions if r in matrix.regions) or matrix.select_regions(query.regions)
    targets = matrix.select(query.pythons, query.architectures)
    progress.begin("Reading layer versions from AWS", len(regions))

    def read_region(region: str) -> list[LiveCell]:
        return reader.region(lambdas[region], list(matrix.cells_in(region, targets)))

    cells_by_region, failures = each_region(regions, read_region, progress)
    return LiveReport(tuple(cell for region in regions for cell in cells_by_region.get(region, ())), failures)


def _recorded_rows(index: Index, query: Query, own_account: bool) -> dict[tuple[str, str], Row]:
    """Return the ledger's rows of the query. Another account cannot list versions, so it needs at least one row."""
    try:
        return {(row.region, row.target): row for row in select(index, query).rows}
    except InputError:
        if not own_account:
            raise
        return {}


@dataclass(frozen=True)
class _Reader:
    """Reads the cells of one region from AWS and compares them with the ledger."""

    matrix: Matrix
    index: Index
    query: Query
    recorded: Mapping[tuple[str, str], Row]
    own: bool

    def region(self, gateway: Lambda, cells: Sequence[Cell]) -> list[LiveCell]:
        latest = gateway.latest([cell.target.layer_name for cell in cells]) if self.own else {}
        return within_region(lambda cell: self._cell(gateway, cell, latest.get(cell.target.layer_name)), cells)

    def _cell(self, gateway: Lambda, cell: Cell, newest: ListedVersion | None) -> LiveCell:
        row = self.recorded.get(cell.key)
        number = self._number(gateway, cell, newest, row)
        if number is None:
            return LiveCell(cell.id, row, None, row is not None, ("AWS has no release of this layer",))
        entry = self._entry(cell, number)
        # GetLayerVersion takes a layer's ARN for its name, and needs it where the layer is another account's.
        name = cell.target.layer_name if self.own else self.matrix.layer_arn(cell)
        try:
            published = gateway.get(name, number)
        except Refused as error:
            if self.own or isinstance(error, CredentialsRefused):
                raise
            return LiveCell(
                cell.id, entry, False, entry is not None, (f"this account may not read it: {error.message}",)
            )
        if published is None:
            return LiveCell(cell.id, entry, None, entry is not None, (f"AWS has no layer version {number}",))
        public = self._public(gateway, cell, number)
        differences = tuple(_differences(published, public, entry, row))
        return LiveCell(cell.id, self._row(cell, published, entry), public, entry is not None, differences)

    def _number(self, gateway: Lambda, cell: Cell, newest: ListedVersion | None, row: Row | None) -> int | None:
        """Return the layer version number to read: the requested one, else the newest that AWS lists."""
        version = self.query.version
        if self.query.layer_version is not None:
            return self.query.layer_version
        if row is not None and (version is not None or not self.own):
            return row.layer_version
        if version is None and newest is not None and is_placeholder(newest):
            return row.layer_version if row else None  # an unfinished publish created this placeholder
        if version is None or newest is None:
            return newest.number if newest else None
        versions = gateway.versions(cell.target.layer_name)
        return next((listed.number for listed in versions if carries(self.matrix, cell.target, listed, version)), None)

    def _public(self, gateway: Lambda, cell: Cell, number: int) -> bool | None:
        if not self.own:
            return True  # another account could read it
        try:
            return is_granted(gateway.grants(cell.target.layer_name, number), self.matrix.permission)
        except CredentialsRefused:
            raise
        except Refused:
            return None  # the caller may not have lambda:GetLayerVersionPolicy

    def _entry(self, cell: Cell, number: int) -> Row | None:
        """Return the ledger's row for this layer version number, even if another release was selected."""
        release = next((release for release in self.index.releases if release.layer_version == number), None)
        rows = self.index.rows(release) if release else ()
        return next((row for row in rows if (row.region, row.target) == cell.key), None)

    def _row(self, cell: Cell, published: PublishedVersion, entry: Row | None) -> Row:
        same_bytes = entry is not None and entry.sha256 == published.sha256
        return Row(
            region=cell.region,
            **cell.target.fields,
            layer_version=published.number,
            package=self.matrix.package,
            version=entry.version if entry else version_in(self.matrix, cell.target, published.description) or "?",
            arn=self.matrix.layer_arn(cell, published.number),
            sha256=published.sha256,
            size=published.size,
            unzipped_size=entry.unzipped_size if entry and same_bytes else None,
            published=datetime.strptime(published.created, CREATED_FORMAT),
            yanked=entry.yanked if entry else None,
        )


def _differences(published: PublishedVersion, public: bool | None, entry: Row | None, row: Row | None) -> Iterator[str]:
    """Yield how the layer version in AWS differs from its ledger entry and from the selected release."""
    if entry is None:
        yield f"layer version {published.number} is not in the ledger"
    elif entry.sha256 != published.sha256:
        in_ledger = f"the ledger has {entry.sha256[:12]}…"
        yield f"layer version {published.number} has sha256 {published.sha256[:12]}…, {in_ledger}"
    if row and row.layer_version > published.number:
        yield f"the ledger has layer version {row.layer_version}, AWS none above {published.number}"
    if entry and entry.yanked and public:
        yield f"layer version {published.number} was yanked and is public"
    if not (entry and entry.yanked) and public is False:
        yield f"layer version {published.number} is not public"
