"""``layers docs``: the table, the index and the feed; ``--check``; injecting into other pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import click
import jsonschema
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from builder.model.errors import DriftError, InputError
from publisher.catalog.index import dump_rows, make_index
from publisher.catalog.marked_section import inject
from publisher.catalog.table import body, page
from publisher.cli.group import layers
from publisher.documents.schemas import schemas
from publisher.followers.catalog_files import catalog_files
from publisher.ledger.release import Release
from tests import REPOSITORY
from tests.publisher.catalog.catalog_cases import catalog_matrix, history, recorded, write_project
from tests.publisher.reconcile.plan_cases import small_matrix

MATRIX = catalog_matrix()
HISTORY = history(MATRIX)
INDEX = make_index(MATRIX, HISTORY)
ATOM = "{http://www.w3.org/2005/Atom}"


def test_each_release_has_one_row_with_its_state() -> None:
    assert """\
| Layer version | demo-agents | Date | Size | Status |
|---:|---|---|---:|---|
| 4 | 1.2 | 2026-01-05 | 3.0 MB | **incomplete**: 7 of 12 layers |
| 3 | 1.1 | 2026-01-04 | 3.0 MB | rebuilt: CVE-2026-1 |
| 2 | 1.1 | 2026-01-03 | 3.0 MB | replaced by 3 |
| 1 | 1.0 | 2026-01-02 | 3.0 MB | **yanked** on 2026-01-10: a \\{broken\\} \\| \\<wheel\\> |
""" in page(INDEX)


def test_the_newest_release_lists_every_arn_and_every_missing_cell() -> None:
    rows = [line for line in page(INDEX).splitlines() if re.match(r"\| (us|eu)-", line)]
    assert len(rows) == 12
    assert sum("`arn:aws:lambda:" in row for row in rows) == 7
    assert [tuple(row.strip("| ").split(" | ")[:3]) for row in rows] == [
        (cell.region, cell.target.python, str(cell.target.architecture)) for cell in MATRIX.cells
    ]
    assert "| eu-north-1 | 3.12 | aarch64 | not published yet |" in rows


def test_the_arn_template_names_its_variants() -> None:
    text = page(INDEX)
    assert "arn:aws:lambda:{region}:123456789012:layer:demo-agents-py{python}-{architecture}:{layer_version}" in text
    assert "| `{python}` | `3_10`, `3_12` |" in text
    assert "| `{architecture}` | `x86_64`, `aarch64` |" in text


def test_other_partitions_have_their_own_template() -> None:
    matrix = small_matrix(regions=["us-east-1", "cn-north-1"])
    assert "arn:{partition}:lambda:" in page(make_index(matrix, ()))
    assert "arn:aws-cn:lambda:cn-north-1" in page(make_index(matrix, (recorded(matrix, 1, "1.0"),)))


def test_without_releases_the_table_says_so() -> None:
    assert "No release has been published yet." in page(make_index(MATRIX, ()))


def test_a_new_release_only_adds_lines_to_the_index() -> None:
    before = dump_rows(make_index(MATRIX, HISTORY[:2]).model_dump(mode="json")).splitlines()
    after = dump_rows(make_index(MATRIX, HISTORY[:3]).model_dump(mode="json")).splitlines()
    assert set(before) <= set(after)
    assert sum('"arn": "arn:aws:lambda:us' in line for line in after) == 12  # one row per line


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_json_with_one_row_per_line_has_the_same_value(data: object) -> None:
    assert json.loads(dump_rows(data)) == data


def test_the_order_of_the_records_does_not_matter() -> None:
    assert catalog_files(make_index(MATRIX, HISTORY[::-1])) == catalog_files(INDEX)


def test_each_region_has_its_own_file() -> None:
    rows = json.loads(catalog_files(INDEX)["regions/eu-north-1.json"])["layers"]
    assert [row["layer_version"] for row in rows] == [3] * 4 + [2] * 4 + [1] * 4
    assert {row["region"] for row in rows} == {"eu-north-1"}


def test_latest_is_the_newest_complete_release_that_is_not_yanked() -> None:
    latest = json.loads(catalog_files(INDEX)["latest.json"])
    assert (latest["version"], latest["layer_version"], latest["complete"], len(latest["layers"])) == (
        "1.1", 3, True, 12,
    )  # fmt: skip
    empty = json.loads(catalog_files(make_index(MATRIX, ()))["latest.json"])
    assert (empty["version"], empty["layers"]) == (None, [])


def test_the_feed_is_atom_with_one_entry_per_release() -> None:
    root = ElementTree.fromstring(catalog_files(INDEX)["feed.xml"])  # noqa: S314 - our own text
    entries = root.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        "demo-agents 1.2 is layer version 4",
        "demo-agents 1.1 is layer version 3",
        "demo-agents 1.1 is layer version 2",
        "demo-agents 1.0 is layer version 1 (yanked)",
    ]
    ids = [element.text for element in root.iter(f"{ATOM}id")]
    assert len(set(ids)) == 5
    assert root.findtext(f"{ATOM}updated") == "2026-01-10T12:00:00Z"  # the time of the last change
    assert all(entry.find(f"{ATOM}updated") is not None for entry in entries)


def test_any_reason_gives_a_valid_feed() -> None:
    odd = HISTORY[2].model_copy(update={"rebuild": 'a\x00b\x1b & <c> "d"'})
    text = catalog_files(make_index(MATRIX, (odd,)))["feed.xml"]
    content = ElementTree.fromstring(text).findtext(f"{ATOM}entry/{ATOM}content")  # noqa: S314
    assert content is not None
    assert '& <c> "d"' in content


SCHEMAS = schemas()

# -- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_in_docs_are_generated_from_the_classes(name: str) -> None:
    text = (REPOSITORY / "docs" / name).read_text()
    assert text == SCHEMAS[name], f"docs/{name} is not current: run python -m publisher.documents.schemas docs"


def test_every_command_with_a_json_document_has_a_schema() -> None:
    context = click.Context(layers)
    commands = {name: layers.get_command(context, name) for name in layers.list_commands(context)}
    with_json = {
        name for name, each in commands.items() if each and any("--json" in option.opts for option in each.params)
    }
    missing = {f"{name}.schema.json" for name in with_json - {"promote"}} - SCHEMAS.keys()
    assert not missing, "add a model of the document to publisher/documents/schemas.py"


@pytest.mark.parametrize("releases", [HISTORY, ()])
def test_the_index_is_valid_by_its_schema(releases: tuple[Release, ...]) -> None:
    schema = json.loads((REPOSITORY / "docs" / "layers.schema.json").read_text())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    index = json.loads(catalog_files(make_index(MATRIX, releases))["layers.json"])
    checker.validate(index)
    assert not checker.is_valid({**index, "schema_version": 2})
    assert not checker.is_valid({key: value for key, value in index.items() if key != "arn"})


def _validate(command: str, document: object) -> None:
    schema = json.loads((REPOSITORY / "docs" / f"{command}.schema.json").read_text())
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)


def test_the_rows_of_describe_are_valid_by_their_schema() -> None:
    rows = [row.model_dump(mode="json") for release in INDEX.releases for row in INDEX.rows(release)]
    _validate("describe", rows)
    with pytest.raises(jsonschema.ValidationError):
        _validate("describe", [{**rows[0], "sha256": "x"}])


# -- the command ------------------------------------------------------------------------------------------------------

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    options = write_project(tmp_path, HISTORY)
    return lambda *arguments: CliRunner().invoke(
        layers, [*options, "docs", "--output", str(tmp_path / "docs"), *arguments]
    )


def test_writing_again_changes_nothing(run: Run, tmp_path: Path) -> None:
    assert run().exit_code == 0
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "docs").rglob("*.*")}
    assert len(before) == 8 + 29 + 10  # 29 for Renovate, 10 for the constructs
    again = run("--json")
    assert again.exit_code == 0
    _validate("docs", json.loads(again.stdout))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before


def test_check_names_what_differs_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("--check").exception, DriftError)
    assert not (tmp_path / "docs").exists()
    run()
    assert run("--check").exit_code == 0
    table = tmp_path / "docs" / "layers.md"
    table.write_text(table.read_text().replace("1.2", "1.3"))
    result = run("--check", "--json")
    assert isinstance(result.exception, DriftError)
    assert str(table) in str(result.exception)
    assert "layers.json" not in str(result.exception)
    states = {entry["path"]: entry["state"] for entry in json.loads(result.stdout)["files"]}
    assert states.pop(str(table)) == "differs"
    assert set(states.values()) == {"unchanged"}
    assert "1.3" in table.read_text()


def test_the_generated_files_of_this_repository_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    result = CliRunner().invoke(layers, ["--matrix", "layer_matrix.yaml", "--ledger", "ledger", "docs", "--check"])
    assert result.exit_code == 0, result.exception


# -- injecting into other pages ----------------------------------------------------------------------------------------

MARKERS = [
    ("<!-- layers:begin -->", "<!-- layers:end -->"),
    ("  <!--layers:begin-->", "<!-- layers:end -->\t"),
    ("{/* layers:begin */}", "{/* layers:end */}"),
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("begin", "end"), MARKERS)
def test_only_the_text_between_the_markers_changes(
    run: Run, tmp_path: Path, begin: str, end: str, newline: str
) -> None:
    above, below = f"# Mine{newline}{begin}{newline}", f"{end}{newline}tail without end"
    guide = tmp_path / "guide.mdx"
    guide.write_bytes(f"{above}old{newline}{below}".encode())
    assert isinstance(run("--check", "--inject", str(guide)).exception, DriftError)
    assert run("--inject", str(guide)).exit_code == 0
    written = guide.read_bytes().decode()
    assert written.startswith(above)
    assert written.endswith(below)
    assert "| 3 | 1.1 |" in written
    assert written.count("\n") == written.count(newline)
    assert run("--check", "--inject", str(guide)).exit_code == 0


def test_injected_text_is_valid_mdx() -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`|\\.", "", body(INDEX), flags=re.DOTALL)
    assert not set("{}<") & set(prose)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("no markers", "page.md: the page has no markers"),
        ("a\n<!-- layers:begin -->\n", "page.md:2: a begin marker"),
        ("<!-- layers:end -->\n<!-- layers:begin -->\n", "page.md:1: a end marker"),
        ("<!-- layers:begin -->\n<!-- layers:end -->\n<!-- layers:end -->\n", "page.md:3: a end marker"),
        ("see `<!-- layers:begin -->` and `<!-- layers:end -->`", "page.md: the page has no markers"),
    ],
)
def test_unpaired_markers_are_named_with_their_place(text: str, place: str) -> None:
    with pytest.raises(InputError) as caught:
        inject(text, "new", "page.md")
    assert str(caught.value).startswith(place.replace("a end", "an end"))


def test_a_page_that_cannot_be_read_stops_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    latin = tmp_path / "latin.md"
    latin.write_bytes(b"\xe9")
    for path in (latin, tmp_path / "none.md"):
        assert isinstance(run("--inject", str(path)).exception, InputError)
    assert not (tmp_path / "docs").exists()


@given(
    st.text(alphabet=st.characters(blacklist_characters="\r", blacklist_categories=["Cs"])),
    st.text(alphabet=st.characters(blacklist_categories=["Cs"])),
)
def test_injecting_again_changes_nothing(around: str, text: str) -> None:
    if "layers:" in around + text:
        return
    before = f"{around}\n<!-- layers:begin -->\nx\n<!-- layers:end -->\n{around}"
    once = inject(before, text, "page")
    assert once.startswith(f"{around}\n<!-- layers:begin -->\n")
    assert once.endswith(f"<!-- layers:end -->\n{around}")
    assert inject(once, text, "page") == once
