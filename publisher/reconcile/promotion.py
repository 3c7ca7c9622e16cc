"""Fetch a release from another account as artifacts for ``publish``: the same bytes, checked by sha256."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from builder.model.artifact import Artifact, Manifest, write_manifest
from builder.model.errors import DriftError, IncompleteError, InputError
from builder.model.file_access import write_atomically
from builder.model.matrix import Matrix
from builder.model.progress import Progress
from builder.model.target import Target
from publisher.aws.gateway import GatewayError, Lambda
from publisher.ledger.folder import Ledger
from publisher.ledger.release import CellRecord, Release, TargetRecord, at_number, newest_of, sbom_path
from publisher.reconcile.sources import unzipped_size


def release_to_promote(ledger: Ledger, number: int | None, where: str) -> Release:
    """Return the release with this number, or the newest. Raises InputError unless it is complete and not yanked."""
    releases = ledger.releases()
    newest = newest_of(each for each in releases if each.completed and not each.yanked)
    release = at_number(releases, number) if number else newest
    if release is None:
        raise InputError(
            f"the source ledger has no layer version {number}" if number else "the source ledger has no usable release",
            where=where,
            fix="give the source's ledger with --from-ledger, and one of its releases with --layer-version",
        )
    if release.yanked or not release.completed:
        state = f"yanked: {release.yanked.reason}" if release.yanked else "incomplete"
        raise InputError(
            f"layer version {release.layer_version} is {state}", where=where, fix="promote another release"
        )
    return release


def refuse_taken(release: Release, own_releases: Sequence[Release]) -> None:
    """Raise InputError if the account that gets the release has another release at its number."""
    existing = at_number(own_releases, release.layer_version)
    if existing and existing.cells and not existing.is_of(release.version):
        raise InputError(
            f"layer version {existing.layer_version} is {release.version} in the source, "
            f"{existing.version} in this account",
            fix=f"promote a release with a number above {own_releases[-1].layer_version}: in the source's account, "
            "`layers publish --rebuild` makes one",
        )


def fetch_release(
    matrix: Matrix,
    release: Release,
    ledger: Ledger,
    targets: Sequence[Target],
    reader: Callable[[str], Lambda],
    folder: Path,
    progress: Progress,
) -> Manifest:
    """Download the zips of these targets and write them with their manifest and SBOMs to a folder.

    ``matrix``: the one that gets the release. ``reader`` returns the ``Lambda`` of a region of the source. Raises
    InputError if the release does not have a target, DriftError if the source's bytes differ from its ledger.
    """
    if release.package != matrix.package:
        raise InputError(
            f"the source publishes {release.package}, the matrix {matrix.package}",
            fix="name the matrix of the same package with --from or --matrix",
        )
    folder.mkdir(parents=True, exist_ok=True)
    progress.begin(f"Fetching {release.package} {release.version}", len(targets))
    artifacts = []
    for target in targets:
        record = release.target(target.id)
        if record is None or record.sha256 is None:
            raise InputError(
                f"the source's ledger has no sha256 of {target.id}: its regions have different zips, or none",
                where=f"layer version {release.layer_version}",
                fix="promote a release that `layers publish` made, with every target of the matrix",
            )
        path = folder / f"{target.layer_name}.zip"
        _download([cell for cell in release.cells if cell.target_key.id == target.id], record.sha256, reader, path)
        artifacts.append(_artifact(target, record, release, ledger, path))
        progress.step(target.id)
    manifest = Manifest(package=release.package, version=release.version, artifacts=tuple(artifacts))
    write_manifest(folder, manifest)
    return manifest


def _download(cells: Sequence[CellRecord], sha256: str, reader: Callable[[str], Lambda], path: Path) -> None:
    """Download a zip from the first region of the source where that succeeds."""
    failures = []
    for cell in cells:
        try:
            gateway = reader(cell.region)
            published = gateway.get(cell.arn.rpartition(":")[0], cell.layer_version)
            if published is None:
                failures.append(f"{cell.region} (no such layer version)")
                continue
            if published.sha256 != sha256:
                raise DriftError(
                    f"the source holds {published.sha256}; its ledger has {sha256}",
                    where=cell.arn,
                    fix="run `layers audit` with the source's matrix",
                )
            gateway.download(published, path)
            return
        except GatewayError as error:
            failures.append(f"{cell.region} ({error.message})")
    raise IncompleteError(
        f"the zip cannot be downloaded from any region of the source: {'; '.join(failures) or 'it has no cell'}",
        where=path.stem,
        fix="use credentials that may read the source's layers (--from-profile NAME); if these may, run `layers audit` "
        "with the source's matrix",
    )


def _artifact(target: Target, record: TargetRecord, release: Release, ledger: Ledger, path: Path) -> Artifact:
    sbom = sbom_path(release.layer_version, record.layer_name)
    stored_name = f"{target.layer_name}.cdx.json" if record.sbom and sbom in ledger.sboms() else None
    if stored_name:
        write_atomically(path.parent / stored_name, ledger.sbom(sbom))
    return Artifact(
        target=target.id,
        **target.fields,
        file=path.name,
        sha256=record.sha256 or "",
        size=path.stat().st_size,
        unzipped_size=record.unzipped_size or unzipped_size(path),
        interpreter=record.interpreter,
        lock=record.lock or (),
        sbom=stored_name,
        sbom_sha256=record.sbom_sha256 if stored_name else None,
        signed_by=record.signed_by,
    )
