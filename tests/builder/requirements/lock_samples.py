"""Lock files in the form that Poetry, PDM and uv write, for a project with an extra."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

import uv

if TYPE_CHECKING:
    from tests.builder.requirements.conftest import Project


HEAD = (
    '[project]\nname = "agent"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["tinydep[fast]"]\n'
    '[project.optional-dependencies]\napi = ["other"]\n'
)
FAST = ("base ; extra == 'fast'\nProvides-Extra: fast",)
ALL = {"tinydep": "1.0", "base": "1.0"}


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


def package_of(lock: str, name: str) -> str:
    """Return the table of a package in a pylock.toml."""
    return next(f"[[packages]]{part}" for part in lock.split("[[packages]]") if f'name = "{name}"' in part)


def uv_lock(project: Project, *options: str) -> None:
    command = [uv.find_uv_bin(), "lock", "--quiet", "--offline", "--no-index", "--find-links", str(project.index)]
    subprocess.run([*command, *options], cwd=project.folder, check=True)
