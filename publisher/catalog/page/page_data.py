"""The JSON data of the page: the index without values that the page can derive, so that 40 releases stay small. Pure.

The page derives an ARN from its region, layer name and number, and a cell's zip from its target's. ``other`` holds the
exceptions; ``regions`` and ``pending`` are present only if a layer is not in every region. There is one snippet per
target and tool, with marks such as ``@@name@@`` in place of what the reader chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from builder.model.escape import escape
from builder.model.regions import partition_of
from builder.model.target import TargetKey
from publisher.catalog.index import (
    Index,
    IndexedColdStart,
    IndexedLayer,
    IndexedRelease,
    IndexedTarget,
    Row,
    split_cell,
)
from publisher.catalog.release_status import date, marks
from publisher.catalog.snippets import FORMATS
from publisher.catalog.snippets.render import snippet

_NUMBER = 4102444799  # a number that occurs nowhere else in a snippet; ``@@number@@`` replaces it


def page_data(index: Index) -> dict[str, Any]:
    """Return everything that the page shows, ready for JSON."""
    targets = _targets(index)
    newest = index.newest or next(iter(index.releases), None)
    return {
        "package": index.package,
        "account": index.account,
        "newest": newest.layer_version if newest else None,
        "tools": [{"id": form, "name": name} for form, name in FORMATS.items() if form != "arn"],
        "regions": [{"name": region, "partition": partition_of(region)} for region in index.all_regions],
        "targets": [
            {
                "python": target.python,
                "architecture": target.architecture.value,
                "name": name,
                "snippets": _snippets(index, target),
                "unsupported": _unsupported(index, target),
            }
            for target, name in targets.items()
        ],
        "releases": [
            _release(index, release, targets) for release in index.releases if release.layers or release.targets
        ],
    }


def _targets(index: Index) -> dict[TargetKey, str]:
    """Return the layer name of every target in any release, in the usual order of targets."""
    names: dict[TargetKey, str] = {}
    for release in index.releases:
        recorded: tuple[IndexedTarget | IndexedLayer, ...] = (*release.targets, *release.layers)
        for target in recorded:
            names.setdefault(target.target_key, target.layer_name)
    return {key: names[key] for key in sorted(names, key=lambda key: key.order)}


def _unsupported(index: Index, target: TargetKey) -> dict[str, str]:
    """Return the regions where AWS cannot serve a target, each with the recorded reason."""
    cells = {split_cell(cell): escape(reason or "") for cell, reason in index.unsupported.items()}
    return {region: reason for (region, unsupported), reason in cells.items() if unsupported == target}


def _snippets(index: Index, target: TargetKey) -> dict[str, str]:
    """Return each tool's snippet for one target. ``@@layer@@`` is the ARN without its number."""
    row = Row(
        region="@@region@@",
        python=target.python,
        architecture=target.architecture,
        layer_name="@@name@@",
        layer_version=_NUMBER,
        package=index.package,
        version="@@version@@",
        arn=f"@@layer@@:{_NUMBER}",
        sha256="0" * 64,
        size=0,
        unzipped_size=None,
        published=datetime(1970, 1, 1, tzinfo=timezone.utc),
        yanked=None,
    )
    return {form: snippet(form, [row]).replace(str(_NUMBER), "@@number@@") for form in FORMATS if form != "arn"}


def _release(index: Index, release: IndexedRelease, targets: dict[TargetKey, str]) -> dict[str, Any]:
    facts = {target.target_key: target for target in release.targets}
    layers: dict[TargetKey, list[IndexedLayer]] = {}
    for layer in release.layers:
        layers.setdefault(layer.target_key, []).append(layer)
    pending: dict[TargetKey, list[str]] = {}
    for region, target in map(split_cell, release.missing):
        pending.setdefault(target, []).append(region)
    return {
        "number": release.layer_version,
        "version": release.version,
        "date": date(release),
        "marks": [[mark.word, mark.detail, mark.reason] for mark in marks(index, release)],
        "packages": _packages(facts, list(targets)),
        "targets": [
            {
                "target": place,
                **_facts(facts.get(key)),
                **_region_fields(index, layers.get(key, ()), pending.get(key, ())),
                **_exceptions(index, facts.get(key), layers.get(key, ()), release.layer_version, name),
            }
            for place, (key, name) in enumerate(targets.items())
            if key in facts or key in layers or key in pending
        ],
    }


def _facts(target: IndexedTarget | None) -> dict[str, Any]:
    if target is None:
        return {}
    facts = {
        "sha256": target.sha256,
        "size": target.size,
        "unzipped": target.unzipped_size,
        "interpreter": target.interpreter and escape(target.interpreter),
        "sbom": target.sbom_path or target.sbom,
        "sbomIsPublished": bool(target.sbom_path) or None,
        "sbomSha256": target.sbom_sha256,
        "signedBy": target.signed_by,
        "start": _start(target.cold_start),
        "packages": None if target.packages is None else len(target.packages),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _start(cold_start: IndexedColdStart | None) -> dict[str, Any] | None:
    """Return the cold start measurements, in seconds and bytes, and the machine that they are from."""
    if cold_start is None:
        return None
    return {
        "importing": cold_start.import_seconds,
        "ready": cold_start.ready_seconds,
        "first": cold_start.first_seconds,
        "second": cold_start.second_seconds,
        "memory": cold_start.peak_memory,
        "python": escape(cold_start.interpreter),
        "on": escape(", ".join(filter(None, (cold_start.machine, cold_start.processor)))),
        "starts": cold_start.starts,
        **({"slowest": list(cold_start.import_ms.items())} if cold_start.import_ms else {}),
    }


def _region_fields(index: Index, layers: Sequence[IndexedLayer], pending: Sequence[str]) -> dict[str, Any]:
    """Return the regions that have the layer (no such key if all have it), and those where it is not published yet."""
    regions = {layer.region for layer in layers}
    places = {} if len(regions) == len(index.all_regions) else {"regions": _places(index, regions)}
    return {**places, **({"pending": _places(index, pending)} if pending else {})}


def _exceptions(
    index: Index, target: IndexedTarget | None, layers: Sequence[IndexedLayer], number: int, name: str
) -> dict[str, Any]:
    """Return the cells whose zip or ARN differs from what the page derives."""
    by_name: dict[str, dict[str, Any]] = {}
    for layer in layers:
        differs: dict[str, Any] = {}
        if target is None or layer.sha256 != target.sha256 or layer.size != target.size:
            differs |= {"sha256": layer.sha256, "size": layer.size}
        if layer.arn != index.layer_arn(layer.region, name, number):
            differs["layer"] = layer.arn.rpartition(":")[0]
        if differs:
            by_name[layer.region] = differs
    return {"other": by_name} if by_name else {}


def _places(index: Index, regions: Iterable[str]) -> list[int]:
    return sorted(index.all_regions.index(region) for region in regions)


def _packages(facts: dict[TargetKey, IndexedTarget], targets: Sequence[TargetKey]) -> list[list[Any]]:
    """Return ``[name, version]`` for packages that every known target has, else ``[name, version, targets]``."""
    holders: dict[tuple[str, str], list[int]] = {}
    with_packages = [key for key, target in facts.items() if target.packages is not None]
    for key in with_packages:
        for name, version in (facts[key].packages or {}).items():
            holders.setdefault((escape(name), escape(version)), []).append(targets.index(key))
    return [
        [*package, *([] if len(holders[package]) == len(with_packages) else [sorted(holders[package])])]
        for package in sorted(holders)
    ]
