"""The plan: the action for every cell that brings it to the release. A value, computed by a pure function.

``layers plan`` shows it, ``publish`` executes it, tests compare it. The rules:

- the release's bytes are at the number: keep them, or grant the permission if it is missing
- the cell is below the number: publish a placeholder or a backfill for each number in between, then publish
- anything else is at or above the number: a conflict, which is reported, never overwritten and never deleted
- the region is unreachable: deferred to the next run
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from builder.model.matrix import Cell, Matrix
from publisher.aws.gateway import Failure
from publisher.ledger.release import CellRecord, Release, at_number
from publisher.reconcile.number import Number
from publisher.reconcile.state import (
    CellState,
    Remote,
    carries,
    is_granted,
    is_placeholder,
    other_compatibility,
    version_in,
)

DELETED_ADVICE = (
    "find out who deletes layer versions (CloudTrail: DeleteLayerVersion), then publish at a new number with --rebuild"
)


@dataclass(frozen=True)
class Placeholder:
    """Publish a small private version whose description explains it, to use up a number."""

    number: int


@dataclass(frozen=True)
class Backfill:
    """Publish the recorded release's own bytes at its number, copied from another region, and make it public."""

    number: int
    version: str
    sha256: str
    sources: tuple[str, ...]  #: regions that hold these bytes at this number according to the ledger


@dataclass(frozen=True)
class Copy(Backfill):
    """Publish the bytes of a release that this ledger does not have, privately: its own publisher makes it public."""


@dataclass(frozen=True)
class Regrant:
    """Make the cell's newest version public: a backfill that an earlier run published but did not grant."""

    number: int
    version: str
    sha256: str


Preparation: TypeAlias = Placeholder | Backfill | Regrant


@dataclass(frozen=True)
class Keep:
    """Nothing to do: the bytes are there and granted."""

    kind: Literal["keep"] = "keep"


@dataclass(frozen=True)
class GrantOnly:
    """The bytes are there; the permission is missing."""

    kind: Literal["grant"] = "grant"


@dataclass(frozen=True)
class Publish:
    """Use up the numbers below, then publish the release."""

    first: tuple[Preparation, ...] = ()
    kind: Literal["publish"] = "publish"


@dataclass(frozen=True)
class Conflict:
    """The cell has something else at or above the number."""

    reason: str
    advice: str | None = None  #: None: what helps against any conflict
    kind: Literal["conflict"] = "conflict"


@dataclass(frozen=True)
class Defer:
    """Nothing is done in this run: the region is unreachable."""

    failure: Failure
    kind: Literal["defer"] = "defer"


Action: TypeAlias = Keep | GrantOnly | Publish | Conflict | Defer


