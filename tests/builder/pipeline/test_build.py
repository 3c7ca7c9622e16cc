"""Builds from wheels made in the test: contents of a zip, refused wheels, reproducible bytes."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.bytecode.compiler import Compilers, Module
from builder.bytecode.interpreters import Interpreter
from builder.cache.store import Cache
from builder.inspection.inspector import inspect_zip
from builder.model.artifact import Locked, Manifest, read_manifest
from builder.model.errors import BuildError, InputError, LayersError
from builder.model.matrix import Matrix
from builder.model.progress import Quiet
from builder.model.target import Target
from builder.pipeline import build as building
from builder.pipeline import preflight, unchanged, wheel_packing
from builder.pipeline.build import build
from builder.resolve import locks
from builder.wheels.unpack import UnpackedWheel, unpack
from tests import REPOSITORY
from tests.fakes.notes import Notes
from tests.fakes.wheels import empty_uv_cache, make_wheel, matrix_of

pytestmark = pytest.mark.usefixtures("index")
FILES = {"demo/data.txt": "x" * 500, "demo/sub/__init__.py": "", "demo/old.py": "print 'two'\n"}


def made(output: Path, matrix: Matrix | None = None, version: str = "1.0") -> Manifest:
    matrix = matrix or matrix_of("demo")
    return build(matrix, version, matrix.targets, output, Quiet())


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_manifest_describes_the_zip(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, requires=("other",))
    make_wheel(index, "other")
    manifest = made(tmp_path / "out")
    (artifact,) = manifest.artifacts
    files = contents(tmp_path / "out" / artifact.file)
    assert sorted(files) == [
        "python/demo-1.0.dist-info/METADATA",
        "python/demo-1.0.dist-info/RECORD",
        "python/demo-1.0.dist-info/WHEEL",
        "python/demo/__init__.py",
        "python/demo/__pycache__/__init__.cpython-312.pyc",
        "python/demo/data.txt",
        "python/demo/old.py",
        "python/demo/sub/__init__.py",
        "python/demo/sub/__pycache__/__init__.cpython-312.pyc",
        "python/other-1.0.dist-info/METADATA",
        "python/other-1.0.dist-info/RECORD",
        "python/other-1.0.dist-info/WHEEL",
        "python/other/__init__.py",
        "python/other/__pycache__/__init__.cpython-312.pyc",
    ]
    data = (tmp_path / "out" / artifact.file).read_bytes()
    assert (artifact.sha256, artifact.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert artifact.findings == ()
    assert artifact.unzipped_size == sum(map(len, files.values()))
    assert [(p.name, p.version, p.filename) for p in artifact.lock] == [
        ("demo", "1.0", "demo-1.0-py3-none-any.whl"),
        ("other", "1.0", "other-1.0-py3-none-any.whl"),
    ]
    wheel = (index / "demo-1.0-py3-none-any.whl").read_bytes()
    assert artifact.lock[0].sha256 == hashlib.sha256(wheel).hexdigest()
    assert artifact.sbom is not None
    sbom = (tmp_path / "out" / artifact.sbom).read_bytes()
    assert hashlib.sha256(sbom).hexdigest() == artifact.sbom_sha256
    assert {c["name"] for c in json.loads(sbom)["components"]} == {"demo", "other"}
    assert read_manifest(tmp_path / "out") == manifest


def test_record_lists_the_files_of_the_zip(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, entry_points="[console_scripts]\ndemo = demo:main\n")
    files = contents(tmp_path / "out" / made(tmp_path / "out").artifacts[0].file)
    rows = [line.split(",") for line in files["python/demo-1.0.dist-info/RECORD"].decode().splitlines()]
    listed = {f"python/{path}": size for path, _, size in rows}
    assert listed.keys() == {path for path in files if not path.endswith(".pyc")}
    assert all(len(files[path]) == int(size) for path, size in listed.items() if size)


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


def test_the_first_of_two_wheels_keeps_a_common_file(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"shared.py": "of = 'demo'\n"}, requires=("other", "third"))
    make_wheel(index, "other", files={"shared.py": "of = 'other'\n"})
    make_wheel(index, "third", files={"shared.py": "of = 'demo'\n"})
    (artifact,) = made(tmp_path / "out").artifacts
    files = contents(tmp_path / "out" / artifact.file)
    assert files["python/shared.py"] == b"of = 'demo'\n"
    assert [(f.code, f.path) for f in artifact.findings] == [("wheels-collide", "python/shared.py")]
    assert b"shared.py" not in files["python/other-1.0.dist-info/RECORD"]
    assert b"shared.py" in files["python/third-1.0.dist-info/RECORD"]


def test_two_wheels_with_the_same_files_are_one_warning(index: Path, tmp_path: Path) -> None:
    files = {f"pix/f{number}.py": "" for number in range(20)}
    make_wheel(index, "demo", requires=("pix-gui", "pix-headless", "pix-none"))
    for kind in ("gui", "headless", "none"):
        own = dict.fromkeys(files, f"kind = {kind!r}\n")
        make_wheel(index, f"pix_{kind}", files={**own, f"pix/{kind}.py": ""})
    matrix, notes = matrix_of("demo", "3.11", "3.12"), Notes()
    manifest = build(matrix, "1.0", matrix.targets, tmp_path / "out", notes)
    assert notes.lines == [
        f"warning: wheels-collide: python/pix/f0.py: pix-gui and pix-{loser} both have this file and 19 more, "
        "with different content; the layer has the content of pix-gui"
        for loser in ("headless", "none")
    ]
    assert [len(artifact.findings) for artifact in manifest.artifacts] == [2, 2]
    layer = contents(tmp_path / "out" / manifest.artifacts[1].file)
    assert {layer[f"python/{path}"] for path in files} == {b"kind = 'gui'\n"}
    assert {"python/pix/gui.py", "python/pix/headless.py", "python/pix/none.py"} <= layer.keys()
    assert b"pix/none.py" in layer["python/pix_none-1.0.dist-info/RECORD"]
    assert b"pix/f0.py" not in layer["python/pix_none-1.0.dist-info/RECORD"]
    for artifact in manifest.artifacts:
        assert not [each for each in inspect_zip(tmp_path / "out" / artifact.file).findings if "record" in each.code]


def test_a_warning_for_some_targets_names_them(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"a.py": "1"}, requires=("other; python_version < '3.12'",))
    make_wheel(index, "other", files={"a.py": "2"})
    matrix, notes = matrix_of("demo", "3.11", "3.12", bytecode="off"), Notes()
    build(matrix, "1.0", matrix.targets, tmp_path / "out", notes)
    assert [line for line in notes.lines if "wheels-collide" in line and line.endswith(" (py3.11-x86_64)")]


def test_too_many_files_for_a_zip_are_an_error_with_the_largest_packages(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo", files={f"demo/d/f{n}.py": "" for n in range(60)}, requires=("other",))
    make_wheel(index, "other")
    monkeypatch.setattr(preflight, "MAX_ZIP_FILES", 20)
    with pytest.raises(BuildError, match=r"(?s)130 files.* 20\b.*largest are demo 125 files, other 5 files") as caught:
        made(tmp_path / "out")
    assert "bytecode" not in str(caught.value)
    monkeypatch.setattr(preflight, "MAX_ZIP_FILES", 100)
    with pytest.raises(BuildError, match=r"62 files of it are bytecode, and it fits without"):
        made(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (artifact,) = made(tmp_path / "out", matrix_of("demo", bytecode="off")).artifacts
    assert "pyc-none" not in {each.code for each in artifact.findings}  # the user knows


def test_the_error_for_a_too_large_layer_offers_to_leave_out_bytecode(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo", files={"demo/big.py": "".join(f"def f{n}(): return {n}\n" for n in range(999))})
    monkeypatch.setattr(preflight, "UNZIPPED_LIMIT_BYTES", 40_000)
    with pytest.raises(BuildError, match=r"set `bytecode: off` in the matrix, or use --no-bytecode"):
        made(tmp_path / "out")
    assert made(tmp_path / "out", matrix_of("demo", bytecode="off")).artifacts


def test_files_that_no_record_names_are_included_with_a_warning(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"demo/extra.py": "a = 1\n"}, unlisted=("demo/extra.py",), requires=("other",))
    make_wheel(index, "other")
    for folder in (tmp_path / "out", tmp_path / "again"):  # the second time from the cache
        artifact = made(folder).artifacts[0]
        assert "python/demo/extra.py" in contents(folder / artifact.file)
        found = [each for each in artifact.findings if each.code == "record-unknown"]
        assert [(each.level, each.path) for each in found] == [("warning", "python/demo/extra.py")]


def test_markers_are_evaluated_for_the_target(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("backport; python_version < '3.11'",))
    make_wheel(index, "backport")
    matrix = matrix_of("demo", "3.10", "3.12", bytecode="off")
    old, new = made(tmp_path / "out", matrix).artifacts
    assert [p.name for p in old.lock] == ["backport", "demo"]
    assert [p.name for p in new.lock] == ["demo"]
    assert old.interpreter is None
    assert not [name for name in contents(tmp_path / "out" / old.file) if name.endswith(".pyc")]


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


def test_a_size_above_lambdas_limit_is_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index, "demo", files={"demo/noise": os.urandom(9000)}, requires=("other",))
    make_wheel(index, "other")
    monkeypatch.setattr(preflight, "ZIPPED_LIMIT_BYTES", 5000)
    with pytest.raises(BuildError, match="Lambda allows 5,000 in a request") as caught:
        made(tmp_path / "out")
    assert "demo 0 MB, other" in str(caught.value)
    staged = matrix_of("demo", staging={"bucket": "b-{region}", "home": "us-east-1"})
    assert made(tmp_path / "staged", staged).artifacts[0].size > 5000
    monkeypatch.setattr(preflight, "UNZIPPED_LIMIT_BYTES", 8000)
    with pytest.raises(BuildError, match=r"the layer has [\d,]+ bytes unzipped; Lambda allows 8,000"):
        made(tmp_path / "out", matrix_of("demo", layer_name="x-{python}-{architecture}"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_no_files(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x.zip")

    monkeypatch.setattr(building, "write_zip_file", full)
    with pytest.raises(BuildError, match="No space left on device"):
        made(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_unchanged_zip_is_not_assembled_again(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index, "demo")
    first = made(tmp_path / "out")
    before = files_of(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(building, "merge", None)  # assembling would fail
        assert made(tmp_path / "out") == first
    for name in before:
        (tmp_path / "out" / name).write_bytes(b"damaged")
        assert made(tmp_path / "out") == first
        assert files_of(tmp_path / "out") == before


def test_a_zip_that_was_damaged_without_a_trace_in_its_size_and_time_is_assembled_again(
    index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "demo")
    first = made(tmp_path / "out")
    before = files_of(tmp_path / "out")
    path = tmp_path / "out" / first.artifacts[0].file
    facts = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert made(tmp_path / "out") == first
    assert files_of(tmp_path / "out") == before


def test_a_copy_of_an_unchanged_zip_is_hashed_once(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo")
    first = made(tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    monkeypatch.setattr(building, "merge", None)  # assembling would fail
    assert made(tmp_path / "copy") == first
    monkeypatch.setattr(unchanged, "sha256_of", None)  # hashing would fail
    assert made(tmp_path / "copy") == first


def test_an_unchanged_build_from_a_folder_is_not_resolved_again(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new wheel in the folder is used at once."""
    make_wheel(index, "demo", requires=("other",))
    make_wheel(index, "other")
    first = made(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(locks, "resolve", None)  # resolving would fail
        assert made(tmp_path / "out") == first
    make_wheel(index, "other", "1.1")
    second = made(tmp_path / "out")
    assert {locked.name: locked.version for locked in second.artifacts[0].lock} == {"demo": "1.0", "other": "1.1"}


def test_only_a_changed_wheel_is_packed_again(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of one package needs the work for this package only."""
    make_wheel(index, "demo", files=FILES, requires=("other",))
    make_wheel(index, "other", files={"other/more.py": "a = 1\n"})
    matrix = matrix_of("demo", "3.11", "3.12")
    made(tmp_path / "one", matrix)
    make_wheel(index, "demo", "1.1", files=FILES, requires=("other",))
    unpacked: list[str] = []
    compiled: list[str] = []
    compile_modules = Compilers.compile

    def count_wheels(wheels: Sequence[Locked], target: Target, folder: Path) -> dict[Locked, UnpackedWheel]:
        unpacked.extend(locked.name for locked in wheels)
        return unpack(wheels, target, folder)

    def count_modules(self: Compilers, interpreter: Interpreter, modules: Sequence[Module]) -> list[bytes | None]:
        compiled.extend(module.path for module in modules)
        return compile_modules(self, interpreter, modules)

    with monkeypatch.context() as patch:
        patch.setattr(wheel_packing, "unpack", count_wheels)
        patch.setattr(Compilers, "compile", count_modules)
        made(tmp_path / "two", matrix, "1.1")
    assert unpacked == ["demo"]
    assert sorted(set(compiled)) == ["demo/__init__.py", "demo/old.py", "demo/sub/__init__.py"]
    assert len(compiled) == 2 * len(set(compiled))
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "empty-cache"))
    made(tmp_path / "three", matrix, "1.1")
    assert files_of(tmp_path / "two") == files_of(tmp_path / "three")


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9] + b"damaged!!")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        *((kind, damage) for kind in ("wheels", "bytecode", "builds")),
        *(("*", spoil) for spoil in (damage, truncate, Path.unlink)),
        *(
            pytest.param(kind, spoil, marks=pytest.mark.slow)
            for kind in ("wheels", "bytecode", "builds")
            for spoil in (truncate, Path.unlink)
        ),
    ],
)
def test_a_damaged_cache_does_not_change_the_bytes(
    spoil: Callable[[Path], None], kind: str, index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "demo", requires=("other",))
    make_wheel(index, "other")
    first = made(tmp_path / "out")
    before = files_of(tmp_path / "out")
    spoilt = [path for path in (tmp_path / "cache").glob(f"{kind}/*") if path.is_file()]
    assert spoilt
    for path in spoilt:
        spoil(path)
    assert made(tmp_path / "again") == first
    assert files_of(tmp_path / "again") == before


def test_an_entry_of_another_format_is_not_used(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo")
    first = made(tmp_path / "out")
    cache = Cache(tmp_path / "cache")
    for content in (b"", b"no index", b"\x02\0\0\0\0\0\0\0{}", b"\x04\0\0\0\0\0\0\0[[1]]", b"\xff" * 20):
        for kind in ("wheels", "bytecode", "builds", "locks"):
            for path in (tmp_path / "cache" / kind).glob("*"):
                cache.write(kind, path.name, [content])
        assert made(tmp_path / "again") == first


def test_concurrent_builds_share_a_cache(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, requires=("other",))
    make_wheel(index, "other")
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda name: made(tmp_path / name), ("one", "two"))
    assert one == two
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_cache_that_cannot_be_written_does_not_change_the_build(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "demo")
    first = made(tmp_path / "one")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "file"))
    assert made(tmp_path / "two") == first


def test_a_resolution_from_a_local_folder_is_not_cached(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", requires=("other",))
    make_wheel(index, "other")
    made(tmp_path / "one")
    make_wheel(index, "other", "1.1")
    assert [p.version for p in made(tmp_path / "two").artifacts[0].lock] == ["1.0", "1.1"]


SCRIPT = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from builder.pipeline.build import build
from builder.resolve import locks
from builder.model.progress import Quiet
from tests.fakes.wheels import matrix_of
matrix = matrix_of("demo")
build(matrix, "1.0", matrix.targets, Path(sys.argv[1]), Quiet())
"""


def test_umask_time_zone_and_hash_seed_do_not_change_the_bytes(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files=FILES, executable=("demo/data.txt",), requires=("other",))
    make_wheel(index, "other", files={"other/names.py": "a = 'x' in {'copy', 'dict', None, 'json'}\n"})
    root = REPOSITORY
    results = set()
    for number, (umask, zone, seed) in enumerate([("022", "UTC", "1"), ("077", "Asia/Tokyo", "2")]):
        home = tmp_path / f"home{number}"
        home.mkdir()
        environment = {
            **os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "LC_ALL": "C", "HOME": str(home),
            "LAYERS_CACHE_DIR": str(tmp_path / f"cache{number}"), "UV_CACHE_DIR": str(home / "uv"),
            "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, "out", umask], cwd=home, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results.add(tuple(sorted((p.name, p.read_bytes()) for p in (home / "out").iterdir())))
    assert len(results) == 1


def test_the_packages_of_a_zip_can_be_imported(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", files={"demo/more.py": "from demo import version\n"})
    path = tmp_path / "out" / made(tmp_path / "out").artifacts[0].file
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        archive.extractall(tmp_path / "opt")
    code = "import demo.more, importlib.metadata as m; print(demo.more.version, m.version('demo'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path / "opt" / "python")}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1.0", "1.0"]
