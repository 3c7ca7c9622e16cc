"""uv's settings in a project: applied, or refused by name."""

from __future__ import annotations

import subprocess

import pytest
import uv

from builder.requirements.declared import Selection
from tests.builder.requirements.conftest import TINYDEP, Project
from tests.builder.requirements.lock_samples import uv_lock


def test_a_list_of_uv_that_is_no_list_is_named(project: Project) -> None:
    for key in ("constraint-dependencies", "exclude-dependencies", "conflicts", "index"):
        project.write({"pyproject.toml": TINYDEP + f'[tool.uv]\n{key} = "base"\n'})
        assert f"[tool.uv]: {key} must be an array" in project.refusal()


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ("", "2.0"),
        ('prerelease = "allow"', "3.0rc1"),
        ('prerelease-package = { TinyDep = "allow" }', "3.0rc1"),
        ('prerelease-package = { other = "allow" }', "2.0"),
        ('prerelease = "allow"\nprerelease-package = { tinydep = "disallow" }', "2.0"),
        ('exclude-newer = "2000-01-01"\nexclude-newer-package = { tinydep = false }', "2.0"),
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
    wrong = 'prerelease = "yes"\nresolution = 1\nprerelease-package = {x = 1}\nexclude-newer-package = {x = true}\n'
    project.write({"pyproject.toml": head + wrong})
    said = project.refusal()
    assert "[tool.uv].prerelease-package.x: must be disallow or allow" in said
    assert "[tool.uv].exclude-newer-package.x: must be a date, time or age" in said
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


#: uv's settings in a file besides the project's pyproject.toml, and what uv itself locks with them.
SETTINGS = {
    'prerelease = "allow"': "3.0rc1",
    'resolution = "lowest-direct"': "1.0",
    'prerelease-package = { tinydep = "allow" }': "3.0rc1",
    'constraint-dependencies = ["tinydep<2"]': "2.0",
    'override-dependencies = ["tinydep<2"]': "2.0",
    'exclude-dependencies = ["tinydep"]': "2.0",
}


@pytest.mark.parametrize("own", ["", "[tool.uv]\n", '[tool.uv]\nprerelease = "disallow"\n'])
@pytest.mark.parametrize("place", ["uv.toml", "../uv.toml", "../pyproject.toml"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_uvs_settings_apply_from_the_file_that_uv_reads(project: Project, own: str, place: str, setting: str) -> None:
    for each in ("1.0", "2.0", "3.0rc1"):
        project.wheel("tinydep", each)
    project.write({place: ("[tool.uv]\n" if place.endswith("pyproject.toml") else "") + setting + "\n"})
    head = '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["tinydep>=1"]\n'
    project.write({"pyproject.toml": head + own})
    is_read = place == "uv.toml" or not own
    assert project.packages() == {"tinydep": SETTINGS[setting] if is_read else "2.0"}
    notes = " ".join(project.notes.lines)
    is_of_project = "dependencies" in setting
    assert (f"{setting.split()[0]} not used" in notes) == (is_read and is_of_project and place.endswith("uv.toml"))
    assert ("has no [tool.uv]" in notes) == (is_read and not is_of_project and place != "uv.toml")
    without_lock = project.packages()
    uv_lock(project)
    assert project.packages() == without_lock


def test_constraints_of_pyproject_apply_beside_a_uv_toml(project: Project) -> None:
    for version in ("1.0", "2.0", "3.0"):
        project.wheel("tinydep", version)
    project.wheel("base")
    head = '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["tinydep", "base"]\n'
    settings = '[tool.uv]\nconstraint-dependencies = ["tinydep<3"]\nexclude-dependencies = ["base"]\n'
    project.write({"pyproject.toml": head + settings, "uv.toml": 'constraint-dependencies = ["tinydep<2"]\n'})
    for lock in (False, True):
        if lock:
            uv_lock(project)
        assert project.packages() == {"tinydep": "2.0"}
        assert any("constraint-dependencies not used" in line for line in project.notes.lines)


def test_a_key_that_uv_refuses_in_a_uv_toml_is_refused(project: Project) -> None:
    project.wheel("tinydep")
    for text in ("sources = {}", "workspace = {}", "environments = []", "default-groups = []", "package = false"):
        project.write({"pyproject.toml": TINYDEP, "uv.toml": text})
        assert f"uv.toml: {text.split()[0]}: uv allows it only in [tool.uv] of a pyproject.toml" in project.refusal()


def test_an_index_above_the_project_that_uv_uses_is_not_ignored(project: Project) -> None:
    project.wheel("tinydep")
    index = '[[index]]\nname = "corp"\nurl = "https://index.example/simple"\n'
    project.write({"pyproject.toml": TINYDEP, "../uv.toml": index})
    said = project.refusal()
    assert "uv.toml: [[index]]" in said
    assert "https://index.example/simple is not used" in said


def test_a_source_finds_its_index_in_pyproject_beside_a_uv_toml(project: Project) -> None:
    project.wheel("tinydep")
    index = f'[[tool.uv.index]]\nname = "mine"\nurl = "{project.index.as_uri()}"\nexplicit = true\n'
    source = '[tool.uv.sources]\ntinydep = { index = "absent" }\n'
    project.write({"pyproject.toml": TINYDEP + index + source, "uv.toml": "offline = true\n"})
    assert "there is no index named 'absent'" in project.refusal()
    project.write({"pyproject.toml": TINYDEP + index + source.replace("absent", "mine")})
    assert "no index named" not in project.refusal()  # a folder of wheels is no index


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
