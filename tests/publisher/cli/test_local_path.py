"""Paths of options: ``~``, URLs, and ``-``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from builder.model.errors import UsageError
from publisher.cli.group import layers as program
from tests.fakes.command import Layers, run_program
from tests.publisher.cli.test_suggestions import options_with_values


def path_options() -> list[tuple[str, ...]]:
    found = []
    for words in options_with_values():
        command = import_module(f"publisher.cli.{words[0]}").command if len(words) == 2 else program
        option = next(each for each in command.params if words[-1] in each.opts)
        if isinstance(option.type, click.Path) or words == ("--ledger",):
            found.append(words)
    return found


@pytest.mark.parametrize("words", path_options(), ids=" ".join)
def test_a_url_as_a_path_is_a_usage_error(words: tuple[str, ...]) -> None:
    rest = ["describe", "--region", "all"] if len(words) == 1 else []
    with pytest.raises(UsageError, match=f"{words[-1]} is a path, and 'https://a.example/b' is a URL"):
        program.main([*words, "https://a.example/b", *rest], standalone_mode=False)


@pytest.mark.parametrize("words", path_options(), ids=" ".join)
def test_a_path_is_not_stdin_or_stdout(words: tuple[str, ...]) -> None:
    rest = ["describe", "--region", "all"] if len(words) == 1 else []
    with pytest.raises(UsageError, match=f"{words[-1]} is a path, not stdin or stdout"):
        program.main([*words, "-", *rest], standalone_mode=False)


def test_a_url_as_the_ledger_of_infra_is_a_usage_error() -> None:
    done = run_program("infra", environment={"LAYERS_LEDGER": "https://a.example/b"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "--ledger is a path, and 'https://a.example/b' is a URL" in done.stderr


def test_a_tilde_is_the_home_folder(layers: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    (layers.folder / "matrix.yaml").write_text(yaml.safe_dump(layers.keys))
    monkeypatch.setenv("HOME", str(layers.folder))
    ledger = Path(layers.ledger).relative_to(layers.folder)
    environment = {"LAYERS_MATRIX": "~/matrix.yaml", "LAYERS_LEDGER": f"~/{ledger}"}
    done = run_program("describe", "--region", "us-east-1", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    done = run_program("--matrix", "~nobody-has-this-name/m.yaml", "targets")
    assert (done.returncode, "~nobody-has-this-name/m.yaml: the matrix file does not exist" in done.stderr) == (3, True)
