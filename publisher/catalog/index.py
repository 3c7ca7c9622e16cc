"""The index: every release and every ARN in one JSON document, ``docs/layers.json``.

It is the public form of the ledger. Tables, snippets and lookups are made from it alone, so that everybody who has the
published file finds what the publisher finds. Keys may be added at any time and readers ignore those that they
do not know; what a key means changes only with ``schema_version``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from pydantic import ConfigDict, Field

from builder.model.artifact import Sha256
from builder.model.cold_start import ColdStart, PackageImport
from builder.model.frozen import Frozen, Many
from builder.model.matrix import Matrix
from builder.model.recorded_fields import (
    CellField,
    LayerVersionField,
    Number,
    PythonField,
    RegionField,
    SchemaVersion,
    TrueOrFalse,
    UtcTime,
    VersionField,
    VersionText,
    WholeNumber,
)
from builder.model.regions import partition_of
from builder.model.runtimes import Architecture
from builder.model.target import OfTarget, TargetKey
from publisher.ledger.folder import SBOMS
from publisher.ledger.release import CellRecord, Release, TargetRecord, sbom_path

SCHEMA_VERSION: Final = 1
#: The slowest imports that the index lists for each zip.
MAX_SHOWN_IMPORTS: Final = 5


class _IndexModel(Frozen):
    """The base of the index's models. Ignores keys that a newer program wrote."""

    model_config = ConfigDict(extra="ignore")


class YankNotice(_IndexModel):
    """When and why a release was yanked."""

    date: UtcTime
    reason: str

    def __str__(self) -> str:
        return f"yanked on {self.date:%Y-%m-%d}: {self.reason}"


class Row(_IndexModel, OfTarget):
    """One layer version with all its recorded facts, as ``layers describe --json`` lists it."""

    region: str
    python: PythonField
    architecture: Architecture
    layer_name: str
    layer_version: LayerVersionField
    package: str
    version: VersionText  #: a placeholder in the templates of snippets
    arn: str
    sha256: Sha256
    size: WholeNumber
    unzipped_size: WholeNumber | None
    published: UtcTime
    yanked: YankNotice | None

    @property
    def target(self) -> str:
        """The target's identifier: ``py3.12-x86_64``."""
        return self.target_key.id


class IndexedColdStart(ColdStart):
    """The measured cold start of a zip on the named machine. The ledger has the times of all imports."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    imports: Many[PackageImport] = Field(default=(), exclude=True)
    import_ms: dict[str, Number] = Field(default_factory=dict)  #: of the slowest packages, with all that each imports


class IndexedTarget(_IndexModel, OfTarget):
    """The facts of one target's zip in a release. Unknown facts are null."""

    python: PythonField
    architecture: Architecture
    layer_name: str
    sha256: Sha256 | None
    size: WholeNumber | None
    unzipped_size: WholeNumber | None
    interpreter: str | None = None
    sbom: str | None = None
    sbom_path: str | None = None  #: its path relative to the index
    sbom_sha256: Sha256 | None = None
    cold_start: IndexedColdStart | None = None
    packages: dict[str, str] | None = None
    signed_by: str | None = None  #: AWS Signer: profile/version


class IndexedLayer(_IndexModel, OfTarget):
    """One layer version of a release."""

    region: RegionField
    python: PythonField
    architecture: Architecture
    layer_name: str
    arn: str
    sha256: Sha256
    size: WholeNumber
    published: UtcTime


class IndexedRelease(_IndexModel):
    """One package version at one layer version number. ``missing`` names the cells that it is not in yet."""

    layer_version: LayerVersionField
    version: VersionField
    published: UtcTime | None  #: when its first layer was published
    complete: TrueOrFalse
    missing: Many[CellField] = ()
    rebuild: str | None = None
    yanked: YankNotice | None = None
    changelog_url: str | None = None  #: the address of the package's release notes
    targets: Many[IndexedTarget] = ()
    layers: Many[IndexedLayer] = ()


