"""Options: spellings, lists, defaults from the environment, JSON errors."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from tests.fakes.command import SMALL, Layers, run_program


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


@pytest.mark.parametrize("option", ["--region", "--python", "--arch"])
def test_an_empty_comma_list_does_not_mean_everything(tmp_path: Path, option: str) -> None:
    ended = Layers(tmp_path)("publish", "--version", "1.0", "--yes", option, ",")
    assert (ended.code, f"{option} has an empty value" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(("option", "word"), [("--region", "-us-east-1"), ("--python", "!3.12"), ("--arch", "-arm64")])
def test_all_but_one_does_not_mean_all(tmp_path: Path, option: str, word: str) -> None:
    ended = Layers(tmp_path)("publish", "--version", "1.0", "--yes", option, f"all,{word}")
    assert (ended.code, f"{option}: `all` and '{word}' exclude each other" in ended.err) == (2, True), ended.err


def test_help_and_version_are_also_commands() -> None:
    assert run_program("help").stdout == run_program("--help").stdout
    assert run_program("help", "publish").stdout == run_program("publish", "--help").stdout
    assert run_program("version").stdout == run_program("--version").stdout
    assert run_program("describe", "us-east-1", "--help").returncode == 0


def test_without_a_command_the_help_is_shown() -> None:
    done = run_program()
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nCommands:\n" in done.stderr


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    done = run_program("describe", environment={"AWS_PROFILE": "nosuch"})
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
    done = run_program("--matrix", str(layers.folder / "matrix.yaml"), "--ledger", layers.ledger, *arguments)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["error"]) == (code, code, kind)
    assert error["what"] in done.stderr


def test_without_json_an_error_prints_nothing_on_stdout(tmp_path: Path) -> None:
    assert run_program("describe", "--region", "mars").stdout == ""
    assert run_program("--matrix", str(tmp_path / "none"), "sandbox", "--", "layers", "describe", "--json").stdout == ""


def test_with_json_lines_an_error_is_the_last_line() -> None:
    done = run_program("--log-format", "json", "describe", "--region", "mars")
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["level"], last["event"], last["exit_code"]) == ("error", "end", 3)
    assert done.stdout == ""


def test_an_error_after_the_result_adds_no_document(tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(yaml.safe_dump(SMALL))
    done = run_program("--matrix", str(matrix), "infra", "--output", str(tmp_path / "infra"), "--check", "--json")
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
