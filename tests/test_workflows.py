"""The workflows of this repository, by the linters that others would hold against them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.rehearsal.workflow import read_yaml

GITHUB = Path(__file__).parents[1] / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted(GITHUB.glob("actions/*/action.yml"))
BIN = Path(sys.executable).parent


def lint(program: str, *arguments: str | Path) -> None:
    done = subprocess.run([BIN / program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing() -> None:
    lint("zizmor", "--pedantic", "--offline", "--no-progress", GITHUB)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.github-actions", ACTIONS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_they_fit_their_schemas(schema: str, files: list[Path]) -> None:
    lint("check-jsonschema", "--builtin-schema", schema, *files)


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    runs = [document["runs"]] if "runs" in document else list(document["jobs"].values())
    return [step for run in runs for step in run.get("steps", [])]


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_are_pinned_and_scripts_are_only_scripts(path: Path) -> None:
    for step in steps(read_yaml(path)):
        uses = step.get("uses")
        assert uses is None or uses.startswith("$/") or len(uses.partition("@")[2]) == 40, step
        assert "${{" not in step.get("run", ""), step
        assert "secrets." not in str(step), "OIDC and the job's own token serve"
