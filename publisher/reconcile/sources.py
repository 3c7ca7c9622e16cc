"""Get the zips of a release. Bytes that are published already are preferred to any new build.

For each target that has cells to publish, in this order: the given artifact, if its bytes are the release's; a copy
from a region that has them; a build from the release's recorded lock. Only a release that exists nowhere uses
the zip of a new build.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.model.artifact import Artifact, BuildOutput
from builder.model.errors import InputError, read_error
from builder.model.file_access import sha256_of
from builder.model.matrix import Matrix
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, ZIPPED_LIMIT_BYTES
from builder.model.target import Target
from builder.model.zip_damage import ZIP_DAMAGE
from publisher.aws.gateway import GatewayError, Zip
from publisher.aws.publish_request import MAX_REQUEST_BYTES
from publisher.aws.signing import Signer, is_signed
from publisher.ledger.release import TargetRecord, at_number, last_sizes
from publisher.reconcile.artifact_facts import Facts, bare_facts, facts_of, refuse_failed
from publisher.reconcile.plan import Backfill, Publish
from publisher.reconcile.run import Prepared

#: The limit for the rest of a request, besides the zip.
MAX_OTHER_REQUEST_BYTES = 4096


@dataclass(frozen=True)
class Payload:
    """The zip for one target, checked, and the facts to record about it."""

    zip: Zip
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class Sources(Prepared):
    """A run with the sources of its zips: artifacts, regions, builds."""

    artifacts: BuildOutput | None
    folder: Path  #: for downloads and builds
    signer: Signer | None = None  #: signs new bytes, once

    def record_of(self, target: Target) -> TargetRecord | None:
        """Return what the ledger has of a target in this release."""
        recorded = at_number(self.releases, self.plan.number.value)
        return recorded.target(target.id) if recorded else None


def gather(sources: Sources) -> dict[str, Payload]:
    """Return the payload of every target that the plan publishes, by target id. Nothing in AWS is changed.

    A target whose zip is published already, but cannot be downloaded now, is left out: the next run publishes it.
    """
    payloads: dict[str, Payload] = {}
    to_build: list[Target] = []
    for target in sources.matrix.targets:
        if target.id not in sources.plan.publishing:
            continue
        available = _use_artifact(sources, target) or _copy_from_regions(sources, target)
        if available:
            payloads[target.id] = available
        else:
            to_build.append(target)
    if to_build:
        payloads.update(_build_payloads(sources, tuple(to_build)))
    if sources.signer:
        new = [target_id for target_id in payloads if target_id not in sources.plan.bytes_of]
        payloads |= {each: _sign(payloads[each], sources.signer, sources) for each in new}
    for payload in payloads.values():
        _check_sizes(payload, sources.matrix)
    return payloads


def _sign(payload: Payload, signer: Signer, sources: Sources) -> Payload:
    """Return the payload with the signed zip. A zip that came signed, from another account, stays as it is."""
    if is_signed(payload.zip.path):
        return payload
    zip_, profile = signer.sign(payload.zip, sources.folder)
    update = {"sha256": zip_.sha256, "size": zip_.size, "unzipped_size": unzipped_size(zip_.path), "signed_by": profile}
    sources.progress.note(f"{payload.facts.record.id}: signed by {profile}")
    return replace(
        payload, zip=zip_, facts=replace(payload.facts, record=payload.facts.record.model_copy(update=update))
    )


def facts_to_record(sources: Sources, payloads: Mapping[str, Payload]) -> Iterator[Facts]:
    """Yield the facts to record of the release's targets: those of an available artifact, else those of AWS."""
    for target in sources.matrix.targets:
        sha256 = sources.plan.bytes_of.get(target.id)
        record = sources.record_of(target)
        artifact = sources.artifacts.manifest.artifact(target.id) if sources.artifacts else None
        if target.id in payloads:
            yield payloads[target.id].facts
        elif sha256 is None:
            continue
        elif sources.artifacts and artifact and artifact.sha256 == sha256:
            yield facts_of(sources.artifacts.folder, artifact, target)
        elif record is None or record.sha256 != sha256:
            versions = (s.published for c, s in sources.remote.cells.items() if c.target == target and s.published)
            yield bare_facts(target, sha256, next((h.size for h in versions if h.sha256 == sha256), None))


def gather_backfills(sources: Sources) -> dict[tuple[str, int], Zip]:
    """Return the zips of older releases that the plan backfills, by target id and number.

    A zip that is not available in any region is left out: only its cells wait for the next run.
    """
    backfills = {
        (cell.target, each.number): each
        for cell, action in sources.plan.actions.items()
        if isinstance(action, Publish)
        for each in action.first
        if isinstance(each, Backfill)
    }
    zips: dict[str, Zip] = {}
    result: dict[tuple[str, int], Zip] = {}
    for (target, number), backfill in backfills.items():
        if backfill.sha256 not in zips:
            copy = _copy(sources, target, number, backfill.sha256, backfill.sources)
            if copy is None:
                continue
            zips[backfill.sha256] = copy
        result[target.id, number] = zips[backfill.sha256]
    return result


