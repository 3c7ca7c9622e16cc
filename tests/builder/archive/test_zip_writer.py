"""The zip writer: any reader reads the files back, and the same entries give the same bytes."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.archive.zip_writer import ZipEntry, compress, read_checksums, write_zip

_PART = st.text(st.characters(exclude_characters="/\\\0:", exclude_categories=["Cs"]), min_size=1, max_size=12)
_NAMES = st.lists(_PART, min_size=1, max_size=4).map(lambda parts: "python/" + "/".join(parts))
_CONTENT = st.one_of(st.binary(max_size=300), st.binary(max_size=6).map(lambda piece: piece * 500))
_FILES = st.dictionaries(_NAMES, st.tuples(_CONTENT, st.booleans()), max_size=12)


def zip_of(files: dict[str, tuple[bytes, bool]]) -> bytes:
    buffer = io.BytesIO()
    write_zip(buffer, (ZipEntry(name, compress(content), executable) for name, (content, executable) in files.items()))
    return buffer.getvalue()


@given(_FILES)
def test_a_written_zip_is_read_back(files: dict[str, tuple[bytes, bool]]) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_of(files))) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        assert {e.filename: (archive.read(e), bool(e.external_attr >> 16 & 0o100)) for e in entries} == files
        assert [e.filename for e in entries] == sorted(files, key=str.encode)
        assert {e.date_time for e in entries} <= {(1980, 1, 1, 0, 0, 0)}
        assert {oct(e.external_attr >> 16) for e in entries} <= {"0o100644", "0o100755"}
        assert {e.extra for e in entries} <= {b""}
        assert {e.create_system for e in entries} <= {3}


@given(_FILES)
def test_the_checksums_of_a_written_zip_are_those_of_zipfile(files: dict[str, tuple[bytes, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.zip")
        path.write_bytes(zip_of(files))
        with zipfile.ZipFile(path) as archive:
            assert list(read_checksums(path)) == [(entry.filename, entry.CRC) for entry in archive.infolist()]


@given(_FILES, st.randoms())
def test_the_order_of_entries_does_not_change_the_bytes(files: dict[str, tuple[bytes, bool]], random: object) -> None:
    names = list(files)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert zip_of({name: files[name] for name in names}) == zip_of(files)


def test_incompressible_data_is_stored() -> None:
    noise = os.urandom(2000)
    with zipfile.ZipFile(io.BytesIO(zip_of({"a": (noise, False), "b": (b"b" * 2000, False), "c": (b"", False)}))) as z:
        assert [e.compress_type for e in z.infolist()] == [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]


def test_compressed_formats_are_stored() -> None:
    data = gzip.compress(b"0" * 100_000, mtime=0)  # compressible once more
    with zipfile.ZipFile(io.BytesIO(zip_of({"a.json.gz": (data, False)}))) as z:
        assert [(e.compress_type, e.file_size) for e in z.infolist()] == [(zipfile.ZIP_STORED, len(data))]


def test_a_duplicate_name_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        write_zip(io.BytesIO(), [ZipEntry("a", compress(b"1")), ZipEntry("a", compress(b"2"))])


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip here")
def test_unzip_finds_no_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of({"python/ä/b.py": (b"x = 1\n" * 99, False), "python/run": (b"\x7fELF", True)}))
    done = subprocess.run([str(shutil.which("unzip")), "-t", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No errors detected" in done.stdout
