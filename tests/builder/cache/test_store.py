"""The cache: an entry is used only if it is intact and belongs to the user; the size is bounded."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.cache import store
from builder.cache.store import Cache, default_folder, key_of


def read(cache: Cache, key: str) -> bytes | None:
    content = cache.read("wheels", key)
    return None if content is None else bytes(content)


def test_a_written_entry_is_read_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.write("wheels", "k", [b"one", memoryview(b"two")])
    assert read(cache, "k") == b"onetwo"
    assert cache.read("bytecode", "k") is None
    assert read(cache, "other") is None


def test_content_that_was_read_survives_replacement_and_cleaning(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.write("wheels", "k", [b"content"])
    content = cache.read("wheels", "k")
    cache.write("wheels", "k", [b"another"])
    cache.clean()
    assert content is not None
    assert bytes(content) == b"content"


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_damaged_entry_is_not_used(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    cache = Cache(tmp_path_factory.mktemp("cache"))
    cache.write("wheels", "k", [content])
    path = cache.folder / "wheels" / "k"
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                whole[:position],
                whole + whole[:1],
                whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :],
            ]
        )
    )
    path.write_bytes(damaged)
    assert read(cache, "k") is None
    cache.write("wheels", "k", [content])
    assert read(cache, "k") == content


def test_an_entry_under_another_key_is_not_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("wheels", "k", [b"content"])
    (tmp_path / "bytecode").mkdir()
    shutil.copy(tmp_path / "wheels" / "k", tmp_path / "wheels" / "other")
    shutil.copy(tmp_path / "wheels" / "k", tmp_path / "bytecode" / "k")
    assert read(cache, "other") is None
    assert cache.read("bytecode", "k") is None


def make_writable_for_all(path: Path, _: pytest.MonkeyPatch) -> None:
    path.chmod(0o666)


def make_owned_by_another_user(_: Path, patch: pytest.MonkeyPatch) -> None:
    user = os.geteuid()
    patch.setattr(os, "geteuid", lambda: user + 1)


def make_link(path: Path, _: pytest.MonkeyPatch) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def make_pipe(path: Path, _: pytest.MonkeyPatch) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [make_writable_for_all, make_owned_by_another_user, make_link, make_pipe])
def test_an_entry_that_another_user_could_have_written_is_not_used(
    change: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    cache.write("wheels", "k", [b"content"])
    change(tmp_path / "wheels" / "k", monkeypatch)
    assert read(cache, "k") is None


def test_concurrent_readers_see_whole_entries(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    start = threading.Barrier(8)

    def use(number: int) -> set[bytes | None]:
        start.wait()
        seen = set()
        for _ in range(30):
            cache.write("wheels", "k", [b"%d" % number * 5000])
            seen.add(read(cache, "k"))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = set().union(*pool.map(use, range(8)))
    assert seen <= {b"%d" % number * 5000 for number in range(8)}
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["k"]


def test_the_least_recently_used_entry_is_deleted_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for age, key in enumerate(("new", "middle", "old")):
        cache.write("wheels", key, [b"x" * 1000])
        os.utime(tmp_path / "wheels" / key, (10_000 - age, 10_000 - age))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("not an entry")
    each = cache.size() // 3
    assert read(cache, "old")  # the most recent use
    assert cache.prune(2 * each) == each
    assert {path.name for path in (tmp_path / "wheels").iterdir()} == {"new", "old"}
    assert cache.clean() == 2 * each
    assert cache.size() == 0
    assert (tmp_path / "mine" / "file").exists()


def test_an_unfinished_file_is_deleted_after_a_day(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("wheels", "k", [b"content"])
    for name, used in (("recent", None), ("abandoned", (1, 1))):
        (tmp_path / "wheels" / f"{store._UNFINISHED_PREFIX}{name}").write_text("part")
        os.utime(tmp_path / "wheels" / f"{store._UNFINISHED_PREFIX}{name}", used)
    assert cache.prune() == len("part")
    assert {path.name for path in (tmp_path / "wheels").iterdir()} == {"k", f"{store._UNFINISHED_PREFIX}recent"}


def test_a_cache_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    cache = Cache(tmp_path / "cache")
    cache.write("wheels", "k", [b"content"])
    assert read(cache, "k") is None
    assert (cache.size(), cache.prune(), cache.clean()) == (0, 0, 0)


def test_a_full_disk_leaves_no_unfinished_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", refuse)
    Cache(tmp_path).write("wheels", "k", [b"content"])
    assert list((tmp_path / "wheels").iterdir()) == []


def test_each_part_changes_the_key() -> None:
    assert key_of(1, "a") == key_of(1, "a")
    assert len({key_of(1, "a"), key_of(1, "b"), key_of("1", "a"), key_of([1, "a"])}) == 4


def test_an_environment_variable_sets_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("LAYERS_CACHE_DIR")
    assert default_folder().name == "strands-layers"
