"""Wheels from the package index: binaries for other systems are found, and an agent runs in Lambda's runtime client."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from builder.inspection.inspector import Inspection, inspect_zip
from builder.model.runtimes import RUNTIMES
from builder.resolve import uv
from builder.smoke.smoke_test import smoke
from tests.fakes.zips import codes, target, write

pytestmark = pytest.mark.index


def layer(tmp_path: Path, python: str, uv_platform: str, *requirements: str) -> Path:
    """Write a zip like the recipe of the SDK's guide: the packages for a platform, unchanged."""
    folder = tmp_path / "python"
    folder.mkdir(parents=True)
    options = ["--only-binary", ":all:", "--python-version", python, "--python-platform", uv_platform]
    answer = uv.run(["pip", "install", "--target", str(folder), *options, *requirements], tmp_path)
    assert answer.returncode == 0, answer.stderr
    files = {
        f"python/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
    return write(tmp_path / "layer.zip", files)


def errors(inspection: Inspection) -> set[str]:
    return codes(finding for finding in inspection.findings if finding.level == "error")


@pytest.mark.parametrize("python", ["3.10", "3.13"])
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_a_binary_for_the_target_has_no_errors_and_shows_its_target(
    tmp_path: Path, python: str, architecture: str
) -> None:
    inspection = inspect_zip(layer(tmp_path, python, f"{architecture}-manylinux_2_17", "markupsafe==3.0.2"))
    assert (inspection.python, inspection.architecture) == (python, architecture)
    assert errors(inspection) == set()
    other = "aarch64" if architecture == "x86_64" else "x86_64"
    wrong = inspect_zip(inspection.path, target(python, other))
    assert {"wheel-tag", "abi-tag"} <= errors(wrong)
    assert "elf-machine" in codes(wrong.findings)  # a warning, because no import loads a binary with this ABI tag


def test_binaries_for_musl_and_macos_are_found(tmp_path: Path) -> None:
    musl = layer(tmp_path / "musl", "3.12", "x86_64-unknown-linux-musl", "markupsafe==3.0.2")
    inspection = inspect_zip(musl, target("3.12", "x86_64"))
    assert {"wheel-tag", "abi-tag"} <= errors(inspection)
    assert "elf-musl" in codes(inspection.findings)  # a warning, for the same reason
    mac = layer(tmp_path / "mac", "3.12", "aarch64-apple-darwin", "markupsafe==3.0.2")
    inspection = inspect_zip(mac, target("3.12", "aarch64"))
    assert {"wheel-tag", "abi-tag"} <= errors(inspection)
    assert "elf-none" in codes(inspection.findings)  # a warning, because no import on Linux loads this suffix


@pytest.mark.slow  # tests/builder/inspection has the same rule with a small binary
def test_numpy_2_4_on_python_3_11_needs_a_newer_glibc(tmp_path: Path) -> None:
    path = layer(tmp_path, "3.11", "x86_64-manylinux_2_28", "numpy==2.4.0")
    found = {f.code: f for f in inspect_zip(path).findings if f.level == "error"}
    assert "needs glibc 2.27" in found["elf-glibc"].message
    assert "elf-glibc" not in errors(inspect_zip(path, target("3.12", "x86_64")))


@pytest.mark.slow  # the rehearsed release runs the same agent on its own zips
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or platform.machine() not in ("x86_64", "aarch64"), reason="runs no layer"
)
def test_an_agent_calls_a_tool_and_answers(tmp_path: Path) -> None:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python not in RUNTIMES:
        pytest.skip(f"Lambda has no Python {python}")
    path = layer(tmp_path, python, f"{platform.machine()}-manylinux_2_28", "strands-agents")
    report = smoke(path, target(python, platform.machine()))
    assert (report.status, report.reason, report.output) == ("proven", None, None)
    assert report.kind == "agent"
    assert report.refused == ()
