"""The hashes in lock files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from builder.model.artifact import sha256_of
from builder.requirements.declared import Problems


def digests_of(hashes: Iterable[str], where: str, problems: Problems) -> frozenset[str]:
    """Return the sha256 digests among a locked package's hashes. If there are none, add a problem."""
    digests = frozenset(each.removeprefix("sha256:").lower() for each in hashes if each.startswith("sha256:"))
    if not digests:
        problems.add(where, "has no sha256 among its hashes, and others are not checked (lock again, or use --no-lock)")
    return digests


def check_file(path: Path, digests: frozenset[str], where: str, problems: Problems) -> None:
    """Compare a local file with its hash in the lock."""
    if not path.is_file():
        problems.add(where, f"{path} is not a file")
        return
    digest = sha256_of(path)
    if digest not in digests:
        problems.add(where, f"hash mismatch: {path.name} has sha256 {digest}, which is not among its hashes")
