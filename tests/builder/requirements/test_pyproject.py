"""pyproject.toml: sources, extras, groups and local packages are used, or refused by name."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import uv
from packaging.requirements import Requirement

from builder.metadata.requires_dist import marker_environment
from builder.model.errors import InputError
from builder.requirements.declared import MAX_PARSED, LocalPackage, Selection
from builder.requirements.pyproject import read_pyproject
from tests.builder.requirements.conftest import BUILD, TARGET, Project

HEAD = '[project]\nname = "agent"\nversion = "1"\ndependencies = ["tinydep"]\n'


@pytest.mark.parametrize(
    "source",
    [
        '[tool.uv.sources]\ntinydep = { path = "../lib" }\n',
        '[tool.uv.sources]\nTinyDep = { path = "../lib", editable = true }\n',
        '[tool.uv.sources]\ntinydep = [{ path = "../lib", marker = "sys_platform == \'linux\'" }]\n',
        '[tool.uv.sources]\ntinydep = { workspace = true }\n[tool.uv.workspace]\nmembers = ["../lib"]\n',
        '[tool.uv.sources]\ntinydep = { workspace = true }\n[tool.uv.workspace]\nmembers = ["./", "../l*"]\n',
        '[tool.poetry.dependencies]\ntinydep = { path = "../lib", develop = true }\n',
    ],
)
def test_a_package_comes_from_the_path_that_the_project_names(project: Project, source: str) -> None:
    project.wheel("tinydep", "9.0")
    project.local("../lib", "tinydep")
    project.write({"pyproject.toml": HEAD + source})
    assert project.packages() == {"tinydep": "0.5"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('[tool.uv.sources]\ntinydep = { git = "https://u:secret@git.example/t" }\n', "version control URL"),
        ('[tool.uv.sources]\ntinydep = { url = "https://files.example/t-1.tar.gz" }\n', "not the URL of a wheel"),
        ('[tool.uv.sources]\ntinydep = { path = "absent" }\n', "no such file or directory"),
        (
            '[tool.uv.sources]\ntinydep = { index = "a" }\n[[tool.uv.index]]\nname = "a"\nexplicit = true\n'
            'url = "https://i.example/"\nformat = "flat"\n',
            'format = "flat" is not applied',
        ),
        ("[tool.uv.sources]\ntinydep = { workspace = true }\n", "not a member of the workspace"),
        ('[tool.uv.sources]\ntinydep = { index = "absent" }\n', "no index named 'absent'"),
        ('[tool.uv.sources]\ntinydep = "../lib"\n', "a source must be a table"),
        ('[[tool.uv.index]]\nurl = "https://u:secret@index.example/simple"\n', "set UV_INDEX"),
        ('[[tool.poetry.source]]\nname = "x"\nurl = "https://u:secret@index.example/simple"\n', "set UV_INDEX"),
        ('[[tool.pdm.source]]\nname = "pypi"\nurl = "https://u:secret@index.example/simple"\n', "set UV_INDEX"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_without_its_credentials(
    project: Project, source: str, words: str
) -> None:
    project.wheel("tinydep", "9.0")
    project.write({"pyproject.toml": HEAD + source})
    said = project.refusal()
    assert words in said
    assert "pyproject.toml" in said
    assert "secret" not in said


def test_a_source_of_another_package_or_platform_changes_nothing(project: Project) -> None:
    project.wheel("tinydep", "9.0")
    sources = "other = { path = 'absent' }\ntinydep = { path = 'absent', marker = \"sys_platform == 'win32'\" }\n"
    project.write({"pyproject.toml": f"{HEAD}[tool.uv.sources]\n{sources}"})
    assert project.packages() == {"tinydep": "9.0"}


def test_hatchs_variables_and_environments_are_known(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project.folder.parent))
    monkeypatch.setenv("OWN_LIBS", (project.folder / "libs").as_uri())
    places = {
        "one": "{root:uri}/libs/one", "two": "{root:parent:uri}/two", "three": "{home:uri}/three",
        "four": "{env:OWN_LIBS}/four", "five": "{env:UNSET:file:.}/libs/five", "six": "file:{root}/libs/six",
    }  # fmt: skip
    folders = {"two": "../two", "three": "../three"}
    for name in places:
        project.local(folders.get(name, f"libs/{name}"), name)
    stated = [f"{name} @ {place}" for name, place in places.items()]
    environments = "[tool.hatch.envs.types]\nextra-dependencies = ['mypy']\n[tool.hatch.envs.lint]\ndetached = true\n"
    project.write({"pyproject.toml": f'[project]\nname = "a"\nversion = "1"\ndependencies = {stated}\n{environments}'})
    environment = marker_environment(TARGET)
    found = read_pyproject(project.folder / "pyproject.toml", Selection(), environment)
    assert {
        name: place.path.resolve().name for name, place in found.places.items() if isinstance(place, LocalPackage)
    } == {name: name for name in places}
    assert "not included: the dependencies of Hatch's environments types" in found.notes


def test_a_local_package_brings_its_own_local_packages(project: Project) -> None:
    project.wheel("core", "9.0")
    project.wheel("base", "2.0")
    project.local("../core", "core", '["base"]')
    project.local("../lib", "tinydep", '["core"]', '[tool.uv.sources]\ncore = { path = "../core" }\n')
    project.write({"pyproject.toml": HEAD + '[tool.uv.sources]\ntinydep = { path = "../lib" }\n'})
    assert project.packages() == {"base": "2.0", "core": "0.5", "tinydep": "0.5"}


def test_a_problem_of_a_local_package_names_its_file(project: Project) -> None:
    project.local("../lib", "tinydep", '["core"]', '[tool.uv.sources]\ncore = { git = "https://git.example/c" }\n')
    project.write({"pyproject.toml": HEAD + '[tool.uv.sources]\ntinydep = { path = "../lib" }\n'})
    said = project.refusal()
    assert str((project.folder.parent / "lib" / "pyproject.toml").resolve()) in said
    assert "pyproject.toml:4: core: git+https://git.example/c is a version control URL" in said


def test_the_project_itself_is_included_if_it_is_a_package(project: Project) -> None:
    project.wheel("tinydep")
    project.write({"pyproject.toml": HEAD + BUILD, "src/agent/__init__.py": ""})
    assert project.packages() == {"agent": "1", "tinydep": "1.0"}
    project.write({"pyproject.toml": HEAD + BUILD + "[tool.uv]\npackage = false\n"})
    assert project.packages() == {"tinydep": "1.0"}


def test_a_failed_build_shows_the_backends_error(project: Project) -> None:
    project.write({"pyproject.toml": HEAD + BUILD})  # no src/agent
    project.wheel("tinydep")
    said = project.refusal()
    assert "uv cannot build a wheel of agent" in said
    assert "src/agent" in said


def test_a_compiled_wheel_for_another_machine_is_refused(project: Project) -> None:
    from tests.fakes.wheels import make_wheel

    wheel = make_wheel(project.folder, "tinydep", tag="cp312-cp312-macosx_11_0_arm64")
    project.write({"requirements.txt": f"./{wheel.name}\n"})
    said = project.refusal()
    assert "for another machine or Python (cp312-cp312-macosx_11_0_arm64), not for py3.12-x86_64" in said


EXTRAS = (
    '[project]\nname = "agent"\nversion = "1"\ndependencies = ["agent[api]"]\n'
    '[project.optional-dependencies]\napi = ["tinydep"]\nall = ["agent[api]", "other"]\n'
    '[dependency-groups]\nlambda = ["third", { include-group = "more" }]\nmore = ["fourth"]\n'
)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {"tinydep"}),
        (Selection(extras=("all",)), {"tinydep", "other"}),
        (Selection(all_extras=True), {"tinydep", "other"}),
        (Selection(groups=("Lambda",)), {"tinydep", "third", "fourth"}),
    ],
)
def test_extras_and_groups_are_included_when_selected(
    project: Project, selection: Selection, expected: set[str]
) -> None:
    for name in ("tinydep", "other", "third", "fourth", "agent"):
        project.wheel(name)
    project.write({"pyproject.toml": EXTRAS})
    assert set(project.packages(selection)) == expected  # never the index's own "agent"


@pytest.mark.parametrize(
    "tables",
    [
        '[tool.pdm.dev-dependencies]\ndev = ["other", "third"]\n',
        '[tool.uv]\ndev-dependencies = ["other", "third"]\n',
        '[tool.pdm.dev-dependencies]\ndev = ["other"]\n[tool.uv]\ndev-dependencies = ["third"]\n',
    ],
)
def test_the_older_development_dependencies_of_pdm_and_uv_are_groups(project: Project, tables: str) -> None:
    for name in ("tinydep", "other", "third"):
        project.wheel(name)
    project.write({"pyproject.toml": HEAD + tables})
    assert set(project.packages(Selection(groups=("dev",)))) == {"tinydep", "other", "third"}


def test_a_list_of_uv_that_is_no_list_is_named(project: Project) -> None:
    for key in ("constraint-dependencies", "exclude-dependencies", "conflicts", "index"):
        project.write({"pyproject.toml": HEAD + f'[tool.uv]\n{key} = "base"\n'})
        assert f"[tool.uv]: {key} must be an array" in project.refusal()


def test_extras_and_groups_that_are_not_included_are_named(project: Project) -> None:
    project.wheel("tinydep")
    project.write({"pyproject.toml": EXTRAS})
    project.packages()
    assert "not included: dependency group lambda, more (--group NAME includes one)" in project.notes.lines


def test_a_group_that_another_includes_is_not_named_as_left_out(project: Project) -> None:
    project.wheel("base")
    groups = 'prod = [{include-group = "Base-Group"}]\nbase_group = ["base"]\nrest = []\n'
    project.write({"pyproject.toml": f'[project]\nname = "a"\nversion = "1"\n[dependency-groups]\n{groups}'})
    assert project.packages(Selection(groups=("prod",))) == {"base": "1.0"}
    assert [line for line in project.notes.lines if "not included" in line] == [
        "not included: dependency group rest (--group NAME includes one)"
    ]


def test_default_groups_are_included_unless_left_out(project: Project) -> None:
    project.wheel("tinydep")
    project.wheel("third")
    groups = '[dependency-groups]\nlambda = ["third"]\n[tool.uv]\ndefault-groups = ["lambda"]\n'
    project.write({"pyproject.toml": HEAD + groups})
    assert set(project.packages()) == {"tinydep", "third"}
    assert set(project.packages(Selection(default_groups=False))) == {"tinydep"}


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


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ("", "2.0"),
        ('prerelease = "allow"', "3.0rc1"),
        ('resolution = "lowest-direct"', "1.0"),
        ('index-strategy = "unsafe-best-match"', "2.0"),
    ],
)
def test_uvs_settings_that_choose_versions_apply(project: Project, settings: str, version: str) -> None:
    for each in ("1.0", "2.0", "3.0rc1"):
        project.wheel("tinydep", each)
    head = '[project]\nname = "a"\nversion = "1"\ndependencies = ["tinydep>=1"]\n[tool.uv]\n'
    project.write({"pyproject.toml": head + settings})
    assert project.packages() == {"tinydep": version}
    assert not any("not applied" in line for line in project.notes.lines)


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ("", "0.5"),
        ("no-sources = false", "0.5"),
        ("no-sources = true", "9.0"),
        ('no-sources-package = ["TinyDep"]', "9.0"),
        ('no-sources-package = ["other"]', "0.5"),
    ],
)
def test_no_sources_ignores_sources_as_uv_does(project: Project, settings: str, version: str) -> None:
    project.wheel("tinydep", "9.0")
    project.local("../lib", "tinydep")
    source = '[tool.uv.sources]\ntinydep = { path = "../lib" }\n'
    project.write({"pyproject.toml": f"{HEAD}[tool.uv]\n{settings}\n{source}"})
    assert project.packages() == {"tinydep": version}


def test_settings_of_uv_that_are_wrong_or_not_applied_are_named(project: Project) -> None:
    project.wheel("tinydep")
    head = '[project]\nname = "a"\nversion = "1"\ndependencies = ["tinydep"]\n[tool.uv]\n'
    project.write({"pyproject.toml": f'{head}no-binary-package = ["tinydep"]\nrequired-environments = []\n'})
    assert project.packages() == {"tinydep": "1.0"}
    assert (
        "warning: [tool.uv].no-binary-package, [tool.uv].required-environments is not applied without a lock file"
        in project.notes.lines
    )
    project.write({"pyproject.toml": f'{head}prerelease = "yes"\nresolution = 1\n'})
    said = project.refusal()
    assert "[tool.uv].prerelease: must be disallow or allow" in said
    assert "[tool.uv].resolution: must be highest or lowest" in said


@pytest.mark.parametrize("locked", [False, True])
def test_extras_and_groups_that_conflict_in_uv_are_not_selected_together(project: Project, locked: bool) -> None:
    head = '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.10"\n'
    parts = "[project.optional-dependencies]\ncpu = []\ngpu = []\n[dependency-groups]\nother = []\n"
    conflicts = '[[{extra = "cpu"}, {extra = "GPU"}], [{package = "a", extra = "cpu"}, {group = "other"}]]'
    project.write({"pyproject.toml": f"{head}{parts}[tool.uv]\nconflicts = {conflicts}\n"})
    if locked:
        subprocess.run([uv.find_uv_bin(), "lock", "-q"], cwd=project.folder, check=True)
    for selection in (Selection(extras=("cpu",)), Selection(extras=("gpu",), groups=("other",))):
        assert project.packages(selection) == {}
    said = project.refusal(Selection(all_extras=True))
    assert "[tool.uv].conflicts: --extra cpu and --extra gpu exclude each other" in said
    said = project.refusal(Selection(extras=("cpu",), groups=("other",)))
    assert "--extra cpu and --group other exclude each other" in said


def test_a_target_that_is_none_of_uvs_environments_is_refused(project: Project) -> None:
    project.wheel("tinydep")
    head = '[project]\nname = "a"\nversion = "1"\ndependencies = ["tinydep"]\n[tool.uv]\n'
    for environments in ("['sys_platform == \"darwin\"', 'sys_platform == \"linux\"']", "'os_name == \"posix\"'"):
        project.write({"pyproject.toml": f"{head}environments = {environments}\n"})
        assert project.packages() == {"tinydep": "1.0"}
    project.write({"pyproject.toml": head + "environments = [\"sys_platform == 'darwin'\"]\n"})
    assert '[tool.uv].environments: the project supports only sys_platform == "darwin"' in project.refusal()
    project.write({"pyproject.toml": head + 'environments = ["x"]\nconflicts = ["y"]\nrequired-environments = [1]\n'})
    said = project.refusal()
    assert "[tool.uv].environments: 'x' is not a marker" in said
    assert "[tool.uv].conflicts: must be a list of lists of tables" in said


def test_a_uv_toml_replaces_the_settings_of_pyproject(project: Project) -> None:
    for version in ("1.0", "2.0", "3.0"):
        project.wheel("tinydep", version)
    head = '[project]\nname = "a"\nversion = "1"\ndependencies = ["tinydep"]\n'
    project.write(
        {
            "pyproject.toml": f'{head}[tool.uv]\nconstraint-dependencies = ["tinydep<2"]\n',
            "uv.toml": 'constraint-dependencies = ["tinydep<3"]\n',
        }
    )
    assert project.packages() == {"tinydep": "2.0"}


def test_constraints_overrides_and_exclusions_of_uv_are_applied(project: Project) -> None:
    for version in ("1.0", "2.0", "3.0"):
        project.wheel("base", version)
    project.wheel("tinydep", requires=("base>=3", "heavy", "other"))
    project.wheel("heavy")
    for version in ("1.0", "2.0"):
        project.wheel("other", version)
    tables = (
        '[tool.uv]\nconstraint-dependencies = ["other<2"]\noverride-dependencies = ["base==2.0"]\n'
        'exclude-dependencies = ["heavy"]\n'
    )
    project.write({"pyproject.toml": HEAD + tables})
    assert project.packages() == {"base": "2.0", "other": "1.0", "tinydep": "1.0"}
    selection = Selection(override=("base==1.0",), exclude=("Other",))
    assert project.packages(selection) == {"base": "1.0", "tinydep": "1.0"}


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


def test_a_group_of_uv_for_other_pythons_is_refused(project: Project) -> None:
    project.wheel("tinydep")
    head = '[project]\nname = "a"\nversion = "1"\n[dependency-groups]\nnew_x = ["tinydep"]\n'
    limit = '[tool.uv.dependency-groups]\nnew-x = { requires-python = ">=3.13" }\n'
    project.write({"pyproject.toml": head + limit})
    assert project.packages() == {}
    assert "the group requires Python >=3.13, not 3.12" in project.refusal(Selection(groups=("new-x",)))
    project.write({"pyproject.toml": head + limit.replace(">=3.13", "new")})
    assert "'new' is not a version specifier" in project.refusal(Selection(groups=("new-x",)))


def test_the_root_of_a_uv_workspace_without_a_project_is_named(project: Project) -> None:
    project.write({"pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n'})
    assert project.packages() == {}
    assert any("the root of a uv workspace and no project" in line for line in project.notes.lines)
    assert "the root of a uv workspace and no project" in project.refusal(requirements="pyproject.toml")


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


def test_an_unknown_extra_or_group_names_what_there_is(project: Project, tmp_path: Path) -> None:
    project.write({"pyproject.toml": EXTRAS})
    assert "it has all, api" in project.refusal(Selection(extras=("nope",)))
    assert "it has lambda, more" in project.refusal(Selection(groups=("nope",)))
    project.write({"requirements.txt": "tinydep\n"})
    assert "only a project has extras" in project.refusal(Selection(extras=("api",)))


def test_the_url_of_a_source_replaces_the_version_range(tmp_path: Path) -> None:
    url = "https://files.example/tinydep-2.0-py3-none-any.whl"
    path = tmp_path / "pyproject.toml"
    path.write_text(
        HEAD.replace('"tinydep"', '"tinydep[x]>=1"') + f'[tool.uv.sources]\ntinydep = {{ url = "{url}" }}\n'
    )
    (found,) = read_pyproject(path, Selection(), marker_environment(TARGET)).declared
    assert found.text == f"tinydep[x] @ {url}"
    Requirement(found.text)


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
    project.write({"pyproject.toml": HEAD + text})
    assert project.packages() == {"tinydep": "1.0"}
    assert [line for line in project.notes.lines if words in line]


def test_a_group_that_includes_an_unknown_group_is_refused_by_its_name(project: Project) -> None:
    project.write({"pyproject.toml": HEAD + '[dependency-groups]\nmore = [{include-group = "absent"}]\n'})
    assert "[dependency-groups].more: Dependency group 'absent' not found" in project.refusal()


def test_groups_that_a_poetry_group_includes_are_included(project: Project) -> None:
    project.wheel("tinydep")
    project.wheel("base")
    start = '[tool.poetry]\npackage-mode = false\n[tool.poetry.group.a]\ninclude-groups = ["b"]\n'
    rest = '[tool.poetry.group.b]\ninclude-groups = ["c"]\n[tool.poetry.group.b.dependencies]\ntinydep = "*"\n'
    rest += '[tool.poetry.group.c.dependencies]\nbase = "*"\n'
    project.write({"pyproject.toml": start + rest})
    assert set(project.packages(Selection(groups=("a",)))) == {"base", "tinydep"}
    project.write({"pyproject.toml": start})
    assert "includes the unknown group 'b'" in project.refusal()


def test_an_unknown_default_group_names_the_setting(project: Project) -> None:
    project.write({"pyproject.toml": "[project]\nname = 'p'\nversion = '1'\n[tool.uv]\ndefault-groups = ['absent']\n"})
    assert "[tool.uv].default-groups: the project has no dependency group 'absent'" in project.refusal()


def test_a_group_that_includes_itself_is_refused_with_the_cause(project: Project) -> None:
    groups = '[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n'
    project.write({"pyproject.toml": groups})
    refusal = project.refusal(Selection(groups=("a",)))
    assert "[dependency-groups].a: " in refusal
    assert "yclic" in refusal


WITH_BASE = {"tinydep": "1.0", "base": "1.0"}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ("[tool.uv]\noverride-dependencies = [\"base; sys_platform == 'never'\"]\n", {"tinydep": "1.0"}),
        ('[tool.uv]\noverride-dependencies = ["base"]\n', {"tinydep": "1.0", "base": "2.0"}),
        ('[tool.uv]\noverride-dependencies = ["base @ INDEX/base-1.0-py3-none-any.whl"]\n', WITH_BASE),
        ('[tool.pdm.resolution.overrides]\nbase = "INDEX/base-1.0-py3-none-any.whl"\n', WITH_BASE),
    ],
)
def test_an_override_may_have_no_version_or_a_url(project: Project, tables: str, expected: dict[str, str]) -> None:
    project.wheel("base", "1.0")
    project.wheel("base", "2.0")
    project.wheel("tinydep", requires=("base>1",))
    project.write({"pyproject.toml": HEAD + tables.replace("INDEX", project.index.as_uri())})
    assert project.packages() == expected


def test_a_source_of_a_package_that_is_only_constrained_needs_a_lock(project: Project) -> None:
    """uv applies it, and the package of the same name on another index is another one."""
    index = '[[tool.uv.index]]\nname = "own"\nurl = "https://own.example/simple"\nexplicit = true\n'
    for key in ("constraint", "override"):
        tables = f'[tool.uv]\n{key}-dependencies = ["base>0"]\n[tool.uv.sources]\nbase = {{ index = "own" }}\n'
        project.write({"pyproject.toml": HEAD + tables + index})
        assert "pyproject.toml: [tool.uv.sources].base: not a dependency" in project.refusal()


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


def test_a_mirror_that_pipenv_would_use_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.wheel("tinydep")
    project.write({"Pipfile": '[packages]\ntinydep = "*"\n'})
    monkeypatch.setenv("PIPENV_PYPI_MIRROR", "https://u:secret@mirror.example/simple")
    assert project.packages() == {"tinydep": "1.0"}
    (line,) = (line for line in project.notes.lines if "PIPENV_PYPI_MIRROR" in line)
    assert "mirror.example/simple is not used" in line
    assert "secret" not in line


def test_a_workspace_member_without_a_source_is_refused_as_by_uv(project: Project) -> None:
    project.wheel("tinydep", "9.0")
    project.local("members/tinydep", "tinydep")
    workspace = '[tool.uv.workspace]\nmembers = ["members/*"]\n'
    project.write({"pyproject.toml": HEAD + workspace})
    assert "tinydep is a member of the workspace, but has no entry in [tool.uv.sources]" in project.refusal()
    project.write({"pyproject.toml": HEAD + workspace + "[tool.uv.sources]\ntinydep = { workspace = true }\n"})
    assert project.packages() == {"tinydep": "0.5"}


def test_the_extras_of_every_mention_of_a_local_package_are_included(project: Project) -> None:
    for name in ("one", "two"):
        project.wheel(name, "9.0")
        project.local(name, name)
    extras = '[project.optional-dependencies]\na = ["one"]\nb = ["two"]\n'
    sources = '[tool.uv.sources]\none = { path = "../one" }\ntwo = { path = "../two" }\n'
    project.local("lib", "lib", more=extras + sources)
    project.write({"requirements.txt": "./lib\n-e ./lib[b]\nlib[a] @ ./lib\n"})
    assert project.packages() == {"lib": "0.5", "one": "0.5", "two": "0.5"}


@pytest.mark.parametrize("in_source", [True, False])
def test_of_a_local_package_that_is_virtual_only_the_dependencies_are_included(
    project: Project, in_source: bool
) -> None:
    """uv installs no package of a project with ``package = false``, nor one of this name from an index."""
    for name in ("tinydep", "base", "other"):
        project.wheel(name)
    setting = "" if in_source else "package = false"
    more = f'[project.optional-dependencies]\nx = ["other"]\n[tool.uv]\n{setting}\n'
    project.local("../lib", "tinydep", '["base"]', more)
    source = "package = false" if in_source else "editable = true"
    project.write({"pyproject.toml": HEAD + f'[tool.uv.sources]\ntinydep = {{ path = "../lib", {source} }}\n'})
    assert project.packages() == {"base": "1.0"}
    text = (project.folder / "pyproject.toml").read_text().replace('"tinydep"', '"tinydep[x]"')
    project.write({"pyproject.toml": text})
    assert project.packages() == {"base": "1.0", "other": "1.0"}
    command = [uv.find_uv_bin(), "lock", "--quiet", "--offline", "--no-index", "--find-links", str(project.index)]
    subprocess.run(command, cwd=project.folder, check=True)
    assert project.packages() == {"base": "1.0", "other": "1.0"}


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
