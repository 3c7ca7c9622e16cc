"""Create and limit findings: one sentence about one file, or about all files with the same problem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from builder.model.artifact import Finding
from builder.model.figures import counted

Level = Literal["error", "warning"]
#: Limit of findings with one code, so that a hostile zip cannot fill the memory.
MAX_FINDINGS_PER_CODE: Final = 100
#: Limit of characters that a finding quotes from the zip.
_MAX_MESSAGE_CHARACTERS, _MAX_PATH_CHARACTERS = 1000, 4096


def finding(level: Level, code: str, message: str, path: str | None = None) -> Finding:
    """Create a finding with shortened texts."""
    return Finding(
        level=level,
        code=code,
        path=path and path[:_MAX_PATH_CHARACTERS],
        message=message[:_MAX_MESSAGE_CHARACTERS],
    )


def group_paths(level: Level, code: str, message: str, paths: Sequence[str]) -> list[Finding]:
    """Create one finding for all paths with the same problem, with the first as the example; none for no paths."""
    if not paths:
        return []
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return [finding(level, code, message + more, paths[0])]


def group_equal(findings: Iterable[Finding]) -> list[Finding]:
    """Replace the findings about files that differ only in the path by one for all of these paths."""
    paths: dict[tuple[Level, str, str], list[str]] = {}
    for each in findings:
        paths.setdefault((each.level, each.code, each.message), []).append(each.path or "")
    return [each for key, grouped in paths.items() for each in group_paths(*key, grouped)]


def limit_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Keep the first hundred findings of each code, and add one that counts the rest."""
    shown: list[Finding] = []
    counts: dict[tuple[Level, str], int] = {}
    for each in findings:
        key = (each.level, each.code)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= MAX_FINDINGS_PER_CODE:
            shown.append(each)
    for (level, code), count in counts.items():
        if count > MAX_FINDINGS_PER_CODE:
            shown.append(finding(level, code, f"{counted(count - MAX_FINDINGS_PER_CODE, 'more finding')} of this kind"))
    return shown


def dotted(version: Sequence[int]) -> str:
    """Return ``2.26`` for (2, 26)."""
    return ".".join(map(str, version))
