"""Which file's requirements are used, and which others are named."""

from __future__ import annotations

import pytest

from builder.requirements.reader import find_requirements
from tests.builder.requirements.conftest import Project


def test_settings_of_tools_are_no_requirements_those_of_conda_are_refused_and_requirements_in_is_read(
    project: Project,
) -> None:
    project.write({"setup.cfg": "[flake8]\nmax-line-length = 100\n"})
    assert find_requirements(project.folder) == (None, ())
    (project.folder / "setup.cfg").unlink()
    for name in ("environment.yml", "pixi.toml"):
        project.write({name: ""})
        assert "conda" in project.refusal()
        (project.folder / name).unlink()
    project.write({"requirements.in": "tinydep\n"})
    project.wheel("tinydep")
    assert project.packages() == {"tinydep": "1.0"}


def test_a_file_of_the_folder_above_is_named_and_one_of_a_cdk_app_is_not_used(project: Project) -> None:
    project.wheel("tinydep")
    above = project.folder.parent
    (above / "requirements.txt").write_text("tinydep\n")
    assert project.packages() == {"tinydep": "1.0"}
    assert any(str(above / "requirements.txt") in line for line in project.notes.lines)
    (above / "cdk.json").write_text('{"app": "npx ts-node bin/app.ts"}')
    assert project.packages() == {"tinydep": "1.0"}
    (above / "cdk.json").write_text('{"app": "python3 app.py"}')
    assert project.packages() == {}
    assert any("belongs to the CDK app" in line for line in project.notes.lines)
    assert project.packages(requirements="../requirements.txt") == {"tinydep": "1.0"}


def test_other_files_beside_the_one_that_is_used_are_named(project: Project) -> None:
    project.wheel("tinydep")
    project.write({"requirements.txt": "tinydep\n", "pyproject.toml": '[project]\nname = "a"\n', "Pipfile": ""})
    project.packages()
    assert sum("not used, requirements.txt is" in line for line in project.notes.lines) == 2


def test_requirements_in_places_that_are_not_read_are_named(project: Project) -> None:
    project.write(
        {
            "requirements/base.txt": "base\n",
            "agent.py": '# /// script\n# dependencies = ["base"]\n# ///\n',
            "other.py": "# ///// script of a play\n",
        }
    )
    assert project.packages() == {}
    base, agent = [line for line in project.notes.lines if line.startswith("warning: ")]
    assert base.startswith(f"warning: {project.folder / 'requirements' / 'base.txt'}: not used")
    assert agent.startswith(f"warning: {project.folder / 'agent.py'}: its inline script metadata (PEP 723) is not used")
    assert "agent.py: is a Python file, not a requirements file" in project.refusal(requirements="agent.py")
    project.write({"setup.cfg": "[metadata]\nname = a\n"})
    said = project.refusal()
    assert "setup.cfg: cannot be built" in said
    assert "add a pyproject.toml" in said


def test_setup_cfg_is_a_part_of_setup_py(project: Project) -> None:
    project.write({"setup.py": "", "setup.cfg": "[metadata]\nname = a\n"})
    assert find_requirements(project.folder) == (project.folder / "setup.py", ())


@pytest.mark.parametrize(
    "name", ["requirements-prod.txt", "Requirements.txt", "requirements/base.txt", "requirements.lock"]
)
def test_requirements_under_another_name_are_named_if_no_others_are_used(project: Project, name: str) -> None:
    project.write({name: "tinydep\n"})
    assert project.packages() == {}
    assert [line for line in project.notes.lines if name in line and "with --requirements" in line]


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"])
def test_a_lock_file_without_its_project_is_refused(project: Project, name: str) -> None:
    project.write({name: ""})
    assert f"{name}: is a lock file without its " in project.refusal()


def test_a_problem_that_two_targets_or_tables_have_is_reported_once(project: Project) -> None:
    group = '[project]\nname = "app"\nversion = "1"\ndependencies = ["a b", "a b"]\n'
    project.write({"pyproject.toml": group})
    refusal = project.refusal()
    assert refusal.count("'a b'") == 1
    assert "1 problem" in refusal


def test_a_file_far_above_the_app_is_named_if_no_other_is_used(project: Project) -> None:
    app = project.folder / "src" / "service"
    project.write({"src/service/handler.py": "", "requirements.txt": "tinydep\n"})
    far = f"{project.folder / 'requirements.txt'}: not used, it is too far above the app"
    assert any(far in note for note in find_requirements(app)[1])
    project.write({"cdk.json": '{"app": "python3 app.py"}'})
    assert find_requirements(app) == (None, ())
    (project.folder / "cdk.json").unlink()
    (project.folder / "src" / ".git").mkdir()
    assert find_requirements(app) == (None, ())


@pytest.mark.parametrize("name", ["pylock.prod.toml", "pdm.prod.lock", "requirements.lock"])
def test_a_lock_file_under_another_name_is_named(project: Project, name: str) -> None:
    project.wheel("tinydep")
    project.write({"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["tinydep"]\n', name: ""})
    assert project.packages() == {"tinydep": "1.0"}
    assert any(f"{project.folder / name}: not used" in line for line in project.notes.lines)


def test_a_named_pyproject_without_a_project_is_built_or_refused(project: Project) -> None:
    project.write({"pyproject.toml": "[tool.ruff]\n"})
    assert "pyproject.toml: states no requirements" in project.refusal(requirements="pyproject.toml")
    backend = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    project.write({"pyproject.toml": backend, "backend.py": "def build_wheel(*args): raise SystemExit('built')\n"})
    assert "built" in project.refusal(requirements="pyproject.toml")
