"""Valid and invalid wheels in a folder that is uv's only index."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from builder.model.matrix import Matrix
from builder.model.target import Target

Content = str | bytes
#: uv's own cache, before a test replaces it or the home folder.
UV_CACHE = Path(
    os.environ.get("UV_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "uv")
).expanduser()


def encoded(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, Content] | None = None,
    *,
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
    executable: tuple[str, ...] = (),
    links: Mapping[str, str] | None = None,
    unlisted: tuple[str, ...] = (),
    record_of: Mapping[str, bytes] | None = None,
    entry_points: str = "",
    metadata: str = "",
    wheel_version: str = "1.0",
) -> Path:
    """Write a wheel. RECORD misses the ``unlisted`` files and has the hashes of the contents in ``record_of``.

    ``metadata`` is added at the end of METADATA.
    """
    info = f"{name}-{version}.dist-info"
    requirements = "".join(f"Requires-Dist: {each}\n" for each in requires)
    contents: dict[str, bytes] = {
        path: text.encode() if isinstance(text, str) else text
        for path, text in {
            f"{name}/__init__.py": f"version = {version!r}\n",
            **(files or {}),
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirements}" + metadata,
            f"{info}/WHEEL": f"Wheel-Version: {wheel_version}\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
            **({f"{info}/entry_points.txt": entry_points} if entry_points else {}),
        }.items()
    }
    rows = [
        f"{path},{encoded((record_of or {}).get(path, content))},{len(content)}"
        for path, content in contents.items()
        if path not in unlisted
    ]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, content in contents.items():
            entry = zipfile.ZipInfo(inner)
            entry.external_attr = (0o100755 if inner in executable else 0o100644) << 16
            archive.writestr(entry, content)
        for inner, to in (links or {}).items():
            entry = zipfile.ZipInfo(inner)
            entry.create_system = 3
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, to)
    return path


def make_sdist(folder: Path, name: str, version: str, setup: str = "") -> Path:
    """Write a source distribution whose ``setup.py`` runs ``setup``."""
    path = folder / f"{name}-{version}.tar.gz"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with tarfile.open(path, "w:gz") as archive:
        for inner, text in {"PKG-INFO": metadata, "setup.py": setup}.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{inner}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def only_index(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make ``folder`` uv's only index."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        patch.delenv(name, raising=False)
    empty = folder.with_name("empty-index")
    empty.mkdir(exist_ok=True)
    patch.setenv("UV_DEFAULT_INDEX", empty.as_uri())
    patch.setenv("UV_FIND_LINKS", str(folder))


def empty_uv_cache(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give uv a cache without packages. It keeps what uv knows of Pythons: asking one takes longer than resolving."""
    folder.mkdir()
    for interpreters in UV_CACHE.glob("interpreter-*"):
        (folder / interpreters.name).symlink_to(interpreters)
    patch.setenv("UV_CACHE_DIR", str(folder))


def matrix_of(package: str, *pythons: str, **more: object) -> Matrix:
    """Return a matrix of one region."""
    return Matrix.model_validate(
        {
            "account": "123456789012",
            "package": package,
            "python": list(pythons or ("3.12",)),
            "architectures": ["x86_64"],
            "regions": ["us-east-1"],
            **more,
        }
    )


def target_of(python: str = "3.12", architecture: str = "x86_64") -> Target:
    """Return a target."""
    return matrix_of("demo", python, architectures=[architecture]).targets[0]
