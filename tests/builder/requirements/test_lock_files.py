"""Lock files: their versions and hashes go into the zip, or the lock is refused by name.

The samples have the form that uv 0.13, Poetry 2.5 and 1.2, PDM 2.29 and pipenv 2026.10 write.
"""

from __future__ import annotations

import hashlib
import subprocess

import pytest
import uv

from builder.requirements.declared import Selection
from builder.requirements.reader import read_requirements
from tests.builder.requirements.conftest import BUILD, TARGET, Project

HEAD = (
    '[project]\nname = "agent"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["tinydep[fast]"]\n'
    '[project.optional-dependencies]\napi = ["other"]\n'
)
FAST = ("base ; extra == 'fast'\nProvides-Extra: fast",)
ALL = {"tinydep": "1.0", "base": "1.0"}


@pytest.fixture
def locked(project: Project) -> Project:
    """Return a project whose index has two versions of each package; the locks name the first."""
    for version in ("1.0", "2.0"):
        project.wheel("base", version)
        project.wheel("other", version)
        project.wheel("tinydep", version, requires=FAST)
    project.write({"pyproject.toml": HEAD})
    return project


def sha256(project: Project, name: str) -> str:
    return hashlib.sha256((project.index / f"{name}-1.0-py3-none-any.whl").read_bytes()).hexdigest()


def poetry_lock(project: Project) -> str:
    def package(name: str, more: str) -> str:
        file = f'{{file = "{name}-1.0-py3-none-any.whl", hash = "sha256:{sha256(project, name)}"}}'
        return f'[[package]]\nname = "{name}"\nversion = "1.0"\npython-versions = "*"\nfiles = [{file}]\n{more}\n'

    return (
        package("base", 'optional = true\ngroups = ["main", "dev"]\nmarkers = {dev = "python_version < \\"3.11\\""}')
        + package("other", 'optional = true\ngroups = ["main"]\nmarkers = "extra == \\"api\\""')
        + package(
            "tinydep",
            'optional = false\ngroups = ["main"]\n[package.dependencies]\nbase = {version = "^1.0", optional = true}\n'
            '[package.extras]\nfast = ["base (>=1,<2)"]',
        )
        + '[extras]\napi = ["other"]\n[metadata]\nlock-version = "2.1"\ncontent-hash = "0"\n'
    )


def pdm_lock(project: Project) -> str:
    def package(name: str, more: str) -> str:
        file = f'{{file = "{name}-1.0-py3-none-any.whl", hash = "sha256:{sha256(project, name)}"}}'
        return f'[[package]]\nname = "{name}"\nversion = "1.0"\nsummary = ""\nfiles = [{file}]\n{more}\n'

    return (
        '[metadata]\ngroups = ["default", "api"]\nstrategy = ["inherit_metadata"]\nlock_version = "4.5.0"\n'
        '[[metadata.targets]]\nrequires_python = ">=3.10"\n'
        + package("base", 'groups = ["default"]\nmarker = "python_version >= \\"3.10\\""')
        + package("other", 'groups = ["api"]')
        + package("tinydep", 'groups = ["default"]')
        + package("tinydep", 'extras = ["fast"]\ngroups = ["default"]\ndependencies = ["base>=1", "tinydep==1.0"]')
    )


def pylock(project: Project) -> str:
    def package(name: str, more: str = "") -> str:
        wheel = f'{{ name = "{name}-1.0-py3-none-any.whl", path = "x/{name}-1.0-py3-none-any.whl", hashes = '
        return (
            f'[[packages]]\nname = "{name}"\nversion = "1.0"\n{more}'
            f'wheels = [{wheel}{{ sha256 = "{sha256(project, name)}" }} }}]\n'
        )

    return (
        'lock-version = "1.0"\ncreated-by = "test"\nextras = ["api"]\n'
        + package("base")
        + package("other", "marker = \"'api' in extras\"\n")
        + package("tinydep")
    )


FORMATS = {"poetry.lock": poetry_lock, "pdm.lock": pdm_lock, "pylock.toml": pylock}


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


def package_of(lock: str, name: str) -> str:
    """Return the table of a package in a pylock.toml."""
    return next(f"[[packages]]{part}" for part in lock.split("[[packages]]") if f'name = "{name}"' in part)


