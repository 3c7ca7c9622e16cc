"""Unpacking a zip like Lambda: modes, links, nothing outside the folder."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from builder.model.errors import InputError
from builder.smoke.unpack_zip import unpack_zip
from tests.fakes.zips import add, write


def made(path: Path, *entries: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, mode in entries:
            add(archive, name, data, mode=mode)
    return path


def test_file_modes_and_links_survive(tmp_path: Path) -> None:
    path = made(
        tmp_path / "z.zip",
        ("bin/tool", b"#!/bin/sh\n", 0o100755),
        ("python/a.py", b"x = 1\n", 0o100644),
        ("python/secret", b"", 0o100600),
        ("python/b.py", b"a.py", 0o120777),
        ("lib/c.py", b"/opt/python/a.py", 0o120777),
        ("empty/", b"", 0o40755),
    )
    folder = tmp_path / "opt"
    unpack_zip(path, folder)
    modes = {
        name: stat.S_IMODE((folder / name).stat().st_mode) for name in ("bin/tool", "python/a.py", "python/secret")
    }
    assert modes == {"bin/tool": 0o755, "python/a.py": 0o644, "python/secret": 0o600}
    assert (folder / "python/b.py").is_symlink()
    assert (folder / "python/b.py").read_text() == (folder / "lib/c.py").read_text() == "x = 1\n"
    assert (folder / "empty").is_dir()


def test_a_later_layer_replaces_files_and_links(tmp_path: Path) -> None:
    folder = tmp_path / "opt"
    unpack_zip(made(tmp_path / "1.zip", ("a", b"1", 0o100444), ("b", b"a", 0o120777)), folder)
    unpack_zip(write(tmp_path / "2.zip", {"a": b"2", "b": b"3"}), folder)
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("2", "3")


@pytest.mark.parametrize("name", ["../x", "/x", "python/../../x"])
def test_an_entry_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="path traversal"):
        unpack_zip(write(tmp_path / "z.zip", {name: b""}), tmp_path / "in/opt")
    assert not list(tmp_path.rglob("x"))


def test_nothing_is_written_through_a_link_that_leads_outside(tmp_path: Path) -> None:
    path = made(tmp_path / "z.zip", ("out", str(tmp_path).encode(), 0o120777), ("out/x", b"", 0o100644))
    with pytest.raises(InputError, match="path traversal"):
        unpack_zip(path, tmp_path / "opt")
    assert not (tmp_path / "x").exists()


def test_a_damaged_zip_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(b"PK no zip")
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack_zip(tmp_path / "z.zip", tmp_path / "opt")
