"""The hashes of files in requirements and lock files, as ``sha256:…``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from builder.model.file_access import digest_of
from builder.requirements.declared import Problems
from builder.resolve.wheel_choice import DIGEST_LENGTHS


def strong_digests(
    hashes: Iterable[str], where: str, problems: Problems, *, has_project: bool = True
) -> frozenset[str]:
    """Return the digests with which a package's file is checked. If there are none, add a problem.

    ``has_project``: the requirements can be resolved again without the lock file.
    """
    digests = frozenset(each.lower() for each in hashes if each.partition(":")[0] in DIGEST_LENGTHS)
    if not digests:
        problems.add(
            where,
            "has no sha256 among its hashes, and no sha384 or sha512; weaker ones are not accepted "
            + ("(lock again, or use --no-lock)" if has_project else "(lock again)"),
        )
    return digests


def problem_of_digests(path: Path, digests: Iterable[str], stated: Iterable[str] = ()) -> str | None:
    """Return why a file does not have one of the ``digests`` and all that its URL ``stated``, or None."""
    for allowed in ({each.lower() for each in digests}, *({each.lower()} for each in stated)):
        if not allowed:
            continue
        if not path.is_file():
            return f"{path.name} has a hash, but it is a folder: remove the hash, or name a wheel"
        found = {f"{kind}:{digest_of(path, kind)}" for kind in {each.partition(":")[0] for each in allowed}}
        if not found & allowed:
            return f"hash mismatch: {path.name} has {', '.join(sorted(found))}, which is not among its hashes"
    return None
