"""The hashes in lock files."""

from __future__ import annotations

import hashlib

import pytest

from builder.requirements.declared import Selection
from tests.builder.requirements.conftest import Project
from tests.builder.requirements.lock_samples import ALL, FORMATS, HEAD, sha256


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


def test_the_fix_for_weak_hashes_is_no_lock_only_if_there_is_a_project(project: Project) -> None:
    wheel = f'name = "tinydep-1.0-py3-none-any.whl", path = "x.whl", hashes = {{ md5 = "{"0" * 32}" }}'
    head = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "tinydep"\nversion = "1.0"\n'
    project.write({"pylock.toml": f"{head}wheels = [{{ {wheel} }}]\n"})
    assert "weaker ones are not accepted (lock again)" in project.refusal()
    project.write({"pyproject.toml": HEAD})
    assert "(lock again, or use --no-lock)" in project.refusal()
