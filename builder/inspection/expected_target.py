"""What a zip is meant to be: by what the user says, the manifest beside it, or its name."""

from __future__ import annotations

import re
from pathlib import Path

from builder.inspection.findings import finding
from builder.inspection.inspector import Inspection, with_findings
from builder.model.artifact import Artifact, read_manifest
from builder.model.errors import InputError, UsageError
from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.target import Target

_NAMED = re.compile(r"py(\d)[._]?(\d{1,2})[-_](x86_64|aarch64|arm64)(?![0-9A-Za-z])")


def expected_target(path: Path, python: str | None = None, architecture: str | None = None) -> Target | None:
    """The target that a zip should be for, or None where nothing but its content can tell.

    Said by the user, else by the manifest beside the zip, else by the zip's name.
    """
    if python and python not in RUNTIMES:
        raise UsageError(f"{python!r} is no Python of Lambda's", fix=f"known are {', '.join(RUNTIMES)}")
    told = _told(path)
    if not python and not architecture:
        return told
    if told is None and not (python and architecture):
        raise UsageError(
            "neither a manifest nor its name tells the rest", where=str(path), fix="--python and --arch both"
        )
    return Target(
        python or (told.python if told else ""),
        _architecture(architecture or (str(told.architecture) if told else "")),
        told.layer_name if told else path.stem,
    )


def _told(path: Path) -> Target | None:
    """The target by the manifest beside the zip, else by the zip's name."""
    if artifact := manifest_entry(path):
        return Target(artifact.python, artifact.architecture, artifact.layer_name)
    match = _NAMED.search(path.stem)
    if match and (version := f"{match[1]}.{match[2]}") in RUNTIMES:
        return Target(version, _architecture(match[3]), path.stem)
    return None


def _architecture(name: str) -> Architecture:
    return Architecture.AARCH64 if name in ("aarch64", "arm64") else Architecture.X86_64


def manifest_entry(path: Path) -> Artifact | None:
    """The facts of a zip in the manifest of its folder; None where there is none."""
    try:
        manifest = read_manifest(path.parent)
    except InputError:
        return None
    return next((artifact for artifact in manifest.artifacts if artifact.file == path.name), None)


def against_manifest(inspection: Inspection) -> Inspection:
    """The inspection, with an error more where the manifest beside the zip tells of other bytes."""
    artifact = manifest_entry(inspection.path)
    if artifact is None or artifact.sha256 == inspection.sha256:
        return inspection
    message = f"has sha256 {inspection.sha256[:12]}…; the manifest beside it says {artifact.sha256[:12]}…"
    return with_findings(inspection, [finding("error", "manifest-sha256", message)])
