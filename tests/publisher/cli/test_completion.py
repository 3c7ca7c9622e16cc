"""Completion as the shells do it: the real bash and fish, and what zsh is given."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.publisher.catalog.catalog_cases import catalog_matrix, history, write_project

LINES = {
    "layers describe --region e": {"eu-west-1", "eu-north-1"},
    "layers describe --region=e": {"--region=eu-west-1", "--region=eu-north-1"},
    "layers describe --region=": {f"--region={each}" for each in ("us-east-1", "eu-west-1", "eu-north-1", "all")},
    "layers describe --region us-east-1,eu-w": {"us-east-1,eu-west-1"},
    "layers describe --region eu-west-1,eu": {"eu-west-1,eu-north-1"},
    "layers describe --region=us-east-1,eu-w": {"--region=us-east-1,eu-west-1"},
    "layers describe --region=us-east-1 --version=1.0 --python 3": {"3.10", "3.12"},
    "layers describe --format=s": {"--format=sam", "--format=serverless"},
}
#: fish and zsh get the same lines; these suffice for a run without ``--thorough``.
QUICK = ("layers describe --region=e", "layers describe --region=us-east-1,eu-w")
OTHER_SHELLS = [pytest.param(line, marks=[] if line in QUICK else pytest.mark.slow) for line in LINES]
#: bash has completed words in COMP_WORDS, in which ``=`` is a word.
BASH = """
source %s
COMP_WORDS=(%s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_layers_completion layers
printf '%%s\\n' "${COMPREPLY[@]}"
"""
FISH = "source %s; complete -C %s"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project(tmp_path, history(catalog_matrix()))
    return tmp_path


def run(project: Path, *command: str, **variables: str) -> list[str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(project),
        "LAYERS_MATRIX": str(project / "matrix.yaml"),
        "LAYERS_LEDGER": str(project / "ledger"),
        **variables,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def script(shell: str, folder: Path) -> Path:
    """Write what ``layers`` gives the shell at its start, once for all lines."""
    path = folder / shell
    path.write_text("\n".join(run(folder, "layers", _LAYERS_COMPLETE=f"{shell}_source")))
    return path


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script("bash", tmp_path_factory.mktemp("bash"))


@pytest.fixture(scope="module")
def fish_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return script("fish", tmp_path_factory.mktemp("fish"))


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not on the PATH")
@pytest.mark.parametrize("line", OTHER_SHELLS)
def test_fish_replaces_the_word(project: Path, fish_script: Path, line: str) -> None:
    assert set(run(project, "fish", "-c", FISH % (fish_script, shlex.quote(line)))) == LINES[line]


@pytest.mark.parametrize("line", LINES)
def test_bash_replaces_what_follows_the_equals_sign(project: Path, bash_script: Path, line: str) -> None:
    words = line.replace("=", " = ")
    offered = {word.rpartition("=")[2] for word in LINES[line]}
    assert set(run(project, "bash", "--norc", "-c", BASH % (bash_script, words))) == offered


@pytest.mark.parametrize("line", OTHER_SHELLS)
def test_zsh_replaces_the_word(project: Path, line: str) -> None:
    last = str(len(line.split(" ")) - 1)
    lines = run(project, "layers", _LAYERS_COMPLETE="zsh_complete", COMP_WORDS=line, COMP_CWORD=last)
    assert set(lines[1::3]) == LINES[line]
