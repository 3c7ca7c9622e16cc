"""Mistyped commands, options and values: each error names what was probably meant; empty values."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from builder.model.errors import UsageError
from publisher.cli.group import COMMANDS
from publisher.cli.group import layers as program
from tests.fakes.command import Layers

ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:demo-agents-py3_12-x86_64:7"


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [("descirbe", "describe"), ("Publish", "publish"), ("withdraw", "yank"), ("deploy", "publish")],
)
def test_a_mistyped_command_gets_a_suggestion(tmp_path: Path, mistyped: str, meant: str) -> None:
    ended = Layers(tmp_path)(mistyped)
    assert ended.code == 2
    assert f"Did you mean `layers {meant}`?" in ended.err


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("describe us-east-1", "Did you mean `--region us-east-1`?"),
        ("canary us-east-1 3.12", "Did you mean `--region us-east-1 --python 3.12`?"),
        ("describe --json arm64", "Did you mean `--arch arm64`?"),
        ("publish 1.62.0", "Did you mean `--version 1.62.0`?"),
        ("plan latest", "Did you mean `--version latest`?"),
        ("yank 3", "Did you mean `--layer-version 3`?"),
        ("targets foo", "Got unexpected extra argument (foo)."),
        ("describe --regions us-east-1", "Did you mean '--region'?"),
        ("describe --architectures arm64", "Did you mean '--arch'?"),
        ("describe --runtime python3.12", "Did you mean '--python'?"),
        ("describe --output json", "Did you mean '--format'?"),
        ("infra --format json", "Did you mean '--json'?"),
        ("describe --version-number 2", "Did you mean '--layer-version'?"),
        ("describe --latest", "Did you mean '--version latest'?"),
        ("describe --terraform", "Did you mean `layers describe --format terraform`?"),
        ("cache --clean", "Did you mean `layers cache clean`?"),
        ("yank --version 1.0", "Did you mean '--layer-version'?"),
        ("publish --version 1.0 -y", "Did you mean '--yes'?"),
        (f"verify --layer-arn {ARN}", "Give it without an option: `layers verify ARN`."),
        (f"package . --layers {ARN}", "Did you mean '--on-layer'?"),
        (f"describe {ARN}", "Did you mean `--region eu-west-1 --layer-version 7`?"),
        ("--region us-east-1 describe", "It goes after the command: `layers describe --region …`."),
        ("--runtime python3.12 describe", "Did you mean '--python'?"),
        ("--profile mine describe", "Set AWS_PROFILE."),
        ("describe —region us-east-1", "An option begins with two hyphens (--)"),
        ("describe region=us-east-1", "Did you mean `--region=us-east-1`?"),
        ("list-layer-versions --layer-name x", "Did you mean `layers describe`?"),
        ("describe --profile mine", "Set AWS_PROFILE."),
        ("describe --ledger x", "It goes before the command: `layers --ledger … describe`."),
        ("describe --region us-east-1 --layer-version v4", "'v4' is not a layer version number. Did you mean 4?"),
        (f"describe --region us-east-1 --layer-version {'9' * 5000}", "is not a layer version number."),
        ("yank --layer-version 1.6.0", "Did you mean --version 1.6.0?"),
    ],
)
def test_a_usual_mistake_gets_a_suggestion(tmp_path: Path, typed: str, answer: str) -> None:
    ended = Layers(tmp_path)(*typed.split())
    assert (ended.code, answer in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--version", "==1.1"), "did you mean 1.1?"),
        (("--version", "demo-agents==1.1"), "did you mean 1.1?"),
        (("--version", "*"), "give one like 1.62.0, or latest"),
        (("--version", "3"), "did you mean --layer-version 3?"),
        (("--region", ARN), "did you mean --region eu-west-1?"),
    ],
)
def test_a_value_in_another_form_gets_a_suggestion(layers: Layers, words: tuple[str, str], answer: str) -> None:
    ended = layers("describe", *words, *(("--region", "all") if words[0] != "--region" else ()))
    assert (ended.code, answer in ended.err) == (3, True), ended.err


def options_with_values() -> Iterator[tuple[str, ...]]:
    """Yield the words up to each option that takes a value, of the program and of each command."""
    for command in ("", *COMMANDS):
        params = import_module(f"publisher.cli.{command}").command.params if command else program.params
        for param in params:
            if isinstance(param, click.Option) and not (param.is_flag or param.count):
                yield (command, param.opts[0]) if command else (param.opts[0],)


@pytest.mark.parametrize("words", list(options_with_values()), ids=" ".join)
def test_an_empty_value_of_any_option_is_a_usage_error(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=f"{words[-1]} has an empty value"):
        program.main([*words, " "], standalone_mode=False)


def test_an_empty_argument_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"ZIP.* has an empty value"):
        program.main(["inspect", ""], standalone_mode=False)
