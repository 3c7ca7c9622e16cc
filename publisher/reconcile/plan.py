"""The plan: for every cell what has to be done so that it is at the release. A value, made by a pure function.

``layers plan`` shows it, ``publish`` carries it out, tests compare it. The rules are those of the design:

- at the number with the release's bytes: keep, or grant where the permission is missing
- below the number: fill the numbers between, then publish
- at or above the number with anything else: conflict, named, never overwritten and never deleted
- region silent: deferred to the next run
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from builder.model.matrix import Cell, Matrix
from publisher.aws.gateway import Failure
from publisher.ledger.release import CellRecord, Release, at_number
from publisher.reconcile.number import Number
from publisher.reconcile.state import CellState, Remote, carries, is_granted


@dataclass(frozen=True)
class Reserve:
    """Fill a number with a tiny private version that says what it is."""

    number: int


@dataclass(frozen=True)
class Backfill:
    """Fill a number with the recorded release's own bytes, public, from another region's copy."""

    number: int
    version: str
    sha256: str
    sources: tuple[str, ...]  #: regions that are recorded to hold these bytes at this number


@dataclass(frozen=True)
class Regrant:
    """Make a backfilled number public whose run died before it could: it is the newest of its cell."""

    number: int
    version: str
    sha256: str


Fill: TypeAlias = Reserve | Backfill | Regrant


@dataclass(frozen=True)
class Keep:
    """Nothing to do: the bytes are there and granted."""

    kind: Literal["keep"] = "keep"


@dataclass(frozen=True)
class Permit:
    """The bytes are there; the permission is not."""

    kind: Literal["grant"] = "grant"


@dataclass(frozen=True)
class Publish:
    """Fill the numbers below, then publish the release."""

    fills: tuple[Fill, ...] = ()
    kind: Literal["publish"] = "publish"


@dataclass(frozen=True)
class Conflict:
    """Something else stands at or above the number."""

    reason: str
    kind: Literal["conflict"] = "conflict"


@dataclass(frozen=True)
class Defer:
    """The region could not be read."""

    failure: Failure
    kind: Literal["defer"] = "defer"


Action: TypeAlias = Keep | Permit | Publish | Conflict | Defer


@dataclass(frozen=True)
class Plan:
    """What a publish would do, cell by cell in the matrix's order."""

    version: str
    number: Number
    actions: Mapping[Cell, Action]
    #: The sha256 that each target's cells have or must get, where it is known before a build.
    bytes_of: Mapping[str, str]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cells have each kind of action."""
        return Counter(action.kind for action in self.actions.values())

    @property
    def fills(self) -> int:
        """How many numbers have to be filled before the release can have its own."""
        return sum(
            not isinstance(fill, Regrant)
            for action in self.actions.values()
            if isinstance(action, Publish)
            for fill in action.fills
        )

    @property
    def new_versions(self) -> int:
        """How many layer versions the plan makes."""
        return self.fills + self.counts.get("publish", 0)

    @property
    def publishing(self) -> tuple[str, ...]:
        """The ids of the targets whose bytes are needed, in order."""
        return tuple(
            dict.fromkeys(cell.target.id for cell, action in self.actions.items() if isinstance(action, Publish))
        )


def make_plan(
    matrix: Matrix,
    version: str,
    number: Number,
    remote: Remote,
    releases: Sequence[Release],
    selected: Sequence[Cell],
) -> Plan:
    """The plan for the selected cells; ``remote`` was looked at whole, with what stands at ``number``."""
    recorded = at_number(releases, number.value)
    wanted = release_bytes(matrix, version, number.value, remote, recorded)
    actions: dict[Cell, Action] = {}
    for cell in selected:
        if cell.region in remote.silent:
            actions[cell] = Defer(remote.silent[cell.region])
        else:
            state = remote.cells[cell]
            record = recorded.cell(cell.region, cell.target.id) if recorded else None
            actions[cell] = _action(matrix, version, number.value, cell, state, wanted, record, releases)
    return Plan(version, number, actions, wanted)


def release_bytes(
    matrix: Matrix, version: str, number: int, remote: Remote, recorded: Release | None
) -> dict[str, str]:
    """Each target's sha256, by the ledger or else by what most cells hold: bytes already published win.

    Bytes that a run only meant to publish bind nobody, as long as every region says that it has none of them.
    """
    found: dict[str, Counter[str]] = {}
    for cell, state in remote.cells.items():
        if state.held is not None and carries(matrix, cell.target, state.held, version):
            found.setdefault(cell.target.id, Counter())[state.held.sha256] += 1
    result = {target: counts.most_common(1)[0][0] for target, counts in found.items()}
    for target in recorded.targets if recorded else ():
        published = any(cell.key[1] == target.id for cell in recorded.cells) if recorded else False
        if target.sha256 is not None and (published or remote.silent):
            result[target.id] = target.sha256
    return result


def _action(
    matrix: Matrix,
    version: str,
    number: int,
    cell: Cell,
    state: CellState,
    wanted: Mapping[str, str],
    record: CellRecord | None,
    releases: Sequence[Release],
) -> Action:
    if state.latest < number:
        gap = range(state.latest + 1, number)
        return Publish((*_regrant(matrix, cell, state, releases), *(_fill(cell, n, releases) for n in gap)))
    if state.held is None:
        return Conflict(f"AWS has counted to {state.latest} here, and number {number} was deleted")
    accepted = {wanted.get(cell.target.id), record.sha256 if record else None}
    if not carries(matrix, cell.target, state.held, version):
        return Conflict(f"number {number} is taken by something else: {_quote(state.held.description)}")
    if state.held.sha256 not in accepted:
        return Conflict(
            f"number {number} says {version} but holds other bytes ({state.held.sha256[:12]}…); "
            "if it was published by hand, record it first: layers sync"
        )
    return Keep() if is_granted(state.grants, matrix.permission) else Permit()


def _fill(cell: Cell, number: int, releases: Sequence[Release]) -> Fill:
    release = at_number(releases, number)
    if release is None or release.yanked is not None:
        return Reserve(number)
    copies = [record for record in release.cells if record.key[1] == cell.target.id and record.public]
    if not copies:
        return Reserve(number)
    target = release.target(cell.target.id)
    sha256 = target.sha256 if target and target.sha256 else copies[0].sha256
    regions = tuple(record.region for record in copies if record.sha256 == sha256 and record.region != cell.region)
    return Backfill(number, release.version, sha256, regions) if regions else Reserve(number)


def _regrant(matrix: Matrix, cell: Cell, state: CellState, releases: Sequence[Release]) -> tuple[Regrant, ...]:
    """A recorded release's number that this cell has without a record that it is public there."""
    release = at_number(releases, state.latest)
    newest = state.listed.get(state.latest)
    if release is None or release.yanked is not None or newest is None:
        return ()
    if not carries(matrix, cell.target, newest, release.version):
        return ()
    record = release.cell(cell.region, cell.target.id)
    target = release.target(cell.target.id)
    if (record and record.public) or target is None or target.sha256 is None:
        return ()
    return (Regrant(state.latest, release.version, target.sha256),)


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…") if text else "a version without description"
