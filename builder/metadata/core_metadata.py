"""The headers of METADATA (core metadata) and WHEEL files."""

from __future__ import annotations

from functools import lru_cache

from packaging.metadata import RawMetadata, parse_email


@lru_cache(maxsize=1024)
def parse_headers(text: str) -> RawMetadata:
    """Parse the headers of a METADATA file. The result is shared: a wheel is in the zips of many targets."""
    return parse_email(text)[0]


def tags_in(wheel: bytes) -> tuple[str, ...]:
    """Return the tags that a WHEEL file states, as it writes them: ``py2.py3-none-any``."""
    lines = wheel.decode("utf-8", "replace").splitlines()
    return tuple(line[4:].strip() for line in lines if line.startswith("Tag:"))
