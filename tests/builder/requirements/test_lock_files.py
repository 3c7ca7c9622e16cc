"""Lock files: their versions and hashes go into the zip, or the lock is refused by name.

The samples have the form that uv 0.13, Poetry 2.5 and 1.2, PDM 2.29 and pipenv 2026.10 write.
"""

from __future__ import annotations

import hashlib

import pytest

from builder.requirements.declared import Selection
from builder.requirements.reader import read_requirements
from tests.builder.requirements.conftest import BUILD, TARGET, Project
from tests.builder.requirements.lock_samples import ALL, FORMATS, HEAD, package_of, poetry_lock, pylock, uv_lock


@pytest.mark.parametrize("name", FORMATS)
def test_the_locked_versions_are_used(locked: Project, name: str) -> None:
    locked.write({name: FORMATS[name](locked)})
    assert locked.packages() == ALL
    assert any(f"versions from {locked.folder / name}" in line for line in locked.notes.lines)
    assert locked.packages(Selection(extras=("api",))) == {**ALL, "other": "1.0"}
    assert locked.packages(Selection(use_lock=False)) == {"tinydep": "2.0", "base": "2.0"}
    assert locked.packages(Selection(override=("base==2.0",))) == {**ALL, "base": "2.0"}
    assert locked.packages(Selection(exclude=("base",))) == {"tinydep": "1.0"}


@pytest.mark.parametrize(("stated", "version"), [("<2", "1.0"), (">=1", "2.0")])
def test_of_several_locked_versions_the_newest_that_all_requirements_allow_is_used(
    project: Project, stated: str, version: str
) -> None:
    """A poetry.lock of Poetry 1.8 has no markers: only the requirements tell which version Poetry installs."""

    def package(name: str, locked_version: str, requires: str = "") -> str:
        wheel = project.index / f"{name}-{locked_version}-py3-none-any.whl"
        file = f'{{file = "{wheel.name}", hash = "sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"}}'
        head = f'[[package]]\nname = "{name}"\nversion = "{locked_version}"\noptional = false\nfiles = [{file}]\n'
        return head + (f"[package.dependencies]\n{requires}\n" if requires else "")

    for name, each in (("tinydep", "1.0"), ("base", "1.0"), ("base", "2.0")):
        project.wheel(name, each, requires=("base",) if name == "tinydep" else ())
    packages = package("base", "1.0"), package("base", "2.0"), package("tinydep", "1.0", 'base = ">=1"')
    stated_twice = f'[{{version = "{stated}", python = ">=3.12"}}, {{version = "*", python = "<3.12"}}]'
    project.write(
        {
            "pyproject.toml": '[tool.poetry]\nname = "agent"\nversion = "1"\npackage-mode = false\n'
            f'[tool.poetry.dependencies]\npython = ">=3.10"\ntinydep = "*"\nbase = {stated_twice}\n',
            "poetry.lock": "".join(packages) + '[metadata]\nlock-version = "2.0"\n',
        }
    )
    assert project.packages() == {"tinydep": "1.0", "base": version}


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock", "uv.lock"])
def test_a_lock_for_other_pythons_is_refused(locked: Project, name: str) -> None:
    """It does not have what only the target's Python needs, and its markers leave these Pythons out."""
    uv_text = 'version = 1\nrequires-python = ">=3.10"\n[[package]]\nname = "agent"\nversion = "1"\n'
    uv_text += 'source = { virtual = "." }\n'
    text = FORMATS.get(name, lambda _: uv_text)(locked)
    text = text.replace("[metadata]\n", '[metadata]\npython-versions = ">=3.10"\n') if name == "poetry.lock" else text
    locked.write({name: text.replace('= ">=3.10"', '= ">=3.13,<4"')})
    assert f"{name}: the lock file is for Python >=3.13,<4, not 3.12." in locked.refusal()
    if name != "uv.lock":
        locked.write({"pyproject.toml": HEAD.replace(">=3.10", ">=3.13")})
        assert "the project requires Python >=3.13" in locked.refusal()


