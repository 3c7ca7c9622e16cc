"""The choice of a wheel for a lock: platform tags, digests, indexes, exclusions, overrides."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from builder.model.artifact import MANIFEST
from builder.model.errors import InputError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.resolve.bounds import Bounds
from builder.resolve.failures import ConflictError, NoWheelError
from builder.resolve.resolver import MAX_UV_RUNS_PER_TARGET, LockInput, resolve, resolve_requirements
from builder.wheels.unpack import unpack
from tests.fakes.package_index import PackageIndex, running_index, use_index
from tests.fakes.wheels import make_wheel, matrix_of, target_of


def manylinux(minor: int, python: str = "311") -> str:
    return f"cp{python}-cp{python}-manylinux_2_{minor}_x86_64"


@pytest.mark.parametrize("minor", [17, 18, 24, 26])
def test_wheels_up_to_glibc_2_26_are_used_on_amazon_linux_2(minor: int, index: Path, tmp_path: Path) -> None:
    make_wheel(index, "demo", tag=manylinux(minor))
    matrix = matrix_of("demo", "3.11")
    manifest = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert manifest.artifacts[0].lock[0].filename == f"demo-1.0-{manylinux(minor)}.whl"
    assert (tmp_path / "out" / MANIFEST).exists()


def test_a_compiled_wheel_wins_over_a_pure_one(index: Path) -> None:
    make_wheel(index, "demo")
    make_wheel(index, "demo", tag=manylinux(26))
    make_wheel(index, "demo", tag=manylinux(28))
    (locked,) = resolve_requirements(LockInput(("demo",)), target_of("3.11"))
    assert locked.filename == f"demo-1.0-{manylinux(26)}.whl"


def test_an_older_version_is_chosen_if_the_newest_needs_a_newer_glibc(index: Path) -> None:
    make_wheel(index, "demo", "2.0", tag=manylinux(28))
    make_wheel(index, "demo", "1.5", tag=manylinux(27))
    make_wheel(index, "demo", "1.0", tag=manylinux(26))
    (locked,) = resolve_requirements(LockInput(("demo",)), target_of("3.11"))
    assert locked.version == "1.0"


def test_an_old_version_is_found_behind_many_that_need_a_newer_glibc(index: Path) -> None:
    for number in range(MAX_UV_RUNS_PER_TARGET + 2):
        make_wheel(index, "demo", f"2.{number}", tag=manylinux(28))
    make_wheel(index, "demo", "1.0", tag=manylinux(17))
    (locked,) = resolve_requirements(LockInput(("demo",)), target_of("3.11"))
    assert locked.version == "1.0"


@pytest.mark.parametrize("requirement", ["user", "user==2.0"])
def test_versions_behind_many_that_need_a_newer_glibc_limit_no_other_package(requirement: str, index: Path) -> None:
    for number in range(MAX_UV_RUNS_PER_TARGET + 2):
        make_wheel(index, "demo", f"2.{number}", tag=manylinux(28))
    make_wheel(index, "demo", "1.0", tag=manylinux(17))
    make_wheel(index, "user", "1.0", requires=("demo",), tag=manylinux(17))
    make_wheel(index, "user", "2.0", requires=("demo",), tag=manylinux(24))
    lock = resolve_requirements(LockInput((requirement,)), target_of("3.11"))
    assert [(each.name, each.version) for each in lock] == [("demo", "1.0"), ("user", "2.0")]


@pytest.mark.parametrize("requirement", ["demo", "demo==1.0", "user"])
def test_only_wheels_for_a_newer_glibc_are_an_error_that_names_the_package(requirement: str, index: Path) -> None:
    make_wheel(index, "demo", tag=manylinux(28))
    make_wheel(index, "user", requires=("demo",))
    with pytest.raises(ConflictError, match=r"demo 1\.0 has no wheel that runs on python3\.11.*glibc 2\.26"):
        resolve_requirements(LockInput((requirement,)), target_of("3.11"))


@pytest.mark.parametrize("requirement", ["demo", "demo>=1.1", "user"])
def test_a_package_without_a_wheel_in_several_versions_is_named_without_one_of_them(
    requirement: str, index: Path
) -> None:
    for version in ("1.0", "1.1", "1.2rc1", "1.3"):
        make_wheel(index, "demo", version, tag=manylinux(28 if version < "1.2" else 34))
    make_wheel(index, "user", requires=("demo",))
    with pytest.raises(ConflictError, match=r"demo \(in any version that the requirements allow\) has no wheel"):
        resolve_requirements(LockInput((requirement,)), target_of("3.11"))


def test_a_package_without_a_wheel_that_is_required_with_a_marker_is_named(index: Path) -> None:
    make_wheel(index, "demo", tag=manylinux(28))
    make_wheel(index, "user", requires=("demo>=1; platform_machine == 'x86_64' or platform_machine == 'AMD64'",))
    with pytest.raises(NoWheelError, match=r"demo .*has no wheel that runs on .*; user requires demo[=>]=1") as caught:
        resolve_requirements(LockInput(("user",)), target_of("3.11"))
    assert caught.value.package.partition(" ")[0] == "demo"


def test_exclusions_and_overrides_of_the_matrix_are_applied(index: Path) -> None:
    make_wheel(index, "demo", requires=("other<2", "heavy"))
    for version in ("1.0", "2.0"):
        make_wheel(index, "other", version)
    matrix = matrix_of("demo", exclude=["Heavy"], override=["other>=2"])
    lock = resolve(matrix, "1.0", matrix.targets[0])
    assert [(each.name, each.version) for each in lock] == [("demo", "1.0"), ("other", "2.0")]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with running_index() as running:
        use_index(monkeypatch, f"{running.address}/simple", tmp_path)
        monkeypatch.setenv("LAYERS_CACHE_DIR", str(tmp_path / "cache"))
        yield running


@pytest.mark.parametrize(
    ("algorithm", "form"),
    [
        ("md5", "json"),
        ("sha512", "html"),
        (None, "html"),
        *(
            pytest.param(algorithm, form, marks=pytest.mark.slow)
            for algorithm, form in (("md5", "html"), ("sha512", "json"), (None, "json"))
        ),
        *(pytest.param("sha384", form, marks=pytest.mark.slow) for form in ("json", "html")),
    ],
)
def test_indexes_without_sha256_are_accepted(
    algorithm: str | None, form: str, server: PackageIndex, tmp_path: Path
) -> None:
    server.form = form
    server.hashes = algorithm is not None
    server.algorithm = algorithm or "sha256"
    wheel = make_wheel(tmp_path, "demo")
    server.add_wheel(wheel)
    matrix = matrix_of("demo")
    manifest = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())
    assert manifest.artifacts[0].lock[0].sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize("place", ["folder", "index without hashes"])
@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ((manylinux(17), manylinux(28)), manylinux(17)),
        (("py3-none-any", "9-py3-none-any", "10-py3-none-any", "10-py2-none-any"), "10-py3-none-any"),
        (("py3-none-any", "py2.py3-none-any"), "py3-none-any"),
    ],
)
def test_the_best_wheel_of_a_version_is_installed_also_where_uv_would_take_another(
    names: tuple[str, ...], chosen: str, place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue("index") if place == "folder" else tmp_path
    server: PackageIndex | None = None if place == "folder" else request.getfixturevalue("server")
    for name in names:
        wheel = make_wheel(folder, "demo", files={"demo/name.txt": name}, tag=name)
        if server:
            server.hashes = False
            server.add_wheel(wheel)
    matrix = matrix_of("demo", "3.11", bytecode="off")
    (artifact,) = build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet()).artifacts
    assert artifact.lock[0].filename == f"demo-1.0-{chosen}.whl"
    with zipfile.ZipFile(tmp_path / "out" / artifact.file) as archive:
        assert archive.read("python/demo/name.txt").decode() == chosen
    again = build(matrix, "1.0", matrix.targets, tmp_path / "again", Quiet(), lock={artifact.target: artifact.lock})
    assert again.artifacts[0].sha256 == artifact.sha256


def test_a_version_that_only_the_second_index_has_is_refused_with_the_setting_to_use(
    server: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_wheel(make_wheel(tmp_path, "demo", "1.0"))
    with running_index() as second:
        second.add_wheel(make_wheel(tmp_path, "demo", "2.0"))
        first = f"{server.address}/simple"
        monkeypatch.setenv("UV_INDEX", first.replace("://", "://user:secret@"))
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{second.address}/simple")
        matrix = matrix_of("demo")
        with pytest.raises(InputError, match="first-index") as caught:
            resolve(matrix, "2.0", matrix.targets[0])
        assert f"demo is on {first}, but not in the required version" in str(caught.value)
        assert "UV_INDEX_STRATEGY=unsafe-best-match" in str(caught.value)
        assert "secret" not in str(caught.value)
        monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")
        assert resolve(matrix, "2.0", matrix.targets[0])[0].version == "2.0"


@pytest.mark.parametrize("algorithm", [pytest.param("sha384", marks=pytest.mark.slow), "sha512"])
@pytest.mark.parametrize("listed", ["sha256", "sha512", "md5", None])
def test_a_required_hash_of_another_algorithm_than_the_index_lists_is_checked(
    listed: str | None, algorithm: str, server: PackageIndex, tmp_path: Path
) -> None:
    server.hashes, server.algorithm = listed is not None, listed or "sha256"
    wheel = make_wheel(tmp_path, "demo")
    server.add_wheel(wheel)
    digest = hashlib.new(algorithm, wheel.read_bytes()).hexdigest()

    def lock(*digests: str) -> str:
        bounds = Bounds(hashes={"demo": frozenset(f"{algorithm}:{each}" for each in digests)})
        return resolve_requirements(LockInput(("demo==1.0",), bounds), target_of())[0].sha256

    assert lock("0" * len(digest), digest) == hashlib.sha256(wheel.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=f"hash mismatch: demo-1.0.*{algorithm}:{digest}, which is not among its"):
        lock("0" * len(digest))


def test_the_sha256_is_of_the_content_with_the_required_hash_not_the_one_that_the_index_lists(
    server: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    wheel = make_wheel(tmp_path, "demo")
    server.add_wheel(make_wheel(tmp_path / "other", "demo", files={"demo/other.py": ""}))
    monkeypatch.setattr(server, "file", lambda _: wheel.read_bytes())
    digest = hashlib.sha512(wheel.read_bytes()).hexdigest()
    bounds = Bounds(hashes={"demo": frozenset([f"sha512:{digest}"])})
    (locked,) = resolve_requirements(LockInput(("demo==1.0",), bounds), target_of())
    assert locked.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()


#: Further spellings.
EQUAL_VERSIONS = ("1.0", "1.0.0", "1.0.post1", "2024.01.02")


@pytest.mark.parametrize(
    "version",
    ["1.0+local.1", "1!1.0", "1.0rc1", *(pytest.param(each, marks=pytest.mark.slow) for each in EQUAL_VERSIONS)],
)
def test_the_locked_version_is_unpacked_although_others_equal_it(version: str, index: Path, tmp_path: Path) -> None:
    for each in (version, f"{version}{'.' if '+' in version else '+'}more"):
        make_wheel(index, "demo", each)
    target = target_of()
    lock = resolve_requirements(LockInput((f"demo==={version}",)), target)
    assert [each.version for each in lock] == [str(Version(version))]
    unpacked = unpack(lock, target, tmp_path / "unpacked")[lock[0]]
    (init,) = (each for each in unpacked.files if each.path == "demo/__init__.py")
    assert Path(init.source).read_text() == f"version = {version!r}\n"
