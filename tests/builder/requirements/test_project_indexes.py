"""Indexes and URLs that a project declares for one package: the package comes from there only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builder.requirements.conftest import Project
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
    ],
)
def test_a_package_bound_to_an_index_comes_from_it(project: Project, company: PackageIndex, tables: str) -> None:
    project.write({"pyproject.toml": HEAD + tables.replace("URL", f"{company.address}/simple")})
    assert project.packages() == {"tinydep": "1.0", "tools": "1.0"}
    company.projects.clear()
    assert "tinydep" in project.refusal()


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
