"""Options: spellings, lists, defaults from the environment, suggestions, JSON errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from builder.model.errors import UsageError
from publisher.cli.group import COMMANDS
from publisher.cli.group import layers as program
from tests.fakes.command import SMALL, Layers

ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:demo-agents-py3_12-x86_64:7"
PROGRAM = (sys.executable, "-c", "import sys; sys.argv[0] = 'layers'; from publisher.cli import main; main()")


def arns(layers: Layers, *options: str) -> set[str]:
    ended = layers("describe", "--json", *options)
    assert ended.code == 0, ended.err
    return {row["arn"] for row in ended.json}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("--arch", "arm64"), ("--arch", "aarch64")),
        (("--arch", "ARM64"), ("--arch", "aarch64")),
        (("--arch", "x86-64"), ("--arch", "x86_64")),
        (("--arch", "amd64,arm64"), ()),
        (("--python", "python3.12"), ("--python", "3.12")),
        (("--python", "3_12"), ("--python", "3.12")),
        (("--python", "PY3.12"), ("--python", "3.12")),
        (("--python", "3.10,py312"), ()),
        (("--python", "3.10, 3.12"), ()),
        (("--version", "LATEST"), ()),
        (("--version", "Latest"), ("--version", "latest")),
        (("--layer-version", "LATEST"), ()),
        (("--arch", "x86"), ("--arch", "x86_64")),
    ],
)
def test_a_usual_spelling_means_the_same(layers: Layers, typed: tuple[str, ...], meant: tuple[str, ...]) -> None:
    assert arns(layers, "--region", "us-east-1", *typed) == arns(layers, "--region", "us-east-1", *meant)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("US-EAST-1",), ("us-east-1",)),
        (("us-east-1,eu-west-1",), ("us-east-1", "eu-west-1")),
        (("ALL",), ("all",)),
        (("us-east-1,all",), ("all",)),
        (("all",), ("*",)),
    ],
)
def test_regions_are_a_list_in_any_case(layers: Layers, typed: tuple[str, ...], meant: tuple[str, ...]) -> None:
    def options(words: tuple[str, ...]) -> list[str]:
        return [part for word in words for part in ("--region", word)]

    assert arns(layers, *options(typed)) == arns(layers, *options(meant))


def _only_region(layers: Layers) -> str:
    (region,) = {arn.split(":")[3] for arn in arns(layers)}
    return region


def test_the_region_is_that_of_the_environment_or_the_profile(
    layers: Layers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-west-1\n[profile other]\nregion = us-east-1\n")
    for key in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    ended = layers("describe")
    assert (ended.code, "no region" in ended.err) == (2, True)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert _only_region(layers) == "eu-west-1"
    config.write_text(config.read_text() + "[profile wrong]\nregion = us-moon-1\n")
    monkeypatch.setenv("AWS_PROFILE", "wrong")
    ended = layers("describe")
    assert f"region of the profile wrong in {config}: 'us-moon-1' is not an AWS region" in ended.err
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert _only_region(layers) == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert _only_region(layers) == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert _only_region(layers) == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "us-moon-1")
    ended = layers("describe")
    assert (ended.code, "AWS_REGION: 'us-moon-1' is not an AWS region" in ended.err) == (3, True), ended.err


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )


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


@pytest.mark.parametrize("option", ["--region", "--python", "--arch"])
def test_an_empty_comma_list_does_not_mean_everything(tmp_path: Path, option: str) -> None:
    ended = Layers(tmp_path)("publish", "--version", "1.0", "--yes", option, ",")
    assert (ended.code, f"{option} has an empty value" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(("option", "word"), [("--region", "-us-east-1"), ("--python", "!3.12"), ("--arch", "-arm64")])
def test_all_but_one_does_not_mean_all(tmp_path: Path, option: str, word: str) -> None:
    ended = Layers(tmp_path)("publish", "--version", "1.0", "--yes", option, f"all,{word}")
    assert (ended.code, f"{option}: `all` and '{word}' exclude each other" in ended.err) == (2, True), ended.err


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
    done = run("infra", environment={"LAYERS_LEDGER": "https://a.example/b"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "--ledger is a path, and 'https://a.example/b' is a URL" in done.stderr


def test_a_tilde_is_the_home_folder(layers: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    (layers.folder / "matrix.yaml").write_text(yaml.safe_dump(layers.keys))
    monkeypatch.setenv("HOME", str(layers.folder))
    ledger = Path(layers.ledger).relative_to(layers.folder)
    environment = {"LAYERS_MATRIX": "~/matrix.yaml", "LAYERS_LEDGER": f"~/{ledger}"}
    done = run("describe", "--region", "us-east-1", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    done = run("--matrix", "~nobody-has-this-name/m.yaml", "targets")
    assert (done.returncode, "~nobody-has-this-name/m.yaml: the matrix file does not exist" in done.stderr) == (3, True)


def test_help_and_version_are_also_commands() -> None:
    assert run("help").stdout == run("--help").stdout
    assert run("help", "publish").stdout == run("publish", "--help").stdout
    assert run("version").stdout == run("--version").stdout
    assert run("describe", "us-east-1", "--help").returncode == 0


def test_without_a_command_the_help_is_shown() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nCommands:\n" in done.stderr


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    done = run("describe", environment={"AWS_PROFILE": "nosuch"})
    assert "ProfileNotFound: The config profile (nosuch) could not be found" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("describe", "--region", "mars", "--json"), 3, "InputError"),
        (("describe", "--region", "mars", "--format", "json"), 3, "InputError"),
        (("describe", "--bogus", "--json"), 2, "UsageError"),
        (("descirbe", "--json"), 2, "UsageError"),
    ],
)
def test_with_json_an_error_is_the_only_document(
    layers: Layers, arguments: tuple[str, ...], code: int, kind: str
) -> None:
    (layers.folder / "matrix.yaml").write_text(yaml.safe_dump(layers.keys))
    done = run("--matrix", str(layers.folder / "matrix.yaml"), "--ledger", layers.ledger, *arguments)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["error"]) == (code, code, kind)
    assert error["what"] in done.stderr


def test_without_json_an_error_prints_nothing_on_stdout(tmp_path: Path) -> None:
    assert run("describe", "--region", "mars").stdout == ""
    assert run("--matrix", str(tmp_path / "none"), "sandbox", "--", "layers", "describe", "--json").stdout == ""


def test_with_json_lines_an_error_is_the_last_line() -> None:
    done = run("--log-format", "json", "describe", "--region", "mars")
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["level"], last["event"], last["exit_code"]) == ("error", "end", 3)
    assert done.stdout == ""


def test_an_error_after_the_result_adds_no_document(tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(yaml.safe_dump(SMALL))
    done = run("--matrix", str(matrix), "infra", "--output", str(tmp_path / "infra"), "--check", "--json")
    assert done.returncode == 6
    assert json.loads(done.stdout)["files"][0]["state"] == "missing"
    assert done.stderr.startswith("error: ")


def test_verify_without_a_network_names_the_reason(layers: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    row = layers("describe", "--region", "eu-west-1", "--arch", "arm64", "--json").json[0]
    ended = layers("verify", row["arn"])
    assert ended.code == 5
    assert "Lambda in eu-west-1 cannot be reached" in ended.err
    assert "check the network" in ended.err


@pytest.mark.parametrize(
    ("regions", "home"),
    [
        (["me-south-1", "eu-west-1", "us-east-1"], "eu-west-1"),
        (["me-south-1", "af-south-1"], "me-south-1"),
        (["us-gov-east-1", "us-gov-west-1"], "us-gov-east-1"),
    ],
)
def test_the_home_of_a_workflow_is_the_first_region_that_every_account_has(
    tmp_path: Path, regions: list[str], home: str
) -> None:
    ended = Layers(tmp_path, {**SMALL, "regions": regions})("targets", "--format", "home")
    assert (ended.code, ended.out) == (0, f"{home}\n")
