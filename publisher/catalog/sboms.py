"""The SBOMs of the catalog: copies of the ledger's SBOMs, verified by the sha256 in its releases."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from builder.model.errors import InputError
from publisher.ledger.folder import SBOMS, Ledger
from publisher.ledger.release import Release, sbom_path


@dataclass(frozen=True)
class Sbom:
    """One SBOM: its path below ``sbom/``, and its expected sha256."""

    path: str
    sha256: str

    @property
    def file(self) -> str:
        """Return the SBOM's path in the catalog."""
        return f"{SBOMS}/{self.path}"

    def read(self, ledger: Ledger) -> bytes:
        """Return the SBOM's bytes from the ledger. Raises InputError if their sha256 differs from the release's."""
        data = ledger.sbom(self.path)
        actual = hashlib.sha256(data).hexdigest()
        if actual != self.sha256:
            raise InputError(
                f"this SBOM's sha256 is {actual[:12]}…, the release's record has {self.sha256[:12]}…",
                where=f"the ledger's {self.file}",
                fix="restore it from version control, or delete it: the catalog is then written without it",
            )
        return data


def recorded_sboms(releases: Iterable[Release], available: Collection[str]) -> tuple[Sbom, ...]:
    """Return the SBOMs of these releases that the ledger has. Releases recorded by hand may have none."""
    return tuple(
        Sbom(path, target.sbom_sha256)
        for release in releases
        for target in release.targets
        if target.sbom_sha256 and (path := sbom_path(release.layer_version, target.layer_name)) in available
    )
