"""The zips of an app, from wheels made in the test: what is included, what is refused, what a layer provides."""

from __future__ import annotations

import os
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import BuildError, InputError, LayersError
from builder.model.progress import Quiet
from builder.package import Layer, Package, package
from builder.package import packaging as running
from builder.package.dependencies import find_conflicting
from builder.package.ignore_rules import ignore_rules, is_ignored
from builder.package.work_folder import work_folder
from builder.requirements.reader import find_requirements, read_requirements
from builder.resolve.failures import ConflictError
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_wheel, target_of

TARGET = target_of("3.12", "aarch64")


pytestmark = pytest.mark.usefixtures("index")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return an app with the guide's layout: ``lambda/`` with the handler, ``requirements.txt`` beside it."""
    folder = tmp_path / "project" / "lambda"
    folder.mkdir(parents=True)
    (folder / "agent_handler.py").write_text("def handler(event, context):\n    return 'ok'\n")
    return folder


def asks(app: Path, text: str) -> None:
    (app.parent / "requirements.txt").write_text(text)


def packaged(app: Path, layer: Layer | None = None, requirements: Path | None = None) -> Package:
    output = app.parent / "packaging"
    return package(app, TARGET, output, Quiet(), layer=layer, requirements=requirements)


def layer_of(size: int | None = 1000, **packages: str) -> Layer:
    return Layer("arn:aws:lambda:us-east-1:123456789012:layer:demo:2", "demo 1.0, layer version 2", packages, size)


def versions(made: Package) -> dict[str, str]:
    assert made.dependencies is not None
    return {each.name: each.version for each in made.dependencies.lock}


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def refusal(app: Path, kind: type[LayersError] = InputError, layer: Layer | None = None) -> str:
    with pytest.raises(kind) as caught:
        packaged(app, layer)
    assert not (app.parent / "packaging" / "app.zip").exists()
    return str(caught.value)


# -- both zips ---------------------------------------------------------------------------------------------------------


def test_an_app_with_the_guides_layout_gives_both_zips(app: Path, index: Path) -> None:
    make_wheel(index, "tools", "2.0", requires=("base>=1",))
    make_wheel(index, "base", "1.5")
    asks(app, "tools\n")
    made = packaged(app)
    assert names(made.app.file) == ["agent_handler.py"]
    assert versions(made) == {"base": "1.5", "tools": "2.0"}
    found = names(app.parent / "packaging" / "dependencies.zip")
    assert "python/tools/__init__.py" in found
    assert "python/base/__pycache__/__init__.cpython-312.pyc" in found
    assert made.requirements == app.parent / "requirements.txt"
    assert sorted(p.name for p in (app.parent / "packaging").iterdir()) == [
        "app.zip", "dependencies.cdx.json", "dependencies.zip",
    ]  # fmt: skip


def test_file_times_and_owner_permissions_do_not_change_the_bytes(app: Path) -> None:
    first = packaged(app).app.sha256
    os.utime(app / "agent_handler.py", (1, 1))
    (app / "agent_handler.py").chmod(0o600)
    assert packaged(app).app.sha256 == first
    (app / "agent_handler.py").chmod(0o755)
    assert packaged(app).app.sha256 != first


def test_requirements_are_searched_beside_the_handler_and_then_in_the_parent(app: Path) -> None:
    assert find_requirements(app) == (None, ())
    (app.parent / "pyproject.toml").write_text("[tool.ruff]\n")
    assert find_requirements(app) == (None, ())
    (app.parent / "pyproject.toml").write_text("[project]\nname = 'agent'\n")
    assert find_requirements(app)[0] == app.parent / "pyproject.toml"
    asks(app, "")
    assert find_requirements(app)[0] == app.parent / "requirements.txt"
    (app / "requirements.txt").write_text("")
    assert find_requirements(app)[0] == app / "requirements.txt"


