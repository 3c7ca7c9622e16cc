"""pyproject.toml: the tables of Poetry, PDM, setuptools and other tools, and bad input."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from builder.metadata.requires_dist import marker_environment
from builder.model.errors import InputError
from builder.requirements.declared import MAX_PARSED, Selection
from builder.requirements.pyproject import read_pyproject
from tests.builder.requirements.conftest import TARGET, TINYDEP, Project


def test_poetrys_own_tables_are_read(project: Project) -> None:
    for version in ("1.0", "1.9", "2.0"):
        project.wheel("tinydep", version)
    project.wheel("other")
    project.wheel("third")
    project.write(
        {
            "pyproject.toml": '[tool.poetry]\nname = "agent"\nversion = "1"\npackage-mode = false\n'
            '[tool.poetry.dependencies]\npython = "^3.10"\ntinydep = "^1.0"\n'
            'other = { version = "*", optional = true }\n'
            'absent = { version = "*", python = "<3.10" }\nnever = { version = "*", platform = "win32" }\n'
            '[tool.poetry.extras]\nmore = ["other"]\n[tool.poetry.group.dev.dependencies]\nthird = "~1.0"\n'
        }
    )
    assert project.packages() == {"tinydep": "1.9"}
    assert set(project.packages(Selection(extras=("more",), groups=("dev",)))) == {"tinydep", "other", "third"}


@pytest.mark.parametrize("optional", ["true", "false"])
def test_an_unknown_member_of_poetrys_extra_is_named_if_the_extra_is_selected(project: Project, optional: str) -> None:
    project.wheel("tinydep")
    project.write(
        {
            "pyproject.toml": '[tool.poetry]\nname = "agent"\nversion = "1"\npackage-mode = false\n'
            f'[tool.poetry.dependencies]\nTinyDep = {{ version = "*", optional = {optional} }}\n'
            '[tool.poetry.extras]\nmore = ["tinydep", "tiny-dep"]\nless = ["tinydep"]\n'
        }
    )
    warning = "[tool.poetry.extras].more: tiny-dep is not a dependency, so the extra does not add it"
    for extras, is_named in {(): False, ("less",): False, ("more",): True}.items():
        assert project.packages(Selection(extras=extras)) == (
            {"tinydep": "1.0"} if extras or optional == "false" else {}
        )
        assert any(warning in line for line in project.notes.lines) is is_named


@pytest.mark.parametrize(
    "project_table", ["", '[project]\nname = "agent"\nversion = "1"\ndependencies = ["tinydep"]\n']
)
def test_poetrys_allow_prereleases_needs_a_lock(project: Project, project_table: str) -> None:
    for version in ("1.0", "2.0rc1"):
        project.wheel("tinydep", version)
    text = f'{project_table}[tool.poetry]\nname = "agent"\nversion = "1"\npackage-mode = false\n'
    text += '[tool.poetry.dependencies]\ntinydep = { version = ">=1.0", allow-prereleases = true }\n'
    project.write({"pyproject.toml": text})
    said = project.refusal()
    assert "only a lock file tells which one to use" in said
    assert "tinydep" in said
    assert "`poetry lock`" in said
    lock = '[[package]]\nname = "tinydep"\nversion = "2.0rc1"\nfiles = []\ngroups = ["main"]\n'
    project.write({"poetry.lock": f'{lock}[metadata]\nlock-version = "2.1"\n'})
    assert project.packages() == {"tinydep": "2.0rc1"}
    assert "only a lock file tells" in project.refusal(Selection(use_lock=False))
    project.write({"pyproject.toml": text.replace("= true", "= false")})
    assert project.packages(Selection(use_lock=False)) == {"tinydep": "1.0"}


@pytest.mark.parametrize("constraint", ['"<1 || >=2"', '[{version = "<1 | >=2", python = ">=3.8"}]'])
def test_alternatives_of_poetry_are_refused_with_the_package_and_the_file(project: Project, constraint: str) -> None:
    project.write({"pyproject.toml": f"[tool.poetry.dependencies]\ntinydep = {constraint}\n"})
    said = project.refusal()
    assert "pyproject.toml: [tool.poetry.dependencies].tinydep: alternatives (||) have no PEP 440 form" in said


@pytest.mark.parametrize("python", ["^3.8 || ^3.12", "~3.9 || >=3.11,<4.0"])
def test_poetrys_alternatives_are_used_with_a_lock(project: Project, python: str) -> None:
    for version in ("1.0", "2.0", "3.0"):
        project.wheel("tinydep", version)
    project.wheel("base")
    text = f'[tool.poetry.dependencies]\npython = "{python}"\ntinydep = "<1.5 || >=2"\n'
    text += f'base = {{version = "*", python = "{python}"}}\nnever = {{version = "*", python = "<3.8 || ~3.9"}}\n'
    lock = '[[package]]\nname = "tinydep"\nversion = "2.0"\nfiles = []\ngroups = ["main"]\n'
    lock += '[package.dependencies]\nbase = "<0.5 || >0.6,<0.7 || >0.7"\n'
    lock += '[[package]]\nname = "base"\nversion = "1.0"\nfiles = []\ngroups = ["main"]\n'
    project.write({"pyproject.toml": text, "poetry.lock": f'{lock}[metadata]\nlock-version = "2.1"\n'})
    assert project.packages() == {"tinydep": "2.0", "base": "1.0"}
    assert "alternatives (||) have no PEP 440 form" in project.refusal(Selection(use_lock=False))


def test_dynamic_dependencies_come_from_the_file_that_setuptools_reads(project: Project) -> None:
    project.wheel("tinydep")
    text = '[project]\nname = "agent"\nversion = "1"\ndynamic = ["dependencies"]\n'
    files = '[tool.setuptools.dynamic]\ndependencies = { file = ["needs.txt"] }\n'
    project.write({"pyproject.toml": text + files, "needs.txt": "tinydep\n"})
    assert project.packages() == {"tinydep": "1.0"}


def test_dynamic_extras_come_from_the_files_that_setuptools_reads(project: Project) -> None:
    for name in ("tinydep", "other"):
        project.wheel(name)
    head = '[project]\nname = "agent"\nversion = "1"\ndependencies = ["tinydep"]\ndynamic = ["optional-dependencies"]\n'
    files = "[tool.setuptools.dynamic.optional-dependencies]\nMore_X = { file = ['more.txt'] }\n"
    project.write({"pyproject.toml": head + files, "more.txt": "# why\nother ; python_version > '3' # here\n"})
    assert project.packages() == {"tinydep": "1.0"}
    assert "not included: extra more-x (--extra NAME includes one)" in project.notes.lines
    for selection in (Selection(extras=("more-x",)), Selection(all_extras=True)):
        assert project.packages(selection) == {"tinydep": "1.0", "other": "1.0"}
    project.write({"more.txt": "a b\n"})
    assert "more.txt:1" in project.refusal()
    project.write({"pyproject.toml": head + "[tool.hatch.metadata.hooks.custom]\n"})
    for selection in (Selection(extras=("x",)), Selection(all_extras=True)):
        assert "optional-dependencies is dynamic" in project.refusal(selection)


def test_pdms_settings_for_a_resolution_are_used_or_named(project: Project) -> None:
    for version in ("1.0", "2.0rc1"):
        project.wheel("tinydep", version)
    head = '[project]\nname = "a"\nversion = "1"\ndependencies = ["tinydep"]\n[tool.pdm.resolution]\n'
    project.write({"pyproject.toml": head + "allow-prereleases = true\n"})
    assert project.packages() == {"tinydep": "2.0rc1"}
    public = '[[tool.pdm.source]]\nname = "pypi"\ninclude_packages = ["tinydep"]\n'
    project.write({"pyproject.toml": f"{head}allow-prereleases = false\nrespect-source-order = true\n{public}"})
    assert project.packages() == {"tinydep": "1.0"}
    names = "[tool.pdm.resolution].respect-source-order, [[tool.pdm.source]].include_packages"
    assert f"warning: {names} is not applied without a lock file" in project.notes.lines
    options = '[tool.pdm.options]\nlock = ["--override", "o.txt"]\ninstall = ["-G", "api"]\nadd = ["--no-sync"]\n'
    project.write({"pyproject.toml": head + options})
    assert project.packages() == {"tinydep": "1.0"}
    assert "warning: [tool.pdm.options].lock is not applied without a lock file" in project.notes.lines
    assert any("[tool.pdm.options].install is not used" in line for line in project.notes.lines)


@pytest.mark.parametrize(
    "text",
    [
        "[project]\ndependencies = 1\n", "[project]\ndependencies = [1]\n", "project = 1\n", "[project]\nname = 1\n",
        '[project]\ndependencies = ["a b"]\n', "[tool]\nuv = 1\n[project]\nname = 'a'\n", "[project\n",
        "[project]\nname='a'\n[dependency-groups]\nx = [{include-group = 'x'}]\n", "x = 1\x00\n",
        "[project]\nname='a'\n[tool.uv.sources]\nb = 1\n", "[project]\nrequires-python = 3\n",
        "[project]\nname='a'\n[tool.uv]\nindex = 1\n", "[project]\nname='a'\noptional-dependencies = 1\n",
        "[project]\nname='a'\ndynamic = 'dependencies'\n[tool.uv]\ndefault-groups = ['nope']\n",
        "[tool.poetry.dependencies]\na = 1\n", "[tool.poetry.dependencies]\na = {versoin = '1'}\n",
        "x = " + "[" * 5000 + "\n",
    ],
)  # fmt: skip
def test_bad_input_is_one_error_that_names_the_file(project: Project, text: str) -> None:
    project.write({"pyproject.toml": text})
    assert "pyproject.toml" in project.refusal(requirements="pyproject.toml")


OTHER_TOOLS = [
    ('[tool.flit.metadata]\nmodule = "handler"\nrequires = ["tinydep"]\n', "[tool.flit.metadata] is not used"),
    ('[tool.pixi.dependencies]\ntinydep = "*"\n', "[tool.pixi.dependencies] is not used: conda packages"),
    ('[tool.pixi.pypi-dependencies]\ntinydep = "*"\n', "[tool.pixi.pypi-dependencies] is not used"),
]


@pytest.mark.parametrize(("text", "words"), OTHER_TOOLS)
def test_tables_of_other_tools_that_state_requirements_are_refused_or_named(
    project: Project, text: str, words: str
) -> None:
    project.wheel("tinydep")
    project.write({"pyproject.toml": text})
    assert words in project.refusal()
    project.write({"pyproject.toml": TINYDEP + text})
    assert project.packages() == {"tinydep": "1.0"}
    assert [line for line in project.notes.lines if words in line]


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ('name = "agent"\nversion = "1.0-SNAPSHOT"', "[project].version: '1.0-SNAPSHOT' is not a version (PEP 440)"),
        (f'name = "agent"\nversion = "{"1." * 300}1"', "is not a version (PEP 440)"),
        ('name = "tinydep"\nversion = "1"', "tinydep>=0.5 requires the project itself"),
        (f'name = "{"a" * 300}"\nversion = "1"', None),
    ],
)
def test_a_projects_name_and_version_are_checked(project: Project, stated: str, problem: str | None) -> None:
    project.wheel("tinydep")
    project.write({"pyproject.toml": f'[project]\n{stated}\ndependencies = ["tinydep>=0.5"]\n'})
    if problem:
        assert problem in project.refusal()
    else:
        assert project.packages() == {"tinydep": "1.0"}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ["dependencies = [", *(f'"p{number}",' for number in range(MAX_PARSED + 1)), "]"],
            "50,000 requirem",
        ),
        (
            ["[project.optional-dependencies]", *(f'e{number} = ["app[e{number + 1}]"]' for number in range(50_001))],
            "50,000 requirem",
        ),
        ([f'dependencies = ["p{",".join(f"!={number}" for number in range(100_000))}"]'], "more than 20,000 charac"),
    ],
    ids=["dependencies", "extras", "one requirement"],
)
@pytest.mark.slow
def test_more_requirements_than_any_project_has_are_refused_in_seconds(
    tmp_path: Path, lines: list[str], problem: str
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("\n".join(['[project]\nname = "app"\nversion = "1"', *lines]))
    started = time.process_time()
    with pytest.raises(InputError, match=problem):
        read_pyproject(path, Selection(), marker_environment(TARGET))
    assert time.process_time() - started < 20