class Index(_IndexModel):
    """The published releases, newest first, with their layers."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    account: str
    package: str
    layer_name: str  #: the template
    arn: str  #: the template
    python: Many[PythonField]
    architectures: Many[Architecture]
    regions: Many[RegionField]
    #: Cells that AWS cannot serve, each with the reason if one is recorded.
    unsupported: dict[CellField, str | None] = Field(default_factory=dict)
    releases: Many[IndexedRelease] = ()

    @cached_property
    def all_regions(self) -> tuple[str, ...]:
        """The regions of the matrix, then those of older releases only."""
        recorded = sorted({layer.region for release in self.releases for layer in release.layers})
        return tuple(dict.fromkeys((*self.regions, *recorded)))

    @property
    def latest(self) -> IndexedRelease | None:
        """The newest release that is complete and not yanked."""
        return next((release for release in self.releases if release.complete and not release.yanked), None)

    @property
    def newest(self) -> IndexedRelease | None:
        """The newest release that is not yanked; it may be incomplete."""
        return next((release for release in self.releases if release.layers and not release.yanked), None)

    def rows(self, release: IndexedRelease) -> tuple[Row, ...]:
        """Return a release's layers, region by region in the matrix's order."""
        order = {region: place for place, region in enumerate(self.all_regions)}
        ordered = sorted(release.layers, key=lambda layer: (order[layer.region], layer.target_key.order))
        targets = {target.target_key: target for target in release.targets}
        return tuple(self._row(release, layer, targets.get(layer.target_key)) for layer in ordered)

    def layer_arn(self, region: str, layer_name: str, number: int) -> str:
        """Return the ARN that AWS gives to a layer version of this publisher."""
        return f"arn:{partition_of(region)}:lambda:{region}:{self.account}:layer:{layer_name}:{number}"

    def _row(self, release: IndexedRelease, layer: IndexedLayer, target: IndexedTarget | None) -> Row:
        same_bytes = target is not None and target.sha256 == layer.sha256
        return Row(
            layer_version=release.layer_version,
            package=self.package,
            version=release.version,
            unzipped_size=target.unzipped_size if target and same_bytes else None,
            yanked=release.yanked,
            **layer.model_dump(),
        )


def make_index(matrix: Matrix, releases: Iterable[Release], sboms: Collection[str] = ()) -> Index:
    """Return the index of a ledger and of the SBOMs in it."""
    ordered = sorted(releases, key=lambda release: release.layer_version, reverse=True)
    return Index(
        account=matrix.account,
        package=matrix.package,
        layer_name=matrix.layer_name,
        arn=_arn_template(matrix),
        python=matrix.python,
        architectures=matrix.architectures,
        regions=matrix.regions,
        unsupported={
            f"{region}/{target.id}": entry.reason
            for region in matrix.regions
            for target in matrix.targets
            if (entry := matrix.unsupported_entry(region, target))
        },
        releases=tuple(_release(matrix, release, sboms) for release in ordered),
    )


def _arn_template(matrix: Matrix) -> str:
    partitions = {partition_of(region) for region in matrix.regions}
    partition = partitions.pop() if len(partitions) == 1 else "{partition}"
    name = matrix.layer_name.replace("{package}", matrix.package)
    return f"arn:{partition}:lambda:{{region}}:{matrix.account}:layer:{name}:{{layer_version}}"


def _release(matrix: Matrix, release: Release, sboms: Collection[str]) -> IndexedRelease:
    # Nobody can use a cell that is not public yet. The cells of a yanked release were public, and are listed.
    layers = tuple(cell for cell in release.cells if cell.public or release.yanked)
    keys = {cell.key for cell in layers}
    absent = tuple(cell.id for cell in matrix.cells if cell.key not in keys)
    missing = () if release.completed or release.yanked else absent
    return IndexedRelease(
        layer_version=release.layer_version,
        version=release.version,
        published=min((cell.published for cell in layers), default=None),
        complete=not missing,
        missing=missing,
        rebuild=release.rebuild,
        yanked=YankNotice(**release.yanked.model_dump()) if release.yanked else None,
        changelog_url=matrix.changelog_url and matrix.changelog_url.replace("{version}", quote(release.version)),
        targets=tuple(
            _target(release, target, sboms) for target in sorted(release.targets, key=lambda t: t.target_key.order)
        ),
        layers=tuple(_layer(cell) for cell in layers),
    )


def _target(release: Release, target: TargetRecord, sboms: Collection[str]) -> IndexedTarget:
    path = sbom_path(release.layer_version, target.layer_name)
    return IndexedTarget(
        **target.model_dump(exclude={"lock", "cold_start"}),
        cold_start=_cold_start(target.cold_start) if target.cold_start else None,
        sbom_path=f"{SBOMS}/{path}" if target.sbom_sha256 and path in sboms else None,
        packages={locked.name: locked.version for locked in target.lock} if target.lock is not None else None,
    )


def _cold_start(start: ColdStart) -> IndexedColdStart:
    slowest = {each.package: each.total_ms for each in start.imports[:MAX_SHOWN_IMPORTS]}
    return IndexedColdStart(**start.model_dump(), import_ms=slowest)


def _layer(cell: CellRecord) -> IndexedLayer:
    return IndexedLayer(**cell.model_dump(exclude={"layer_version", "public"}))


def split_cell(cell: str) -> tuple[str, TargetKey]:
    """Return the region and the target of a cell's id, ``us-east-1/py3.12-x86_64``."""
    region, _, target_id = cell.partition("/")
    return region, TargetKey.parse(target_id)


_encode = json.JSONEncoder(ensure_ascii=False).encode


def dump_rows(data: Any) -> str:
    """Return JSON with one row on each line, so that a diff shows a release as new lines and a yank as one line."""
    return "".join(_pieces(data, "")) + "\n"


def _pieces(value: Any, indent: str) -> Iterator[str]:
    inner = indent + "  "
    if isinstance(value, dict) and (not indent or any(_is_rows(item) for item in value.values())):
        items = [(f"{_encode(key)}: ", item) for key, item in value.items()]
        brackets = "{}"
    elif _is_rows(value):
        items = [("", item) for item in value]
        brackets = "[]"
    else:
        yield _encode(value)
        return
    yield brackets[0]
    for place, (lead, item) in enumerate(items):
        yield f"{',' if place else ''}\n{inner}{lead}"
        yield from _pieces(item, inner)
    yield f"\n{indent}{brackets[1]}"


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)
