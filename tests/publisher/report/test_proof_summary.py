"""The sections of ``build``, ``smoke`` and ``audit`` in the job summary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.artifact import Artifact, Finding, Manifest
from builder.model.escape import escape
from builder.model.runtimes import Architecture
from builder.smoke.smoke_test import SmokeReport
from publisher.audit.audit import Drift
from publisher.report import proof_summary
from publisher.report.annotations import Note
from tests.publisher.reconcile.plan_cases import digest
from tests.publisher.report.summary_cases import MEGABYTE, NASTY, Read, release


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


@given(st.text(max_size=80))
def test_any_reason_gives_a_valid_table(reason: str) -> None:
    drift = Drift("us-east-1", "py3.12-x86_64", 1, "foreign", f"{NASTY}{reason}", reason)
    read = Read(proof_summary.audit_section(1, 1, [drift]))
    (row,) = read.rows("Region", "Target", "Number", "Problem", "What", "Remedy")
    assert escape(" ".join(f"{NASTY}{reason}".split())) == row[4]
    assert not {"img", "a", "em", "code"} & read.tags
