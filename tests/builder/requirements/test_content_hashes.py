"""The hashes that pipenv 2026.10, Poetry 2.5 and PDM 2.29 wrote for these files; a changed file is noticed."""

from __future__ import annotations

import json

import pytest

from builder.requirements.declared import Selection
from tests.builder.requirements.conftest import Project
from tests.builder.requirements.lock_samples import pdm_lock, poetry_lock, sha256

PIPFILE = """[[source]]
url = ""
verify_ssl = true
name = "own"

[packages]
Tiny_Dep = {extras = ["fast"], version = ">=1"}

[dev-packages]
other = "*"

[tools]
Linter = "*"

[requires]
python_version = "3.12"
"""
PROJECT = """[project]
name = "agent"
version = "1"
requires-python = ">=3.10"
dependencies = ["tinydep>=1"]

[project.optional-dependencies]
api = ["other"]

[dependency-groups]
Dev_Tools = ["linter"]

[tool.pdm.resolution.overrides]
base = "1.0"
"""
OLD_PROJECT = """[tool.poetry]
name = "agent"

[tool.poetry.dependencies]
python = "^3.10"
tinydep = "^1.0"

[tool.poetry.group.dev.dependencies]
linter = "*"
"""
PIPENV = (
    "c61147a742b6c57d376f840187737fbac33c90da0c9c606ba937b905e1b9d36f",
    "be800cc9ea0c4171e1a095e090981a3bbd09a461bcbb204870f8d2017ae84d9e",  # before 2026: names as they are written
)
POETRY = (
    (PROJECT, "8f1a9af1a14fa994b06eaab35bc8ecf137c7b3f19565d9981824a3abea7f12b4"),
    (PROJECT, "a575c7d5bf39e96e4ba349864e0451648a18866ab05cccb3ef04ef34ab64726c"),  # before 2.3: without groups
    (OLD_PROJECT, "e5c35844453d0c83d84d7b9826fcbeeb9b872aecf93803f8e3edd2ba012b064f"),
)
PDM = "21c77806b6fee3f255d33b8cdd24903b74ff2d478b3d26be64bda83ccbcca510"


@pytest.fixture
def locked(project: Project) -> Project:
    for name in ("tinydep", "base", "other"):
        project.wheel(name)
    project.wheel("tiny_dep", requires=("base ; extra == 'fast'\nProvides-Extra: fast",))
    return project


def pipfile_lock(project: Project, digest: str) -> str:
    hashes = [f"sha256:{sha256(project, 'tiny_dep')}"]
    document = {
        "_meta": {"hash": {"sha256": digest}, "pipfile-spec": 6, "sources": []},
        "default": {"tiny-dep": {"hashes": hashes, "version": "==1.0"}},
    }
    return json.dumps(document)


@pytest.mark.parametrize("digest", PIPENV)
def test_a_pipfile_that_changed_after_it_was_locked_is_refused(locked: Project, digest: str) -> None:
    locked.write({"Pipfile": PIPFILE, "Pipfile.lock": pipfile_lock(locked, digest)})
    assert locked.packages() == {"tiny_dep": "1.0"}
    locked.write({"Pipfile": PIPFILE.replace("other", "other2")})
    said = locked.refusal()
    assert "Pipfile: changed after it was locked" in said
    assert "run `pipenv lock`" in said
    assert locked.packages(Selection(use_lock=False)) == {"tiny_dep": "1.0", "base": "1.0"}


def test_a_pipfile_lock_without_a_hash_is_used(locked: Project) -> None:
    locked.write({"Pipfile": PIPFILE.split("[packages]")[1].join(["[packages]", ""])})
    locked.write({"Pipfile.lock": pipfile_lock(locked, "")})
    assert locked.packages() == {"tiny_dep": "1.0"}


@pytest.mark.parametrize(("text", "digest"), POETRY)
def test_a_project_that_changed_after_poetry_locked_it_is_named(locked: Project, text: str, digest: str) -> None:
    lock = poetry_lock(locked).replace('content-hash = "0"', f'content-hash = "{digest}"')
    locked.write({"pyproject.toml": text, "poetry.lock": lock})
    assert locked.packages() == {"tinydep": "1.0"}
    assert not any("changed after" in line for line in locked.notes.lines)
    locked.write({"pyproject.toml": text.replace("linter", "linter2").replace("3.10", "3.11")})
    assert locked.packages() == {"tinydep": "1.0"}
    assert any("changed after poetry.lock was written" in line for line in locked.notes.lines)


def test_a_project_that_changed_after_pdm_locked_it_is_named(locked: Project) -> None:
    lock = pdm_lock(locked).replace("[metadata]\n", f'[metadata]\ncontent_hash = "sha256:{PDM}"\n')
    locked.write({"pyproject.toml": PROJECT, "pdm.lock": lock})
    assert locked.packages() == {"tinydep": "1.0"}
    assert not any("changed after" in line for line in locked.notes.lines)
    locked.write({"pyproject.toml": PROJECT.replace('"linter"', '"linter2"')})
    assert locked.packages() == {"tinydep": "1.0"}
    assert any("changed after pdm.lock was written" in line for line in locked.notes.lines)
