"""A uv.lock that real uv made fits its project until the project states something else."""

from __future__ import annotations

import pytest

from tests.builder.requirements.conftest import BUILD, Project
from tests.builder.requirements.lock_samples import uv_lock

PROJECT = f"""
[project]
name = "agent"
version = "1"
requires-python = ">=3.10"
dependencies = [
  "Base_Pkg[fast]>=1,<3", "other ~= 1.0 ; python_version >= '3.10'", "other==2.* ; python_version < '3.10'",
  "tinydep!=1.5 ; sys_platform == 'win32'", "agent[api]", "member",
]
[project.optional-dependencies]
api = ["extra-dep==1.*"]
[dependency-groups]
dev = ["grouped<2", {{include-group = "lint"}}]
lint = ["linter"]
[tool.uv]
constraint-dependencies = ["grouped<1.5"]
override-dependencies = ["linter==1.0"]
default-groups = []
[tool.uv.sources]
member = {{ path = "lib" }}
{BUILD}"""
NAMES = ("base_pkg", "other", "tinydep", "extra_dep", "grouped", "linter")


@pytest.fixture
def locked(project: Project) -> Project:
    """Return a project with many kinds of requirements, locked by uv."""
    for name in NAMES:
        for version in ("1.0", "2.0"):
            project.wheel(name, version, requires=("tinydep ; extra == 'fast'\nProvides-Extra: fast",))
    project.local("lib", "member", '["tinydep<3"]')
    project.write({"pyproject.toml": PROJECT, "src/agent/__init__.py": ""})
    uv_lock(project)
    return project


def test_a_lock_fits_what_it_was_made_for(locked: Project) -> None:
    expected = {"base_pkg": "2.0", "tinydep": "2.0", "other": "1.0", "extra_dep": "1.0", "member": "0.5", "agent": "1"}
    assert locked.packages() == expected
    assert not any("api" in line for line in locked.notes.lines)  # the project requires its extra


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", "Base_Pkg[fast]>=1,<3", "Base_Pkg[fast]>=1", "base-pkg[fast]<3,>=1 is no longer required"),
        ("pyproject.toml", "Base_Pkg[fast]", "Base_Pkg", "base-pkg<3,>=1 is not in the lock"),
        ("pyproject.toml", '"agent[api]"', '"agent[api]", "grouped"', "grouped is not in the lock"),
        ("pyproject.toml", "extra-dep==1.*", "extra-dep", "extra-dep (extra api) is not in the lock"),
        ("pyproject.toml", '"linter"]', '"linter", "other"]', "other (group lint) is not in the lock"),
        ("pyproject.toml", '["grouped<1.5"]', "[]", "grouped<1.5 (constraint) is no longer required"),
        ("pyproject.toml", "linter==1.0", "linter==2.0", "linter==2.0 (override) is not in the lock"),
        ("lib/pyproject.toml", "tinydep<3", "tinydep<2", "tinydep<2 is not in the lock"),
    ],
)
def test_a_lock_of_other_requirements_is_refused(locked: Project, file: str, old: str, new: str, said: str) -> None:
    text = (locked.folder / file).read_text("utf-8")
    assert old in text
    locked.write({file: text.replace(old, new)})
    refusal = locked.refusal()
    assert "the lock file does not fit the project" in refusal
    assert said in refusal
    assert "uv lock" in refusal


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", "", "", None),
        ("pyproject.toml", "Base_Pkg[fast]>=1,<3", "Base_Pkg[fast]>=2", None),
        ("pyproject.toml", "Base_Pkg[fast]>=1,<3", "Base_Pkg[fast]<2", "Base_Pkg[fast]<2 is not in the lock"),
        ("pyproject.toml", '"Base_Pkg[fast]>=1,<3", ', "", "base-pkg is no longer required"),
        ("pyproject.toml", '"extra-dep==1.*"', "", "extra-dep is no longer required"),
        ("pyproject.toml", '"linter"]', "]", "linter (group lint) is no longer required"),
        ("pyproject.toml", '"agent[api]"', '"agent[api]", "grouped"', "grouped is not in the lock"),
        ("pyproject.toml", '["grouped<1.5"]', "[]", None),
        ("pyproject.toml", '["grouped<1.5"]', '["other!=1.0"]', "does not fit the constraint other!=1.0: it has other"),
        ("pyproject.toml", "linter==1.0", "linter==2.0", "linter==2.0 (override) is not in the lock"),
        ("lib/pyproject.toml", '["tinydep<3"]', "[]", "tinydep is no longer required"),
    ],
)
def test_a_lock_without_the_metadata_of_its_projects_is_compared_by_what_it_has(
    locked: Project, file: str, old: str, new: str, said: str | None
) -> None:
    with_metadata = locked.packages()
    (locked.folder / "uv.lock").unlink()  # uv would keep it
    uv_lock(locked, "--preview")
    assert "[package.metadata]" not in (locked.folder / "uv.lock").read_text("utf-8")
    text = (locked.folder / file).read_text("utf-8")
    assert old in text
    locked.write({file: text.replace(old, new)})
    if said is None:
        assert locked.packages() == with_metadata
    else:
        assert said in locked.refusal()
