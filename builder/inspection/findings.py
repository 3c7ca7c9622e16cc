"""Making findings: one sentence each; what many files have in common is said once, with the first as example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from builder.model.artifact import Finding

Level = Literal["error", "warning"]


def finding(level: Level, code: str, message: str, path: str | None = None) -> Finding:
    """One finding."""
    return Finding(level=level, code=code, path=path, message=message)


def grouped(level: Level, code: str, message: str, paths: Sequence[str]) -> list[Finding]:
    """One finding for all paths that have something in common; none where there are none."""
    if not paths:
        return []
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return [finding(level, code, message + more, paths[0])]


def dotted(version: Sequence[int]) -> str:
    """``2.26``."""
    return ".".join(map(str, version))
