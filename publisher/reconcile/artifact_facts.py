"""The facts about a target's zip in a release's record: from the artifact, its SBOM and smoke test, or from AWS."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.model.artifact import Artifact
from builder.model.cold_start import read_smokes
from builder.model.errors import InputError
from builder.model.file_access import MAX_SBOM_BYTES, read_if_present
from builder.model.target import Target
from publisher.ledger.folder import Ledger
from publisher.ledger.release import Release, TargetRecord, sbom_path


@dataclass(frozen=True)
class Facts:
    """What to record of a target, with the SBOM that the record names, if it is available."""

    record: TargetRecord
    sbom: bytes | None = None


def facts_of(folder: Path, artifact: Artifact, target: Target) -> Facts:
    """Return the facts of the target's artifact. Raises InputError if its SBOM differs from the manifest's sha256."""
    record = TargetRecord(
        **artifact.model_dump(include=set(TargetRecord.model_fields) - {"lock", "sbom", *target.fields}),
        **target.fields,  # the manifest may have the layer name of an older matrix
        lock=artifact.lock or None,  # empty if the zip comes from a ledger that does not know it
        sbom=artifact.sbom and Path(artifact.sbom).name,
        cold_start=read_smokes(folder).cold_start(artifact.sha256),
    )
    return Facts(record, _sbom(folder, artifact))


def bare_facts(target: Target, sha256: str, size: int | None, unzipped_size: int | None = None) -> Facts:
    """Return the facts of a zip that has no manifest."""
    return Facts(TargetRecord(**target.fields, sha256=sha256, size=size, unzipped_size=unzipped_size))


def refuse_failed(folder: Path, artifact: Artifact) -> None:
    """Raise InputError if the recorded smoke test of exactly this zip failed."""
    smoked = read_smokes(folder).smokes.get(artifact.sha256)
    if smoked and smoked.status == "failed":
        raise InputError(
            f"its smoke test failed: {smoked.reason}",
            where=str(folder / artifact.file),
            fix="build it again; if only the smoke test was wrong, record another one: layers smoke --record ZIP",
        )


def _sbom(folder: Path, artifact: Artifact) -> bytes | None:
    """Return the SBOM beside the zip; None if there is none."""
    if artifact.sbom is None or artifact.sbom_sha256 is None:
        return None
    path = folder / artifact.sbom
    data = read_if_present(path, "the SBOM", MAX_SBOM_BYTES)
    if data is None:
        return None
    actual = hashlib.sha256(data).hexdigest()
    if actual != artifact.sbom_sha256:
        raise InputError(
            f"the SBOM's sha256 is {actual[:12]}…, the manifest has {artifact.sbom_sha256[:12]}…",
            where=str(path),
            fix="build it again",
        )
    return data


def keep_sboms(ledger: Ledger, number: int, recorded: Release | None, facts: Iterable[Facts]) -> None:
    """Write the SBOMs that the ledger does not have yet."""
    sboms = [(each.record, each.sbom) for each in facts if each.sbom is not None]
    stored = ledger.sboms() if sboms else frozenset()
    for record, sbom in sboms:
        before = recorded.target(record.id) if recorded else None
        path = sbom_path(number, record.layer_name)
        if path not in stored or before is None or before.sbom_sha256 != record.sbom_sha256:
            ledger.keep_sbom(path, sbom)
