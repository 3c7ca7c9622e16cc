"""A lock that was resolved a few minutes ago is used again for the same input only."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from builder.cache.store import Cache
from builder.model.artifact import Locked
from builder.model.progress import Quiet
from builder.model.target import Target
from builder.pipeline.build import build
from builder.resolve import lock_cache
from builder.resolve.bounds import Bounds, ProjectIndex
from builder.resolve.lock_cache import LockCache
from builder.resolve.resolver import Lock, LockInput, lock_input
from tests.fakes.wheels import make_wheel, matrix_of, target_of

pytestmark = pytest.mark.usefixtures("index")

TARGET = target_of("3.12")
LOCK = (Locked(name="demo", version="1.0", filename="demo-1.0-py3-none-any.whl", sha256="0" * 64),)
INPUT = LockInput(("demo>=1",), Bounds(("base<2",), ("other==1",), ("left-out",), settings={"prerelease": ("allow",)}))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def resolves(cache: Cache, inputs: LockInput = INPUT, python: str = "3.12", lock: Lock = LOCK) -> bool:
    """Return whether the lock of ``inputs`` is resolved; otherwise it comes from the cache."""
    runs = []

    def resolve(resolved: LockInput, _target: Target) -> Lock:
        runs.append(resolved)
        return lock

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock_cache, "resolve_requirements", resolve)
        assert LockCache(cache).resolve_requirements(inputs, target_of(python)) == lock
    return bool(runs)


def test_the_same_input_is_resolved_once(cache: Cache) -> None:
    assert [resolves(cache), resolves(cache), resolves(cache)] == [True, False, False]


@pytest.mark.parametrize(
    "changed",
    [
        replace(INPUT, requirements=("demo>=1", "base; python_version>'3.13'")),
        replace(INPUT, requirements=("demo>=2",)),
        replace(INPUT, exclude_newer="2026-01-01"),
        *(
            replace(INPUT, bounds=bounds)
            for bounds in (
                replace(INPUT.bounds, constraints=()),
                replace(INPUT.bounds, overrides=("other==2",)),
                replace(INPUT.bounds, excludes=()),
                replace(INPUT.bounds, complete=True),
                replace(INPUT.bounds, settings={}),
                replace(INPUT.bounds, hashes={"demo": frozenset({"sha256:" + "0" * 64})}),
            )
        ),
    ],
)
def test_another_input_is_resolved(changed: LockInput, cache: Cache) -> None:
    resolves(cache)
    assert resolves(cache, changed)
    assert not resolves(cache, changed)
    assert not resolves(cache)


def test_another_target_is_resolved(cache: Cache) -> None:
    resolves(cache)
    assert resolves(cache, python="3.13")


@pytest.mark.parametrize("setting", ["UV_PRERELEASE", "UV_INDEX_STRATEGY", "PIP_CONSTRAINT", "uv.toml"])
def test_other_settings_are_resolved(
    setting: str, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves(cache)
    (tmp_path / "constraints.txt").write_text("demo<2\n")
    if setting == "uv.toml":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        (tmp_path / "uv").mkdir()
        (tmp_path / "uv" / setting).write_text("")
    else:
        monkeypatch.setenv(setting, str(tmp_path / "constraints.txt") if setting.startswith("PIP") else "unsafe")
    assert resolves(cache)


def test_a_new_wheel_in_a_local_index_is_found(cache: Cache, index: Path) -> None:
    resolves(cache)
    make_wheel(index, "demo", "1.1")
    assert resolves(cache)


@pytest.mark.parametrize(
    "inputs",
    [
        replace(INPUT, requirements=("demo @ https://x/demo-1.0-py3-none-any.whl",)),
        replace(INPUT, bounds=Bounds(constraints=("demo@file:///x/demo-1.0-py3-none-any.whl",))),
        replace(INPUT, bounds=Bounds(overrides=("demo @ https://x/demo-1.0-py3-none-any.whl",))),
        replace(INPUT, bounds=Bounds(index_of={"demo": (ProjectIndex("own", "https://x/simple"), "demo>=1")})),
    ],
)
def test_files_outside_of_the_known_indexes_may_change_at_any_time(inputs: LockInput, cache: Cache) -> None:
    assert [resolves(cache, inputs), resolves(cache, inputs)] == [True, True]


def test_an_index_on_the_web_may_change_at_any_time(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike of the public index, nobody knows how long its pages may be kept: uv asks it."""
    monkeypatch.setenv("UV_INDEX", "https://example.com/simple")
    assert [resolves(cache), resolves(cache)] == [True, True]


@pytest.mark.parametrize("lost", [{"yanked": "broken"}, {"url": "https://x/demo-1.0-py3-none-any.whl"}])
def test_a_lock_with_facts_that_the_cache_does_not_keep_is_resolved(lost: dict[str, str], cache: Cache) -> None:
    lock = (LOCK[0].model_copy(update=lost),)
    assert [resolves(cache, lock=lock), resolves(cache, lock=lock)] == [True, True]


@pytest.mark.parametrize("seconds", [601, -1])
def test_an_old_lock_is_resolved_again(seconds: int, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(cache)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)
    assert resolves(cache)


def test_a_damaged_entry_is_resolved_again(cache: Cache) -> None:
    resolves(cache)
    (entry,) = (cache.folder / "locks").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b"1.0", b"6.6"))
    os.utime(entry)
    assert resolves(cache)


@pytest.mark.parametrize(
    "changed", [{"url": "https://x/demo-1.0-py3-none-any.whl"}, {"yanked": "broken"}, {"name": "another"}]
)
def test_an_entry_that_the_program_does_not_write_is_resolved_again(changed: dict[str, str], cache: Cache) -> None:
    """It may come from a foreign program: uv would fetch the wheel from its URL, or the package would be missing."""
    resolves(cache)
    (entry,) = (cache.folder / "locks").iterdir()
    resolved, (locked,) = json.loads(bytes(cache.read("locks", entry.name) or b""))
    cache.write("locks", entry.name, [json.dumps([resolved, [{**locked, **changed}]]).encode()])
    assert resolves(cache)


def test_a_build_does_not_take_the_lock_of_an_app_with_a_local_version(
    cache: Cache, index: Path, tmp_path: Path
) -> None:
    matrix = matrix_of("demo")
    for version in ("1.0", "1.0+cpu"):
        make_wheel(index, "demo", version)
    (locked,) = LockCache(cache).resolve_requirements(lock_input(matrix, "1.0"), matrix.targets[0])
    assert locked.version == "1.0+cpu"
    manifest = build(matrix, "1.0", matrix.targets, tmp_path / "built", Quiet(), cache=cache)
    assert [each.version for artifact in manifest.artifacts for each in artifact.lock] == ["1.0"]
