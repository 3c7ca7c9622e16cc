"""Build the zip of a canary function; its bytes never change."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

HANDLER = "canary.handler"


@cache
def function_zip() -> bytes:
    """Return the code for CreateFunction."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("canary.py", (1980, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr = 3, 0o100644 << 16  # readable by the user that Lambda runs it as
        archive.writestr(info, (Path(__file__).parent / "function" / "canary.py").read_bytes())
    return buffer.getvalue()
