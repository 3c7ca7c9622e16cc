"""Hashes in requirements files: which wheels they allow, and when each package needs one."""

from __future__ import annotations

import hashlib

import pytest

from builder.model.errors import InputError
from tests.builder.requirements.conftest import Project
from tests.fakes.wheels import make_wheel


def test_hashes_choose_among_the_wheels_of_a_version(project: Project) -> None:
    pure = make_wheel(project.index, "tinydep", "1.0")
    make_wheel(project.index, "tinydep", "1.0", tag="py3-none-manylinux_2_17_x86_64")
    digest = hashlib.sha256(pure.read_bytes()).hexdigest()
    project.write({"requirements.txt": f"tinydep==1.0 --hash=sha256:{digest}\n"})
    assert project.packages() == {"tinydep": "1.0"}


def test_require_hashes_without_any_hash_is_named(project: Project) -> None:
    project.wheel("tinydep")
    (project.folder / "requirements.txt").write_text("--require-hashes\ntinydep==1.0\n")
    with pytest.raises(InputError, match=r"tinydep==1\.0 has no hash, but --require-hashes is set"):
        project.packages()


def test_no_require_hashes_allows_packages_without_one(project: Project) -> None:
    project.wheel("base")
    wheel = make_wheel(project.index, "tinydep", "1.0")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lines = "tinydep==1.0 --hash=sha256:{}\nbase\n"
    project.write({"requirements.txt": lines.format(digest)})
    assert "base==1.0 has no hash, but others have" in project.refusal()
    project.write({"requirements.txt": f"--no-require-hashes\n{lines.format(digest)}"})
    assert set(project.packages()) == {"base", "tinydep"}
    project.write({"requirements.txt": f"--no-require-hashes\n{lines.format('0' * 64)}"})
    assert "tinydep" in project.refusal()


@pytest.mark.parametrize(
    "line",
    [
        "./mine-1.0-py3-none-any.whl --hash=sha256:{wrong}",
        "./mine-1.0-py3-none-any.whl#sha256={wrong}",
        "mine @ file://{folder}/mine-1.0-py3-none-any.whl#sha256={right}&md5=0123",
        "mine @ file://{folder}/mine-1.0-py3-none-any.whl#sha512={wrong}",
        "mine @ file://{folder}/mine-1.0-py3-none-any.whl --hash=sha256:{wrong}",
        "./lib --hash=sha256:{right}",
    ],
)
def test_the_hash_of_a_local_file_is_checked(project: Project, line: str) -> None:
    wheel = make_wheel(project.folder, "mine", "1.0")
    project.local("lib", "own")
    hashes = {"right": hashlib.sha256(wheel.read_bytes()).hexdigest(), "wrong": "0" * 64}
    good = "./mine-1.0-py3-none-any.whl --hash=sha256:{right}\nmine @ file:mine-1.0-py3-none-any.whl#sha256={right}\n"
    project.write({"requirements.txt": good.format(**hashes)})
    assert project.packages() == {"mine": "1.0"}
    project.write({"requirements.txt": "\n" + line.format(folder=project.folder, **hashes)})
    assert "requirements.txt:2: " in (said := project.refusal())
    assert "hash" in said


def test_require_hashes_applies_to_paths(project: Project) -> None:
    project.local("lib", "own")
    project.write({"requirements.txt": "--require-hashes\n-e ./lib"})
    assert "requirements.txt:2: has no hash" in project.refusal()
