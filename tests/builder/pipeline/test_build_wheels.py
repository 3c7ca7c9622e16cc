"""Wheels that are malformed, differ from the lock or cannot be resolved."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from builder.model.errors import BuildError, InputError, LayersError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from tests.builder.pipeline.small_builds import contents, made
from tests.fakes.wheels import empty_uv_cache, make_wheel, matrix_of

pytestmark = pytest.mark.usefixtures("index")


def test_foreign_bytecode_stubs_and_python_scripts_are_left_out(index: Path, tmp_path: Path) -> None:
    junk: dict[str, str | bytes] = {
        "demo/__pycache__/__init__.cpython-38.pyc": b"old",
        "demo-stubs/__init__.pyi": "x: int",
        "demo-1.0.data/scripts/tool": "#!python\nprint(1)\n",
        "demo-1.0.data/scripts/program": b"\x7fprogram",
        "demo/kept.pyi": "x: int",
    }
    make_wheel(index, "demo", files=junk, executable=("demo-1.0.data/scripts/program",))
    path = tmp_path / "out" / made(tmp_path / "out").artifacts[0].file
    names = set(contents(path))
    assert {"python/bin/program", "python/demo/kept.pyi"} <= names
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


BAD = {
    "parent": {"files": {"../escaped.py": "a = 1"}},
    "absolute": {"files": {"/tmp/escaped.py": "a = 1"}},  # noqa: S108
    "inner parent": {"files": {"demo/../../escaped.py": "a = 1"}},
    "record": {"record_of": {"demo/__init__.py": b"other"}},
}


@pytest.mark.parametrize("how", BAD)
def test_a_malformed_wheel_is_refused_or_harmless(how: str, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", **BAD[how])  # type: ignore[arg-type]
    try:
        manifest = made(tmp_path / "out")
    except BuildError as error:
        assert error.where  # noqa: PT017
        assert os.listdir(tmp_path / "out") == []  # noqa: PTH208
    else:
        assert how != "record"
        names = contents(tmp_path / "out" / manifest.artifacts[0].file)
        assert not [name for name in names if "escaped" in name and ".." in name]
    assert not list(tmp_path.glob("**/escaped.py"))


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
