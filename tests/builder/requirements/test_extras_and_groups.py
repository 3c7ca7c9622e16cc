"""Extras and dependency groups: which are included, and which are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.requirements.declared import Selection
from tests.builder.requirements.conftest import TINYDEP, Project

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
    project.write({"pyproject.toml": TINYDEP + tables})
    assert set(project.packages(Selection(groups=("dev",)))) == {"tinydep", "other", "third"}


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
    project.write({"pyproject.toml": TINYDEP + groups})
    assert set(project.packages()) == {"tinydep", "third"}
    assert set(project.packages(Selection(default_groups=False))) == {"tinydep"}


def test_an_unknown_extra_or_group_names_what_there_is(project: Project, tmp_path: Path) -> None:
    project.write({"pyproject.toml": EXTRAS})
    assert "it has all, api" in project.refusal(Selection(extras=("nope",)))
    assert "it has lambda, more" in project.refusal(Selection(groups=("nope",)))
    project.write({"requirements.txt": "tinydep\n"})
    assert "only a project has extras" in project.refusal(Selection(extras=("api",)))


def test_a_group_that_includes_an_unknown_group_is_refused_by_its_name(project: Project) -> None:
    project.write({"pyproject.toml": TINYDEP + '[dependency-groups]\nmore = [{include-group = "absent"}]\n'})
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
