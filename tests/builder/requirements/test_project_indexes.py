"""Indexes and URLs that a project declares for one package: the package comes from there only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.requirements.declared import Selection
from builder.requirements.reader import read_requirements
from builder.resolve import uv
from builder.resolve.bounds import ProjectIndex
from tests.builder.requirements.conftest import TARGET, Project
from tests.fakes.package_index import PackageIndex, running_index
from tests.fakes.wheels import make_wheel

HEAD = '[project]\nname = "agent"\nversion = "1"\ndependencies = ["tools", "tinydep"]\n'


@pytest.fixture
def company(project: Project, tmp_path: Path) -> Iterator[PackageIndex]:
    """Serve an index with tinydep 1.0; the index of the environment has a newer package of this name."""
    project.wheel("tinydep", "9.0")
    project.wheel("tools", requires=("tinydep",))
    with running_index() as running:
        running.add_wheel(make_wheel(tmp_path, "tinydep", "1.0"))
        yield running


@pytest.mark.parametrize(
    "tables",
    [
        '[tool.uv.sources]\ntinydep = { index = "company" }\n'
        '[[tool.uv.index]]\nname = "company"\nurl = "URL"\nexplicit = true\n',
        '[tool.poetry.dependencies]\ntinydep = { source = "company" }\n'
        '[[tool.poetry.source]]\nname = "company"\nurl = "URL"\npriority = "explicit"\n',
        '[project.optional-dependencies]\napi = ["tinydep"]\n'
        '[tool.poetry.dependencies]\ntinydep = { source = "company" }\n'
        '[[tool.poetry.source]]\nname = "company"\nurl = "URL"\npriority = "explicit"\n',
    ],
)
def test_a_package_bound_to_an_index_comes_from_it(project: Project, company: PackageIndex, tables: str) -> None:
    head = HEAD.replace(', "tinydep"', "") if "api" in tables else HEAD
    selection = Selection(all_extras=True)
    project.write({"pyproject.toml": head + tables.replace("URL", f"{company.address}/simple")})
    assert project.packages(selection) == {"tinydep": "1.0", "tools": "1.0"}
    company.projects.clear()
    assert "tinydep" in project.refusal(selection)


@pytest.mark.parametrize("in_url", [True, False])
def test_credentials_of_a_projects_index_are_used_to_download_too(
    project: Project, company: PackageIndex, in_url: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.account = "bob:s3%cret"
    url = f"{company.address}/simple"
    if in_url:
        url = url.replace("//", "//bob:s3%25cret@")
    else:
        monkeypatch.setenv("UV_INDEX_OUR_COMPANY_USERNAME", "bob")
        monkeypatch.setenv("UV_INDEX_OUR_COMPANY_PASSWORD", "s3%cret")
    source = '[tool.uv.sources]\ntinydep = { index = "our-company" }\n'
    index = f'[[tool.uv.index]]\nname = "our-company"\nurl = "{url}"\nexplicit = true\nauthenticate = "always"\n'
    project.write({"pyproject.toml": HEAD + source + index})
    assert project.packages() == {"tinydep": "1.0", "tools": "1.0"}
    assert "warning: [tool.uv].index.authenticate is not applied without a lock file" in project.notes.lines
    assert "s3" not in "".join(path.read_text("utf-8") for path in (project.folder.parent / "out").glob("*.json"))
    company.account = "bob:other"
    assert "s3" not in project.refusal()


SOURCES = [
    '[tool.uv.sources]\ntinydep = { index = "company" }\n'
    '[[tool.uv.index]]\nname = "company"\nurl = "ADDRESS/simple"\nexplicit = true\n',
    '[tool.uv.sources]\ntinydep = { url = "ADDRESS/files/tinydep-1.0-py3-none-any.whl" }\n',
]


@pytest.mark.parametrize("sources", SOURCES)
@pytest.mark.parametrize("own", ['"tinydep"', '"tinydep>=0.5"', ""])
def test_a_source_that_a_local_package_declares_is_used(
    project: Project, company: PackageIndex, sources: str, own: str
) -> None:
    """uv uses the sources of a path dependency too: the package of the same name on another index is another one."""
    project.local("lib", "lib", '["tinydep"]', sources.replace("ADDRESS", company.address))
    head = f'[project]\nname = "agent"\nversion = "1"\ndependencies = ["lib", {own}]\n'
    project.write({"pyproject.toml": head + '[tool.uv.sources]\nlib = { path = "lib" }\n'})
    assert project.packages() == {"lib": "0.5", "tinydep": "1.0"}
    project.write({"requirements.txt": "-e ./lib\n"})
    assert project.packages() == {"lib": "0.5", "tinydep": "1.0"}


def test_local_packages_with_different_indexes_of_one_package_are_refused(
    project: Project, company: PackageIndex
) -> None:
    for name, place in (("one", company.address), ("two", "https://other.example")):
        project.local(name, name, '["tinydep"]', SOURCES[0].replace("ADDRESS", place))
    project.write({"requirements.txt": "./one\n./two\n"})
    assert "the index company (https://other.example/simple) of tinydep differs" in project.refusal()


def test_every_requirement_of_a_package_from_a_projects_index_applies(project: Project, company: PackageIndex) -> None:
    company.add_wheel(make_wheel(project.index.parent, "tinydep", "1.5"))
    extra = '[project.optional-dependencies]\nnew = ["tinydep>0"]\n'
    head = HEAD.replace('"tinydep"', '"tinydep<1.5"') + extra + SOURCES[0].replace("ADDRESS", company.address)
    project.write({"pyproject.toml": head})
    assert project.packages(Selection(extras=("new",))) == {"tinydep": "1.0", "tools": "1.0"}


@pytest.mark.parametrize(
    ("condition", "selection", "version"),
    [
        ('extra = "My_Api"', Selection(extras=("my-api",)), "1.0"),
        ('extra = "My_Api"', Selection(extras=("all",)), "1.0"),
        ('extra = "My_Api"', Selection(), "1.0"),
        ('group = "My_Group"', Selection(groups=("my-group",)), "1.0"),
        ('group = "My_Group"', Selection(groups=("more",)), "1.0"),
        ('group = "My_Group", marker = "sys_platform == \'win32\'"', Selection(groups=("more",)), "9.0"),
    ],
)
def test_a_source_of_an_extra_or_group_applies_as_in_uv(
    project: Project, company: PackageIndex, condition: str, selection: Selection, version: str
) -> None:
    """uv locks all extras and groups together: what one says about a package applies to all."""
    optional = (
        '[project.optional-dependencies]\nMy_Api = ["tinydep"]\nall = ["agent[my.api]"]\n'
        '[dependency-groups]\nMy_Group = ["tinydep"]\nmore = [{ include-group = "My_Group" }]\n'
    )
    sources = SOURCES[0].replace("ADDRESS", company.address).replace('"company" }', f'"company", {condition} }}')
    project.write({"pyproject.toml": HEAD + optional + sources})
    assert project.packages(selection)["tinydep"] == version
    conflicts = '[tool.uv]\nconflicts = [[{ extra = "my-api" }, { group = "my-group" }]]\n'
    project.write({"pyproject.toml": HEAD + optional + sources + conflicts})
    assert project.packages()["tinydep"] == "9.0"


def test_an_index_that_the_environment_names_replaces_the_projects(
    project: Project, company: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", f"company={company.address}/simple")
    for table in (SOURCES[0], SOURCES[0].partition("[[")[0]):
        project.write({"pyproject.toml": HEAD + table.replace("ADDRESS", "https://other.example")})
        assert project.packages()["tinydep"] == "1.0"


def test_poetrys_name_of_the_public_index_needs_no_declaration(project: Project) -> None:
    tables = '[tool.poetry.dependencies]\ntinydep = { source = "PyPI" }\n'
    project.write({"pyproject.toml": HEAD + tables})
    found = read_requirements(project.folder / "pyproject.toml", TARGET)
    assert found.places == {"tinydep": ProjectIndex("pypi", uv.public_index() or "")}


def test_the_problem_of_an_index_is_reported_once(project: Project) -> None:
    project.write({"pyproject.toml": f'{HEAD}[[tool.uv.index]]\nname = "x"\nurl = "https://x.example/simple"\n'})
    assert "1 problem" in project.refusal()


def test_the_url_of_a_wheel_is_used(project: Project, company: PackageIndex) -> None:
    url = f"{company.address}/files/tinydep-1.0-py3-none-any.whl"
    project.write({"requirements.txt": f"tools\ntinydep @ {url}\n"})
    assert project.packages() == {"tinydep": "1.0", "tools": "1.0"}
    project.write({"requirements.txt": f"tools\n{url}\n"})
    assert project.packages() == {"tinydep": "1.0", "tools": "1.0"}
    (project.folder / "requirements.txt").unlink()
    project.write({"pyproject.toml": f'{HEAD}[tool.uv.sources]\ntinydep = {{ url = "{url}" }}\n'})
    assert project.packages() == {"tinydep": "1.0", "tools": "1.0"}
