"""Output for GitHub Actions: sections of the job summary, parsed like GitHub's Markdown, and annotations."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from builder.model.artifact import Artifact, Finding, Locked, Manifest
from builder.model.cold_start import ColdStart, PackageImport
from builder.model.errors import InputError
from builder.model.escape import escape
from builder.model.figures import difference
from builder.model.matrix import Cell
from builder.model.runtimes import Architecture
from builder.smoke import SmokeReport
from publisher.audit.audit import Drift
from publisher.aws.gateway import Failure
from publisher.cli import github, main
from publisher.ledger.release import Release, TargetRecord, last_before
from publisher.parameters.update import ParameterUpdate
from publisher.reconcile.release_run import PublishReport
from publisher.report import proof_summary, release_comparison
from publisher.report.annotations import MAX_ANNOTATIONS, Note, commands, error_note
from publisher.report.import_times import last_imports
from publisher.report.publish_summary import cell_notes, publish_section
from scripts.simaws import At, Fault, Faults, SimulatedAws
from tests.conftest import Sandbox
from tests.fakes.command import Layers
from tests.fakes.simulated_runs import MemoryLedger, World
from tests.publisher.catalog.page_cases import official_history, official_matrix
from tests.publisher.reconcile.plan_cases import digest, small_matrix

MATRIX = small_matrix()
NASTY = "a | `b` <img src=x onerror=alert(1)> **c**\r\n| d | [e](https://example.org) $x$ &lt; \\| ::error::f"


class Read:
    """A parsed section: its text, and its tables row by row."""

    def __init__(self, section: str) -> None:
        self.html = str(MarkdownIt("commonmark").enable("table").render(section))
        self.tags = set(re.findall(r"</?([a-z0-9]+)", self.html))
        tables = re.findall(r"<table>.*?</table>", self.html, re.DOTALL)
        self.tables = [
            [[_plain(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
            for rows in (re.findall(r"<tr>(.*?)</tr>", each, re.DOTALL) for each in tables)
        ]
        self.words = _plain(self.html)

    def rows(self, *head: str) -> list[list[str]]:
        """Return the rows of the only table with this header."""
        (found,) = [rows for rows in self.tables if rows[0] == list(head)]
        assert {len(row) for row in found} == {len(head)}
        return found[1:]


def _plain(html: str) -> str:
    import html as entities

    return entities.unescape(re.sub(r"<[^>]*>", "", html.replace("<br>", "; ")))


# -- publish ----------------------------------------------------------------------------------------------------------


def world(tmp_path: Path, *faults: At) -> World:
    return World(MATRIX, SimulatedAws(MATRIX.account, MATRIX.regions, faults=Faults(faults)), tmp_path)


def section(report: PublishReport, releases: tuple[Release, ...], kept: ParameterUpdate | None = None) -> Read:
    return Read(publish_section(MATRIX, report, "12 requests to Lambda", releases, kept))


def test_a_complete_release_has_one_row_per_target(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    read = section(world(tmp_path).publish("1.0", ledger), ledger.releases())
    assert read.words.startswith("demo 1.0: layer version 1\nComplete: the release is in 6 of 6 cells, after ")
    assert "12 requests to Lambda." in read.words
    assert "Commit the ledger, and what layers docs makes of it." in read.words
    assert "In each of 3 regions (us-east-1, eu-west-1, ap-south-1): 2 published." in read.words
    assert read.rows("Target", "Zipped", "Unzipped")[0][0] == "py3.12-x86_64"


def test_missing_cells_are_named_with_reason_and_fix(tmp_path: Path) -> None:
    here, ledger = world(tmp_path), MemoryLedger()
    here.publish("1.0", ledger, layer_version=2, cells=[Cell("us-east-1", target) for target in MATRIX.targets])
    here.aws.set_faults(Faults((At(Fault.NO_CONNECTION, region="eu-west-1", times=None),)))
    for _ in range(2):
        here.foreign(Cell("ap-south-1", MATRIX.targets[0]), NASTY)
    report = here.publish("1.0", ledger, layer_version=2)
    read = section(report, ledger.releases())
    assert "Incomplete: 3 of 6 cells are not at the release" in read.words
    assert read.rows("Region", "unchanged", "deferred", "conflict", "published") == [
        ["us-east-1", "2", "", "", ""],
        ["eu-west-1", "", "2", "", ""],
        ["ap-south-1", "", "", "1", "1"],
    ]
    outcomes = {row[0]: row[1:] for row in read.rows("Outcome", "Where", "Why")}
    assert outcomes["deferred"][0] == "eu-west-1: all 2"
    assert outcomes["conflict"][0] == "ap-south-1: py3.12-x86_64"
    assert "layer version 2 is something else: 'a | `b` <img src=x" in outcomes["conflict"][1]
    assert "Run the same command again (layers publish --version 1.0 …)" in read.words
    assert "is neither overwritten nor deleted: find out who published it" in read.words
    assert not {"img", "a", "strong"} & (read.tags - {"strong"})
    notes = list(cell_notes(MATRIX, report))
    assert [(note.level, note.title) for note in notes] == [
        ("warning", "eu-west-1 deferred"),
        ("error", "ap-south-1 conflict"),
    ]


def test_cells_that_were_not_selected_are_named(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    report = world(tmp_path).publish("1.0", ledger, cells=MATRIX.cells[:2])
    read = section(report, ledger.releases())
    assert "Every selected cell is done: 2 of the matrix's 6 cells" in read.words
    assert "Publish the cells that were not selected: layers publish --version 1.0." in read.words


def test_failed_parameters_have_a_fix(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    kept = ParameterUpdate(right=3, written=1, removed=0, failed={"eu-west-1": Failure("timed out")})
    read = section(world(tmp_path).publish("1.0", ledger), ledger.releases(), kept)
    assert "Fix the parameters in eu-west-1: layers audit --repair." in read.words


@given(st.text(max_size=80))
def test_any_reason_gives_a_valid_table(reason: str) -> None:
    drift = Drift("us-east-1", "py3.12-x86_64", 1, "foreign", f"{NASTY}{reason}", reason)
    read = Read(proof_summary.audit_section(1, 1, [drift]))
    (row,) = read.rows("Region", "Target", "Number", "Problem", "What", "Remedy")
    assert escape(" ".join(f"{NASTY}{reason}".split())) == row[4]
    assert not {"img", "a", "em", "code"} & read.tags


# -- compared with the last release ------------------------------------------------------------------------------------


def release(number: int, size: int, packages: dict[str, str], start: ColdStart | None = None) -> Release:
    lock = tuple(Locked(name=n, version=v, filename=f"{n}.whl", sha256=digest(n)) for n, v in packages.items())
    target = TargetRecord(
        python="3.12", architecture=Architecture.X86_64, layer_name="demo-py3_12-x86_64", sha256=digest(f"{number}"),
        size=size, unzipped_size=2 * size, lock=lock, cold_start=start,
    )  # fmt: skip
    base = official_history(official_matrix())[0]
    return base.model_copy(update={"layer_version": number, "version": f"{number}.0", "targets": (target,)})


def start(ready: float, processor: str = "One") -> ColdStart:
    return ColdStart(
        import_seconds=ready / 2, ready_seconds=ready, first_seconds=0.3, second_seconds=0.02, peak_memory=None,
        interpreter="3.12.7", machine="x86_64", processor=processor, starts=3,
    )  # fmt: skip


MEGABYTE = 1 << 20


def test_sizes_and_cold_starts_are_compared_with_the_last_release() -> None:
    last = release(1, 30 * MEGABYTE, {}, start(1.0))
    built = release_comparison.built_targets(release(2, 33 * MEGABYTE, {}, start(0.9)))
    (row,) = Read(release_comparison.size_table(built, last)).rows("Target", "Zipped", "Unzipped", "Cold start")
    assert row == [
        "py3.12-x86_64",
        "33.0 MB (+3.0 MB, +10.0 %)",
        "66.0 MB (+6.0 MB, +10.0 %)",
        "0.90 s (-0.10 s, -10.0 %)",
    ]


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (start(1.0), start(1.001), "1.00 s (the same)"),
        (start(1.0, "Other"), start(0.5), "0.50 s (another machine)"),
        (None, start(0.5), "0.50 s"),
    ],
)
def test_only_cold_starts_of_the_same_machine_are_compared(
    before: ColdStart | None, now: ColdStart, words: str
) -> None:
    last, built = release(1, 1, {}, before), release_comparison.built_targets(release(2, 1, {}, now))
    assert (
        Read(release_comparison.size_table(built, last)).rows("Target", "Zipped", "Unzipped", "Cold start")[0][3]
        == words
    )


def test_import_times_are_compared_with_those_of_the_same_machine_only() -> None:
    imports = (PackageImport(package="demo", version="1.0", own_ms=1.0, total_ms=2.0, modules=3, imported_by=None),)
    now, before = start(0.9), start(1.0).model_copy(update={"imports": imports})
    target = "py3.12-x86_64"
    assert last_imports(now, target, [release(1, 1, {}, before)])[1] == imports
    assert last_imports(start(0.9, "Other"), target, [release(1, 1, {}, before)]) == ("", ())
    assert last_imports(now, target, [release(1, 1, {})]) == last_imports(now, target, []) == ("", ())


def test_without_a_figure_there_is_no_column() -> None:
    built = release_comparison.built_targets(release(2, 1, {}))
    assert Read(release_comparison.size_table(built, release(1, 1, {}, start(1)))).tables[0][0] == [
        "Target",
        "Zipped",
        "Unzipped",
    ]


def test_changed_packages_are_listed() -> None:
    last, now = (
        release(1, 1, {"gone": "1", "moved": "1", "same": "1"}),
        release(2, 1, {"moved": "2", "new": "1", "same": "1"}),
    )
    read = Read(release_comparison.package_section(release_comparison.built_targets(now), last))
    assert read.rows("Package", "Before", "Now") == [["gone", "1", "removed"], ["moved", "1", "2"], ["new", "", "1"]]
    assert "No package changed." in release_comparison.package_section(release_comparison.built_targets(last), last)
    unknown = last.model_copy(update={"targets": (last.targets[0].model_copy(update={"lock": None}),)})
    assert "are not recorded" in release_comparison.package_section(release_comparison.built_targets(now), unknown)


def test_a_yanked_release_is_not_compared_with() -> None:
    history = official_history(official_matrix())
    assert last_before(history, 5) == history[3]
    assert last_before(history, 3) == history[0]
    assert last_before(history) == history[4]
    assert last_before((), 1) is None


def test_differences_are_formatted_with_sign_and_percentage() -> None:
    assert difference(10, 10.04, "MB", 1) == "the same"
    assert difference(10, 12.5, "MB", 1) == "+2.5 MB, +25.0 %"
    assert difference(0, 1, "MB", 1) == "+1.0 MB"


# -- the other commands -----------------------------------------------------------------------------------------------


def test_a_build_shows_its_zips_and_its_warnings() -> None:
    finding = Finding(level="warning", code="elf-library", path="python/a.so", message="needs libfoo.so")
    artifact = Artifact(
        target="py3.12-x86_64", python="3.12", architecture=Architecture.X86_64, layer_name="l", file="l.zip",
        sha256=digest("l"), size=33 * MEGABYTE, unzipped_size=70 * MEGABYTE, interpreter="3.12.7", lock=(),
        findings=(finding,),
    )  # fmt: skip
    manifest = Manifest(package="demo", version="2.0", artifacts=(artifact,))
    read = Read(proof_summary.build_section(manifest, (release(1, 30 * MEGABYTE, {"gone": "1"}),), 9))
    assert read.rows("Zip", "Packages", "Bytecode by", "sha256") == [["l.zip", "0", "3.12.7", digest("l")]]
    assert read.rows("Package", "Before", "Now") == [["gone", "1", "removed"]]
    assert list(proof_summary.build_notes(manifest)) == [
        Note("warning", "py3.12-x86_64 elf-library", "python/a.so: needs libfoo.so")
    ]
    assert read.rows("Level", "Code", "Where", "What", "Targets") == [
        ["warning", "elf-library", "python/a.so", "needs libfoo.so", "py3.12-x86_64"]
    ]


def test_one_warning_of_several_targets_is_one_row_and_one_annotation() -> None:
    finding = Finding(level="warning", code="elf-library", path="python/a.so", message="needs libfoo.so")
    artifacts = tuple(
        Artifact(
            target=f"py{python}-x86_64", python=python, architecture=Architecture.X86_64, layer_name="l",
            file=f"{python}.zip", sha256=digest(python), size=1, unzipped_size=1, interpreter=None, lock=(),
            findings=found,
        )
        for python, found in (("3.11", (finding,)), ("3.12", ()), ("3.13", (finding,)))
    )  # fmt: skip
    manifest = Manifest(package="demo", version="2.0", artifacts=artifacts)
    rows = Read(proof_summary.build_section(manifest, (), 9)).rows("Level", "Code", "Where", "What", "Targets")
    assert [row[-1] for row in rows] == ["py3.11-x86_64, py3.13-x86_64"]
    assert list(proof_summary.build_notes(manifest)) == [
        Note("warning", "py3.11-x86_64, py3.13-x86_64 elf-library", "python/a.so: needs libfoo.so")
    ]


@pytest.mark.parametrize(("strict", "level"), [(False, "warning"), (True, "error")])
def test_a_smoke_lists_the_targets_that_did_not_run(strict: bool, level: str) -> None:
    reports = [
        SmokeReport("a.zip", "py3.12-x86_64", "proven", "0" * 64, ready_seconds=0.97),
        SmokeReport("b.zip", "py3.12-aarch64", "unproven", "0" * 64, "another machine"),
    ]
    rows = Read(proof_summary.smoke_section(reports)).rows(
        "Target", "Status", "Import", "Ready", "First", "Second", "Memory", "Why"
    )
    assert rows[0][:4] == ["py3.12-x86_64", "proven", "", "0.97 s"]
    assert rows[1][-1] == "another machine"
    assert [(note.level, note.title) for note in proof_summary.smoke_notes(reports, strict)] == [
        (level, "py3.12-aarch64 unproven")
    ]


def test_a_long_list_is_shortened_with_a_note() -> None:
    drifts = [Drift("us-east-1", f"t{place}", 1, "missing", "gone", "publish") for place in range(250)]
    assert "… and 50 more; the log has them all." in Read(proof_summary.audit_section(250, 1, drifts)).words


# -- annotations ------------------------------------------------------------------------------------------------------


def test_annotations_are_escaped() -> None:
    note = Note("error", "a: 50 %, b", "50 %\r\n::error::x, y: z", "some,file.yaml", 3)
    assert list(commands([note])) == [
        "::error file=some%2Cfile.yaml,line=3,title=a%3A 50 %25%2C b::50 %25\\r%0A\\x3a:error::x, y: z"
    ]


def test_annotations_stay_within_githubs_limit_and_the_last_one_counts_the_rest() -> None:
    warnings = [Note("warning", f"w{place}", "m") for place in range(12)]
    errors = [Note("error", f"e{place}", "m") for place in range(10)]
    lines = list(commands([*warnings, *errors], errors_left=1))
    assert [line.split(" ")[0] for line in lines].count("::warning") == MAX_ANNOTATIONS
    assert [line.split(" ")[0] for line in lines].count("::error") == MAX_ANNOTATIONS - 1
    assert "::warning title=And 3 more::3 more warnings; the log has them all" in lines
    assert "::error title=And 2 more::2 more errors; the log has them all" in lines
    assert list(commands(errors)) == [f"::error title=e{place}::m" for place in range(10)]


def test_the_error_of_a_matrix_is_annotated_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text("")
    note = error_note(InputError("bad", where=f"{path}:7"))
    assert (note.file, note.line) == (str(path), 7)
    assert error_note(InputError(f"2 problems\n  {path}:3: python: no")).line == 3
    assert error_note(InputError("bad", where="us-east-1:443")).file is None


# -- effects ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the summary file of a step."""
    path = tmp_path / "summary.md"
    path.touch()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    return path