def _use_artifact(sources: Sources, target: Target) -> Payload | None:
    """Return the given artifact of a target; None if the release has other bytes already."""
    if sources.artifacts is None:
        return None
    folder, manifest = sources.artifacts
    artifact = manifest.artifact(target.id)
    sha256 = sources.plan.bytes_of.get(target.id)
    if artifact is None:
        if sha256 is None:
            raise InputError(
                f"the artifacts have no zip for {target.id}",
                where=str(folder),
                fix=f"build it: layers build --version {sources.plan.version} --output {folder}",
            )
        return None
    if sha256 is not None and artifact.sha256 != sha256:
        sources.progress.note(f"{target.id}: other bytes are published already, so the given artifact is not used")
        return None
    refuse_failed(folder, artifact)
    return _payload(folder, artifact, target)


def _payload(folder: Path, artifact: Artifact, target: Target) -> Payload:
    path = folder / artifact.file
    try:
        actual, size = sha256_of(path), path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise read_error("the artifact cannot be read", error, path) from None
    if (actual, size) != (artifact.sha256, artifact.size):
        raise InputError(
            f"the zip's sha256 is {actual[:12]}… ({size:,} bytes), its manifest has {artifact.sha256[:12]}… "
            f"({artifact.size:,} bytes)",
            where=str(path),
            fix="build it again",
        )
    if (unzipped := unzipped_size(path)) != artifact.unzipped_size:
        raise InputError(
            f"the zip has {unzipped:,} bytes unzipped, its manifest has {artifact.unzipped_size:,}",
            where=str(path),
            fix="build it again",
        )
    return Payload(Zip(path, artifact.sha256, size), facts_of(folder, artifact, target))


def _copy_from_regions(sources: Sources, target: Target) -> Payload | None:
    """Return the release's zip from a region that has it; None if there is none."""
    sha256 = sources.plan.bytes_of.get(target.id)
    if sha256 is None:
        return None
    regions = tuple(
        cell.region
        for cell, state in sources.remote.cells.items()
        if cell.target == target and state.published is not None and state.published.sha256 == sha256
    )
    copy = _copy(sources, target, sources.plan.number.value, sha256, regions)
    if copy is None and sources.signer:  # a build cannot make signed bytes again
        copy = sources.signer.find_stored(sha256, sources.folder)
    if copy is None:
        return None
    record = sources.record_of(target)
    return Payload(copy, Facts(record) if record else bare_facts(target, sha256, copy.size, unzipped_size(copy.path)))


def _copy(sources: Sources, target: Target, number: int, sha256: str, regions: Sequence[str]) -> Zip | None:
    path = sources.folder / f"{sha256}.zip"
    for region in regions:
        if region not in sources.lambdas:
            continue
        try:
            published = sources.lambdas[region].get(target.layer_name, number)
            if published is None or published.sha256 != sha256:
                continue
            sources.lambdas[region].download(published, path)
        except GatewayError as error:
            sources.progress.note(f"{target.id}: no copy from {region}: {error.message}")
            continue
        sources.progress.note(f"{target.id}: layer version {number} fetched from {region}")
        return Zip(path, sha256, path.stat().st_size)
    return None


def _build_payloads(sources: Sources, targets: tuple[Target, ...]) -> dict[str, Payload]:
    from builder.pipeline.build import build

    locks = {
        target.id: record.lock
        for target in targets
        if (record := sources.record_of(target)) and record.lock is not None
    }
    folder, sizes = sources.folder / "built", last_sizes(sources.releases)
    manifest = build(
        sources.matrix, sources.plan.version, targets, folder, sources.progress, lock=locks or None, last_sizes=sizes
    )
    payloads = {}
    for target in targets:
        artifact = manifest.artifact(target.id)
        if artifact is None:
            raise InputError(f"the build has no zip for {target.id}", where=str(folder), fix="build it again")
        sha256 = sources.plan.bytes_of.get(target.id)
        if sha256 is not None and artifact.sha256 != sha256:
            sources.progress.note(
                f"{target.id}: layer version {sources.plan.number.value} was started with other bytes "
                f"({sha256[:12]}…) than this machine builds ({artifact.sha256[:12]}…), and no reachable region has them"
            )
            continue
        payloads[target.id] = _payload(folder, artifact, target)
    return payloads


def _check_sizes(payload: Payload, matrix: Matrix) -> None:
    where = f"{payload.facts.record.id} ({payload.zip.path})"
    request = 4 * ((payload.zip.size + 2) // 3) + MAX_OTHER_REQUEST_BYTES
    if (payload.zip.size > ZIPPED_LIMIT_BYTES or request > MAX_REQUEST_BYTES) and matrix.staging is None:
        raise InputError(
            f"the zip has {payload.zip.size:,} bytes; Lambda accepts {ZIPPED_LIMIT_BYTES:,} in a request",
            where=where,
            fix="set `staging` in the matrix, or exclude packages",
        )
    unzipped = unzipped_size(payload.zip.path)
    if unzipped > UNZIPPED_LIMIT_BYTES:
        raise InputError(
            f"it has {unzipped:,} bytes unzipped; Lambda allows {UNZIPPED_LIMIT_BYTES:,} for a function and its layers",
            where=where,
            fix="exclude packages",
        )


def unzipped_size(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(info.file_size for info in archive.infolist())
    except ZIP_DAMAGE as error:
        raise InputError(f"the zip cannot be read: {error}", where=str(path), fix="build it again") from None
