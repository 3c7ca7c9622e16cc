"""Zips with any defect that a test needs."""

from __future__ import annotations

import base64
import hashlib
import struct
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from builder.model.runtimes import RUNTIMES, Architecture
from builder.model.target import Target


def target(python: str = "3.12", architecture: str = "x86_64") -> Target:
    return Target(python, Architecture(architecture), "layer")


def distribution(
    name: str,
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    *,
    requires: Iterable[str] = (),
    tag: str = "py3-none-any",
    headers: str = "",
) -> dict[str, bytes]:
    """Return an installed package below ``python/``: its files, METADATA, WHEEL and a correct RECORD."""
    files = {f"{name}/__init__.py": b"x = 1\n"} if files is None else files
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{headers}{needs}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode(),
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in content.items()]
    content[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    return {f"python/{path}": data for path, data in content.items()}


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def pyc(path: str, python: str = "3.12", *, flags: int = 1, time: int = 0, size: int = 0) -> bytes:
    """Return a bytecode file of ``python/<path>`` with its header and file name."""
    head = struct.pack("<HHL", RUNTIMES[python].magic, 0x0A0D, flags)
    return head + struct.pack("<LL", time, size) + f"\x00/opt/python/{path}".encode()


def write(path: Path, files: Mapping[str, bytes], *, mode: int = 0o100644) -> Path:
    """Write a zip of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            add(archive, name, data, mode=mode)
    return path


def add(archive: zipfile.ZipFile, name: str, data: bytes, *, mode: int = 0o100644) -> zipfile.ZipInfo:
    """Add a file with exactly this name."""
    info = zipfile.ZipInfo("placeholder", (1980, 1, 1, 0, 0, 0))
    info.filename = info.orig_filename = name
    info.create_system, info.external_attr, info.compress_type = 3, mode << 16, zipfile.ZIP_DEFLATED
    archive.writestr(info, data, compresslevel=1)  # fast
    return info


def own_binary() -> bytes:
    """Return an extension module of the running Python, if it has one as a file."""
    folder = next((Path(each) for each in sys.path if each.endswith("lib-dynload")), None)
    found = sorted(folder.glob("_socket.*.so")) if folder else []
    data = found[0].read_bytes() if found else b""
    return data if data.startswith(b"\x7fELF") else b""


def codes(findings: Iterable[object]) -> set[str]:
    """Return the codes of findings."""
    return {str(getattr(each, "code")) for each in findings}  # noqa: B009 - any finding
