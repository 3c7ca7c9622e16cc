"""``layers docs``: write the table, the index, the feed and the page from the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from builder.model.errors import DriftError, InputError
from builder.model.figures import counted, first_names
from publisher.catalog.marked_section import inject
from publisher.cli.console import json_option, print_json, print_result
from publisher.cli.file_output import read, write
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath


@click.command("docs")
@click.option(
    "--output", type=LocalPath(file_okay=False), default="docs", show_default=True,
    help="The folder to write to.",
)  # fmt: skip
@click.option(
    "--inject", "pages", multiple=True, type=LocalPath(dir_okay=False),
    help="Also write the table between the markers of this Markdown or MDX page; repeatable.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; exit with 6 if a file differs from the ledger.")
@json_option
@click.pass_obj
def command(settings: Settings, output: Path, pages: tuple[Path, ...], check: bool, as_json: bool) -> None:
    """Write the table, the index, the feed and the page, all from the ledger.

    A page for --inject has `<!-- layers:begin -->` and `<!-- layers:end -->` on lines of their own; in MDX
    `{/* layers:begin */}` and `{/* layers:end */}`.
    """
    expected = _expected_files(settings, output, pages)
    stale = [path for path, file in expected.items() if _sha256(read(path)) != file.sha256]
    data = {} if check else {path: expected[path].read() for path in stale}  # read all before writing any
    for path, written in data.items():
        write(path, written)
    if as_json:
        change = "differs" if check else "written"
        print_json({"files": [{"path": str(p), "state": change if p in stale else "unchanged"} for p in expected]})
    elif not check and stale:
        print_result(f"wrote {counted(len(stale), 'file')}: {first_names(stale, 4)}")
    if check and stale:
        raise DriftError(
            f"{len(stale)} of {len(expected)} files differ from the ledger: {first_names(stale, 8)}",
            fix="run `layers docs` and commit what it writes",
        )
    if not as_json and not stale:
        print_result(f"all {len(expected)} files agree with the ledger")


@dataclass(frozen=True)
class _File:
    """The expected sha256 of a file, and a function that returns its content."""

    sha256: str
    read: Callable[[], bytes]


def _expected_files(settings: Settings, output: Path, pages: tuple[Path, ...]) -> dict[Path, _File]:
    from publisher.catalog.index import make_index
    from publisher.catalog.sboms import read_sbom
    from publisher.catalog.table import body
    from publisher.followers.catalog_files import catalog_files

    matrix = settings.matrix()
    ledger = settings.ledger(matrix)
    index = make_index(matrix, ledger.releases(), ledger.sboms())
    texts = {output / name: text for name, text in catalog_files(index).items()}
    texts |= {page: inject(_page(page), body(index), str(page)) for page in pages}
    files = {path: _File(_sha256(text.encode()) or "", text.encode) for path, text in texts.items()}
    return files | {
        output / path: _File(sha256, partial(read_sbom, ledger, path, sha256))
        for release in index.releases
        for target in release.targets
        if (path := target.sbom_path) and (sha256 := target.sbom_sha256)
    }


def _sha256(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _page(path: Path) -> str:
    data = read(path)
    if data is None:
        raise InputError("no such file", where=str(path), fix="give the path of an existing page to --inject")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError("the page is not UTF-8", where=str(path), fix="save the file as UTF-8") from None
