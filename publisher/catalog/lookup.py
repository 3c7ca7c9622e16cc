"""Select layers from the index, or suggest similar values if there are none. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from builder.model.errors import InputError, UsageError
from builder.model.figures import first_names
from builder.model.matrix import parse_version
from builder.model.regions import did_you_mean, known_regions
from builder.model.selection import ARCHITECTURES, region_and_number
from builder.model.target import TargetKey
from builder.model.versions import same_version
from publisher.catalog.index import Index, IndexedRelease, Row, split_cell


@dataclass(frozen=True)
class Query:
    """The criteria of a lookup. An empty tuple selects all; without both versions, the newest usable release.

    Raises UsageError if it has both versions.
    """

    regions: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    version: str | None = None
    layer_version: int | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.layer_version is not None:
            raise UsageError("--version and --layer-version both select a release", fix="give one of them")

    def selects(self, region: str, target: TargetKey) -> bool:
        """Whether a cell is in the query's regions, and of its Pythons and architectures."""
        return (
            region in self.regions
            and (not self.pythons or target.python in self.pythons)
            and (not self.architectures or target.architecture in self.architectures)
        )


@dataclass(frozen=True)
class SelectedLayers:
    """The selected rows of one release, and notes for the reader."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def check(index: Index, query: Query) -> Query:
    """Return the query with patterns resolved and the version normalized. InputError on unknown names."""
    version = None if query.version in (None, "latest") else parse_version(str(query.version))
    return replace(
        query,
        regions=_regions(query.regions, index),
        pythons=_pythons(query.pythons, index),
        architectures=_architectures(query.architectures, index),
        version=version,
    )


def select(index: Index, query: Query) -> SelectedLayers:
    """Return the layers that the query selects, all of one release. Raises InputError if there are none."""
    query = check(index, query)
    if not index.releases:
        raise InputError(
            f"no release of {index.package} is recorded yet",
            fix="as publisher: `layers publish --version V`, or record existing layers with `layers sync`; as user: "
            "package it with your app by `layers package APP_DIR`",
        )
    candidates = _candidates(index, query)
    for release in candidates:
        rows = tuple(row for row in index.rows(release) if query.selects(row.region, row.target_key))
        if rows:
            return SelectedLayers(rows, _notes(release, candidates[0], query, index.unsupported))
    for cell, reason in index.unsupported.items():
        if query.selects(*split_cell(cell)):
            raise InputError(
                f"AWS does not support a layer for {cell}{': ' + reason if reason else ''}",
                where=cell,
                fix="choose another region, Python or architecture: `layers describe --region all` shows what there is",
            )
    raise InputError(
        f"{index.package} {candidates[0].version} (layer version {candidates[0].layer_version}) "
        f"has no layer for {_describe_query(query)}",
        fix="it may not be published there yet: `layers publish` completes a release"
        if not candidates[0].complete
        else "leave --version and --layer-version out to see the newest one there",
    )


def _candidates(index: Index, query: Query) -> list[IndexedRelease]:
    """Return the releases that match the query, the best first. Raises InputError if there are none."""
    if query.layer_version is not None:
        releases = [release for release in index.releases if release.layer_version == query.layer_version]
        if not releases:
            numbers = ", ".join(f"{r.layer_version} ({r.version})" for r in index.releases[:8])
            raise InputError(f"layer version {query.layer_version} is not recorded", fix=f"the newest are {numbers}")
        return releases
    usable = [release for release in index.releases if not release.yanked]
    if query.version is None:
        if not usable:
            raise InputError("every recorded release was yanked", fix="select one with --version or --layer-version")
        return usable
    releases = [release for release in index.releases if same_version(release.version, query.version)]
    if not releases:
        versions = list(dict.fromkeys(release.version for release in index.releases))
        fix = did_you_mean(query.version, versions) or f"the newest with one are {', '.join(versions[:8])}"
        if query.version in {str(release.layer_version) for release in index.releases}:
            fix = f"did you mean --layer-version {query.version}?"
        raise InputError(f"{index.package} {query.version} has no layer", fix=fix)
    return [release for release in releases if not release.yanked] or releases


def _notes(
    release: IndexedRelease, newest: IndexedRelease, query: Query, unsupported: Mapping[str, str | None]
) -> tuple[str, ...]:
    notes = []
    if release is not newest:
        notes.append(
            f"layer version {newest.layer_version} ({newest.version}) is not there for {_describe_query(query)}; "
            f"this is layer version {release.layer_version}"
        )
    absent = [cell for cell in release.missing if query.selects(*split_cell(cell))]
    notes += [
        f"not supported by AWS: {cell}{': ' + reason if reason else ''}"
        for cell, reason in unsupported.items()
        if query.selects(*split_cell(cell))
    ][:8]
    if absent:
        notes.append(f"not published there yet: {first_names(absent, 8)}")
    if release.yanked:
        notes.append(str(release.yanked))
    return tuple(notes)


def _describe_query(query: Query) -> str:
    pythons = [f"Python {python}" for python in query.pythons]
    regions = list(query.regions) if len(query.regions) <= 4 else [f"these {len(query.regions)} regions"]
    return ", ".join([*pythons, *query.architectures, *regions])


def _regions(patterns: Sequence[str], index: Index) -> tuple[str, ...]:
    if not patterns:
        return index.all_regions
    chosen: set[str] = set()
    for pattern in patterns:
        matching = [r for r in index.all_regions if pattern in ("all", r) or fnmatchcase(r, pattern)]
        if not matching:
            raise InputError(_no_region(pattern), fix=_region_hint(pattern, index))
        chosen.update(matching)
    return tuple(region for region in index.all_regions if region in chosen)


def _no_region(pattern: str) -> str:
    if any(letter in pattern for letter in "*?["):
        return f"no region of the layers matches {pattern!r}"
    return f"{pattern!r} " + ("has no layers" if pattern in known_regions() else "is not an AWS region")


def _region_hint(pattern: str, index: Index) -> str:
    if pattern and any(region.startswith(pattern) for region in index.all_regions):
        return f"did you mean '{pattern}*'?"
    if arn := region_and_number(pattern):
        return f"did you mean --region {arn[0]}?"
    near = None if pattern in known_regions() else did_you_mean(pattern, list(index.all_regions))
    return near or f"the layers are in {', '.join(index.all_regions)}"


def _pythons(words: Sequence[str], index: Index) -> tuple[str, ...]:
    recorded = (target.python for release in index.releases for target in release.targets)
    available = list(dict.fromkeys((*index.python, *recorded)))
    for word in words:
        if word not in available:
            digits = re.sub(r"[^0-9]", "", word)
            exact = [python for python in available if python.replace(".", "") == digits]
            meant = next(iter(exact or [python for python in available if word.startswith(f"{python}.")]), None)
            raise InputError(
                f"no layer is for Python {word!r}",
                fix=f"did you mean {meant}?" if meant else f"there are layers for --python {', '.join(available)}",
            )
    return tuple(dict.fromkeys(words))


def _architectures(words: Sequence[str], index: Index) -> tuple[str, ...]:
    recorded = (target.architecture for release in index.releases for target in release.targets)
    available = list(dict.fromkeys((*index.architectures, *recorded)))
    for word in words:
        if word not in available:
            meant = ARCHITECTURES.get(word.lower().replace("-", "_"))
            raise InputError(
                f"no layer is for architecture {str(word)!r}",
                fix=f"did you mean {meant}?"
                if meant in available
                else f"there are layers for --arch {', '.join(available)}",
            )
    return tuple(dict.fromkeys(words))