@pytest.mark.parametrize("name", FORMATS)
def test_a_wheel_with_another_hash_than_the_lock_is_refused(locked: Project, name: str) -> None:
    locked.write({name: FORMATS[name](locked).replace(sha256(locked, "tinydep"), "0" * 64)})
    said = locked.refusal()
    assert "hash mismatch: tinydep-1.0-py3-none-any.whl" in said
    assert name in said


@pytest.mark.parametrize("name", FORMATS)
def test_a_locked_package_without_a_sha256_is_refused(locked: Project, name: str) -> None:
    text = FORMATS[name](locked)
    digest = sha256(locked, "tinydep")
    written = {"pylock.toml": f'sha256 = "{digest}"'}.get(name, f"sha256:{digest}")
    locked.write({name: text.replace(written, written.replace("sha256", "md5"))})
    said = locked.refusal()
    assert f"{name}: tinydep: has no sha256 among its hashes" in said
    assert locked.packages(Selection(use_lock=False)) == {"tinydep": "2.0", "base": "2.0"}


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
@pytest.mark.parametrize("name", FORMATS)
def test_the_hashes_of_a_lock_may_be_sha384_or_sha512(locked: Project, name: str, algorithm: str) -> None:
    text = FORMATS[name](locked)
    sha = sha256(locked, "tinydep")
    longer = hashlib.new(algorithm, (locked.index / "tinydep-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    for written in (f'sha256 = "{sha}"', f"sha256:{sha}"):
        text = text.replace(written, written.replace("sha256", algorithm).replace(sha, longer))
    assert longer in text
    locked.write({name: text})
    assert locked.packages() == ALL
    locked.write({name: text.replace(longer, "0" * len(longer))})
    assert "hash mismatch: tinydep-1.0-py3-none-any.whl" in locked.refusal()


@pytest.mark.parametrize("place", ["path", "url"])
def test_the_hash_of_an_archive_in_a_pylock_is_checked(project: Project, place: str) -> None:
    project.wheel("tinydep")
    wheel = project.index / "tinydep-1.0-py3-none-any.whl"
    target = "../index/tinydep-1.0-py3-none-any.whl" if place == "path" else wheel.as_uri()

    def write(hashes: str) -> None:
        archive = f'archive = {{ {place} = "{target}", hashes = {{ {hashes} }} }}'
        package = f'[[packages]]\nname = "tinydep"\nversion = "1.0"\n{archive}\n'
        project.write({"pylock.toml": f'lock-version = "1.0"\ncreated-by = "test"\n{package}'})

    write(f'sha256 = "{sha256(project, "tinydep")}"')
    assert project.packages() == {"tinydep": "1.0"}
    write(f'sha256 = "{"0" * 64}"')
    assert "hash mismatch: tinydep-1.0-py3-none-any.whl" in project.refusal()
    write(f'sha512 = "{hashlib.sha512(wheel.read_bytes()).hexdigest()}"')
    assert project.packages() == {"tinydep": "1.0"}
    write(f'sha512 = "{"0" * 128}"')
    assert "hash mismatch: tinydep-1.0-py3-none-any.whl" in project.refusal()
    write(f'md5 = "{hashlib.md5(wheel.read_bytes()).hexdigest()}"')  # noqa: S324
    assert "pylock.toml: tinydep: has no sha256 among its hashes" in project.refusal()


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


def test_a_local_wheel_in_a_pylock_must_be_the_projects(project: Project) -> None:
    project.wheel("tinydep")
    wheel = project.index / "tinydep-1.0-py3-none-any.whl"
    archive = f'archive = {{ url = "{wheel.as_uri()}", hashes = {{ sha256 = "{sha256(project, "tinydep")}" }} }}'
    lock = f'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "tinydep"\n{archive}\n'
    head = '[project]\nname = "agent"\nversion = "1"\n'
    project.write({"pyproject.toml": f'{head}dependencies = ["tinydep @ {wheel.as_uri()}"]\n', "pylock.toml": lock})
    assert project.packages() == {"tinydep": "1.0"}
    project.local("lib", "tinydep")
    sources = '[tool.uv.sources]\ntinydep = { path = "lib" }\n'
    project.write({"pyproject.toml": f'{head}dependencies = ["tinydep"]\n{sources}'})
    assert f"tinydep is not in the lock as {project.folder / 'lib'}" in project.refusal()


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


def test_an_old_poetry_lock_has_its_hashes_in_one_table(locked: Project) -> None:
    rows = "".join(
        f'{name} = [{{file = "x", hash = "sha256:{sha256(locked, name)}"}}]\n' for name in ("base", "tinydep")
    )
    locked.write(
        {
            "pyproject.toml": HEAD,
            "poetry.lock": '[[package]]\nname = "base"\nversion = "1.0"\ncategory = "main"\noptional = true\n'
            '[[package]]\nname = "tinydep"\nversion = "1.0"\ncategory = "main"\noptional = false\n'
            '[package.dependencies]\nbase = {version = ">=1", optional = true}\n[package.extras]\nfast = ["base"]\n'
            f'[metadata]\nlock-version = "1.1"\n[metadata.files]\n{rows}',
        }
    )
    assert locked.packages() == ALL


def uv_lock(project: Project) -> None:
    command = [uv.find_uv_bin(), "lock", "--quiet", "--offline", "--no-index", "--find-links", str(project.index)]
    subprocess.run(command, cwd=project.folder, check=True)


def test_uv_locks_are_used_with_extras_groups_and_workspace_members(locked: Project) -> None:
    workspace = (
        'member = { workspace = true }\n[tool.uv.workspace]\nmembers = ["packages/*"]\n'
        '[dependency-groups]\nlambda = ["other"]\n'
    )
    text = HEAD.replace('"tinydep[fast]"', '"tinydep[fast]<2", "member"').replace('"other"', '"other<2"')
    locked.local("packages/member", "member", '["base<2"]')
    locked.write({"pyproject.toml": f"{text}[tool.uv.sources]\n{workspace.replace('other', 'other<2')}"})
    uv_lock(locked)
    for name in ("base", "tinydep", "other"):
        locked.wheel(name, "1.5", requires=FAST if name == "tinydep" else ())
    expected = {**ALL, "member": "0.5"}
    assert locked.packages() == expected
    assert locked.packages(Selection(extras=("api",))) == {**expected, "other": "1.0"}
    assert locked.packages(Selection(groups=("lambda",))) == {**expected, "other": "1.0"}
    assert locked.packages(requirements="packages/member/pyproject.toml") == {"base": "1.0", "member": "0.5"}
    assert locked.packages(Selection(use_lock=False)) == {"tinydep": "1.5", "base": "1.5", "member": "0.5"}
    locked.write({"pyproject.toml": (locked.folder / "pyproject.toml").read_text().replace('"member"]', '"nope"]')})
    assert "it does not have nope" in locked.refusal()


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


def test_a_uv_lock_with_a_requirement_that_the_project_no_longer_has_is_refused(locked: Project) -> None:
    text = HEAD.replace('["tinydep[fast]"]', """["tinydep[fast]<2", "other<2 ; python_version < '3'"]""")
    locked.write({"pyproject.toml": text})
    uv_lock(locked)
    assert locked.packages() == {"tinydep": "1.0", "base": "2.0"}
    locked.write({"pyproject.toml": HEAD.replace("tinydep[fast]", "other")})
    said = locked.refusal()
    assert "uv.lock: the lock file does not fit the project" in said
    assert "pyproject.toml: tinydep[fast]<2 is no longer required" in said
    assert locked.packages(Selection(use_lock=False)) == {"other": "2.0"}


def test_a_pipfile_and_its_lock_are_used(locked: Project) -> None:
    (locked.folder / "pyproject.toml").unlink()
    locked.write(
        {
            "Pipfile": '[packages]\ntinydep = {version = "*", extras = ["fast"]}\n'
            'never = {version = "*", sys_platform = "== \'win32\'"}\n[dev-packages]\nother = "*"\n'
            '[requires]\npython_version = "3.11"\n'
        }
    )
    assert locked.packages() == {"tinydep": "2.0", "base": "2.0"}
    assert "warning: Pipfile is for Python 3.11, and the function for 3.12" in locked.notes.lines
    entries = {
        name: f'"{name}": {{"hashes": ["sha256:{sha256(locked, name)}"], "version": "==1.0"}}'
        for name in ("tinydep", "base", "other")
    }
    default = f'{entries["tinydep"]}, {entries["base"]}, "never": {{"version": "*"}}'
    locked.write({"Pipfile.lock": f'{{"default": {{{default}}}, "develop": {{{entries["other"]}}}}}'})
    assert locked.packages() == ALL
    assert locked.packages(Selection(groups=("dev-packages",))) == {**ALL, "other": "1.0"}
    text = (locked.folder / "Pipfile").read_text()
    locked.write({"Pipfile": f"{text}[pipenv]\nallow_prereleases = true\n"})
    assert locked.packages() == ALL
    assert "Pipfile: [pipenv].allow_prereleases" in locked.refusal(Selection(use_lock=False))
    locked.write({"Pipfile.lock": '{"default": {}}'})
    assert "run `pipenv lock`" in locked.refusal()
    locked.write({"Pipfile.lock": "{"})
    assert "Pipfile.lock:1: is not valid JSON" in locked.refusal()


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


def test_the_hash_of_a_local_wheel_in_a_poetry_lock_is_checked(project: Project) -> None:
    project.wheel("tinydep")
    path = "../index/tinydep-1.0-py3-none-any.whl"

    def write(digest: str) -> None:
        file = f'{{file = "tinydep-1.0-py3-none-any.whl", hash = "sha256:{digest}"}}'
        project.write(
            {
                "pyproject.toml": f'[tool.poetry.dependencies]\ntinydep = {{ path = "{path}" }}\n',
                "poetry.lock": f'[[package]]\nname = "tinydep"\nversion = "1.0"\nfiles = [{file}]\ngroups = ["main"]\n'
                f'[package.source]\ntype = "file"\nurl = "{path}"\n[metadata]\nlock-version = "2.1"\n',
            }
        )

    write(sha256(project, "tinydep"))
    assert project.packages() == {"tinydep": "1.0"}
    write("0" * 64)
    assert "hash mismatch: tinydep-1.0-py3-none-any.whl" in project.refusal()


def test_a_lock_beside_a_requirements_file_is_named(locked: Project) -> None:
    locked.write({"poetry.lock": poetry_lock(locked), "requirements.txt": "tinydep==2.0\n"})
    assert locked.packages() == {"tinydep": "2.0"}
    assert any("poetry.lock: not used" in line for line in locked.notes.lines)


def test_a_locked_project_that_is_a_package_is_included(locked: Project) -> None:
    locked.write({"pyproject.toml": HEAD + BUILD, "src/agent/__init__.py": "", "poetry.lock": poetry_lock(locked)})
    assert locked.packages() == {**ALL, "agent": "1"}


def test_a_lock_of_rye_is_named_and_can_be_used(locked: Project) -> None:
    locked.write(
        {
            "pyproject.toml": HEAD + '[tool.rye]\nvirtual = true\ndev-dependencies = ["other"]\n',
            "requirements.lock": "# generated by rye\n# features: []\n\n-e file:lib\nbase==1.0\n    # via tinydep\n"
            "tinydep==1.0\n",
        }
    )
    locked.local("lib", "lib", '["tinydep[fast]"]')
    assert locked.packages() == {"tinydep": "2.0", "base": "2.0"}
    lock = locked.folder / "requirements.lock"
    assert f"warning: {lock}: not used; for its versions, pass --requirements {lock}" in locked.notes.lines
    assert "not included: [tool.rye].dev-dependencies" in locked.notes.lines
    assert locked.packages(requirements="requirements.lock") == {**ALL, "lib": "0.5"}
    locked.write(
        {"pyproject.toml": HEAD + '[[tool.rye.sources]]\nname = "x"\nurl = "https://me:pw@example.org/simple"\n'}
    )
    refusal = locked.refusal()
    assert "[[tool.rye.sources]]: the package index https://***@example.org/simple is not used" in refusal


def test_a_pylock_that_pip_wrote_for_another_machine_is_refused_with_another_tool(project: Project) -> None:
    wheel = f'name = "tinydep-1.0-cp310-cp310-win_amd64.whl", path = "x.whl", hashes = {{ sha256 = "{"0" * 64}" }}'
    text = (
        'lock-version = "1.0"\ncreated-by = "pip"\n[[packages]]\nname = "tinydep"\nversion = "1.0"\n'
        f"wheels = [{{ {wheel} }}]\n"
    )
    project.write({"pylock.toml": text})
    assert "`pip lock` writes only the wheels for its own machine: lock with `uv export" in project.refusal()
    assert "--no-lock" not in project.refusal()
    project.write({"pyproject.toml": HEAD})
    assert "uv export --format pylock.toml`, or resolve again with --no-lock" in project.refusal()


def test_the_fix_for_weak_hashes_is_no_lock_only_if_there_is_a_project(project: Project) -> None:
    wheel = f'name = "tinydep-1.0-py3-none-any.whl", path = "x.whl", hashes = {{ md5 = "{"0" * 32}" }}'
    head = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "tinydep"\nversion = "1.0"\n'
    project.write({"pylock.toml": f"{head}wheels = [{{ {wheel} }}]\n"})
    assert "weaker ones are not accepted (lock again)" in project.refusal()
    project.write({"pyproject.toml": HEAD})
    assert "(lock again, or use --no-lock)" in project.refusal()


@pytest.mark.parametrize(
    ("platforms", "is_named"),
    [
        (("macos_14_0_arm64", "windows_amd64"), True),
        (("manylinux_2_17_aarch64",), True),
        (("macos_14_0_arm64", "manylinux_2_17_x86_64"), False),
        (("linux",), False),
        (("",), False),
    ],
)
def test_a_pdm_lock_for_other_platforms_is_named(locked: Project, platforms: tuple[str, ...], is_named: bool) -> None:
    targets = "".join(f'[[metadata.targets]]\nrequires_python = ">=3.10"\nplatform = "{each}"\n' for each in platforms)
    old = '[[metadata.targets]]\nrequires_python = ">=3.10"\n'
    locked.write({"pdm.lock": pdm_lock(locked).replace(old, targets)})
    assert locked.packages() == ALL
    warned = [each for each in locked.notes.lines if f"pdm.lock is for {', '.join(sorted(platforms))}, so" in each]
    assert bool(warned) is is_named


@pytest.mark.parametrize("alone", [True, False])
def test_the_default_groups_of_a_pylock_are_included_beside_others(locked: Project, alone: bool) -> None:
    """PDM writes the project's own requirements as the default group."""
    head = 'extras = ["api"]\ndependency-groups = ["dev"]\ndefault-groups = ["default"]\n'
    text = pylock(locked).replace('extras = ["api"]\n', head)
    for name in ("base", "tinydep"):
        marker = f'name = "{name}"\nversion = "1.0"\nmarker = "\'default\' in dependency_groups"\n'
        text = text.replace(f'name = "{name}"\nversion = "1.0"\n', marker)
    text = text.replace("'api' in extras", "'dev' in dependency_groups or 'api' in extras")
    locked.write({"pyproject.toml": HEAD + '[dependency-groups]\ndev = ["other"]\n', "pylock.toml": text})
    source = "pylock.toml" if alone else None
    assert locked.packages(requirements=source) == ALL
    assert locked.packages(Selection(groups=("dev",)), source) == {**ALL, "other": "1.0"}
    assert locked.packages(Selection(all_extras=True), source) == {**ALL, "other": "1.0"}
    if alone:
        assert locked.packages(Selection(groups=("dev",), default_groups=False), source) == {"other": "1.0"}
        assert "not included: extra api (--extra NAME includes one)" in locked.notes.lines
        for selection in (Selection(extras=("x",)), Selection(groups=("x",))):
            assert "the lock file has no " in locked.refusal(selection, source)


def test_a_directory_of_a_pylock_may_have_a_subdirectory(project: Project) -> None:
    project.local("libs/one", "tinydep")
    package = '[[packages]]\nname = "tinydep"\ndirectory = { path = "libs", subdirectory = "one" }\n'
    project.write({"pylock.toml": f'lock-version = "1.0"\ncreated-by = "test"\n{package}'})
    assert project.packages() == {"tinydep": "0.5"}
