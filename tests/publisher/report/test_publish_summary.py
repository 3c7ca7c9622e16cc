"""The section of ``publish`` in the job summary: what was published, what was not, and the way out."""

from __future__ import annotations

from pathlib import Path

from builder.model.matrix import Cell
from publisher.aws.gateway import Failure
from publisher.ledger.release import Release
from publisher.parameters.update import ParameterUpdate
from publisher.reconcile.release_run import PublishReport
from publisher.report.publish_summary import cell_notes, publish_section
from scripts.simaws import At, Fault, Faults, SimulatedAws
from tests.fakes.simulated_runs import MemoryLedger, World
from tests.publisher.reconcile.plan_cases import small_matrix
from tests.publisher.report.summary_cases import NASTY, Read

MATRIX = small_matrix()


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
