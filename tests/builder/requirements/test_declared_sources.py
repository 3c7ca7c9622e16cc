"""The sources that a project declares for its packages, and its local packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import uv
from packaging.requirements import Requirement

from builder.metadata.requires_dist import marker_environment
from builder.requirements.declared import LocalPackage, Selection
from builder.requirements.pyproject import read_pyproject
from tests.builder.requirements.conftest import BUILD, TARGET, TINYDEP, Project
from tests.builder.requirements.lock_samples import uv_lock


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
    project.write({"pyproject.toml": TINYDEP + source})
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
    project.write({"pyproject.toml": TINYDEP + source})
    said = project.refusal()
    assert words in said
    assert "pyproject.toml" in said
    assert "secret" not in said


def test_a_source_of_another_package_or_platform_changes_nothing(project: Project) -> None:
    project.wheel("tinydep", "9.0")
    sources = "other = { path = 'absent' }\ntinydep = { path = 'absent', marker = \"sys_platform == 'win32'\" }\n"
    project.write({"pyproject.toml": f"{TINYDEP}[tool.uv.sources]\n{sources}"})
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
    project.write({"pyproject.toml": TINYDEP + '[tool.uv.sources]\ntinydep = { path = "../lib" }\n'})
    assert project.packages() == {"base": "2.0", "core": "0.5", "tinydep": "0.5"}


def test_a_problem_of_a_local_package_names_its_file(project: Project) -> None:
    project.local("../lib", "tinydep", '["core"]', '[tool.uv.sources]\ncore = { git = "https://git.example/c" }\n')
    project.write({"pyproject.toml": TINYDEP + '[tool.uv.sources]\ntinydep = { path = "../lib" }\n'})
    said = project.refusal()
    assert str((project.folder.parent / "lib" / "pyproject.toml").resolve()) in said
    assert "pyproject.toml:4: core: git+https://git.example/c is a version control URL" in said


def test_the_project_itself_is_included_if_it_is_a_package(project: Project) -> None:
    project.wheel("tinydep")
    project.write({"pyproject.toml": TINYDEP + BUILD, "src/agent/__init__.py": ""})
    assert project.packages() == {"agent": "1", "tinydep": "1.0"}
    project.write({"pyproject.toml": TINYDEP + BUILD + "[tool.uv]\npackage = false\n"})
    assert project.packages() == {"tinydep": "1.0"}


def test_a_failed_build_shows_the_backends_error(project: Project) -> None:
    project.write({"pyproject.toml": TINYDEP + BUILD})  # no src/agent
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


def test_the_url_of_a_source_replaces_the_version_range(tmp_path: Path) -> None:
    url = "https://files.example/tinydep-2.0-py3-none-any.whl"
    path = tmp_path / "pyproject.toml"
    path.write_text(
        TINYDEP.replace('"tinydep"', '"tinydep[x]>=1"') + f'[tool.uv.sources]\ntinydep = {{ url = "{url}" }}\n'
    )
    (found,) = read_pyproject(path, Selection(), marker_environment(TARGET)).declared
    assert found.text == f"tinydep[x] @ {url}"
    Requirement(found.text)


def test_a_source_of_a_package_that_is_only_constrained_needs_a_lock(project: Project) -> None:
    """uv applies it, and the package of the same name on another index is another one."""
    index = '[[tool.uv.index]]\nname = "own"\nurl = "https://own.example/simple"\nexplicit = true\n'
    for key in ("constraint", "override"):
        tables = f'[tool.uv]\n{key}-dependencies = ["base>0"]\n[tool.uv.sources]\nbase = {{ index = "own" }}\n'
        project.write({"pyproject.toml": TINYDEP + tables + index})
        assert "pyproject.toml: [tool.uv.sources].base: not a dependency" in project.refusal()


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
    project.write({"pyproject.toml": TINYDEP + workspace})
    assert "tinydep is a member of the workspace, but has no entry in [tool.uv.sources]" in project.refusal()
    project.write({"pyproject.toml": TINYDEP + workspace + "[tool.uv.sources]\ntinydep = { workspace = true }\n"})
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


@pytest.mark.parametrize(
    ("setting", "source", "is_virtual"),
    [
        ("", "package = false", True),
        ("package = false", "editable = false", True),
        ("package = false", "editable = true", False),
        ("package = false", "package = true", False),
    ],
)
def test_of_a_local_package_that_is_virtual_only_the_dependencies_are_included(
    project: Project, setting: str, source: str, is_virtual: bool
) -> None:
    """uv installs no package of a project with ``package = false``, nor one of this name from an index."""
    for name in ("tinydep", "base", "other"):
        project.wheel(name)
    more = f'[project.optional-dependencies]\nx = ["other"]\n[tool.uv]\n{setting}\n'
    project.local("../lib", "tinydep", '["base"]', more)
    project.write({"pyproject.toml": TINYDEP + f'[tool.uv.sources]\ntinydep = {{ path = "../lib", {source} }}\n'})
    own = {} if is_virtual else {"tinydep": "0.5"}
    assert project.packages() == {**own, "base": "1.0"}
    text = (project.folder / "pyproject.toml").read_text().replace('"tinydep"', '"tinydep[x]"')
    project.write({"pyproject.toml": text})
    assert project.packages() == {**own, "base": "1.0", "other": "1.0"}
    uv_lock(project)
    assert project.packages() == {**own, "base": "1.0", "other": "1.0"}
    command = [uv.find_uv_bin(), "export", "--quiet", "--frozen", "--offline", "--no-hashes", "--no-annotate"]
    exported = subprocess.run(command, cwd=project.folder, check=True, capture_output=True, text=True).stdout
    assert ("../lib" in exported) is not is_virtual


@pytest.mark.parametrize("is_used_itself", [False, True])
def test_the_dependencies_of_a_virtual_package_that_a_local_package_requires_are_included(
    project: Project, is_used_itself: bool
) -> None:
    for name in ("tinydep", "base", "inner"):
        project.wheel(name, "9.0")
    project.local("libs/inner", "inner")
    sources = '[tool.uv.sources]\ninner = { path = "../inner" }\n[tool.uv]\npackage = false\n'
    project.local("libs/virtual", "virtual", '["base", "inner"]', sources)
    project.local("libs/tinydep", "tinydep", '["virtual"]', '[tool.uv.sources]\nvirtual = { path = "../virtual" }\n')
    source = '[tool.uv.sources]\ntinydep = { path = "libs/tinydep" }\n'
    if is_used_itself:
        source += 'virtual = { path = "libs/virtual" }\n'
    head = TINYDEP.replace('"tinydep"', '"tinydep", "virtual"') if is_used_itself else TINYDEP
    project.write({"pyproject.toml": head + source})
    expected = {"tinydep": "0.5", "base": "9.0", "inner": "0.5"}
    assert project.packages() == expected
    uv_lock(project)
    assert project.packages() == expected


@pytest.mark.parametrize("marker", ["sys_platform == 'linux'", "sys_platform == 'win32'"])
def test_a_path_that_another_package_declares_counts_for_every_requirement_of_a_lock(
    project: Project, marker: str
) -> None:
    """uv has one place for a package: that of any requirement, if it has no version from an index."""
    project.wheel("inner", "9.0")
    project.local("libs/inner", "inner")
    project.local("libs/tinydep", "tinydep", '["inner"]', '[tool.uv.sources]\ninner = { path = "../inner" }\n')
    sources = f'tinydep = {{ path = "libs/tinydep" }}\ninner = {{ path = "libs/inner", marker = "{marker}" }}\n'
    head = TINYDEP.replace('"tinydep"', '"tinydep", "inner"')
    project.write({"pyproject.toml": f"{head}[tool.uv.sources]\n{sources}"})
    assert project.packages() == {"tinydep": "0.5", "inner": "0.5"}
    uv_lock(project)
    assert project.packages() == {"tinydep": "0.5", "inner": "0.5"}
