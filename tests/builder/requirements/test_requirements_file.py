"""Requirements files as pip, pip-compile, pipenv, uv, Poetry, conda and PowerShell write them."""

from __future__ import annotations

import codecs

import pytest

from builder.requirements.declared import Selection
from builder.requirements.reader import read_requirements
from builder.resolve import uv
from tests.builder.requirements.conftest import TARGET, Project
from tests.fakes.wheels import make_sdist, make_wheel


@pytest.mark.parametrize(
    "data",
    [
        "tinydep==1.0  # é\r\n".encode(),
        codecs.BOM_UTF8 + b"tinydep==1.0\n",
        codecs.BOM_UTF16_LE + "tinydep==1.0\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "tinydep==1.0\r\n".encode("utf-16-be"),
        "# -*- coding: latin-1 -*-\ntinydep==1.0  # é\n".encode("latin-1"),
        b"--only-binary :all:\n--no-binary :none:\n--no-cache-dir\n--prefer-binary\ntinydep==1.0\n",
        b"tinydep \\\n  ==1.0 \\\n  ; python_version >= '3.8'\n",
    ],
)
def test_usual_encodings_and_harmless_options_are_accepted(project: Project, data: bytes) -> None:
    project.wheel("tinydep")
    project.wheel("tinydep", "2.0")
    (project.folder / "requirements.txt").write_bytes(data)
    assert project.packages() == {"tinydep": "1.0"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pkg-resources==0.0.0", "remove the line"),
        ("certifi @ file:///croot/certifi_1/work/certifi", "certifi==…"),
        ("numpy=1.26.4=py312h_0", "conda's format"),
        ("numpy 1.26.4", "write numpy==1.26.4"),  # the lines of `pip list`
        ("numpy^1.26", "write numpy==1.26"),
        ("numpy@1.26", "write numpy==1.26"),
        ("numpy => 1.26", "write numpy==1.26"),
        ("git+https://u:secret@git.example/x.git#egg=x", "version control URL"),
        ("-e git+ssh://git@git.example/x.git#egg=x", "version control URL"),
        ("x @ git+https://git.example/x", "version control URL"),
        ("https://files.example/x-1.tar.gz", "not the URL of a wheel"),
        ("--extra-index-url https://u:secret@index.example/simple", "set UV_INDEX"),
        ("-i https://u:secret@index.example/simple", "https://***@index.example/simple"),
        ("--index-url=https://index.example/simple", "UV_DEFAULT_INDEX"),
        ("-f https://files.example/wheels", "UV_FIND_LINKS"),
        ("--no-index", "UV_NO_INDEX"),
        ("--no-binary :all:", "only wheels are used"),
        ("-r https://u:secret@files.example/r.txt", "is a URL"),
        ("-r absent.txt", "no such file"),
        ("./absent", "no such file or directory"),
        ("absent.whl", "no such file or directory"),
        ("-e .", "no pyproject.toml or setup.py"),
        ("--unknown", "not an option"),
        ("a ; nonsense", "not a requirement"),
        ("a==1 --hash=md5:" + "0" * 32, "--hash=sha256"),
    ],
)
def test_an_unsupported_line_is_refused_with_its_number_and_without_credentials(
    project: Project, line: str, words: str
) -> None:
    project.write({"requirements.txt": f"# first\n{line}\n"})
    said = project.refusal()
    assert "requirements.txt:2: " in said
    assert words in said
    assert "secret" not in said


def test_the_public_index_and_those_of_the_environment_are_accepted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.wheel("tinydep")
    public = uv.public_index()
    assert public
    project.write({"requirements.txt": f"-i {public}/\n--extra-index-url {public}\n-c bounds.txt\ntinydep\n"})
    project.write({"bounds.txt": f"--index-url={public}\ntinydep<2\n"})
    assert project.packages() == {"tinydep": "1.0"}
    own = "https://index.example/simple"
    project.write(
        {"requirements.txt": f"--extra-index-url https://u:secret@index.example/simple/\n-f {project.index}\n"}
    )
    monkeypatch.setenv("UV_INDEX", f"company={own}")
    assert not read_requirements(project.folder / "requirements.txt", TARGET).declared
    monkeypatch.delenv("UV_INDEX")
    assert "index.example" in project.refusal()


def test_the_users_own_packages_are_built_and_wheels_are_used_as_they_are(project: Project) -> None:
    project.wheel("base", "9.0")
    project.wheel("tinydep", "9.0")
    project.local("lib", "tinydep", '["base"]')
    project.local("more", "more-code")
    path = make_wheel(project.folder, "base", "0.1")
    project.write({"requirements.txt": f"-e ./lib\nmore_code @ file://{project.folder}/more\n./{path.name}\n"})
    assert project.packages() == {"base": "0.1", "more_code": "0.5", "tinydep": "0.5"}
    assert sorted(p.name for p in (project.folder / "lib").iterdir()) == ["pyproject.toml", "src"]