def test_without_requirements_only_app_zip_is_written_and_an_old_dependencies_zip_is_deleted(
    app: Path, index: Path
) -> None:
    make_wheel(index, "tools")
    asks(app, "tools\n")
    packaged(app)
    asks(app, "# nothing any more\n")
    made = packaged(app)
    assert made.dependencies is None
    assert [p.name for p in (app.parent / "packaging").iterdir()] == ["app.zip"]


def test_dependencies_of_pyproject_toml_are_included(app: Path, index: Path) -> None:
    make_wheel(index, "tools")
    (app.parent / "pyproject.toml").write_text(
        "[project]\nname = 'agent'\nversion = '3'\nrequires-python = '>=3.11'\n"
        "dependencies = ['tools', 'absent; python_version < \"3.12\"']\n"
    )
    assert versions(packaged(app)) == {"tools": "1.0"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[project]\ndynamic = ['dependencies']\n", "dynamic"),
        ("[tool.poetry.dependencies]\na = '<1 || >2'\n", "[tool.poetry.dependencies].a: alternatives"),
        ("[project]\nrequires-python = '>=3.13'\ndependencies = ['a']\n", "requires Python >=3.13, not 3.12"),
        ("[project]\ndependencies = ['a b', 'c @ file:///c.whl']\n", "2 problems"),
        ("[project\n", "not valid TOML"),
    ],
)
def test_projects_that_cannot_be_read_are_refused(app: Path, text: str, words: str) -> None:
    (app.parent / "pyproject.toml").write_text(text)
    assert words in refusal(app)


# -- requirements files ------------------------------------------------------------------------------------------------


def test_included_and_constraints_files_are_read(app: Path, index: Path) -> None:
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(index, "base", version)
    make_wheel(index, "tools", requires=("base",))
    make_wheel(index, "more")
    asks(app, "-r more.txt  # and others\ntools \\\n  >=1.0\nnever; python_version < '3.12'\n-c bounds.txt\n")
    (app.parent / "more.txt").write_text("--requirement=requirements.txt\nmore\n")
    (app.parent / "bounds.txt").write_text("base<3\nunused==9\n")
    assert versions(packaged(app)) == {"base": "2.0", "more": "1.0", "tools": "1.0"}


def test_all_problems_of_a_requirements_file_are_reported_with_their_lines(app: Path) -> None:
    asks(
        app,
        "ok\n-e .\ngit+https://example.org/x\n./local\nx @ https://example.org/x.tar.gz\n--index-url https://example.org\n"
        "-r absent.txt\nnot a name\n--no-binary :all:\nwheel.whl\n",
    )
    said = refusal(app)
    assert "the requirements have 9 problems" in said
    for line in range(2, 11):
        assert f"requirements.txt:{line}:" in said
    assert "requirements.txt:2: . has no pyproject.toml or setup.py" in said
    assert "UV_DEFAULT_INDEX" in said


def test_a_wheel_with_another_hash_is_refused(app: Path, index: Path) -> None:
    import hashlib

    digest = hashlib.sha256(make_wheel(index, "tools").read_bytes()).hexdigest()
    asks(app, f"tools==1.0 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}\n")
    assert versions(packaged(app)) == {"tools": "1.0"}
    (app.parent / "packaging" / "app.zip").unlink()
    asks(app, f"tools==1.0 --hash=sha256:{'0' * 64}\n")
    assert "not among its hashes" in refusal(app)
    make_wheel(index, "base")
    asks(app, f"base\ntools==1.0 --hash=sha256:{digest}\n")
    assert "base==1.0 has no hash" in refusal(app)
    asks(app, "base\n--require-hashes\n")
    assert "base==1.0 has no hash" in refusal(app)


