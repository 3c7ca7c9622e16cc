"""Sections of the job summary, parsed like GitHub's Markdown, and releases to compare."""

from __future__ import annotations

import re
from html import unescape

from markdown_it import MarkdownIt

from builder.model.artifact import Locked
from builder.model.cold_start import ColdStart
from builder.model.runtimes import Architecture
from publisher.ledger.release import Release, TargetRecord
from tests.publisher.catalog.page_cases import official_history, official_matrix
from tests.publisher.reconcile.plan_cases import digest

NASTY = "a | `b` <img src=x onerror=alert(1)> **c**\r\n| d | [e](https://example.org) $x$ &lt; \\| ::error::f"
MEGABYTE = 1 << 20


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
    return unescape(re.sub(r"<[^>]*>", "", html.replace("<br>", "; ")))


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
