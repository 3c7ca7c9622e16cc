"""Inspecting zips of any origin: the findings, and that nothing in a zip is trusted."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.inspection.elf import elf_facts
from builder.inspection.expected_target import against_manifest, expected_target
from builder.inspection.inspector import inspect_zip
from builder.inspection.zip_comparison import compare
from builder.model.artifact import Artifact, Manifest, write_manifest
from builder.model.errors import InputError, UsageError
from builder.model.lock_changes import Changes
from builder.model.runtimes import Architecture
from tests.conftest import THOROUGH
from tests.fakes.zips import add, codes, distribution, own_binary, pyc, target, write

GOOD = {
    **distribution("a", files={"a/__init__.py": b"x = 1\n"}),
    "python/a/__pycache__/__init__.cpython-312.pyc": pyc("a/__init__.py"),
}


def test_a_valid_zip_has_its_facts_and_no_errors(tmp_path: Path) -> None:
    inspection = inspect_zip(write(tmp_path / "z.zip", GOOD))
    assert inspection.findings == ()
    assert (inspection.python, inspection.architecture, inspection.glibc) == ("3.12", None, None)
    assert [(p.name, p.version, p.modules) for p in inspection.packages] == [("a", "1.0", ("a",))]
    assert (inspection.modules, inspection.compiled) == (1, 1)
    assert inspection.unzipped_size == sum(map(len, GOOD.values())) == inspection.packages[0].size


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(10), b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_not_a_zip_is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "z.zip").write_bytes(content)
    with pytest.raises(InputError, match="not a zip"):
        inspect_zip(tmp_path / "z.zip")


def test_a_folder_or_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.zip"):
        with pytest.raises(InputError, match="cannot read the zip"):
            inspect_zip(path)


def test_an_empty_zip_is_an_empty_layer(tmp_path: Path) -> None:
    assert "empty" in codes(inspect_zip(write(tmp_path / "z.zip", {})).findings)


def test_a_zip_bomb_is_refused_before_it_is_decompressed(tmp_path: Path) -> None:
    zeros = bytes(10_000_000)
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"python/{number}", zeros)
    data = (tmp_path / "z.zip").read_bytes()
    # Claims three times 1.5 GB, like a zip bomb whose entries share their bytes.
    lie = data.replace(struct.pack("<L", len(zeros)), struct.pack("<L", 1_500_000_000))
    (tmp_path / "z.zip").write_bytes(lie)
    with pytest.raises(InputError, match="4,500,000,000"):
        inspect_zip(tmp_path / "z.zip")


@pytest.mark.parametrize("said", [1, 3, 2_000_000])
def test_a_wrong_size_in_the_directory_is_an_error(tmp_path: Path, said: int) -> None:
    path = write(tmp_path / "z.zip", {**GOOD, "python/data": b"a" * 1000})
    data = path.read_bytes()
    start = data.rindex(b"PK\x01\x02", 0, data.rindex(b"python/data"))
    path.write_bytes(data[: start + 24] + struct.pack("<L", said) + data[start + 28 :])
    assert codes(f for f in inspect_zip(path).findings if f.level == "error") & {"zip-damaged", "zip-size"}


def test_entries_that_share_bytes_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "z.zip", {**GOOD, "python/y": b"1" * 50, "python/z": b"1" * 50})
    data = path.read_bytes()
    second = data.rindex(b"PK\x03\x04")
    previous = data.rindex(b"PK\x03\x04", 0, second)
    path.write_bytes(data.replace(struct.pack("<L", second) + b"python/z", struct.pack("<L", previous) + b"python/z"))
    assert "zip-overlap" in codes(inspect_zip(path).findings)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "z.zip", {**GOOD, "python/data": bytes(range(256)) * 10})
    data = bytearray(path.read_bytes())
    at = data.index(b"python/data") + 40
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    assert codes(f for f in inspect_zip(path).findings if f.level == "error") & {"zip-damaged", "zip-size"}


def test_encrypted_entries_and_unsupported_compression_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data)
        archive.writestr("python/b.txt", b"b" * 100, zipfile.ZIP_BZIP2)
        archive.writestr("python/c.txt", b"c")
    data = path.read_bytes()
    start = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: start + 8] + b"\x01\x00" + data[start + 10 :])
    assert {"zip-method", "zip-encrypted"} <= codes(inspect_zip(path).findings)


def test_names_and_modes_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        add(archive, "python/../../etc/x", b"")
        add(archive, "/abs", b"")
        add(archive, "python/link", b"/etc/passwd", mode=0o120777)
        add(archive, "python/secret", b"", mode=0o100600)
        add(archive, "python/win\\x", b"")
        add(archive, "python/a.py", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            add(archive, "python/a.py", b"")
    found = codes(f for f in inspect_zip(path, target()).findings if f.level == "error")
    assert found == {"name-parent", "name-absolute", "link-outside", "mode-unreadable", "name-backslash", "name-twice"}


def test_a_nul_in_a_name_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "z.zip", {**GOOD, "python/aXb.txt": b""})
    path.write_bytes(path.read_bytes().replace(b"aXb.txt", b"a\x00b.txt"))
    assert "name-control" in codes(inspect_zip(path).findings)


def test_a_name_in_an_unknown_encoding_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "z.zip", {**GOOD, "python/aX.txt": b""})
    path.write_bytes(path.read_bytes().replace(b"aX.txt", b"a\xe9.txt"))
    assert "name-encoding" in codes(inspect_zip(path).findings)


@pytest.mark.skipif(not own_binary(), reason="this Python has no ELF modules")
def test_the_target_is_guessed_from_the_content(tmp_path: Path) -> None:
    facts = elf_facts(own_binary())
    assert facts is not None
    files = {**GOOD, f"python/m.cpython-312-{facts.machine}-linux-gnu.so": own_binary()}
    inspection = inspect_zip(write(tmp_path / "z.zip", files))
    assert (inspection.python, inspection.architecture) == ("3.12", facts.machine)
    assert inspection.as_json()["binaries"][0]["architecture"] == facts.machine


def test_a_zip_that_does_not_show_its_python_has_a_finding(tmp_path: Path) -> None:
    inspection = inspect_zip(write(tmp_path / "z.zip", distribution("a")))
    assert inspection.python is None
    assert "target-unknown" in codes(inspection.findings)


def test_the_records_are_checked_although_no_python_is_known(tmp_path: Path) -> None:
    files = {**distribution("a"), "python/a/__init__.py": b"changed"}
    assert {"target-unknown", "record-hash"} <= codes(inspect_zip(write(tmp_path / "z.zip", files)).findings)


def moved(files: dict[str, bytes], root: str) -> dict[str, bytes]:
    return {path.replace("python/", root, 1): data for path, data in files.items()}


@pytest.mark.parametrize(
    "root", ["python/python/", "layer/python/", "site-packages/", "Python/", "python/lib/python3.12/dist-packages/"]
)
def test_packages_in_a_folder_that_is_no_import_root_are_an_error(tmp_path: Path, root: str) -> None:
    path = write(tmp_path / "z.zip", moved(distribution("a"), root))
    assert ("name-python", root) in {(f.code, f.path) for f in inspect_zip(path, target()).findings}


def test_vendored_packages_are_no_error_where_the_layers_own_have_no_metadata(tmp_path: Path) -> None:
    files = {"python/a/__init__.py": b"", **moved(distribution("b"), "python/a/_vendor/")}
    assert codes(inspect_zip(write(tmp_path / "z.zip", files), target()).findings) == {"pyc-none"}


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_a_layer_for_several_pythons_is_checked_for_the_one_asked_for(tmp_path: Path, python: str) -> None:
    roots = {each: f"python/lib/python{each}/site-packages/" for each in ("3.11", "3.12")}
    files = {
        **moved(distribution("a", headers="Requires-Python: <3.12\n"), roots["3.11"]),
        f"{roots['3.11']}a/m.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
        **moved(distribution("a", "2.0", headers="Requires-Python: >=3.12\n"), roots["3.12"]),
        f"{roots['3.12']}a/m.cpython-312-x86_64-linux-gnu.so": b"\x7fELF",
    }
    found = inspect_zip(write(tmp_path / "z.zip", files), target(python))
    assert [package.version for package in found.packages] == ["1.0" if python == "3.11" else "2.0"]
    expected = {"name-python": None, "elf-broken": roots[python], "record-unknown": roots[python]}
    for each in found.findings:
        assert (each.path or "").startswith(expected.pop(each.code, None) or "python/"), each
        assert each.level == ("error" if each.code == "elf-broken" else "warning")
    assert not expected
    alone = {path: data for path, data in files.items() if not path.startswith(roots[python])}
    assert found.errors == 1 < inspect_zip(write(tmp_path / "y.zip", alone), target(python)).errors


def test_the_expected_target_comes_from_the_options_and_the_file_name(tmp_path: Path) -> None:
    path = write(tmp_path / "strands-agents-py3_10-aarch64.zip", GOOD)
    by_name = expected_target(path)
    assert by_name is not None
    assert by_name.id == "py3.10-aarch64"
    assert expected_target(tmp_path / "layer.zip") is None
    said = expected_target(path, "3.12", "x86_64")
    assert said is not None
    assert said.id == "py3.12-x86_64"
    in_part = expected_target(path, "3.12")
    assert in_part is not None
    assert in_part.id == "py3.12-aarch64"
    with pytest.raises(UsageError):
        expected_target(tmp_path / "layer.zip", "3.12")


def test_a_zip_is_compared_with_the_manifest_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "z.zip", GOOD)
    inspection = inspect_zip(path)
    sizes = {"size": inspection.size, "unzipped_size": inspection.unzipped_size}
    for stated, expected in (
        ({}, set[str]()),
        ({"sha256": "0" * 64}, {"manifest-sha256"}),
        ({"size": 1}, {"manifest-size"}),
        ({"unzipped_size": inspection.unzipped_size + 1}, {"manifest-size"}),
    ):
        artifact = Artifact(
            target="py3.12-x86_64", python="3.12", architecture=Architecture.X86_64, layer_name="l", file="z.zip",
            interpreter=None, lock=(), **{"sha256": inspection.sha256, **sizes, **stated},  # type: ignore[arg-type]
        )  # fmt: skip
        write_manifest(tmp_path, Manifest(package="a", version="1.0", artifacts=(artifact,)))
        assert codes(against_manifest(inspection).findings) == expected
        beside = expected_target(path)
        assert beside is not None
        assert beside.id == "py3.12-x86_64"


def test_a_damaged_manifest_beside_a_zip_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "z.zip", GOOD)
    for text in ("no JSON", "[" * 100_000, '{"package": 1}'):
        (tmp_path / "manifest.json").write_text(text)
        (found,) = against_manifest(inspect_zip(path, expected_target(path))).findings
        assert (found.level, found.code, "\n" in found.message) == ("warning", "manifest-damaged", False)


def test_the_comparison_of_two_zips_names_what_differs(tmp_path: Path) -> None:
    old = inspect_zip(write(tmp_path / "1.zip", {**distribution("a"), **distribution("b")}))
    new = inspect_zip(write(tmp_path / "2.zip", {**distribution("a", "2.0"), **distribution("c"), "python/n": b"12"}))
    found = compare(old, new)
    assert found.packages == Changes((("c", "1.0"),), (("b", "1.0"),), (("a", "1.0", "2.0"),))
    assert "python/n" in found.files_added
    assert "python/b/__init__.py" in found.files_removed
    assert found.unzipped_size == new.unzipped_size - old.unzipped_size
    assert not found.same_bytes
    assert compare(old, old).same_bytes


def _hostile() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**GOOD, "python/b.abi3.so": own_binary()[:3000], "python/é.txt": b"e"}.items():
            archive.writestr(name, data)
    return buffer.getvalue()


HOSTILE = _hostile()


@given(
    edits=st.lists(st.tuples(st.integers(0, len(HOSTILE) - 1), st.integers(0, 255)), max_size=12),
    tail=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 255)), max_size=6),
    cut=st.one_of(st.just(len(HOSTILE)), st.integers(0, len(HOSTILE))),
)
@settings(
    max_examples=300 if THOROUGH else 40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_gives_findings_or_bad_input(
    tmp_path: Path, edits: list[tuple[int, int]], tail: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(HOSTILE)
    for at, byte in edits:
        data[at] = byte
    for back, byte in tail:  # damage the central directory more often than the data
        data[-back] = byte
    path = tmp_path / "z.zip"
    path.write_bytes(bytes(data[:cut]))
    try:
        inspection = inspect_zip(path)
    except InputError:
        return
    assert inspection.as_json()["sha256"] == inspection.sha256
