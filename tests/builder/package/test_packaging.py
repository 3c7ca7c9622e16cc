"""The zips of an app, from wheels made in the test: what is included and what is refused."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import BuildError, InputError, LayersError
from builder.model.progress import Quiet
from builder.package import packaging as running
from builder.package.packaging import package
from builder.requirements.reader import find_requirements, read_requirements
from tests.builder.package.app_cases import TARGET, asks, layer_of, names, packaged, refusal, versions
from tests.fakes.notes import Notes
from tests.fakes.wheels import make_sdist, make_wheel

pytestmark = pytest.mark.usefixtures("index")

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


def test_an_unchanged_dependencies_zip_stays(app: Path, index: Path) -> None:
    make_wheel(index, "tools")
    asks(app, "tools\n")
    first = packaged(app)
    zipped = app.parent / "packaging" / "dependencies.zip"
    before = zipped.stat()
    assert packaged(app) == first
    assert (zipped.stat().st_ino, zipped.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert zipped.stat().st_nlink == 1
    make_wheel(index, "base")
    asks(app, "tools\nbase\n")
    assert versions(packaged(app)) == {"base": "1.0", "tools": "1.0"}
    assert "python/base/__init__.py" in names(zipped)


@pytest.mark.parametrize("name", ["dependencies.zip", "dependencies.cdx.json"])
def test_a_file_of_an_earlier_run_that_was_changed_is_replaced(app: Path, index: Path, name: str) -> None:
    make_wheel(index, "tools")
    asks(app, "tools\n")
    packaged(app)
    path = app.parent / "packaging" / name
    content = path.read_bytes()
    for changed in (content[:-1] + b"?", content[:-9], b"", None):
        path.unlink() if changed is None else path.write_bytes(changed)
        packaged(app)
        assert path.read_bytes() == content


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


def test_a_wheel_of_the_app_may_require_another_wheel_by_its_file_and_no_source(app: Path, tmp_path: Path) -> None:
    wheel, source = make_wheel(tmp_path, "base"), make_sdist(tmp_path, "source", "1.0")
    make_wheel(app.parent, "tools", requires=(f"base @ {wheel.as_uri()}",))
    asks(app, "./tools-1.0-py3-none-any.whl\n")
    assert versions(packaged(app)) == {"base": "1.0", "tools": "1.0"}
    make_wheel(app.parent, "more", requires=(f"source @ {source.as_uri()}",))
    asks(app, "./more-1.0-py3-none-any.whl\n")
    with pytest.raises(BuildError, match="a wheel requires source from a URL that is not used: file:") as caught:
        packaged(app)
    assert "override (source>=0 " in str(caught.value)


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
    assert "the largest packages are tools 0.0 MB" in said
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
    assert "model.bin 300.0 MB" in refusal(app, BuildError)


def test_binaries_of_another_processor_are_refused(app: Path) -> None:
    x86_64 = b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + (62).to_bytes(2, "little") + bytes(44)
    (app / "vendored.so").write_bytes(x86_64)
    assert "vendored.so: is" in refusal(app, BuildError)
