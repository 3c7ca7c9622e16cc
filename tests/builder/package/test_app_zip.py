"""The files of an app that are packed."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from builder.model.errors import BuildError, InputError
from builder.model.progress import Quiet
from builder.model.work_folder import work_folder
from builder.package.app_files import WORK_FOLDER_PREFIX
from builder.package.packaging import package
from tests.builder.package.app_cases import TARGET, asks, names, packaged, refusal
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_wheel

pytestmark = pytest.mark.usefixtures("index")


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


def test_an_extension_module_of_macos_is_refused(app: Path) -> None:
    (app / "_rust.abi3.so").write_bytes(b"\xcf\xfa\xed\xfe" + bytes(60))
    assert "_rust.abi3.so: is named like an extension module but is not an ELF file" in refusal(app, BuildError)


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
    with work_folder(output, WORK_FOLDER_PREFIX) as other:  # of a run at the same time
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
