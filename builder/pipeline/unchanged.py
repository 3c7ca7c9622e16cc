"""Zips of an earlier build that are still in the output folder, and so need not be assembled again."""

from __future__ import annotations

from pathlib import Path

from builder.cache.store import Cache
from builder.model.artifact import Artifact
from builder.model.file_access import sha256_of
from builder.model.frozen import Frozen


class _Built(Frozen):
    artifact: Artifact
    stamps: tuple[tuple[int, ...], ...]  #: of its files, when they had these bytes


def store_output(cache: Cache, key: str, artifact: Artifact, output: Path) -> None:
    """Record that ``output`` has the artifact's files."""
    built = _Built(artifact=artifact, stamps=_stamps(artifact, output))
    cache.write("builds", key, [built.model_dump_json().encode()])


def find_output(cache: Cache, key: str, output: Path) -> Artifact | None:
    """Return the artifact that an earlier build made under this key, if ``output`` has the same files.

    Files are hashed only if something was done to them since: hashing 300 MB would take a third of the build.
    """
    try:
        built = _Built.model_validate_json(bytes(cache.read("builds", key) or b""))
        artifact = built.artifact
        if _stamps(artifact, output) == built.stamps:
            return artifact
        if any(sha256_of(output / name) != sha256 for name, sha256 in _files(artifact)):
            return None
    except (ValueError, OSError):  # no entry, one of another version of the program, or no such file
        return None
    store_output(cache, key, artifact, output)
    return artifact


def _files(artifact: Artifact) -> list[tuple[str, str]]:
    """Return the name and sha256 of the zip and its SBOM."""
    sbom = [(artifact.sbom, artifact.sbom_sha256)] if artifact.sbom and artifact.sbom_sha256 else []
    return [(artifact.file, artifact.sha256), *sbom]


def _stamps(artifact: Artifact, output: Path) -> tuple[tuple[int, ...], ...]:
    """Return what changes with every write to a file: unlike the other times, st_ctime cannot be set."""
    facts = [(output / name).stat() for name, _ in _files(artifact)]
    return tuple((f.st_dev, f.st_ino, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for f in facts)
