"""The hashes in a constraints file. pip checks them; uv, when it resolves, does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from builder.model.artifact import Locked
from builder.model.errors import InputError
from builder.model.target import Target


def constraint_hashes(files: Iterable[Path]) -> Mapping[str, frozenset[str]]:
    """Return the digests (``sha256:…``) that constraints files allow, by package."""
    hashes: dict[str, frozenset[str]] = {}
    for path in files:
        for line in re.sub(r"\\\r?\n", " ", path.read_text("utf-8", "replace")).splitlines():
            digests = re.findall(r"\s--hash[=\s]\s*(\w+:[0-9a-f]+)", line.partition(" #")[0].lower(), re.ASCII)
            if digests and (name := re.match(r"\s*([\w.-]+)", line, re.ASCII)):
                key = canonicalize_name(name[1])
                hashes[key] = hashes.get(key, frozenset()) | frozenset(digests)
    return hashes


def check_constraint_hashes(lock: Iterable[Locked], hashes: Mapping[str, frozenset[str]], target: Target) -> None:
    """Raise InputError for a locked wheel that the ``hashes`` do not allow.

    The choice of a wheel has compared those of other algorithms than sha256.
    """
    for locked in lock:
        allowed = hashes.get(locked.name, frozenset())
        if allowed and f"sha256:{locked.sha256}" not in allowed and all(each.startswith("sha256:") for each in allowed):
            raise InputError(
                f"hash mismatch: {locked.filename} has sha256 {locked.sha256}, which is not among its hashes in the "
                "constraints (PIP_CONSTRAINT, UV_CONSTRAINT)",
                where=target.id,
                fix="write hashes for every package and platform (`uv pip compile --generate-hashes`), or remove them",
            )
