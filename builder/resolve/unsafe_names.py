"""Refuse wheels with files that uv leaves out."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from builder.model.escape import shorten
from builder.resolve import uv
from builder.resolve.failures import malformed_wheel

_LEFT_OUT = re.compile(r"^WARN Skipping unsafe file name: (.*)$", re.MULTILINE)
#: The package; uv knows it only if the wheel's RECORD lists the file.
_INCOMPLETE = re.compile(r"^DEBUG .* `RECORD` but missing from the wheel archive for `([^`=]+)==", re.MULTILINE)


def refuse_unsafe_names(messages: str, packages: Iterable[str]) -> None:
    """Raise BuildError if uv has left out a file of a wheel of these packages. pip refuses such a wheel.

    uv leaves out a file whose path is absolute or leads out of the wheel. It says so in its log when it unpacks a wheel
    into its cache, and not when it takes the wheel from there. So remove the wheel from the cache: the next build has
    the same error.
    """
    left_out = _LEFT_OUT.search(messages)
    if left_out is None:
        return
    possible = sorted(set(_INCOMPLETE.findall(messages)) or set(packages))
    with tempfile.TemporaryDirectory(prefix="layers-clean-") as folder:
        uv.run(["cache", "clean", *possible], Path(folder))
    raise malformed_wheel(" or ".join(possible), f"the path of a file leads out of the wheel: {shorten(left_out[1])}")
