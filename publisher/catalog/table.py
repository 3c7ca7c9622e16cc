"""The Markdown table of releases, layer versions and ARNs. Pure.

The text is valid Markdown and MDX: braces appear only in code, and text that people wrote (reasons) is escaped.
"""

from __future__ import annotations

from builder.model.runtimes import Architecture
from builder.model.target import TargetKey
from publisher.catalog.index import Index, IndexedRelease, split_cell
from publisher.catalog.release_status import NOTHING_YET, Mark, date, marks, megabytes, sizes
from publisher.text.markdown import table, text


def page(index: Index) -> str:
    """Return the content of ``layers.md``."""
    return f"# Lambda layers of {text(index.package)}\n\n{body(index)}"


def body(index: Index) -> str:
    """Return the sections, without a title, to inject between the markers of a page."""
    parts = [_arn_section(index), _releases_section(index), _newest_section(index)]
    notice = "*Made by `layers docs` from the ledger. The next run replaces edits.*\n"
    return "\n".join([*(part for part in parts if part), notice])


def _arn_section(index: Index) -> str:
    values = {
        "partition": ["aws", "aws-cn", "aws-us-gov"],
        "region": list(index.regions),
        "python": [python.replace(".", "_") for python in index.python],
        "architecture": [architecture.value for architecture in index.architectures],
    }
    rows = [
        [f"`{{{name}}}`", ", ".join(f"`{word}`" for word in words)]
        for name, words in values.items()
        if f"{{{name}}}" in index.arn
    ]
    rows.append(["`{layer_version}`", "a number of the table below; the same in every region"])
    return f"## ARN\n\n```text\n{index.arn}\n```\n\n{table(['Part', 'Values'], rows)}"


def _releases_section(index: Index) -> str:
    head = "## Releases\n\n"
    if not index.releases:
        return f"{head}{NOTHING_YET}\n"
    rows = [
        [str(release.layer_version), text(release.version), date(release), sizes(release), _status(index, release)]
        for release in index.releases
    ]
    return head + table(["Layer version", text(index.package), "Date", "Size", "Status"], rows, right=(0, 3))


def _newest_section(index: Index) -> str:
    release = index.newest
    if release is None:
        return ""
    title = f"## Layer version {release.layer_version}: {text(index.package)} {text(release.version)}\n\n"
    signed = any(target.signed_by for target in release.targets)
    facts = [
        [
            target.python,
            target.architecture.value,
            megabytes(target.size),
            megabytes(target.unzipped_size),
            f"`{target.sha256}`" if target.sha256 else "",
            *([f"`{target.signed_by}`" if target.signed_by else ""] if signed else []),
        ]
        for target in release.targets
    ]
    arns = [[row.region, row.python, row.architecture.value, f"`{row.arn}`"] for row in index.rows(release)] + [
        [*split_cell(cell), "not published yet"] for cell in release.missing
    ]
    columns = ["Python", "Architecture", "Zipped", "Unzipped", "sha256", *(["Signed by"] if signed else [])]
    held = {(row.region, row.target) for row in index.rows(release)}
    arns += [
        [*split_cell(cell), f"not supported{': ' + text(reason) if reason else ''}"]
        for cell, reason in index.unsupported.items()
        if tuple(cell.split("/")) not in held
    ]
    order = {region: place for place, region in enumerate(index.all_regions)}
    arns.sort(key=lambda row: (order.get(row[0], len(order)), TargetKey(row[1], Architecture(row[2])).order))
    return "\n".join(
        [
            title + table(columns, facts, right=(2, 3)),
            table(["Region", "Python", "Architecture", "ARN"], arns),
        ]
    )


def _status(index: Index, release: IndexedRelease) -> str:
    return "; ".join(_mark(mark) for mark in marks(index, release))


def _mark(mark: Mark) -> str:
    word = f"**{mark.word}**" if mark.word in ("yanked", "incomplete") else mark.word
    words = f"{word} {mark.detail}" if mark.detail else word
    return f"{words}: {text(mark.reason)}" if mark.reason else words
