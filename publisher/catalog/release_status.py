"""The status, date and sizes of a release as text, for both the table and the page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from builder.model.escape import escape
from builder.model.figures import counted, megabytes
from publisher.catalog.index import Index, IndexedRelease

NOTHING_YET = "No release has been published yet."


@dataclass(frozen=True)
class Mark:
    """One status of a release, for example ``yanked`` ``on 2026-01-10``: ``a broken wheel``."""

    word: Literal["yanked", "incomplete", "rebuilt", "replaced"]
    detail: str = ""
    reason: str = ""  #: one line, escaped: a person may have written it


def _line(text: str) -> str:
    return escape(" ".join(text.split()))


def marks(index: Index, release: IndexedRelease) -> tuple[Mark, ...]:
    """Return the statuses of a release, the most severe first."""
    marks_found = []
    if release.yanked:
        marks_found.append(Mark("yanked", f"on {release.yanked.date:%Y-%m-%d}", _line(release.yanked.reason)))
    if not release.complete:
        count = len(release.layers)
        marks_found.append(Mark("incomplete", reason=f"{count} of {counted(count + len(release.missing), 'layer')}"))
    if release.rebuild:
        marks_found.append(Mark("rebuilt", reason=_line(release.rebuild) if release.rebuild != "rebuilt" else ""))
    later = [
        other.layer_version
        for other in index.releases
        if other.version == release.version and other.layer_version > release.layer_version and not other.yanked
    ]
    if later:
        marks_found.append(Mark("replaced", f"by {max(later)}"))
    return tuple(marks_found)


def date(release: IndexedRelease) -> str:
    """Return the day on which the first layer of the release was published, or an empty text."""
    return f"{release.published:%Y-%m-%d}" if release.published else ""


def sizes(release: IndexedRelease) -> str:
    """Return the sizes of the smallest and the largest layer: ``33.9 to 36.6 MB``."""
    bytes_of_layers = [layer.size for layer in release.layers]
    if not bytes_of_layers:
        return ""
    least, most = megabytes(min(bytes_of_layers)), megabytes(max(bytes_of_layers))
    return least if least == most else f"{least.removesuffix(' MB')} to {most}"
