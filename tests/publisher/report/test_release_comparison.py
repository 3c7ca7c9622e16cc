"""A release compared with the last one: sizes, cold starts, imports and packages."""

from __future__ import annotations

import pytest

from builder.model.cold_start import ColdStart, PackageImport
from builder.model.figures import difference
from publisher.ledger.release import last_before
from publisher.report import release_comparison
from publisher.report.import_times import last_imports
from tests.publisher.catalog.page_cases import official_history, official_matrix
from tests.publisher.report.summary_cases import MEGABYTE, Read, release, start


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
