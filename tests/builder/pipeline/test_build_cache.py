"""The cache of builds: it saves work and never changes the bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.bytecode.compiler import Compilers, Module
from builder.bytecode.interpreters import Interpreter
from builder.cache.store import Cache
from builder.model.artifact import Locked
from builder.model.target import Target
from builder.pipeline import build as building
from builder.pipeline import unchanged, wheel_packing
from builder.resolve import lock_cache
from builder.wheels.unpack import UnpackedWheel, unpack
from tests.builder.pipeline.small_builds import FILES, files_of, made
from tests.fakes.wheels import make_wheel, matrix_of

pytestmark = pytest.mark.usefixtures("index")


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
        patch.setattr(lock_cache, "resolve_requirements", None)  # resolving would fail
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