def test_a_requirement_that_a_lock_does_not_have_is_a_warning(locked: Project) -> None:
    locked.write({"pylock.toml": pylock(locked).replace(package_of(pylock(locked), "base"), "")})
    assert locked.packages() == {"tinydep": "1.0"}
    missing = 'tinydep-1.0-py3-none-any.whl requires base; extra == "fast", which the lock does not have'
    assert any(missing in line for line in locked.notes.lines)
    assert not any("pylock.toml: not used" in line for line in locked.notes.lines)
    assert locked.packages(Selection(exclude=("base",))) == {"tinydep": "1.0"}
    assert not any(missing in line for line in locked.notes.lines)


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml"])
def test_a_url_in_the_lock_must_be_the_projects(project: Project, name: str) -> None:
    """Nothing is downloaded: only the files are read."""
    url = "https://example.org/tinydep-1.0-py3-none-any.whl"
    stated = f"tinydep @ {url}"
    head = '[project]\nname = "agent"\nversion = "1"\nrequires-python = ">=3.12"\n'
    hashed = f'sha256 = "{"0" * 64}"'
    text = {
        "pylock.toml": f'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "tinydep"\nversion = "1.0"\n'
        f'archive = {{ url = "{url}", hashes = {{ {hashed} }} }}\n',
        "uv.lock": 'version = 1\nrequires-python = ">=3.12"\n[[package]]\nname = "agent"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [{ name = "tinydep" }]\n[package.metadata]\n'
        f'requires-dist = [{{ name = "tinydep", url = "{url}" }}]\n[[package]]\nname = "tinydep"\nversion = "1.0"\n'
        f'source = {{ url = "{url}" }}\nwheels = [{{ url = "{url}", hash = "{hashed[:6]}:{"0" * 64}" }}]\n',
    }[name]
    project.write({"pyproject.toml": f'{head}dependencies = ["{stated}"]\n', name: text})
    found = read_requirements(project.folder / "pyproject.toml", TARGET)
    assert [each.text for each in found.declared] == [stated]
    assert found.hashes == {"tinydep": frozenset({"sha256:" + "0" * 64})}
    sources = f'{head}dependencies = ["tinydep==1.0"]\n[tool.uv.sources]\ntinydep = {{ url = "{url}" }}\n'
    project.write({"pyproject.toml": sources})
    assert read_requirements(project.folder / "pyproject.toml", TARGET).declared == found.declared
    project.write({"pyproject.toml": f'{head}dependencies = ["{stated.replace("example", "other.example")}"]\n'})
    assert f"is not in the lock: it has {stated}" in project.refusal()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dependency", ["missing", "tinydep>=2"])
def test_a_lock_that_does_not_match_the_project_is_refused(locked: Project, name: str, dependency: str) -> None:
    locked.write({"pyproject.toml": HEAD.replace("tinydep[fast]", dependency), name: FORMATS[name](locked)})
    said = locked.refusal()
    assert f"{name}: the lock file does not fit the project" in said
    assert "pyproject.toml:5" in said
    assert "--no-lock" in said


@pytest.mark.parametrize("name", [*FORMATS, "uv.lock"])
@pytest.mark.parametrize("text", ["[", "package = 1\n", "[[package]]\nname = 1\n", "[package]\n", "\x00", "x" * 40])
def test_a_damaged_lock_is_one_error(locked: Project, name: str, text: str) -> None:
    locked.write({name: text})
    assert name in locked.refusal()


