"""What a release's record says of a target's zip, and where that is known from: the artifact with its SBOM and smoke,
the record that is there already, or AWS alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.model.artifact import Artifact
from builder.model.cold_start import read_smokes
from builder.model.errors import InputError
from builder.model.target import Target
from publisher.ledger.folder import Ledger
from publisher.ledger.release import Release, TargetRecord, sbom_path


@dataclass(frozen=True)
class Facts:
    """What is to be recorded of a target, with the SBOM that the record speaks of, where that is at hand."""

    record: TargetRecord
    sbom: bytes | None = None


def facts_of(folder: Path, artifact: Artifact) -> Facts:
    """The facts of an artifact. InputError where its SBOM is another one than the manifest says."""
    record = TargetRecord(
        python=artifact.python,
        architecture=artifact.architecture,
        layer_name=artifact.layer_name,
        sha256=artifact.sha256,
        size=artifact.size,
        unzipped_size=artifact.unzipped_size,
        interpreter=artifact.interpreter,
        lock=artifact.lock or None,  # empty if the zip comes from a ledger that does not know it
        sbom=artifact.sbom and Path(artifact.sbom).name,
        sbom_sha256=artifact.sbom_sha256,
        cold_start=read_smokes(folder).cold_start(artifact.sha256),
        signed_by=artifact.signed_by,
    )
    return Facts(record, _sbom(folder, artifact))


def bare_facts(target: Target, sha256: str, size: int | None, unzipped_size: int | None = None) -> Facts:
    """What can be said of bytes that nobody has a manifest of."""
    return Facts(
        TargetRecord(
            python=target.python,
            architecture=target.architecture,
            layer_name=target.layer_name,
            sha256=sha256,
            size=size,
            unzipped_size=unzipped_size,
        )
    )


def refuse_failed(folder: Path, artifact: Artifact) -> None:
    """InputError where the smoke of these very bytes is on record, and failed."""
    smoked = read_smokes(folder).smokes.get(artifact.sha256)
    if smoked and smoked.status == "failed":
        raise InputError(
            f"its smoke failed: {smoked.reason}",
            where=str(folder / artifact.file),
            fix="build it anew; if only the smoke was at fault, record another: layers smoke --record ZIP",
        )


def _sbom(folder: Path, artifact: Artifact) -> bytes | None:
    """The SBOM beside the zip; None where there is none, which is the builder's business."""
    if artifact.sbom is None or artifact.sbom_sha256 is None:
        return None
    path = folder / artifact.sbom
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"the SBOM cannot be read: {error.strerror}", where=str(path)) from None
    actual = hashlib.sha256(data).hexdigest()
    if actual != artifact.sbom_sha256:
        raise InputError(
            f"the SBOM's sha256 is {actual[:12]}…, the manifest says {artifact.sbom_sha256[:12]}…",
            where=str(path),
            fix="build it again",
        )
    return data


def keep_sboms(ledger: Ledger, number: int, recorded: Release | None, facts: Iterable[Facts]) -> None:
    """Keep the SBOMs that the ledger has not got yet."""
    found = [(each.record, each.sbom) for each in facts if each.sbom is not None]
    kept = ledger.sboms() if found else frozenset()
    for record, sbom in found:
        known = recorded.target(record.id) if recorded else None
        path = sbom_path(number, record.layer_name)
        if path not in kept or known is None or known.sbom_sha256 != record.sbom_sha256:
            ledger.keep_sbom(path, sbom)
