"""Find out which target a zip is for: from the options, the manifest beside it, or its name."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from builder.inspection.inspector import Inspection, with_findings
from builder.model.artifact import MANIFEST, Artifact, read_manifest
from builder.model.errors import InputError, UsageError
from builder.model.findings import finding
from builder.model.runtimes import RUNTIMES
from builder.model.selection import parse_architecture
from builder.model.target import Target

_NAMED = re.compile(r"py(\d)[._]?(\d{1,2})[-_](x86_64|aarch64|arm64)(?![0-9A-Za-z])")


def expected_target(path: Path, python: str | None = None, architecture: str | None = None) -> Target | None:
    """Return the target that a zip should be for, or None if neither options, manifest nor name tell it.

    Options come first, then the manifest beside the zip, then the zip's name. Raises UsageError if only one option is
    given and neither manifest nor name give the other.
    """
    target = _named_target(path)
    if not python and not architecture:
        return target
    if target is None and not (python and architecture):
        missing = "architecture" if python else "Python"
        raise UsageError(
            f"the {missing} is unknown: the zip has no manifest, and its name does not contain it",
            where=str(path),
            fix="give both --python and --arch",
        )
    return Target(
        python or (target.python if target else ""),
        parse_architecture(architecture or (str(target.architecture) if target else "")),
        target.layer_name if target else path.stem,
    )


def _named_target(path: Path) -> Target | None:
    """Return the target in the manifest beside the zip, else in the zip's name, else None."""
    with suppress(InputError):
        if artifact := manifest_entry(path):
            return Target(artifact.python, artifact.architecture, artifact.layer_name)
    match = _NAMED.search(path.stem)
    if match and (version := f"{match[1]}.{match[2]}") in RUNTIMES:
        return Target(version, parse_architecture(match[3]), path.stem)
    return None


def manifest_entry(path: Path) -> Artifact | None:
    """Return the entry of a zip in the manifest beside it, or None. Raises InputError if the manifest is damaged."""
    if not (path.parent / MANIFEST).exists():
        return None
    return next((each for each in read_manifest(path.parent).artifacts if each.file == path.name), None)


def against_manifest(inspection: Inspection) -> Inspection:
    """Add what the manifest beside the zip says: exclusions and overrides of its build.

    Adds a finding if the manifest is damaged, or has another sha256 or size.
    """
    try:
        artifact = manifest_entry(inspection.path)
    except InputError as error:
        ignored = finding("warning", "manifest-damaged", f"the manifest beside it is ignored: {error.what}")
        return with_findings(inspection, [ignored])
    if artifact is None:
        return inspection
    if artifact.sha256 != inspection.sha256:
        message = f"has sha256 {inspection.sha256[:12]}…; the manifest beside it has {artifact.sha256[:12]}…"
        return with_findings(inspection, [finding("error", "manifest-sha256", message)])
    inspection = replace(inspection, exclude=artifact.exclude, override=artifact.override)
    sizes, stated = (inspection.size, inspection.unzipped_size), (artifact.size, artifact.unzipped_size)
    if sizes == stated:
        return inspection
    text = "{:,} bytes, {:,} unzipped"
    message = f"has {text.format(*sizes)}; the manifest beside it has {text.format(*stated)}"
    return with_findings(inspection, [finding("error", "manifest-size", message)])