@pytest.mark.parametrize("name", [*FORMATS, "uv.lock"])
def test_an_extra_that_a_locked_package_does_not_have_is_named(locked: Project, name: str) -> None:
    locked.wheel("tinydep", requires=("base[gone] ; extra == 'fast'\nProvides-Extra: Fast",))
    (locked.index / "tinydep-2.0-py3-none-any.whl").unlink()
    (locked.index / "base-2.0-py3-none-any.whl").unlink()
    locked.write({"pyproject.toml": HEAD.replace("tinydep[fast]", "tinydep[fast,lost]")})
    if name in FORMATS:
        locked.write({name: FORMATS[name](locked)})
    else:
        uv_lock(locked)
    assert locked.packages() == ALL
    (line,) = (line for line in locked.notes.lines if "tinydep 1.0 has no extra" in line)
    assert "tinydep 1.0 has no extra 'lost', which the requirements name" in line
    assert any("base 1.0 has no extra 'gone', which tinydep 1.0 requires" in line for line in locked.notes.lines)


def test_locked_local_packages_are_built(project: Project) -> None:
    project.wheel("tinydep", "9.0")
    project.local("lib", "tinydep")
    project.write(
        {
            "pyproject.toml": '[project]\nname = "agent"\nversion = "1"\ndependencies = ["tinydep"]\n'
            '[tool.poetry.dependencies]\ntinydep = { path = "lib" }\n',
            "poetry.lock": '[[package]]\nname = "tinydep"\nversion = "0.5"\nfiles = []\ngroups = ["main"]\n'
            '[package.source]\ntype = "directory"\nurl = "lib"\n[metadata]\nlock-version = "2.1"\n',
        }
    )
    assert project.packages() == {"tinydep": "0.5"}
    lock = (project.folder / "poetry.lock").read_text()
    git = lock.replace('type = "directory"\nurl = "lib"', 'type = "git"\nurl = "https://u:secret@git.example/t"')
    project.write({"poetry.lock": git})
    said = project.refusal()
    assert "version control URL" in said
    assert "secret" not in said


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock"])
def test_a_lock_with_another_source_of_a_package_is_refused(locked: Project, name: str) -> None:
    locked.local("lib", "tinydep")
    path = 'path = "lib"\n' if name == "pdm.lock" else ""
    source = '[package.source]\ntype = "directory"\nurl = "lib"\n' if name == "poetry.lock" else ""
    text = FORMATS[name](locked)
    place = text.index('[[package]]\nname = "tinydep"')
    text = text[:place] + text[place:].replace('version = "1.0"\n', f'version = "1.0"\n{path}', 1)
    locked.write({name: text.replace("[extras]", f"{source}[extras]")})
    assert "tinydep comes from an index, and in the lock from a path" in locked.refusal()
    locked.write({name: FORMATS[name](locked)})
    locked.write({"pyproject.toml": HEAD + '[tool.uv.sources]\ntinydep = { path = "lib" }\n'})
    assert "tinydep comes from a path, and in the lock from an index" in locked.refusal()


@pytest.mark.parametrize(
    ("name", "head"), [("poetry.lock", 'lock-version = "2.1"'), ("pdm.lock", 'lock_version = "4.5.0"')]
)
def test_a_lock_of_a_newer_format_is_refused(locked: Project, name: str, head: str) -> None:
    text = FORMATS[name](locked)
    for version in ("9.0", "x"):
        locked.write({name: text.replace(head, f'{head.split("=")[0]}= "{version}"')})
        assert f"version {version}, which is not supported" in locked.refusal()
    assert head in text


def test_a_lock_beside_a_requirements_file_is_named(locked: Project) -> None:
    locked.write({"poetry.lock": poetry_lock(locked), "requirements.txt": "tinydep==2.0\n"})
    assert locked.packages() == {"tinydep": "2.0"}
    assert any("poetry.lock: not used" in line for line in locked.notes.lines)


def test_a_locked_project_that_is_a_package_is_included(locked: Project) -> None:
    locked.write({"pyproject.toml": HEAD + BUILD, "src/agent/__init__.py": "", "poetry.lock": poetry_lock(locked)})
    assert locked.packages() == {**ALL, "agent": "1"}