def test_missing_files_and_packages_are_named(app: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        packaged(app, requirements=app / "absent.txt")
    asks(app, "absent-package\n")
    assert "absent-package" in refusal(app, LayersError)


@given(st.lists(st.sampled_from(["a", "b>=1", "c==2; python_version < '4'", "# no", "", "d[x]  # y"]), max_size=8))
def test_the_layout_of_lines_does_not_change_their_meaning(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("requirements")
    (folder / "plain.txt").write_text("\n".join(lines))
    (folder / "odd.txt").write_text("\ufeff" + "\r\n\r\n".join(f"  {line} " for line in lines) + "\n", "utf-8")
    plain, odd = (
        tuple(each.text for each in read_requirements(folder / f, TARGET).declared) for f in ("plain.txt", "odd.txt")
    )
    assert plain == odd == tuple(line.split("  #")[0] for line in lines if line and line[0] != "#")


# -- the app's files ---------------------------------------------------------------------------------------------------


def test_ignored_files_are_left_out(app: Path) -> None:
    for path in (
        ".git/config", ".env", "__pycache__/x.pyc", "pkg/__pycache__/y.pyc", "node_modules/z.js", "own/pyvenv.cfg",
        "own/lib/w.py", "pkg/__init__.py", "prompts/system.txt", "notes/secret.md", "notes/kept.md", "data/big.bin",
        "pkg/data/ok.bin",
    ):  # fmt: skip
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_text("x")
    (app / ".lambdaignore").write_text("# ours\nnotes/*\n!notes/kept.md\n/data/\n")
    assert names(packaged(app).app.file) == [
        "agent_handler.py", "notes/kept.md", "pkg/__init__.py", "pkg/data/ok.bin", "prompts/system.txt",
    ]  # fmt: skip


def test_an_output_folder_inside_the_app_is_not_packed(app: Path) -> None:
    for _ in range(2):
        made = package(app, TARGET, app / "out", Quiet())
        assert names(made.app.file) == ["agent_handler.py"]
    with pytest.raises(InputError, match="is the app's own"):
        package(app, TARGET, app, Quiet())


def test_the_output_of_an_earlier_run_is_left_out_with_a_note_and_other_files_beside_it_are_packed(
    app: Path, index: Path
) -> None:
    make_wheel(index, "base", "1.0")
    asks(app, "base\n")
    package(app, TARGET, app / "old", Quiet())
    (app / "old" / "notes.txt").write_text("mine")
    notes = Notes()
    made = package(app, TARGET, app.parent / "packaging", notes)
    assert names(made.app.file) == ["agent_handler.py", "old/notes.txt"]
    assert [line for line in notes.lines if "not packed" in line] == [
        "not packed, because an earlier `layers package` wrote them: "
        "old/app.zip, old/dependencies.cdx.json, old/dependencies.zip"
    ]


def test_what_a_killed_run_left_is_deleted_and_never_packed(app: Path) -> None:
    output = app.parent / "packaging"
    for place in (app, output):
        (place / ".layers-package-old" / "own").mkdir(parents=True)
        (place / ".layers-package-old" / "app.zip").write_text("half")
    (app / ".lambdaignore").write_text("!.*\n")
    with work_folder(output) as other:  # of a run at the same time
        assert not (output / ".layers-package-old").exists()
        (other / "app.zip").write_text("other")
        made = package(app, TARGET, output, Quiet())
        assert (other / "app.zip").read_text() == "other"
    assert names(made.app.file) == [".lambdaignore", "agent_handler.py"]
    assert [path.name for path in output.iterdir()] == ["app.zip"]


def test_runs_at_once_into_one_folder_leave_the_zips_of_one_run(app: Path, index: Path) -> None:
    make_wheel(index, "base")
    asks(app, "base\n")
    bare = app.parent / "bare"
    (bare / "lambda").mkdir(parents=True)
    (bare / "lambda" / "bare.py").write_text("")
    output = app.parent / "packaging"
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(package, each, TARGET, output, Quiet()) for each in (app, bare / "lambda", app, app)]
        wait(runs)
    assert [run.exception() for run in runs] == [None] * 4
    is_full = names(output / "app.zip") == ["agent_handler.py"]
    assert (output / "dependencies.zip").exists() == (output / "dependencies.cdx.json").exists() == is_full
    assert not list(output.glob(".*"))


@pytest.mark.parametrize("folder", ["templates", "."])
def test_a_users_own_app_zip_is_packed(app: Path, folder: str) -> None:
    (app / folder).mkdir(exist_ok=True)
    with zipfile.ZipFile(app / folder / "app.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("x", (2024, 5, 6, 7, 8, 10)), "x")
    (app / "dependencies.zip").write_text("not a zip")
    path = "app.zip" if folder == "." else f"{folder}/app.zip"
    assert names(packaged(app).app.file) == sorted(["agent_handler.py", "dependencies.zip", path])


def test_a_module_of_the_app_that_hides_another_is_named(app: Path, index: Path) -> None:
    make_wheel(index, "demo", files={"alone.py": "", "same.py": "x = 1\n"})
    asks(app, "demo")
    for path in ("json.py", "alone.py", "demo/__init__.py", "sys.py", "sub/json.py", "email/readme.txt"):
        (app / path).parent.mkdir(exist_ok=True)
        (app / path).write_text("mine = 1\n")
    (app / "same.py").write_text("x = 1\n")
    progress = Notes()
    package(app, TARGET, app.parent / "out", progress)
    standard, other = [note for note in progress.lines if "hides" in note]
    assert "warning: json.py of the app hides a module of Python's standard library" in standard
    assert "warning: alone.py, demo/__init__.py of the app hides a module of the same name in dependencies.zip" in other


def test_links_are_followed_and_loops_and_broken_links_are_refused(app: Path) -> None:
    (app.parent / "shared").mkdir()
    (app.parent / "shared" / "util.py").write_text("x = 1\n")
    (app / "shared").symlink_to(app.parent / "shared")
    assert names(packaged(app).app.file) == ["agent_handler.py", "shared/util.py"]
    (app.parent / "packaging" / "app.zip").unlink()
    (app / "nothing").symlink_to(app / "absent")
    assert "a broken symbolic link" in refusal(app)
    (app / "nothing").unlink()
    (app / "circle").symlink_to(app)
    assert "leads back" in refusal(app)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, words in {"absent": "no such directory", "empty": "no files", "file": "is not a directory"}.items():
        with pytest.raises(InputError, match=words):
            package(tmp_path / name, TARGET, tmp_path / "out", Quiet())


@given(st.text("ab/*?.!", min_size=1, max_size=8), st.text("ab./", min_size=1, max_size=8))
def test_any_ignore_line_is_accepted(line: str, path: str) -> None:
    assert is_ignored(path, False, ignore_rules([line])) in (True, False)
    assert not is_ignored(path, True, ignore_rules([line, "!**"]))


@pytest.mark.parametrize(
    ("line", "path", "out"),
    [
        ("*.md", "a/b.md", True), ("/*.md", "a/b.md", False), ("a/**/c", "a/b/b/c", True), ("a/**/c", "a/c", True),
        ("a/*", "a/b/c", False), ("?.py", "a.py", True), ("?.py", "ab.py", False), ("a.b", "axb", False),
    ],
)  # fmt: skip
def test_an_ignore_pattern_excludes_what_gitignore_excludes(line: str, path: str, out: bool) -> None:
    assert is_ignored(path, False, ignore_rules([line])) is out


# -- Lambda's limits ---------------------------------------------------------------------------------------------------


def test_app_dependencies_and_layer_count_against_lambdas_limit(
    app: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "tools")
    asks(app, "tools\n")
    monkeypatch.setattr(running, "UNZIPPED_LIMIT_BYTES", 50_000)
    assert packaged(app, layer_of(40_000)).total_unzipped > 40_000
    (app.parent / "packaging" / "app.zip").unlink()
    said = refusal(app, BuildError, layer_of(49_900))
    assert "app.zip" in said
    assert "dependencies.zip" in said
    assert "demo 1.0, layer version 2 49,900" in said
    assert "the largest packages are tools 0 MB" in said
    assert re.search(r"[1-9]\d* bytes are bytecode, which --no-bytecode leaves out", said)


def test_a_zip_over_the_request_limit_needs_a_bucket(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ZIPPED_LIMIT_BYTES", 100)
    output, notes = app.parent / "packaging", Notes()
    with pytest.raises(BuildError, match="more only from a bucket"):
        package(app, TARGET, output, Quiet(), direct=True)
    assert not (output / "app.zip").exists()
    assert package(app, TARGET, output, notes).app.size > 100
    assert "more only from a bucket" in notes.lines[0]


def test_a_too_large_app_is_refused_before_it_is_read(app: Path) -> None:
    with (app / "model.bin").open("wb") as file:
        file.truncate(300 << 20)  # sparse: needs no disk space
    assert "model.bin 300 MB" in refusal(app, BuildError)


def test_binaries_of_another_processor_are_refused(app: Path) -> None:
    x86_64 = b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + (62).to_bytes(2, "little") + bytes(44)
    (app / "vendored.so").write_bytes(x86_64)
    assert "vendored.so: is" in refusal(app, BuildError)


# -- on a layer --------------------------------------------------------------------------------------------------------


def test_only_packages_that_the_layer_does_not_have_are_included(app: Path, index: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index, "base", version)
        make_wheel(index, "extra", version, requires=(f"base=={version}",))
    make_wheel(index, "tools", requires=("base", "extra"))
    asks(app, "tools\nbase\n")
    assert versions(packaged(app)) == {"base": "2.0", "extra": "2.0", "tools": "1.0"}
    assert versions(packaged(app, layer_of(Base="1.0"))) == {"extra": "1.0", "tools": "1.0"}
    assert packaged(app, layer_of(base="2.0", extra="2.0", tools="1.0")).dependencies is None


def test_all_requirements_that_the_layer_does_not_satisfy_are_named(app: Path) -> None:
    asks(app, "core>1,<3\nbase[x]~=2.0\nfine>=1\nother<1; python_version < '3.12'\n")
    said = refusal(app, BuildError, layer_of(base="1.0", core="1.0", fine="2.0b1", other="1.0"))
    assert "conflict with demo 1.0, layer version 2" in said
    assert "core: requirements.txt:1 requires core>1,<3; the layer has 1.0" in said
    assert "base: requirements.txt:2 requires base[x]~=2.0; the layer has 1.0" in said
    assert "fine:" not in said
    assert "other:" not in said


def test_a_conflict_between_a_dependency_and_the_layer_is_named(app: Path, index: Path) -> None:
    for version in ("1.0", "2.0"):
        for name in ("base", "core", "fine"):
            make_wheel(index, name, version)
    make_wheel(index, "tools", requires=("base>=2", "fine"))
    make_wheel(index, "more", requires=("core==2.0",))
    asks(app, "tools\nmore\n")
    said = refusal(app, BuildError, layer_of(base="1.0", core="1.0", fine="1.0"))
    assert "base: tools requires base>=2; the layer has 1.0" in said
    assert "core: more requires core==2.0; the layer has 1.0" in said
    assert "fine:" not in said


def test_requirements_that_conflict_with_each_other_are_named_without_the_layer(app: Path, index: Path) -> None:
    make_wheel(index, "base")
    make_wheel(index, "tools", requires=("base>=2",))
    asks(app, "tools\nbase<2\n")
    assert "conflict with" not in refusal(app, BuildError, layer_of(base="1.0"))


@given(st.lists(st.integers(0, 30), unique=True, max_size=30), st.sets(st.integers(0, 30)))
def test_conflicting_names_are_found_in_few_attempts(numbers: list[int], bad: set[int]) -> None:
    attempts = 0

    def attempt(held: object) -> ConflictError | None:
        nonlocal attempts
        attempts += 1
        assert isinstance(held, list)
        return ConflictError("no") if any(int(name) in bad for name in held) else None

    found = find_conflicting([str(number) for number in numbers], attempt)
    assert set(found) == {str(number) for number in numbers if number in bad}
    assert attempts <= 1 + 2 * 5 * max(len(found), 1)
