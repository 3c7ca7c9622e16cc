"""The ledger's records: one release a file, in a form that a person can read and a schema describes.

Documentation is made from these and from nothing else, so they hold what was really published: every ARN, its
sha256, its date, and for each target what is in its zip. ``docs/ledger.schema.json`` is made from these classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from packaging.version import Version
from pydantic import Field, model_validator

from builder.model.artifact import Locked, Sha256
from builder.model.cold_start import ColdStart
from builder.model.frozen import Frozen, Many
from builder.model.matrix import Cell, Matrix
from builder.model.recorded_fields import (
    LayerVersionField,
    PythonField,
    RegionField,
    SchemaVersion,
    TrueOrFalse,
    UtcTime,
    VersionField,
    WholeNumber,
)
from builder.model.runtimes import Architecture
from builder.model.target import OfTarget


class TargetRecord(Frozen, OfTarget):
    """The facts of one target's zip in this release. Unknown facts (of a release made by hand) are null."""

    python: PythonField
    architecture: Architecture
    layer_name: str
    sha256: Sha256 | None  #: of the zip that every cell of the target has or will get; null if cells differ
    size: WholeNumber | None = None  #: bytes, zipped
    unzipped_size: WholeNumber | None = None
    interpreter: str | None = None  #: the CPython that made the bytecode
    lock: Many[Locked] | None = None
    sbom: str | None = None  #: the SBOM's file name
    sbom_sha256: Sha256 | None = None
    cold_start: ColdStart | None = None  #: as measured on the machine that it names
    signed_by: str | None = None  #: AWS Signer: profile/version

    @property
    def id(self) -> str:
        """The target's identifier: ``py3.12-x86_64``."""
        return self.target_key.id

    def with_facts_of(self, other: TargetRecord) -> TargetRecord:
        """Return this record, with the facts that only another record of the same bytes has."""
        if self.sha256 is None or self.sha256 != other.sha256:
            return self
        missing = [name for name in type(self).model_fields if getattr(self, name) is None]
        return self.model_copy(update={name: getattr(other, name) for name in missing})


class VersionRecord(Frozen, OfTarget):
    """One layer version in one cell."""

    region: RegionField
    python: PythonField
    architecture: Architecture
    layer_version: LayerVersionField
    arn: str

    @property
    def key(self) -> tuple[str, str]:
        """The cell: region and target id."""
        return self.region, self.target_key.id

    @property
    def cell_id(self) -> str:
        """The cell's identifier: ``us-east-1/py3.12-x86_64``."""
        return "/".join(self.key)


class CellRecord(VersionRecord):
    """A layer version of the release; ``public`` once AWS has confirmed its permission."""

    layer_name: str
    sha256: Sha256
    size: WholeNumber
    published: UtcTime  #: when AWS created it
    public: TrueOrFalse


class LowerVersionRecord(VersionRecord):
    """A version that was published below the release's number so that the layer could reach the number."""

    kind: Literal["placeholder", "backfill"]


class UnexpectedVersionRecord(VersionRecord):
    """A private version that belongs to no release: AWS assigned another number than expected, or the release moved
    on to a higher number."""

    reason: str


class Yanked(Frozen):
    """A release was yanked: its permissions were revoked."""

    date: UtcTime
    reason: str


