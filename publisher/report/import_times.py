"""The import time of a layer as a tree of packages, compared with the last release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.model.cold_start import ColdStart, PackageImport
from publisher.ledger.release import Release, last_before
from publisher.report.release_comparison import title
from publisher.text.markdown import table, text

#: Differences below this are noise, even on one machine.
MIN_CHANGE_MS = 5.0


@dataclass(frozen=True)
class ImportRow:
    """One package in the tree. The changes are None if the last release does not tell."""

    depth: int
    now: PackageImport
    own_change_ms: float | None
    total_change_ms: float | None

    @property
    def cells(self) -> list[str]:
        """The row of a table, without the name."""
        changes = [_change(self.own_change_ms), _change(self.total_change_ms)]
        return [f"{self.now.own_ms:.1f}", f"{self.now.total_ms:.1f}", str(self.now.modules), *changes]


HEADERS = ("own ms", "total ms", "modules", "own change", "total change")


def _change(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"


def import_rows(imports: Sequence[PackageImport], before: Sequence[PackageImport]) -> list[ImportRow]:
    """Return the packages as a tree: below each one those that it imported first, the slowest first."""
    old = {each.package: each for each in before}
    by_importer: dict[str | None, list[PackageImport]] = {}
    for each in sorted(imports, key=lambda each: -each.total_ms):
        by_importer.setdefault(each.imported_by, []).append(each)
    rows: list[ImportRow] = []
    shown: set[str] = set()
    work = [(0, each) for each in reversed(by_importer.get(None, []))]
    while work:
        depth, each = work.pop()
        if each.package in shown:
            continue
        shown.add(each.package)
        last = old.get(each.package)
        rows.append(
            ImportRow(
                depth,
                each,
                round(each.own_ms - (last.own_ms if last else 0), 1) if before else None,
                round(each.total_ms - (last.total_ms if last else 0), 1) if before else None,
            )
        )
        work += [(depth + 1, child) for child in reversed(by_importer.get(each.package, []))]
    return rows


def last_imports(now: ColdStart, target: str, releases: Sequence[Release]) -> tuple[str, tuple[PackageImport, ...]]:
    """Return the title and imports of the last release's target, if it was measured on the same machine and Python."""
    last = last_before(releases)
    record = last.target(target) if last else None
    start = record.cold_start if record else None
    if last is None or start is None or _measured_on(start) != _measured_on(now):
        return "", ()
    return title(last), start.imports


def _measured_on(start: ColdStart) -> tuple[str | None, ...]:
    return start.machine, start.processor, start.interpreter.rpartition(".")[0]


def slower(rows: Sequence[ImportRow]) -> Iterator[str]:
    """Yield the packages that became slower and their importers, the slowest first."""
    changed = [row for row in rows if (row.own_change_ms or 0) >= MIN_CHANGE_MS]
    for row in sorted(changed, key=lambda row: -(row.own_change_ms or 0)):
        through = f", imported by {row.now.imported_by}" if row.now.imported_by else ""
        yield f"{row.now.package} takes {row.own_change_ms:.1f} ms more{through}"


def import_section(target: str, now: ColdStart, releases: Sequence[Release]) -> str:
    """Return the tree of one target, in Markdown, folded up, with what became slower before it."""
    name, before = last_imports(now, target, releases)
    rows = import_rows(now.imports, before)
    worse = "".join(f"- {text(line)}\n" for line in slower(rows))
    against = f" Changes are since {text(name)}." if name else ""
    tree = table(
        ["Package", *(header.capitalize() for header in HEADERS)],
        [[text(" · " * row.depth + row.now.package), *row.cells] for row in rows],
        right=(1, 2, 3, 4, 5),
    )
    heading = f"Import time of {text(target)} by package"
    return f"{worse}\n<details><summary>{heading}</summary>\n\n{against}\n\n{tree}\n</details>\n"
