"""The headers of METADATA files (core metadata)."""

from __future__ import annotations

from functools import lru_cache

from packaging.metadata import RawMetadata, parse_email


@lru_cache(maxsize=1024)
def parse_headers(text: str) -> RawMetadata:
    """Parse the headers of a METADATA file. The result is shared: a wheel is in the zips of many targets."""
    return parse_email(text)[0]
