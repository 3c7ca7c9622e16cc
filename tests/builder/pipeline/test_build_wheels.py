"""Wheels that are malformed, differ from the lock or cannot be resolved."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from builder.model.errors import BuildError, InputError, LayersError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from tests.builder.pipeline.small_builds import contents, made
from tests.fakes.package_index import running_index, use_index
from tests.fakes.wheels import empty_uv_cache, make_wheel, matrix_of
from tests.fakes.zips import pyc

pytestmark = pytest.mark.usefixtures("index")


def test_foreign_bytecode_stubs_and_python_scripts_are_left_out(index: Path, tmp_path: Path) -> None:
    junk: dict[str, str | bytes] = {
        "demo/__pycache__/__init__.cpython-38.pyc": b"old",
        "demo/__pycache__/read_by_the_package.txt": b"kept",
        "demo-stubs/__init__.pyi": "x: int",
        "demo-1.0.data/scripts/tool": "#!python\nprint(1)\n",
        "demo-1.0.data/scripts/program": b"\x7fprogram",
        "demo/kept.pyi": "x: int",
    }
    make_wheel(index, "demo", files=junk, executable=("demo-1.0.data/scripts/program",))
    path = tmp_path / "out" / made(tmp_path / "out").artifacts[0].file
    names = set(contents(path))
    assert {
        "python/bin/program", "python/demo/kept.pyi", "python/demo/__pycache__/read_by_the_package.txt",
    } <= names  # fmt: skip
    assert not [n for n in names if "tool" in n or "stubs" in n or "cpython-38" in n or "INSTALLER" in n]
    with zipfile.ZipFile(path) as archive:
        modes = {e.filename: oct(e.external_attr >> 16 & 0o777) for e in archive.infolist()}
    assert modes["python/bin/program"] == "0o755"
    assert modes["python/demo/__init__.py"] == "0o644"


def test_files_that_no_record_names_are_included_with_a_warning(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"demo/extra.py": "a = 1\n"}, unlisted=("demo/extra.py",), requires=("other",))
    make_wheel(index, "other")
    for folder in (tmp_path / "out", tmp_path / "again"):  # the second time from the cache
        artifact = made(folder).artifacts[0]
        assert "python/demo/extra.py" in contents(folder / artifact.file)
        found = [each for each in artifact.findings if each.code == "record-unknown"]
        assert [(each.level, each.path) for each in found] == [("warning", "python/demo/extra.py")]


BAD: dict[str, dict[str, Any]] = {
    "parent": {"files": {"../escaped.py": "a = 1"}},
    "absolute": {"files": {"/tmp/escaped.py": "a = 1"}},  # noqa: S108
    "inner parent": {"files": {"demo/../../escaped.py": "a = 1"}},
    "not in the RECORD": {"files": {"../escaped.py": "a = 1"}, "unlisted": ("../escaped.py",)},
    "record": {"record_of": {"demo/__init__.py": b"other"}},
}


@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("times", [1, 2])  # uv says what it leaves out only when it unpacks a wheel into its cache
def test_a_malformed_wheel_is_refused(how: str, times: int, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", **BAD[how], requires=("other",))
    make_wheel(index, "other")
    for _ in range(times):
        with pytest.raises(BuildError, match="hash mismatch" if how == "record" else "escaped.py") as caught:
            made(tmp_path / "out")
        assert "demo" in (caught.value.where or "")
    assert os.listdir(tmp_path / "out") == []  # noqa: PTH208
    assert not list(tmp_path.glob("**/escaped.py"))


@pytest.mark.parametrize("hashes", [True, False])
def test_a_file_that_leads_out_of_a_wheel_of_an_index_is_refused(
    hashes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
    with running_index() as served:
        served.hashes = hashes
        use_index(monkeypatch, f"{served.address}/simple", tmp_path)
        served.add_wheel(make_wheel(tmp_path, "demo", **BAD["parent"]))
        for _ in range(2):
            with pytest.raises(BuildError, match=r"leads out of the wheel: \.\./escaped.py"):
                made(tmp_path / "out")


@pytest.mark.parametrize(("python", "is_error"), [("3.12", False), ("3.11", True)])
def test_bytecode_without_source_must_be_of_the_target_python(
    python: str, is_error: bool, index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "demo", files={"demo/compiled.pyc": pyc("demo/compiled.py", python)})
    if is_error:
        with pytest.raises(BuildError, match=r"compiled.pyc: is not bytecode of Python 3.12 and has no source"):
            made(tmp_path / "out")
    else:
        assert made(tmp_path / "out").artifacts[0].findings == ()


def test_a_module_with_a_name_too_long_for_bytecode_has_none(index: Path, tmp_path: Path) -> None:
    names = [f"{'x' * length}.py" for length in (239, 240)]
    make_wheel(index, "demo", files={f"demo/{name}": "a = 1\n" for name in names})
    files = contents(tmp_path / "out" / made(tmp_path / "out").artifacts[0].file)
    assert {f"python/demo/{name}" for name in names} <= set(files)
    assert [max(len(part) for part in name.split("/")) for name in files if "/__pycache__/x" in name] == [255]


def test_a_link_in_a_wheel_becomes_a_regular_file(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", links={"demo/link.py": "/etc/passwd"})
    files = contents(tmp_path / "out" / made(tmp_path / "out").artifacts[0].file)
    assert files["python/demo/link.py"] == b"/etc/passwd"


def test_a_wheel_that_differs_from_the_lock_is_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo")
    lock = made(tmp_path / "out").artifacts[0].lock
    # The caches of uv and layers still have the locked bytes and would use them.
    empty_uv_cache(monkeypatch, tmp_path / "uv")
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "other-cache"))
    make_wheel(index, "demo", files={"demo/changed.py": "a = 1\n"})
    matrix = matrix_of("demo", layer_name="again-{python}-{architecture}")
    with pytest.raises(
        BuildError, match="hash mismatch: the index has other bytes than the lock or its own page states"
    ):
        build(matrix, "1.0", matrix.targets, tmp_path / "again", Quiet(), lock={"py3.12-x86_64": lock})
    assert list((tmp_path / "again").iterdir()) == []


def test_a_truncated_wheel_is_refused(index: Path, tmp_path: Path) -> None:
    wheel = make_wheel(index, "demo", files={"demo/big.txt": os.urandom(5000)})
    wheel.write_bytes(wheel.read_bytes()[:3000])
    with pytest.raises(LayersError) as caught:
        made(tmp_path / "out")
    assert caught.value.exit_code in (3, 4)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("wheel", "version", "error", "text"),
    [
        ({"tag": "cp312-cp312-manylinux_2_35_x86_64"}, "1.0", BuildError, "no wheel that runs on python3.12"),
        ({"tag": "cp312-cp312-macosx_11_0_arm64"}, "1.0", BuildError, "no wheel that runs on python3.12"),
        ({}, "2.0", InputError, "no demo"),
        ({"requires": ("absent",)}, "1.0", LayersError, "absent"),
        ({"requires": ("demo==2",)}, "1.0", LayersError, "demo"),
    ],
)
def test_an_unresolvable_requirement_is_named(
    wheel: dict[str, object], version: str, error: type[LayersError], text: str, index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "demo", **wheel)  # type: ignore[arg-type]
    with pytest.raises(error, match=text):
        made(tmp_path / "out", version=version)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_extra_is_refused(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo")
    with pytest.raises(InputError, match="no extra 'nope'"):
        made(tmp_path / "out", matrix_of("demo", extras=["nope"]))
