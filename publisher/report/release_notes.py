"""The notes of a GitHub release: what the layers hold, every ARN, and what changed since the last release. Pure."""

from __future__ import annotations

from publisher.ledger.release import Release
from publisher.report.release_comparison import built_targets, package_section, size_table
from publisher.text.markdown import table, text

#: GitHub refuses longer notes (REST API, "Create a release": `body`).
MAX_NOTES_CHARACTERS = 125_000
_TOO_LONG = "\nThe rest is in the table of the documentation: these notes have reached GitHub's limit.\n"


def release_notes(release: Release, last: Release | None) -> str:
    """Return the notes of a release in Markdown: sizes, ARNs, packages changed since ``last``, how to verify."""
    public = [cell for cell in release.cells if cell.public]
    cells = sorted(public, key=lambda cell: (cell.region, cell.target_key.order))
    parts = [
        f"Layer version **{release.layer_version}** holds {text(release.package)} {text(release.version)}.\n",
        "" if release.completed else "**Incomplete**: some cells are not published yet. The next run adds them.\n",
        size_table(built_targets(release), last),
        package_section(built_targets(release), last) if last else "",
        "#### ARNs\n\n"
        + table(
            ["Region", "Python", "Architecture", "ARN"],
            [[cell.region, cell.python, cell.architecture.value, f"`{cell.arn}`"] for cell in cells],
        ),
        "The SBOM of each layer (CycloneDX) and the sha256 of every zip are attached. "
        "`layers verify ARN` checks a layer that is published.\n",
    ]
    notes = "\n".join(part for part in parts if part)
    if len(notes) <= MAX_NOTES_CHARACTERS:
        return notes
    shown = notes[: MAX_NOTES_CHARACTERS - len(_TOO_LONG)]
    return shown[: shown.rindex("\n") + 1] + _TOO_LONG
