"""Wheel tags: those that run on a target, the one rule for choosing wheels and for checking them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from math import prod

from packaging import tags

from builder.model.target import Target, python_order

#: Names that platforms had before PEP 600, by the minor version of glibc.
_LEGACY_PLATFORMS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
#: More tags than any real `Tag:` line expands to: py2.py3-none-any expands to two.
_MAX_TAGS_IN_LINE = 1000


@lru_cache(maxsize=64)
def supported_tags(target: Target, glibc_minor: int | None = None) -> Mapping[tags.Tag, int]:
    """Return the wheel tags that run on a target, best first, each with its rank: 0 is the best.

    ``glibc_minor``: as if the target had this glibc.
    """
    python = python_order(target.python)
    interpreter = f"cp{python[0]}{python[1]}"
    platforms = list(_platforms(target, glibc_minor or target.runtime.glibc[1]))
    supported = chain(
        tags.cpython_tags(python, abis=[interpreter], platforms=platforms),
        tags.compatible_tags(python, interpreter=interpreter, platforms=platforms),
    )
    return {tag: rank for rank, tag in enumerate(dict.fromkeys(supported))}


def _platforms(target: Target, glibc_minor: int) -> Iterator[str]:
    """Yield the manylinux platforms, from the newest that this glibc runs to the oldest, with their old names."""
    oldest = 5 if target.architecture == "x86_64" else 17
    for minor in range(glibc_minor, oldest - 1, -1):
        yield f"manylinux_2_{minor}_{target.architecture}"
        if minor in _LEGACY_PLATFORMS:
            yield f"{_LEGACY_PLATFORMS[minor]}_{target.architecture}"
    yield f"linux_{target.architecture}"


def expand_tags(text: str) -> frozenset[tags.Tag]:
    """Expand a ``Tag:`` line to its tags; empty if it is malformed or has more tags than any real wheel."""
    parts = text.split("-")
    if len(parts) != 3 or prod(part.count(".") + 1 for part in parts) > _MAX_TAGS_IN_LINE:
        return frozenset()
    try:
        return tags.parse_tag(text)
    except ValueError:
        return frozenset()
