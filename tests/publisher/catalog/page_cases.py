"""A ledger like the official one in a year: yanked, rebuilt and incomplete releases, real packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from builder.model.artifact import Locked
from builder.model.cold_start import ColdStart
from builder.model.matrix import Matrix
from builder.model.runtimes import Architecture
from publisher.ledger.release import CellRecord, Release, TargetRecord, Yanked, sbom_path
from tests.publisher.reconcile.plan_cases import digest

DAY = datetime(2026, 9, 1, 9, 30, tzinfo=timezone.utc)
NASTY = 'a </script><img src=x onerror=alert(1)> & "wheel" for the wrong glibc'
BASE = {
    "annotated-types": "0.8.0", "anyio": "4.16.0", "attrs": "26.1.0", "boto3": "1.44.1", "botocore": "1.44.1",
    "certifi": "2026.10.18", "cffi": "2.1.1", "click": "8.5.1", "cryptography": "50.0.1", "docstring-parser": "0.18.0",
    "h11": "0.16.0", "httpcore": "1.0.9", "httpx": "0.28.1", "idna": "3.20", "jmespath": "1.1.0",
    "jsonschema": "4.26.0", "mcp": "2.1.0", "opentelemetry-api": "1.45.0", "opentelemetry-sdk": "1.45.0",
    "packaging": "26.3", "pycparser": "3.11", "pydantic": "2.14.3", "pydantic-core": "2.50.4", "pyjwt": "2.15.1",
    "python-dateutil": "2.9.0.post0", "pyyaml": "6.0.3", "referencing": "0.37.0", "rpds-py": "0.30.0",
    "s3transfer": "0.19.3", "six": "1.17.0", "sse-starlette": "3.5.1", "starlette": "1.7.0",
    "typing-extensions": "4.16.0", "urllib3": "2.8.0", "uvicorn": "0.54.0", "watchdog": "6.0.0", "wrapt": "2.5.2",
}  # fmt: skip


def official_matrix() -> Matrix:
    """Return three Pythons, two architectures and five regions in two partitions."""
    return Matrix.model_validate(
        {
            "account": "856699698935",
            "package": "strands-agents",
            "python": ["3.10", "3.12", "3.13"],
            "architectures": ["x86_64", "aarch64"],
            "regions": ["us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1", "us-gov-west-1"],
        }
    )


def official_history(matrix: Matrix) -> tuple[Release, ...]:
    """Return 1: published by hand; 2: yanked; 3: cold start not measured; 4: rebuilt from 3; 5: incomplete."""
    absent = {c.id for c in matrix.cells if c.region in ("ap-northeast-1", "us-gov-west-1")} | {
        "eu-central-1/py3.13-aarch64"
    }
    second = made(matrix, 2, "1.58.0", {"mcp": "2.0.3"}, grown=0.5)
    return (
        _by_hand(made(matrix, 1, "1.40.0", {}, grown=0)),
        second.model_copy(update={"yanked": Yanked(date=DAY + timedelta(days=45), reason=NASTY)}),
        _unmeasured(made(matrix, 3, "1.61.0", {"httpx": "0.28.1"}, grown=1.4)),
        made(matrix, 4, "1.61.0", {"cryptography": "50.0.2", "urllib3": "2.8.1"}, grown=1.5).model_copy(
            update={"rebuild": "CVE-2026-31337 in cryptography"}
        ),
        made(
            matrix, 5, "1.62.0",
            {"cryptography": "50.0.2", "urllib3": "2.8.1",
             "boto3": "1.44.5", "botocore": "1.44.5", "mcp-types": "2.1.1",
             "truststore": "0.10.5", "pycparser": "", "mcp": "2.1.1"},
            grown=2.6, without=frozenset(absent),
        ),
    )  # fmt: skip


def recorded_sboms(releases: Iterable[Release]) -> frozenset[str]:
    """Return the names of their SBOMs in the ledger."""
    return frozenset(sbom_path(each.layer_version, target.layer_name) for each in releases for target in each.targets)


def made(
    matrix: Matrix,
    number: int,
    version: str,
    packages: Mapping[str, str],
    *,
    grown: float,
    without: frozenset[str] = frozenset(),
) -> Release:
    """Return a release with ``BASE`` and these packages ("" removes one), ``grown`` MB larger than the first."""
    begun = DAY + timedelta(days=20 * number)
    targets = tuple(
        TargetRecord(
            **target.fields,
            sha256=digest(f"{number}/{target.id}"),
            size=int((34.1 + grown + place * 0.4) * 1048576),
            unzipped_size=int((73.5 + 2 * grown + place * 0.9) * 1048576),
            interpreter=f"{target.python}.7",
            lock=_lock(target.python, {"strands-agents": version, **BASE, **packages}),
            sbom=f"{target.layer_name}.cdx.json",
            sbom_sha256=digest(f"sbom of {number}/{target.id}"),
            cold_start=_cold_start(target.python, grown) if target.architecture is Architecture.X86_64 else None,
        )
        for place, target in enumerate(matrix.targets)
    )
    facts = {f"py{target.python}-{target.architecture}": target for target in targets}
    cells = tuple(
        CellRecord(
            region=cell.region,
            **cell.target.fields,
            layer_version=number,
            arn=matrix.layer_arn(cell, number),
            sha256=facts[cell.target.id].sha256 or "",
            size=facts[cell.target.id].size or 0,
            published=begun + timedelta(minutes=2),
            public=True,
        )
        for cell in matrix.cells
        if cell.id not in without
    )
    return Release(
        account=matrix.account, package=matrix.package, layer_name=matrix.layer_name, version=version,
        layer_version=number, begun=begun, completed=None if without else begun + timedelta(minutes=5),
        targets=targets, cells=cells,
    )  # fmt: skip


def _unmeasured(release: Release) -> Release:
    return release.model_copy(
        update={"targets": tuple(each.model_copy(update={"cold_start": None}) for each in release.targets)}
    )


def _cold_start(python: str, grown: float) -> ColdStart:
    imported = 0.7 + grown / 10
    return ColdStart(
        import_seconds=round(imported, 3), ready_seconds=round(imported + 0.24, 3), first_seconds=0.31,
        second_seconds=0.018, peak_memory=98_000_000, interpreter=f"{python}.7", machine="x86_64",
        processor="Example Processor 9000 @ 2.60GHz", starts=3,
    )  # fmt: skip


def _lock(python: str, packages: Mapping[str, str]) -> tuple[Locked, ...]:
    held = {name: version for name, version in packages.items() if version}
    if python == "3.10":
        held["exceptiongroup"] = "1.3.1"
    return tuple(
        Locked(name=name, version=version, filename=f"{name}.whl", sha256=digest(name))
        for name, version in sorted(held.items())
    )


def _by_hand(release: Release) -> Release:
    """Return the release as ``layers sync`` records it: no lock, no SBOM, bytes of one target by region, no 3.13."""
    targets = tuple(
        t.model_copy(
            update={
                "lock": None, "sbom": None, "sbom_sha256": None, "interpreter": None, "unzipped_size": None,
                "cold_start": None,
                "sha256": None if _drifted(t) else t.sha256, "size": None if _drifted(t) else t.size,
            }
        )
        for t in release.targets
        if t.python != "3.13"
    )  # fmt: skip
    cells = tuple(
        c.model_copy(update={"sha256": digest(c.arn), "size": c.size + place}) if _drifted(c) else c
        for place, c in enumerate(release.cells)
        if c.python != "3.13"
    )
    return release.model_copy(update={"targets": targets, "cells": cells})


def _drifted(made: TargetRecord | CellRecord) -> bool:
    return (made.python, made.architecture) == ("3.12", Architecture.X86_64)