@dataclass(frozen=True)
class Plan:
    """The actions of a publish, cell by cell in the matrix's order."""

    version: str
    number: Number
    actions: Mapping[Cell, Action]
    #: The sha256 of each target's zip, if it is known before a build.
    bytes_of: Mapping[str, str]
    #: Whether this release is already public at the number, in AWS or in the ledger.
    public: bool

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of cells for each kind of action."""
        return Counter(action.kind for action in self.actions.values())

    @property
    def placeholders(self) -> int:
        """The number of placeholders that the plan publishes."""
        return self._preparations(Placeholder)

    @property
    def backfills(self) -> int:
        """The number of versions of older releases that the plan publishes."""
        return self._preparations(Backfill)

    @property
    def new_versions(self) -> int:
        """The number of layer versions that the plan publishes."""
        return self.placeholders + self.backfills + self.counts.get("publish", 0)

    @property
    def publishing(self) -> tuple[str, ...]:
        """The ids of the targets whose bytes are needed, in order."""
        return tuple(
            dict.fromkeys(cell.target.id for cell, action in self.actions.items() if isinstance(action, Publish))
        )

    @property
    def conflict(self) -> str | None:
        """The first conflict of the plan, with its cell, or None."""
        conflicts = ((cell, action) for cell, action in self.actions.items() if isinstance(action, Conflict))
        return next((f"{cell.id}: {action.reason}" for cell, action in conflicts), None)

    def only(self, cells: Sequence[Cell]) -> Plan:
        """Return the part of the plan for these cells."""
        return replace(self, actions={cell: self.actions[cell] for cell in cells})

    def _preparations(self, kind: type[Preparation]) -> int:
        publishes = (action for action in self.actions.values() if isinstance(action, Publish))
        return sum(isinstance(each, kind) for action in publishes for each in action.first)


def make_plan(matrix: Matrix, version: str, number: Number, remote: Remote, releases: Sequence[Release]) -> Plan:
    """Return the plan for every cell of the matrix. ``remote`` must include the versions at ``number``."""
    planner = _Planner(matrix, version, number.value, remote, releases)
    actions = {cell: planner.action(cell) for cell in matrix.cells}
    recorded = planner.recorded
    public = (recorded is not None and recorded.public) or any(isinstance(each, Keep) for each in actions.values())
    return Plan(version, number, actions, planner.digests, public)


def is_kept_out(matrix: Matrix, plan: Plan, remote: Remote, recorded: Release | None) -> bool:
    """Return whether an incomplete release misses a cell for good, because another publisher of the matrix has used the
    number there.
    """
    if recorded is None or recorded.completed is not None:
        return False
    return any(
        (published := remote.cells[cell].published) is not None
        and recorded.cell(*cell.key) is None
        and (is_placeholder(published) or version_in(matrix, cell.target, published.description) is not None)
        for cell, action in plan.actions.items()
        if isinstance(action, Conflict)
    )


def release_bytes(matrix: Matrix, version: str, remote: Remote, recorded: Release | None) -> dict[str, str]:
    """Return each target's sha256, from the ledger or else the one in most cells: published bytes win.

    Bytes that an earlier run only planned to publish do not count if no region has them.
    """
    cells_by_digest: dict[str, Counter[str]] = {}
    for cell, state in remote.cells.items():
        if state.published is not None and carries(matrix, cell.target, state.published, version):
            cells_by_digest.setdefault(cell.target.id, Counter())[state.published.sha256] += 1
    result = {target: counts.most_common(1)[0][0] for target, counts in cells_by_digest.items()}
    if recorded is None:
        return result
    for target in recorded.targets:
        published = {cell.sha256 for cell in recorded.cells if cell.key[1] == target.id}
        # With two runs for the same version, the last one in the ledger may not be the one that published.
        if target.sha256 is not None and (target.sha256 in published or (not published and remote.unreachable)):
            result[target.id] = target.sha256
    return result


class _Planner:
    """Finds the action for a cell of a release at its number."""

    def __init__(self, matrix: Matrix, version: str, number: int, remote: Remote, releases: Sequence[Release]) -> None:
        self._matrix = matrix
        self._version = version
        self._number = number
        self._remote = remote
        self._releases = releases
        self.recorded = at_number(releases, number)
        self.digests = release_bytes(matrix, version, remote, self.recorded)

    def action(self, cell: Cell) -> Action:
        """Return the action for one cell."""
        if cell.region in self._remote.unreachable:
            return Defer(self._remote.unreachable[cell.region])
        state, number = self._remote.cells[cell], self._number
        if state.latest < number:
            gap = range(state.latest + 1, number)
            return Publish((*self._regrant(cell, state), *(self._preparation(cell, below) for below in gap)))
        if state.published is None:
            return Conflict(
                f"layer version {number} was deleted here, and AWS never assigns a number twice", DELETED_ADVICE
            )
        record = self.recorded.cell(*cell.key) if self.recorded else None
        if not carries(self._matrix, cell.target, state.published, self._version):
            return Conflict(f"layer version {number} is something else: {_quote(state.published.description)}")
        if state.published.sha256 not in self._accepted(cell, record):
            return Conflict(
                f"layer version {number} has the description of {self._version} but other bytes "
                f"({state.published.sha256[:12]}…); if it was published by hand, record it first: layers sync"
            )
        if is_granted(state.grants, self._matrix.permission):
            return Keep()
        for _, detail in other_compatibility(cell.target, state.published) if record is None else ():
            return Conflict(f"layer version {number} is not of this program: {detail}")
        return GrantOnly()

    def _accepted(self, cell: Cell, record: CellRecord | None) -> set[str | None]:
        """Return the digests of the bytes that the cell may have at the number.

        Cells of a release that was made by hand may differ, and so may cells that are already public.
        """
        target = self.recorded.target(cell.target.id) if self.recorded else None
        may_differ = record is not None and (record.public or target is None or target.sha256 is None)
        return {self.digests.get(cell.target.id), record.sha256 if record and may_differ else None}

    def _preparation(self, cell: Cell, number: int) -> Preparation:
        """Return what occupies a number below the release's."""
        release = at_number(self._releases, number)
        if release is None or release.yanked is not None:
            return Placeholder(number)
        copies = [record for record in release.cells if record.key[1] == cell.target.id and record.public]
        if not copies:
            return Placeholder(number)
        target = release.target(cell.target.id)
        sha256 = target.sha256 if target and target.sha256 else copies[0].sha256
        regions = tuple(record.region for record in copies if record.sha256 == sha256 and record.region != cell.region)
        return Backfill(number, release.version, sha256, regions) if regions else Placeholder(number)

    def _regrant(self, cell: Cell, state: CellState) -> tuple[Regrant, ...]:
        """Return the cell's newest version if its release is public, but not recorded as public in this cell."""
        release = at_number(self._releases, state.latest)
        newest = state.listed.get(state.latest)
        if release is None or release.yanked is not None or newest is None or not release.public:
            return ()
        if not carries(self._matrix, cell.target, newest, release.version):
            return ()
        record = release.cell(*cell.key)
        target = release.target(cell.target.id)
        if (record and record.public) or target is None or target.sha256 is None:
            return ()
        return (Regrant(state.latest, release.version, target.sha256),)


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…") if text else "a version without description"
