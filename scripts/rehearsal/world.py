"""The stand-ins for GitHub and AWS in a rehearsal: a repository to clone and push to, artifacts, variables, an AWS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

#: Variables that a runner does not have: this shell's settings for AWS, GitHub, virtual environments and this program.
_FOREIGN = ("AWS_", "GITHUB_", "GH_", "LAYERS_", "VIRTUAL_ENV", "PYTHON", "RUNNER_", "CI")


@dataclass
class World:
    """The state that outlives a job."""

    folder: Path
    source: Path  #: the checkout of the program with the workflows
    aws: Mapping[str, str]  #: the environment variables for the AWS in use
    variables: Mapping[str, str]
    repository: str = "example/layers"
    run_id: int = 1
    #: A job and the name of a step before which its runner is killed.
    killed_before: tuple[str, str] | None = None
    logged: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def origin(self) -> Path:
        """The bare repository that stands for GitHub's."""
        return self.folder / "origin.git"

    @property
    def program(self) -> Path:
        """The repository with the called workflows and the program; ``origin`` unless another team calls them."""
        other = self.folder / "program.git"
        return other if other.exists() else self.origin

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def caches(self) -> Path:
        """The folder of ``actions/cache``, which later runs use."""
        return self.folder / "caches"

    @property
    def tools(self) -> Path:
        """The folder with a runner's programs: ``gh``."""
        return self.folder / "tools"

    @property
    def forge(self) -> Path:
        """The file with pull requests and issues."""
        return self.folder / "forge.json"

    def actions(self) -> Path:
        """The program's repository as a runner downloads it with an action of its own. One for all runners, so that
        what the action installs there is installed once."""
        folder = self.folder / "actions"
        with self._lock:
            if not folder.exists():
                git(self.folder, "clone", "--quiet", str(self.program), str(folder))
        return folder

    def environment(self) -> dict[str, str]:
        """Return a runner's environment variables, without those of this shell that a runner would not have."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        path = [str(self.tools), *(p for p in variables.get("PATH", "").split(os.pathsep) if ".venv" not in p)]
        return {**variables, "PATH": os.pathsep.join(path), "CI": "true", "GIT_TERMINAL_PROMPT": "0"}

    def next_run(self) -> None:
        """Start another run, which has no artifacts yet."""
        self.run_id += 1
        shutil.rmtree(self.artifacts)
        self.artifacts.mkdir()

    def log(self, text: str) -> None:
        """Print one line of progress."""
        with self._lock:
            self.logged.append(text)
            click.echo(f"{time.monotonic() - self._started:6.1f} s  {text}", err=True)

    def head(self) -> str:
        """Return the commit of the repository's branch ``main``."""
        return git(self.origin, "rev-parse", "refs/heads/main")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return its output."""
    process = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S607
    return process.stdout.strip()


def make_world(
    folder: Path,
    program: Path,
    aws: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    caller: Path | None,
    matrix: Path | None,
) -> World:
    """Create a world with the current files of ``program``, or of ``caller``, another team's repository that calls it.

    The matrix in the repository may be replaced by another one.
    """
    world = World(folder, program, aws, variables)
    for each in (world.artifacts, world.caches, world.tools):
        each.mkdir(parents=True)
    if caller is not None:
        _repository(folder / "program.git", program)
    _repository(world.origin, caller or program, matrix)
    _tool(world, "gh", program / "scripts" / "rehearsal" / "gh.py")
    return world


def _repository(bare: Path, source: Path, matrix: Path | None = None) -> None:
    """Create a bare repository with the current files of a checkout, committed or not."""
    work = bare.with_suffix(".source")
    files = git(source, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in files:
        if name and (source / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, work / name)
    if matrix is not None:
        shutil.copy(matrix, work / "layer_matrix.yaml")
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", "--all")
    who = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.com")
    git(work, *who, "commit", "--quiet", "--message", "Files of the rehearsal")
    git(bare.parent, "clone", "--quiet", "--bare", str(work), str(bare))
    shutil.rmtree(work)


def _tool(world: World, name: str, script: Path) -> None:
    path = world.tools / name
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    path.chmod(0o755)
