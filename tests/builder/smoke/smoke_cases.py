"""Layers for smoke tests on this machine, with the Python that runs the tests."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from builder.model.runtimes import RUNTIMES
from builder.model.target import Target
from builder.smoke.smoke_test import SmokeReport, smoke
from tests.fakes.zips import distribution, target, write

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
HERE = {"x86_64": "x86_64", "aarch64": "aarch64"}.get(platform.machine())

needs_linux = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or HERE is None or PYTHON not in RUNTIMES,
    reason="this machine or this Python runs no layer",
)


def own() -> Target:
    return target(PYTHON, HERE or "x86_64")


def smoke_of(tmp_path: Path, source: str, name: str = "mypackage") -> SmokeReport:
    files = distribution(name, files={f"{name}/__init__.py": source.encode()})
    return smoke(write(tmp_path / "z.zip", files), own())
