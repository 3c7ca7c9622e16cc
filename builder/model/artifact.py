"""An artifact is the built zip of one target with its facts; a manifest lists the artifacts of one build.

``manifest.json`` is in the folder of the zips. ``publish --artifacts`` reads it, the ledger copies a release's facts
from it, and another machine compares its own build with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from builder.model.errors import InputError
from builder.model.file_access import MAX_FACTS_BYTES, read_file, write_atomically
from builder.model.frozen import Frozen, Many, first_problem, parse_document
from builder.model.recorded_fields import PythonField, SchemaVersion, TargetField, VersionField, WholeNumber
from builder.model.runtimes import Architecture
from builder.model.strict_json import dump_json

MANIFEST = "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Locked(Frozen):
    """One package of a lock: exactly this wheel."""

    name: str  #: normalised (PEP 503)
    version: str
    filename: str  #: the wheel's
    sha256: Sha256  #: of the wheel
    #: URL or path of a wheel that no configured index has. Valid only on this machine, so it is not written to files.
    url: str | None = Field(default=None, exclude=True, repr=False)
    #: Why the index yanked it, if it did (PEP 592); known only when it is resolved.
    yanked: str | None = Field(default=None, exclude=True, repr=False)


class Finding(Frozen):
    """A result of a check: an ``error`` refuses the zip, a ``warning`` is shown."""

    level: Literal["error", "warning"]
    code: str  #: stable, for machines: ``elf-glibc``, ``size-unzipped``, …
    path: str | None = None  #: in the zip
    message: str


class Artifact(Frozen):
    """The facts of one zip."""

    target: TargetField  #: ``py3.12-x86_64``
    python: PythonField
    architecture: Architecture
    layer_name: str
    file: str  #: the zip's name in the manifest's folder
    sha256: Sha256
    size: WholeNumber  #: bytes, zipped
    unzipped_size: WholeNumber  #: bytes, as Lambda counts them: the sum of the files
    interpreter: str | None  #: the CPython that made the bytecode, ``3.12.1``; None without bytecode
    lock: Many[Locked]  #: sorted by name
    sbom: str | None = None  #: the SBOM's file name in the manifest's folder
    sbom_sha256: Sha256 | None = None
    findings: Many[Finding] = ()
    exclude: tuple[str, ...] = ()  #: packages that were left out although others require them
    override: tuple[str, ...] = ()  #: requirements that replaced what the packages require
    signed_by: str | None = None  #: AWS Signer: profile/version, of a zip that another account signed


class Manifest(Frozen):
    """The artifacts of one build."""

    schema_version: SchemaVersion = 1
    package: str
    version: VersionField
    artifacts: Many[Artifact]

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each zip, by target id."""
        return {artifact.target: artifact.sha256 for artifact in self.artifacts}

    def artifact(self, target: str) -> Artifact | None:
        """The artifact of a target id, or None."""
        return next((artifact for artifact in self.artifacts if artifact.target == target), None)


class FindingGroup(Frozen):
    """One problem of a build, and the targets whose zips have it."""

    finding: Finding  #: of the first target
    targets: tuple[str, ...]

    def line(self, manifest: Manifest) -> str:
        """Format as one line: code, path, message, and the targets unless every target has it."""
        everywhere = len(self.targets) == len(manifest.artifacts)
        place = f"{self.finding.path}: " if self.finding.path else ""
        targets = "" if everywhere else f" ({', '.join(self.targets)})"
        return f"{self.finding.code}: {place}{self.finding.message}{targets}"


def group_findings(manifest: Manifest) -> list[FindingGroup]:
    """Group the findings of a build: equal findings of several targets become one group."""
    groups: dict[tuple[str, str, str], FindingGroup] = {}
    for artifact in manifest.artifacts:
        for finding in artifact.findings:
            key = (finding.level, finding.code, finding.message)
            group = groups.get(key) or FindingGroup(finding=finding, targets=())
            targets = tuple(dict.fromkeys((*group.targets, artifact.target)))
            groups[key] = group.model_copy(update={"targets": targets})
    return sorted(groups.values(), key=lambda group: (group.finding.level, group.finding.code))


class BuildOutput(NamedTuple):
    """A folder of zips with its manifest: what ``layers build`` writes and ``layers publish`` takes."""

    folder: Path
    manifest: Manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest in a build's folder, or in a folder of such folders (a build that ran on several machines).

    Raises InputError if there is no manifest, it is invalid, or its parts belong to different builds.
    """
    if (folder / MANIFEST).exists():
        return _read(folder / MANIFEST)
    paths = sorted(folder.glob(f"*/{MANIFEST}"))
    if not paths:
        raise InputError(
            "there is no manifest.json", where=str(folder), fix="build one with `layers build --output DIR`"
        )
    parts = {path.parent.name: _read(path) for path in paths}
    first = next(iter(parts.values()))
    artifacts: dict[str, Artifact] = {}
    for name, part in parts.items():
        if (part.package, part.version) != (first.package, first.version):
            raise InputError(
                f"there are builds of {first.package} {first.version} and of {part.package} {part.version}",
                where=str(folder),
                fix="give a folder with the parts of one build",
            )
        for artifact in part.artifacts:
            if artifact.target in artifacts:
                before = artifacts[artifact.target].file
                raise InputError(
                    f"there are two zips of {artifact.target}: {before} and {name}/{artifact.file}",
                    where=str(folder),
                    fix="give a folder with the parts of one build",
                )
            sbom = artifact.sbom and f"{name}/{artifact.sbom}"
            artifacts[artifact.target] = artifact.model_copy(update={"file": f"{name}/{artifact.file}", "sbom": sbom})
    return first.model_copy(update={"artifacts": tuple(artifacts.values())})


def _read(path: Path) -> Manifest:
    try:
        manifest = parse_document(Manifest, read_file(path, "the manifest", MAX_FACTS_BYTES, "build again"))
    except ValueError as error:
        raise InputError(f"not a manifest: {first_problem(error)}", where=str(path), fix="build again") from None
    for artifact in manifest.artifacts:
        if artifact is not manifest.artifact(artifact.target):
            raise InputError(f"not a manifest: two zips of {artifact.target}", where=str(path), fix="build again")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` atomically."""
    # No fsync: the zips are not flushed either, and fsync would wait for all of them.
    write_atomically(folder / MANIFEST, dump_json(manifest.model_dump(mode="json")).encode(), flush=False)