class Release(Frozen):
    """One package version at one layer version number over all cells."""

    schema_version: SchemaVersion = 1
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    package: str
    layer_name: str  #: the matrix's template
    version: VersionField
    layer_version: LayerVersionField
    begun: UtcTime
    completed: UtcTime | None = None  #: when every cell of the matrix was first published, public and read back
    rebuild: str | None = None  #: why the same package version was published again at this number
    yanked: Yanked | None = None
    announced: Literal["published", "yanked"] | None = None  #: the last state that the matrix's SNS topic got
    targets: Many[TargetRecord] = ()
    cells: Many[CellRecord] = ()
    lower_versions: Many[LowerVersionRecord] = ()
    unexpected_versions: Many[UnexpectedVersionRecord] = ()

    @classmethod
    def started(cls, matrix: Matrix, version: str, number: int, begun: datetime) -> Release:
        """Return the record of a release of the matrix's package without any cell."""
        return cls(
            account=matrix.account,
            package=matrix.package,
            layer_name=matrix.layer_name,
            version=version,
            layer_version=number,
            begun=begun,
        )

    @model_validator(mode="before")
    @classmethod
    def _rename_older_keys(cls, data: Any) -> Any:
        """Rename the keys ``fillers`` and ``surplus``, and the kind ``reserved``, which older programs wrote."""
        if not isinstance(data, dict):
            return data
        renamed = {"fillers": "lower_versions", "surplus": "unexpected_versions"}
        if both := [f"{old} and {new}" for old, new in renamed.items() if old in data and new in data]:
            raise ValueError(f"has both {both[0]}, which are names of one key")
        data = {renamed.get(key, key): value for key, value in data.items()}
        lower = data.get("lower_versions")
        for each in lower if isinstance(lower, list) else ():
            if isinstance(each, dict) and each.get("kind") == "reserved":
                each["kind"] = "placeholder"
        return data

    @model_validator(mode="after")
    def _refuse_repetitions(self) -> Release:
        names = [*(target.id for target in self.targets), *("/".join(cell.key) for cell in self.cells)]
        if repeated := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"{repeated[0]} is recorded twice")
        return self

    @property
    def versions(self) -> tuple[VersionRecord, ...]:
        """Every layer version in the record."""
        return (*self.cells, *self.lower_versions, *self.unexpected_versions)

    @property
    def public(self) -> bool:
        """Whether any cell is public."""
        return any(cell.public for cell in self.cells)

    def is_public_in(self, cells: Iterable[Cell]) -> bool:
        """Whether each of these cells has the release, public."""
        public = {record.key for record in self.cells if record.public}
        return all(cell.key in public for cell in cells)

    def is_of(self, version: str) -> bool:
        """Whether it is a release of this package version."""
        return Version(self.version) == Version(version)

    def target(self, target_id: str) -> TargetRecord | None:
        """Return the record of a target, or None."""
        return next((target for target in self.targets if target.id == target_id), None)

    def cell(self, region: str, target_id: str) -> CellRecord | None:
        """Return the record of a cell, or None."""
        return next((cell for cell in self.cells if cell.key == (region, target_id)), None)

    def with_targets(self, *records: TargetRecord) -> Release:
        """Return the release with these target records, which replace those of the same target.

        Facts of bytes that stay the same are kept.
        """
        merged = {target.id: target for target in self.targets}
        for record in records:
            before = merged.get(record.id)
            merged[record.id] = record.with_facts_of(before) if before else record
        ordered = sorted(merged.values(), key=lambda target: target.target_key.order)
        return self.model_copy(update={"targets": tuple(ordered)})

    def with_cells(self, *records: CellRecord) -> Release:
        """Return the release with these cell records, which replace those of the same cell."""
        merged = {cell.key: cell for cell in (*self.cells, *records)}
        ordered = sorted(merged.values(), key=lambda cell: (cell.region, cell.target_key.order))
        return self.model_copy(update={"cells": tuple(ordered)})


def at_number(releases: Iterable[Release], number: int) -> Release | None:
    """Return the release that has this layer version number, or None."""
    return next((release for release in releases if release.layer_version == number), None)


def newest_of(releases: Iterable[Release]) -> Release | None:
    """Return the release with the highest layer version number, or None."""
    return max(releases, key=lambda release: release.layer_version, default=None)


def last_before(releases: Iterable[Release], number: int | None = None) -> Release | None:
    """Return the newest release below a number that is not yanked: what a new release is compared with."""
    return newest_of(r for r in releases if not r.yanked and r.targets and (number is None or r.layer_version < number))


def last_sizes(releases: Iterable[Release]) -> dict[str, tuple[int | None, int | None]]:
    """Return the zipped and unzipped sizes of the last release by target id, for a budget that limits growth."""
    last = last_before(releases)
    return {record.id: (record.size, record.unzipped_size) for record in last.targets} if last else {}


def sbom_path(number: int, layer_name: str) -> str:
    """Return the path of the SBOM of a release's layer, below the ledger's and the catalog's ``sbom/``."""
    return f"{number:04d}/{layer_name}.cdx.json"
