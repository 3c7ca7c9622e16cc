"""``layers describe``: its output from the ledger and from an index, and its errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.model.errors import InputError, LayersError, UsageError
from publisher.catalog.index import make_index
from publisher.catalog.snippets import FORMATS
from publisher.cli.group import layers
from tests.fakes.command import run_program
from tests.fakes.serving import serving
from tests.publisher.catalog.catalog_cases import REASON, catalog_matrix, history, write_project

KEYS = [
    "region", "python", "architecture", "layer_name", "layer_version", "package", "version", "arn", "sha256", "size",
    "unzipped_size", "published", "yanked",
]  # fmt: skip
MATRIX = catalog_matrix()
INDEX = make_index(MATRIX, history(MATRIX))


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    options = write_project(tmp_path, history(MATRIX))
    return lambda *arguments: CliRunner().invoke(layers, [*options, "describe", *arguments])


def test_json_has_exactly_the_documented_keys(run: Run) -> None:
    result = run("--region", "us-east-1", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert len(rows) == 4
    assert all(list(row) == KEYS for row in rows)
    assert rows[0] == {
        "region": "us-east-1",
        "python": "3.10",
        "architecture": "x86_64",
        "layer_name": "demo-agents-py3_10-x86_64",
        "layer_version": 4,
        "package": "demo-agents",
        "version": "1.2",
        "arn": "arn:aws:lambda:us-east-1:123456789012:layer:demo-agents-py3_10-x86_64:4",
        "sha256": INDEX.releases[0].targets[0].sha256,
        "size": 3 << 20,
        "unzipped_size": 9 << 20,
        "published": "2026-01-05T12:00:00Z",
        "yanked": None,
    }
    assert json.loads(run("--region", "us-east-1", "--format", "json").stdout) == rows


def test_json_of_a_yanked_release_has_date_and_reason(run: Run) -> None:
    rows = json.loads(run("--region", "us-east-1", "--layer-version", "1", "--json").stdout)
    assert {json.dumps(row["yanked"]) for row in rows} == {
        json.dumps({"date": "2026-01-10T12:00:00Z", "reason": REASON})
    }


def test_the_table_has_full_arns_and_the_state(run: Run) -> None:
    result = run("--region", "us-east-1", "--layer-version", "1", "--python", "3.12", "--arch", "aarch64")
    assert "demo-agents 1.0, layer version 1, yanked on 2026-01-10" in result.stdout
    assert "arn:aws:lambda:us-east-1:123456789012:layer:demo-agents-py3_12-aarch64:1\n" in result.stdout


def test_the_arn_format_prints_one_arn_per_line(run: Run) -> None:
    result = run("--region", "eu-west-1", "--format", "arn", "--version", "latest")
    assert result.stdout.splitlines() == [
        f"arn:aws:lambda:eu-west-1:123456789012:layer:demo-agents-{name}:4"
        for name in ("py3_10-x86_64", "py3_12-x86_64", "py3_12-aarch64")
    ]
    assert "not published there yet" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--version", "1.1", "--layer-version", "2"), ("--json", "--format", "cdk"), ("--live", "--index", "x")],
)
def test_contradictory_options_are_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    assert isinstance(run("--region", "all", *arguments).exception, UsageError)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_prints_the_arn(run: Run, form: str) -> None:
    printed = run("--region", "us-east-1", "--python", "3.12", "--arch", "x86_64", "--format", form)
    assert (printed.exit_code, "layer:demo-agents-py3_12-x86_64:4" in printed.stdout) == (0, True), printed.output


def test_an_empty_ledger_exits_with_3_without_a_traceback(tmp_path: Path) -> None:
    options = write_project(tmp_path, ())
    done = run_program(*options, "describe", "--region", "us-east-1")
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("error: no release of demo-agents is recorded yet\n")
    assert done.stdout == ""


# -- from an index only ------------------------------------------------------------------------------------------------


@pytest.fixture
def index_file(tmp_path: Path) -> Path:
    options = write_project(tmp_path, history(MATRIX))
    made = CliRunner().invoke(layers, [*options, "docs", "--output", str(tmp_path / "out")])
    assert made.exit_code == 0, made.output
    return tmp_path / "out" / "layers.json"


def from_index(source: object, *arguments: str) -> Result:
    return CliRunner().invoke(
        layers, ["--matrix", "/nowhere", "describe", "--index", str(source), "--region", "all", *arguments]
    )


@pytest.fixture
def address(index_file: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = partial(Handler, directory=str(index_file.parent))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as served:
        yield served


def test_an_index_gives_the_same_output_as_the_ledger(run: Run, index_file: Path, address: str) -> None:
    from_ledger = run("--region", "all", "--json").stdout
    assert json.loads(from_ledger)
    assert from_index(index_file, "--json").stdout == from_ledger
    assert from_index(f"{address}/layers.json", "--json").stdout == from_ledger


@pytest.mark.parametrize(
    "regions", [("us-east-1",), ("eu-west-1", "us-east-1"), ("eu-north-1",), ("eu-*",), ("us-east-1", "af-south-1")]
)
@pytest.mark.parametrize("more", [(), ("--layer-version", "1"), ("--version", "1.1", "--format", "sam")])
def test_the_files_of_the_regions_give_the_same_output_as_the_whole_index(
    index_file: Path, address: str, regions: tuple[str, ...], more: tuple[str, ...]
) -> None:
    def described(source: object) -> tuple[int, str, str]:
        words = [word for region in regions for word in ("--region", region)]
        result = CliRunner().invoke(layers, ["describe", "--index", str(source), *words, *more])
        return result.exit_code, result.output, str(result.exception)

    assert described(f"{address}/layers.json") == described(index_file)


def test_one_region_needs_only_its_own_file(index_file: Path, address: str) -> None:
    index_file.unlink()
    done = CliRunner().invoke(layers, ["describe", "--index", f"{address}/layers.json", "--region", "us-east-1"])
    assert done.exit_code == 0, done.output
    assert done.output.count("arn:aws:lambda:us-east-1:") == 4


def test_unknown_keys_of_an_index_are_ignored(index_file: Path) -> None:
    data = json.loads(index_file.read_text())
    data["releases"][0]["layers"][0]["something_new"] = 1
    index_file.write_text(json.dumps(data))
    assert from_index(index_file, "--json").exit_code == 0


def _changed(index_file: Path, **changes: object) -> str:
    return json.dumps({**json.loads(index_file.read_text()), **changes})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.read_text()[:500], "truncated"),
        (lambda file: _changed(file, schema_version=2), "update this program"),
        (lambda file: _changed(file, schema_version=0), "layers docs"),
        (lambda file: _changed(file, releases=[{"layer_version": "x"}]), "releases.0"),
        (lambda file: "[]", "no schema_version"),
        (lambda file: '{"package": "x"}', "no schema_version"),
    ],
)
def test_an_invalid_index_is_named_with_its_problem(
    index_file: Path, damage: Callable[[Path], str], words: str
) -> None:
    index_file.write_text(damage(index_file))
    result = from_index(index_file)
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("arn", "arn:aws:lambda:us-east-1:123456789012:layer:x:4; touch /tmp/x"),
        ("arn", "arn:aws:lambda:us-east-1:123456789012:layer:demo-agents-py3_10-x86_64:5"),
        ("region", "us-east-1 $(id)"),
        ("layer_name", "a`id`"),
        ("python", '3"'),
    ],
)
def test_an_index_with_unsafe_values_is_refused(index_file: Path, key: str, word: str) -> None:
    data = json.loads(index_file.read_text())
    data["releases"][0]["layers"][0][key] = word
    index_file.write_text(json.dumps(data))
    result = from_index(index_file, "--format", "cli")
    assert isinstance(result.exception, InputError)
    assert f"{word!r} is not valid there" in str(result.exception)
    assert result.stdout == ""


def test_a_missing_index_is_named(tmp_path: Path, address: str) -> None:
    for source in (tmp_path / "none.json", f"{address}/none.json", "http://127.0.0.1:1/layers.json"):
        result = from_index(source)
        assert isinstance(result.exception, LayersError)
        assert result.exception.exit_code == 3
