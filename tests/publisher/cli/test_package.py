"""``layers package`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from builder.model.errors import InputError, LayersError
from builder.model.runtimes import Architecture
from builder.model.target import TargetKey
from publisher.catalog.base_layer import find_base_layer
from publisher.catalog.index import dump_rows, make_index
from publisher.cli.group import layers
from tests.fakes.command import valid_json
from tests.fakes.wheels import make_wheel
from tests.publisher.catalog.catalog_cases import REASON, catalog_matrix, history, write_project

MATRIX = catalog_matrix()
INDEX = make_index(MATRIX, history(MATRIX))
ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:demo-agents-py3_12-aarch64:4"
DEFAULTS = TargetKey("3.12", Architecture.X86_64)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an app, and an index with the layer's package and one more."""
    for version in ("1.0", "1.1", "1.2", "1.3"):
        make_wheel(index, "demo_agents", version)
    make_wheel(index, "tools", requires=("demo-agents>=1.1",))
    folder = tmp_path / "project"
    (folder / "lambda").mkdir(parents=True)
    (folder / "lambda" / "agent_handler.py").write_text("def handler(event, context): ...\n")
    (folder / "requirements.txt").write_text("tools\n")
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(layers, ["package", "lambda", *arguments])


def made(*arguments: str) -> dict[str, Any]:
    result = run("--json", *arguments)
    assert result.exception is None, result.exception
    document: dict[str, Any] = valid_json("package", result.stdout)
    return document


def said(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, LayersError), result.output
    return str(result.exception)


def test_package_needs_no_matrix_and_no_ledger(project: Path) -> None:
    result = made("--python", "3.12", "--arch", "arm64")
    assert (result["python"], result["architecture"], result["on_layer"]) == ("3.12", "aarch64", None)
    assert result["dependencies"]["packages"] == {"demo-agents": "1.3", "tools": "1.0"}
    for part in ("app", "dependencies"):
        assert Path(result[part]["file"]).stat().st_size == result[part]["size"]
    sizes = result["app"]["unzipped_size"] + result["dependencies"]["unzipped_size"]
    assert result["total_unzipped"] == sizes
    assert sorted(result) == [
        "app", "architecture", "dependencies", "lock", "on_layer", "python", "requirements", "total_unzipped",
    ]  # fmt: skip
    assert "packages by" in run("--python", "3.12").stdout


def test_a_layer_is_found_by_its_arn_in_an_index(project: Path) -> None:
    (project / "layers.json").write_text(dump_rows(INDEX.model_dump(mode="json")))
    result = made("--on-layer", ARN, "--index", "layers.json")
    assert (result["python"], result["architecture"], result["on_layer"]) == ("3.12", "aarch64", ARN)
    assert result["dependencies"]["packages"] == {"tools": "1.0"}
    own = result["app"]["unzipped_size"] + result["dependencies"]["unzipped_size"]
    assert result["total_unzipped"] == own + (9 << 20)
    (project / "requirements.txt").write_text("demo-agents\n")
    assert made("--on-layer", ARN, "--index", "layers.json")["dependencies"] is None
    assert "demo-agents 1.2, layer version 4 has all of them" in run("--on-layer", ARN, "--index", "layers.json").stdout


def test_a_layer_is_found_by_name_in_the_ledger(project: Path) -> None:
    options = write_project(project, history(MATRIX))
    result = CliRunner().invoke(
        layers, [*options, "package", "lambda", "--on-layer", "1.1", "--python", "3.10", "--arch", "x86_64", "--json"]
    )
    assert result.exception is None, result.exception
    document = valid_json("package", result.stdout)
    assert document["on_layer"].endswith(":layer:demo-agents-py3_10-x86_64:3")
    (project / "requirements.txt").write_text("demo-agents>=1.2\n")
    result = CliRunner().invoke(layers, [*options, "package", "lambda", "--on-layer", "1.1", "--python", "3.10"])
    assert "requirements.txt:1 requires demo-agents>=1.2; the layer has 1.1" in str(result.exception)