def test_extras_and_markers_of_the_users_own_packages_count(project: Project) -> None:
    project.wheel("base")
    project.local("lib", "tinydep", "[]", '[project.optional-dependencies]\napi = ["base"]')
    project.write({"requirements.txt": "./lib[api] ; python_version >= '3.12'\n./lib ; python_version < '3'\n"})
    assert set(project.packages()) == {"base", "tinydep"}


def test_exclusions_and_overrides_apply_to_requirements_files(project: Project) -> None:
    project.wheel("base", "1.0")
    project.wheel("base", "2.0")
    project.wheel("tinydep", requires=("base>=2", "heavy"))
    project.write({"requirements.txt": "tinydep\n"})
    selection = Selection(exclude=("heavy",), override=("base<2",))
    assert project.packages(selection) == {"base": "1.0", "tinydep": "1.0"}


def test_pre_allows_pre_releases_as_in_pip(project: Project) -> None:
    for version in ("1.0", "2.0rc1"):
        project.wheel("tinydep", version)
    project.write({"requirements.txt": "tinydep\n"})
    assert project.packages() == {"tinydep": "1.0"}
    project.write({"requirements.txt": "--pre\ntinydep\n"})
    assert project.packages() == {"tinydep": "2.0rc1"}


@pytest.mark.parametrize(
    ("options", "tinydep", "base"),
    [
        ("--all-releases TinyDep", "2.0rc1", "1.0"),
        ("--all-releases=tinydep,base", "2.0rc1", "2.0rc1"),
        ("--all-releases :all: --only-final base", "2.0rc1", "1.0"),
        ("--pre\n--only-final tinydep", "1.0", "2.0rc1"),
        ("--all-releases tinydep\n--only-final :all:", "1.0", "1.0"),
        ("--all-releases tinydep,:none:,base", "1.0", "2.0rc1"),
    ],
)
def test_pips_choice_of_pre_releases_applies(project: Project, options: str, tinydep: str, base: str) -> None:
    for name in ("tinydep", "base"):
        for version in ("1.0", "2.0rc1"):
            project.wheel(name, version)
    project.write({"requirements.txt": f"{options}\ntinydep\nbase\n"})
    assert project.packages() == {"tinydep": tinydep, "base": base}


def test_the_fragment_of_a_local_path_counts(project: Project) -> None:
    project.wheel("base")
    project.local("mono/pkgs/lib", "tinydep", "[]", '[project.optional-dependencies]\napi = ["base"]')
    for line in ("-e file:mono#egg=tinydep[api]&subdirectory=pkgs/lib", "-e ./mono/pkgs/lib#egg=tinydep[api]"):
        project.write({"requirements.txt": line})
        assert set(project.packages()) == {"base", "tinydep"}
    for line, words in {
        "-e ./mono/pkgs/lib#egg=another": "is not a wheel of another",
        "-e file:mono#subdirectory=absent": "no such file or directory",
        "-e ./mono/pkgs/lib#branch=x": "#branch",
        "tinydep @ file://server/mono/pkgs/lib": "another machine (server)",
        "-r file://server/r.txt": "another machine (server)",
        "./mono/pkgs/lib --config-settings a=b": "--config-settings",
        "x @ https://files.example/x-1-py3-none-any.whl;python_version<'3'": "a space before the semicolon",
    }.items():
        project.write({"requirements.txt": line})
        assert words in project.refusal()


def test_every_option_of_a_line_counts(project: Project) -> None:
    project.wheel("tinydep")
    project.wheel("base")
    project.write({"a.txt": "tinydep", "b.txt": "base"})
    project.write({"requirements.txt": "--prefer-binary   -r a.txt --pre -rb.txt"})
    assert set(project.packages()) == {"base", "tinydep"}
    project.write({"requirements.txt": "--no-cache-dir --extra-index-url https://index.example/simple\ntinydep"})
    assert "index.example" in project.refusal()
    project.write({"requirements.txt": "--pre tinydep"})
    assert "--pre has no value" in project.refusal()


def test_a_marker_of_an_editable_package_may_end_with_a_quote(project: Project) -> None:
    project.wheel("tinydep")
    project.local("my lib", "own")
    project.write({"requirements.txt": "-e './my lib' ; python_version < '3'\n-e \"./my lib\"\ntinydep"})
    assert set(project.packages()) == {"own", "tinydep"}


