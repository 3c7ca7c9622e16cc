"""uv's settings in a project: applied, or refused by name."""

from __future__ import annotations

import subprocess

import pytest
import uv

from builder.requirements.declared import Selection
from tests.builder.requirements.conftest import TINYDEP, Project


def test_a_list_of_uv_that_is_no_list_is_named(project: Project) -> None:
    for key in ("constraint-dependencies", "exclude-dependencies", "conflicts", "index"):
        project.write({"pyproject.toml": TINYDEP + f'[tool.uv]\n{key} = "base"\n'})
        assert f"[tool.uv]: {key} must be an array" in project.refusal()


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
    project.write({"pyproject.toml": f"{TINYDEP}[tool.uv]\n{settings}\n{source}"})
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
    project.write({"pyproject.toml": TINYDEP + tables})
    assert project.packages() == {"base": "2.0", "other": "1.0", "tinydep": "1.0"}
    selection = Selection(override=("base==1.0",), exclude=("Other",))
    assert project.packages(selection) == {"base": "1.0", "tinydep": "1.0"}


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
    project.write({"pyproject.toml": TINYDEP + tables.replace("INDEX", project.index.as_uri())})
    assert project.packages() == expected