def test_missing_requirements_are_reported(project: Path) -> None:
    (project / "requirements.txt").unlink()
    assert "only app.zip was written" in run("--python", "3.12").stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--python", "3.12.4"), "did you mean 3.12?"),
        (("--python", "3.9"), "there are 3.10"),
        (("--arch", "riscv"), "x86_64 or aarch64 (arm64)"),
        (("--on-layer", "latest"), "--index FILE|URL"),
        (("--requirements", "absent.txt"), "no such file"),
    ],
)
def test_bad_options_suggest_the_right_value(options: tuple[str, ...], words: str) -> None:
    assert words in said(*options)


def test_every_usual_spelling_of_python_and_architecture_is_accepted() -> None:
    assert "for Python 3.11 on x86_64" in run("--python", "py311", "--arch", "AMD64").stderr


def test_a_layer_is_found_by_version_for_this_target() -> None:
    found = find_base_layer(INDEX, "latest", None, Architecture.AARCH64, DEFAULTS)
    assert (found.python, found.architecture) == ("3.12", Architecture.AARCH64)
    assert found.layer.title == "demo-agents 1.2, layer version 4"
    assert find_base_layer(INDEX, "1.1", "3.10", None, DEFAULTS).layer.arn.endswith("py3_10-x86_64:3")
    assert REASON in find_base_layer(INDEX, "1.0", None, None, DEFAULTS).notes[0]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (ARN.replace("aarch64", "arm64"), f"did you mean {ARN}?"),
        (ARN.replace("py3_12", "py312"), f"did you mean {ARN}?"),
        (ARN.replace("py3_12-aarch64", "py3.12-arm64"), f"did you mean {ARN}?"),
        (ARN.replace("eu-west-1", "eu-west-9"), f"did you mean {ARN}?"),
        (ARN.removesuffix(":4"), "without a version number"),
        ("arn:aws:s3:::bucket", "not an ARN of a layer version"),
        ("9.9", "has no layer"),
    ],
)
def test_a_wrong_layer_name_suggests_the_right_one(wanted: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        find_base_layer(INDEX, wanted, None, None, DEFAULTS)
    assert words in str(caught.value)


def test_an_arn_of_another_target_is_refused() -> None:
    with pytest.raises(InputError, match="--python is"):
        find_base_layer(INDEX, ARN, "3.10", None, DEFAULTS)
    with pytest.raises(InputError, match="--arch is x86_64"):
        find_base_layer(INDEX, ARN, "3.12", Architecture.X86_64, DEFAULTS)


def test_a_layer_with_unknown_content_is_refused() -> None:
    releases = [each.model_copy(update={"targets": ()}) for each in history(MATRIX)]
    with pytest.raises(InputError, match="the packages of this layer are not recorded"):
        find_base_layer(make_index(MATRIX, releases), ARN, None, None, DEFAULTS)


def test_an_app_above_its_budget_exits_with_4(project: Path) -> None:
    assert made("--max-size", "40MB", "--max-size", "unzipped=250MB")["dependencies"]
    for size in ("100", "zipped=1KB", "unzipped=100"):
        result = run("--max-size", size)
        assert isinstance(result.exception, LayersError)
        assert result.exception.exit_code == 4
        assert "larger than its budget" in str(result.exception)
    assert "write it like 40MB" in said("--max-size", "much")
    assert "no last release" in said("--max-size", "+10%")


def test_exclusions_and_overrides_are_recorded_in_the_sbom(project: Path) -> None:
    for name, value, recorded, packages in (
        ("exclude", "Demo_Agents", "demo-agents", {"tools": "1.0"}),
        ("override", "demo-agents==1.0", "demo-agents==1.0", {"demo-agents": "1.0", "tools": "1.0"}),
    ):
        dependencies = made(f"--{name}", value)["dependencies"]
        assert dependencies["packages"] == packages
        sbom = json.loads(Path(dependencies["sbom"]).read_text())
        properties = {each["name"]: each["value"] for each in sbom["metadata"]["component"]["properties"]}
        assert properties[f"layers:{name}"] == recorded
    assert "not a package name" in said("--exclude", "a b")
    assert "not a requirement" in said("--override", "a b")
    assert "names a URL" in said("--override", "a @ https://example.org/a.whl")


def test_the_output_of_an_earlier_run_is_not_packed(project: Path) -> None:
    import zipfile

    for output in ("first", "second"):
        result = CliRunner().invoke(layers, ["package", ".", "--python", "3.12", "--output", output])
        assert result.exception is None
    assert "first/app.zip" not in zipfile.ZipFile(project / "second" / "app.zip").namelist()