@pytest.mark.parametrize("line", ["-e ./lib", "./lib", "own @ file:lib", "-r other.txt"])
def test_constraints_install_nothing(project: Project, line: str) -> None:
    project.local("lib", "own")
    project.write({"requirements.txt": "-c c.txt\n", "c.txt": f"\n{line}", "other.txt": "x"})
    assert "c.txt:2: " in project.refusal()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("tinydep\N{NO-BREAK SPACE}==1.0", "U+00A0 (NO-BREAK SPACE)"),
        ("tiny\N{ZERO WIDTH SPACE}dep==1.0", "U+200B (ZERO WIDTH SPACE)"),
        ("tinydep; python_version > \N{LEFT DOUBLE QUOTATION MARK}3.8\N{RIGHT DOUBLE QUOTATION MARK}", "U+201C (LEFT"),
        ("tinydep\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH EQUALS SIGN}1.0", "U+FF1D (FULLWIDTH EQUALS SIGN)"),
        ("tinyd\N{CYRILLIC SMALL LETTER IE}p", "U+0435 (CYRILLIC SMALL LETTER IE)"),
        ("./lib; os_name == \N{LEFT SINGLE QUOTATION MARK}nt'", "U+2018 (LEFT SINGLE QUOTATION MARK)"),
    ],
)
def test_characters_that_look_like_others_are_named(project: Project, line: str, name: str) -> None:
    project.local("lib", "lib")
    project.write({"requirements.txt": f"\n{line}\n"})
    refusal = project.refusal()
    assert "requirements.txt:2: " in refusal
    assert name in refusal


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("asyncio", "asyncio is a module of Python's standard library: remove it"),
        ("cv2", "write opencv-python-headless"),
        ("absent", "check the spelling"),
    ],
)
def test_a_package_that_no_index_has_is_named_with_its_line(project: Project, name: str, advice: str) -> None:
    project.wheel("tinydep")
    project.write({"requirements.txt": f"tinydep\n{name}\n"})
    assert f"requirements.txt:2: the package index has no package {name!r}" in project.refusal()
    assert advice in project.refusal()


def test_a_package_without_a_wheel_is_named_with_its_line(project: Project) -> None:
    make_sdist(project.index, "sklearn", "1.0")
    project.write({"requirements.txt": "\nsklearn\n"})
    refusal = project.refusal()
    assert "requirements.txt:2 requires it" in refusal
    assert "write scikit-learn, the package that has this module" in refusal


def test_urls_for_other_platforms_are_not_read(project: Project) -> None:
    project.wheel("tinydep")
    for line in ("x @ file:///C:/x-1-py3-none-any.whl", "x @ git+https://git.example/x", "x @ https://h.example/x.zip"):
        project.write({"requirements.txt": f"{line} ; sys_platform == 'win32'\ntinydep\n"})
        assert project.packages() == {"tinydep": "1.0"}
        project.write({"requirements.txt": f"{line} ; sys_platform == 'linux'\ntinydep\n"})
        assert "requirements.txt:1: x: " in project.refusal()


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("demo==1.0\nDemo==2.0\n", True),
        ("demo==1.0\ndemo>1\n", True),
        ("demo==1.0\ndemo>=1\ndemo==1.*\n", False),
        ("demo==1.0\ndemo==2.0; python_version < '3'\n", False),
        ("demo==1.0\ndemo==1.0+local\n", False),
    ],
)
def test_requirements_that_contradict_each_other_are_named(project: Project, text: str, is_refused: bool) -> None:
    for version in ("1.0", "1.0+local", "2.0"):
        project.wheel("demo", version)
    project.write({"requirements.txt": text})
    if is_refused:
        said = project.refusal()
        assert "the requirements of demo contradict each other:\n  requirements.txt:1: demo==1.0" in said
        assert "requirements.txt:2: " in said
    else:
        assert project.packages()["demo"].startswith("1.0")


def test_excluding_a_package_that_nothing_requires_is_a_warning(project: Project) -> None:
    project.wheel("demo")
    project.write({"requirements.txt": "demo\n"})
    assert project.packages(Selection(exclude=("dmeo",))) == {"demo": "1.0"}
    assert any("dmeo is excluded, but nothing requires it" in line for line in project.notes.lines)


def test_an_index_that_a_pipfile_does_not_declare_is_refused(project: Project) -> None:
    project.wheel("demo")
    project.write({"Pipfile": '[packages]\ndemo = {version = "*", index = "corp"}\n'})
    assert "[packages].demo: there is no [[source]] named 'corp'" in project.refusal()
    project.write({"Pipfile": '[packages]\ndemo = {version = "*", index = "pypi"}\n'})
    assert project.packages() == {"demo": "1.0"}
    project.write({"Pipfile": '[packages]\ndemo = "*"\n[source]\nurl = "https://corp.example"\n'})
    assert "source must be an array" in project.refusal()
