"""Poetry's version constraints (``^1.2``, ``~1.2``, ``1.*``, ``>=1,<2 || >=3``) as PEP 440 specifiers."""

from __future__ import annotations

import re

from packaging.version import InvalidVersion, Version


def to_specifiers(constraint: str) -> list[str]:
    """Translate a Poetry constraint to the PEP 440 specifiers of its alternatives. Raises ValueError."""
    return [",".join(filter(None, map(_part, _parts(text.strip())))) for text in re.split(r"\|\|?", constraint)]


def _parts(text: str) -> list[str]:
    text = re.sub(r"\.[xX]\b", ".*", re.sub(r"([<>=!~^])\s+", r"\1", text))
    return [part for part in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", text) if part]


def _part(part: str) -> str:
    if part in ("*", "==*", "^*", "~*"):
        return ""
    match = re.fullmatch(r"(\^|~(?!=))\s*v?(.+)", part)
    try:
        if match:
            return _range(match[2], caret=match[1] == "^")
        if re.fullmatch(r"(===|[<>=!~]=|[<>])\s*\S+", part):
            return part
        if part.startswith("="):
            return f"={part}"
        return f"=={part}" if part.endswith(".*") or Version(part) else part
    except InvalidVersion:
        raise ValueError(f"{part!r} is not a version constraint, like ^1.2 or >=1,<2") from None


def _range(text: str, *, caret: bool) -> str:
    """Return the range of a caret or tilde constraint: up to the next breaking, or the next minor, version."""
    version = Version(text)
    release = list(version.release)
    if caret:
        position = next((index for index, part in enumerate(release) if part), len(release) - 1)
    else:
        position = min(1, len(release) - 1)
    upper = [*release[:position], release[position] + 1]
    epoch = f"{version.epoch}!" if version.epoch else ""
    return f">={text},<{epoch}{'.'.join(map(str, upper))}"