def test_sections_are_appended(summary: Path) -> None:
    summary.write_text("of another command")
    github.summarize("### One\n")
    github.summarize("### Two\n")
    assert summary.read_text() == "of another command\n### One\n\n### Two\n"


def test_a_summary_stays_within_githubs_limit(summary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    github.summarize("### One\n" + "a line of ümlauts\n" * 100_000)
    text = summary.read_text()
    assert github.SUMMARY_LIMIT_BYTES - 100 < summary.stat().st_size <= github.SUMMARY_LIMIT_BYTES
    assert text.endswith("ümlauts\n\n*The rest is cut off: GitHub shows 1 MiB a step. The log has everything.*\n")
    github.summarize("### Two\n" * 20)
    assert summary.read_text() == text
    assert "full" in capsys.readouterr().err


def test_an_unwritable_summary_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    github.summarize("### One\n")
    assert "cannot write the job summary" in capsys.readouterr().err


def test_a_publish_in_a_workflow_writes_summary_and_annotations(
    sandbox: Sandbox, tmp_path: Path, summary: Path
) -> None:
    layers = Layers(tmp_path)
    assert layers.publish("1.0").code == 0
    sandbox.layers().delete_layer_version(LayerName=layers.matrix.targets[0].layer_name, VersionNumber=1)
    again = layers.publish("1.0", "--json")
    assert again.code == 5
    assert again.json["complete"] is False  # stdout is only that document
    assert "::error title=us-east-1 conflict::py3.12-x86_64: " in again.err
    first, second = summary.read_text().split("### demo 1.0: layer version 1\n")[1:]
    assert "**Complete**" in first
    assert "**Incomplete**: 1 of 4 cells" in second
    audited = layers("audit")
    assert "::error title=us-east-1/py3.12-x86_64/1 missing::recorded, but not in AWS%0A→ layers publish" in audited.err
    assert "**1 finding**" in summary.read_text()


def test_outside_github_actions_nothing_is_annotated(sandbox: Sandbox, tmp_path: Path) -> None:
    layers = Layers(tmp_path)
    layers.publish("1.0")
    sandbox.layers().delete_layer_version(LayerName=layers.matrix.targets[0].layer_name, VersionNumber=1)
    ended = layers.publish("1.0")
    assert ended.code == 5
    assert "::" not in ended.err + ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--matrix", "{matrix}", "targets"], 3, "::error file={matrix},line=1,title=layers::"),
        (["targets", "--nonsense"], 2, "::error title=layers::No such option"),
    ],
)
def test_the_error_that_ends_the_program_is_annotated(
    tmp_path: Path,
    summary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text("[]\n")
    monkeypatch.setattr(sys, "argv", ["layers", *(word.format(matrix=matrix) for word in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert words.format(matrix=matrix) in printed.err
    assert printed.out == ""
