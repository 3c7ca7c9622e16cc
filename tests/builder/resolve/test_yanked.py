"""Builds of versions that are yanked, not available yet, or no longer available."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.model.errors import InputError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve.resolver import newest_resolvable, resolve
from tests.fakes.package_index import PackageIndex, running_index, use_index
from tests.fakes.wheels import make_wheel, matrix_of

MATRIX = matrix_of("demo")
(TARGET,) = MATRIX.targets


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with running_index() as running:
        use_index(monkeypatch, f"{running.address}/simple", tmp_path)
        monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
        running.add_wheel(make_wheel(tmp_path, "demo", "1.0"))
        yield running


@pytest.mark.parametrize("form", ["json", "html"])
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("breaks `agents` (on 3.12)", "yanked from the package index: breaks `agents` (on 3.12)"),
        (True, "yanked from the package index\n"),
        ('a "quoted"\nlonger\u202e reason', 'index: a "quoted" longer\\u202e reason\n'),
    ],
)
def test_a_yanked_version_is_refused_with_the_indexs_reason(
    reason: str | bool, words: str, form: str, index: PackageIndex, tmp_path: Path
) -> None:
    index.form = form
    index.add_wheel(make_wheel(tmp_path, "demo", "1.1"), yanked=reason)
    with pytest.raises(InputError) as caught:
        build(MATRIX, "1.1", MATRIX.targets, tmp_path / "out", Quiet())
    assert words in str(caught.value)
    assert "release another version" in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_yanked_version_is_built_from_its_lock(index: PackageIndex, tmp_path: Path) -> None:
    entry = index.add_wheel(make_wheel(tmp_path, "demo", "1.1"))
    lock = resolve(MATRIX, "1.1", TARGET)
    entry.yanked = "broken"
    manifest = build(MATRIX, "1.1", MATRIX.targets, tmp_path / "out", Quiet(), lock={TARGET.id: lock})
    assert manifest.artifacts[0].lock == lock


def test_a_yanked_version_is_not_the_newest(index: PackageIndex, tmp_path: Path) -> None:
    index.add_wheel(make_wheel(tmp_path, "demo", "1.1"), yanked="broken")
    assert newest_resolvable(MATRIX) == "1.0"


@pytest.mark.parametrize(("reason", "words"), [("demo==1.0` is yanked", ": demo==1.0` is yanked"), (True, "")])
def test_a_pinned_yanked_dependency_is_used_with_a_warning(
    reason: str | bool, words: str, index: PackageIndex, tmp_path: Path
) -> None:
    index.add_wheel(make_wheel(tmp_path, "other", "1.0"), yanked=reason)
    matrix = matrix_of("demo", requirements=["other==1.0"])
    for _ in range(2):  # neither a cached lock nor an unchanged zip loses the warning
        artifact = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet()).artifacts[0]
        assert [locked.name for locked in artifact.lock] == ["demo", "other"]
        messages = [each.message for each in artifact.findings if each.code == "version-yanked"]
        assert messages == [f"other 1.0 was yanked from the index{words}"]


def test_a_yanked_version_with_extras_is_refused(index: PackageIndex, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.1", requires=('demo; extra == "x"\nProvides-Extra: x',))
    index.add_wheel(wheel, yanked="broken")
    matrix = matrix_of("Demo", extras=["x"])
    with pytest.raises(InputError, match="yanked"):
        resolve(matrix, "1.1", matrix.targets[0])


def test_a_new_version_is_found_although_the_page_is_cached(index: PackageIndex, tmp_path: Path) -> None:
    index.kept = "public, max-age=600"
    with pytest.raises(InputError, match=r"no demo 1\.1"):
        resolve(MATRIX, "1.1", TARGET)
    index.add_wheel(make_wheel(tmp_path, "demo", "1.1"))
    assert resolve(MATRIX, "1.1", TARGET)[0].version == "1.1"
    asked = index.page_requests()
    resolve(MATRIX, "1.1", TARGET)
    assert index.page_requests() == asked  # a known version needs no request
