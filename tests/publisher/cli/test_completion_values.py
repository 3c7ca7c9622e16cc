"""The values that completion offers: commands, and those of the matrix and the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.fakes.command import Layers, run_program


def complete(layers: Layers, line: str) -> set[str]:
    """Return the completions of bash for the last word of a command line."""
    (layers.folder / "matrix.yaml").write_text(yaml.safe_dump(layers.keys))
    words = line.split(" ")
    environment = {
        "_LAYERS_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "LAYERS_MATRIX": str(layers.folder / "matrix.yaml"),
        "LAYERS_LEDGER": layers.ledger,
    }
    done = run_program(environment=environment)
    return {entry.partition(",")[2] for entry in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("layers des", {"describe"}),
        pytest.param("layers describe --region e", {"eu-west-1", "eu-north-1"}, marks=pytest.mark.slow),
        ("layers describe --region us-east-1,eu-w", {"us-east-1,eu-west-1"}),
        pytest.param("layers describe --python 3", {"3.10", "3.12"}, marks=pytest.mark.slow),
        pytest.param("layers describe --arch a", {"aarch64", "arm64"}, marks=pytest.mark.slow),
        ("layers describe --version 1.", {"1.0", "1.1", "1.2"}),
        ("layers yank --layer-version ", {"1", "2", "3", "4"}),
    ],
)
def test_shells_complete_commands_and_the_values_of_matrix_and_ledger(
    layers: Layers, line: str, offered: set[str]
) -> None:
    assert complete(layers, line) == offered


def test_completion_without_a_matrix_offers_nothing(tmp_path: Path) -> None:
    environment = {"_LAYERS_COMPLETE": "bash_complete", "COMP_WORDS": "layers describe --region e", "COMP_CWORD": "3"}
    done = run_program(environment={**environment, "LAYERS_MATRIX": str(tmp_path / "none.yaml")})
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_completion_scripts_of_the_readme_exist() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_LAYERS_COMPLETE" in run_program(environment={"_LAYERS_COMPLETE": f"{shell}_source"}).stdout
