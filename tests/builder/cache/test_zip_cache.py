"""The cache: never believed without its hash, bounded, and no reason for a build to fail."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from builder.cache.zip_cache import Cache, default_folder, key_of
from builder.model.artifact import Artifact
from builder.model.runtimes import Architecture


def keep(cache: Cache, folder: Path, key: str, content: bytes = b"zip") -> Artifact:
    folder.mkdir(exist_ok=True)
    (folder / "a.zip").write_bytes(content)
    (folder / "a.cdx.json").write_bytes(b"{}")
    artifact = Artifact(
        target="py3.12-x86_64", python="3.12", architecture=Architecture.X86_64, layer_name="a", file="a.zip",
        sha256=hashlib.sha256(content).hexdigest(), size=len(content), unzipped_size=9, interpreter="3.12.1", lock=(),
        sbom="a.cdx.json", sbom_sha256=hashlib.sha256(b"{}").hexdigest(),
    )  # fmt: skip
    cache.put(key, folder, artifact)
    return artifact


def test_what_was_put_is_taken(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    artifact = keep(cache, tmp_path / "one", "k")
    (tmp_path / "two").mkdir()
    assert cache.take("k", tmp_path / "two") == artifact
    assert (tmp_path / "two" / "a.zip").read_bytes() == b"zip"
    assert (tmp_path / "two" / "a.cdx.json").read_bytes() == b"{}"
    assert cache.take("other", tmp_path / "two") is None


@pytest.mark.parametrize("damaged", ["a.zip", "a.cdx.json", "facts"])
@pytest.mark.parametrize("how", ["changed", "emptied", "removed"])
def test_damage_counts_as_absence(tmp_path: Path, damaged: str, how: str) -> None:
    cache = Cache(tmp_path / "cache")
    artifact = keep(cache, tmp_path / "one", "k")
    file = tmp_path / "cache" / "zips" / "k" / damaged
    data = file.read_bytes()
    if how == "removed":
        file.unlink()
    else:
        file.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:] if how == "changed" else b"")
    (tmp_path / "two").mkdir()
    assert cache.take("k", tmp_path / "two") is None
    keep(cache, tmp_path / "one", "k")
    assert cache.take("k", tmp_path / "two") == artifact


def test_two_builds_at_once_keep_one(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    keep(cache, tmp_path / "one", "k")
    artifact = keep(cache, tmp_path / "one", "k")
    (tmp_path / "two").mkdir()
    assert cache.take("k", tmp_path / "two") == artifact
    assert [path.name for path in (tmp_path / "cache" / "zips").iterdir()] == ["k"]


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for age, key in enumerate(("new", "middle", "old")):
        keep(cache, tmp_path / "one", key, b"x" * 1000)
        os.utime(tmp_path / "cache" / "zips" / key, (10_000 - age, 10_000 - age))
    each = cache.size() // 3
    assert cache.prune(2 * each) == each
    assert {path.name for path in (tmp_path / "cache" / "zips").iterdir()} == {"new", "middle"}
    assert cache.clean() == 2 * each
    assert cache.size() == 0


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    cache = Cache(tmp_path / "cache")
    keep(cache, tmp_path / "one", "k")
    assert cache.take("k", tmp_path / "one") is None
    cache.remember("q", "answer")
    assert cache.recall("q", 60) is None


def test_answers_are_kept_for_a_while(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.recall("q", 60) is None
    cache.remember("q", "ä\nb")
    assert cache.recall("q", 60) == "ä\nb"
    assert cache.recall("q", 0) is None
    path = tmp_path / "answers" / "q"
    path.write_text(path.read_text("utf-8") + "!", "utf-8")
    assert cache.recall("q", 60) is None


def test_keys_name_all_their_parts() -> None:
    assert key_of(1, "a") == key_of(1, "a")
    assert len({key_of(1, "a"), key_of(1, "b"), key_of("1", "a"), key_of([1, "a"])}) == 4


def test_the_place_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("LAYERS_CACHE_DIR")
    assert default_folder().name == "strands-layers"
