"""The SBOMs of the catalog: copies of the ledger's SBOMs, verified by the sha256 in the index."""

from __future__ import annotations

import hashlib

from builder.model.errors import InputError
from publisher.ledger.folder import SBOMS, Ledger


def read_sbom(ledger: Ledger, path: str, sha256: str) -> bytes:
    """Return the SBOM at a path of the catalog from the ledger. Raises InputError if its sha256 is another one."""
    data = ledger.sbom(path.removeprefix(f"{SBOMS}/"))
    actual = hashlib.sha256(data).hexdigest()
    if actual != sha256:
        raise InputError(
            f"this SBOM's sha256 is {actual[:12]}…, the release's record has {sha256[:12]}…",
            where=f"the ledger's {path}",
            fix="restore it from version control, or delete it: the catalog is then written without it",
        )
    return data
