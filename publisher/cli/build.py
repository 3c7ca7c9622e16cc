"""``layers build``: build one zip for each target."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import InputError, LayersError, UsageError
from builder.model.figures import counted, duration, megabytes
from publisher.cli import github
from publisher.cli.budget_options import max_size_option, with_max_sizes
from publisher.cli.console import json_option, print_json, print_message, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath
from publisher.cli.options import VERSION, architecture_option, python_option
from publisher.cli.version_choice import latest_version, named_version, wait_option

if TYPE_CHECKING:
    from builder.model.artifact import Locked, Manifest
    from builder.model.matrix import Matrix
    from builder.model.target import Target
    from publisher.ledger.release import Release


@click.command("build")
@click.option("--version", type=VERSION, required=True, help="The package version; `latest` is the newest stable one.")
@wait_option
@python_option
@architecture_option
@click.option(
    "--output",
    type=LocalPath(file_okay=False),
    default="dist",
    show_default=True,
    help="The folder for the zips and manifest.json.",
)
@click.option("--locked", is_flag=True, help="Install exactly what the ledger records for this version.")
@click.option(
    "--exclude-newer", metavar="DATE|AGE", help='Ignore files uploaded after this time: 2026-11-01, "7 days".'
)
@max_size_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    version: str,
    pythons: tuple[str, ...],
    architectures: tuple[str, ...],
    output: Path,
    wait: timedelta | None,
    locked: bool,
    exclude_newer: str | None,
    max_sizes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Build one zip for each target of the matrix, for its Python, architecture and glibc. Its bytes do not depend on
    the machine."""
    from builder.model.matrix import parse_version
    from builder.pipeline.build import build
    from publisher.ledger.release import last_sizes

    if locked and exclude_newer:
        raise UsageError("--locked does not resolve, so --exclude-newer has no effect", fix="use only one of them")
    if locked and wait is not None:
        raise UsageError("--locked does not query the package index, so --wait has no effect", fix="leave --wait out")
    matrix = with_max_sizes(settings.matrix(), max_sizes)
    targets = matrix.select(pythons, architectures)
    releases = _releases(settings, matrix, required=locked)
    started = time.monotonic()
    if wait is not None:
        version = named_version(matrix, targets, version, wait)
    chosen = latest_version(matrix, exclude_newer) if version == "latest" else parse_version(version)
    locks = _recorded(releases, chosen, targets) if locked else None
    with progress() as shown:
        manifest = build(
            matrix, chosen, targets, output, shown, lock=locks, exclude_newer=exclude_newer,
            last_sizes=last_sizes(releases),
        )  # fmt: skip
    seconds = time.monotonic() - started
    _show_changes(releases, manifest)
    _tell_github(releases, manifest, seconds)
    if as_json:
        print_json(manifest)
    else:
        _show(manifest, output, seconds)


def _releases(settings: Settings, matrix: Matrix, *, required: bool) -> Sequence[Release]:
    """Return the recorded releases. A ledger that cannot be read is an error only if the build requires it."""
    try:
        return settings.ledger(matrix).releases()
    except LayersError as error:
        if required:
            raise
        print_message(f"changes since the last release are not shown: {error.what}")
        return ()


def _recorded(releases: Sequence[Release], version: str, targets: Sequence[Target]) -> Mapping[str, tuple[Locked, ...]]:
    """Return the targets' locks from the newest release of this version."""
    from publisher.ledger.release import newest_of

    release = newest_of(release for release in releases if release.is_of(version))
    if release is None:
        raise InputError(f"the ledger has no release of {version}", where="--locked", fix="build without --locked")
    locks = {t.id: record.lock for t in targets if (record := release.target(t.id)) and record.lock}
    missing = [target.id for target in targets if target.id not in locks]
    if missing:
        raise InputError(
            f"layer version {release.layer_version} has no lock for {', '.join(missing)}",
            where="--locked",
            fix="leave these targets out, or build without --locked",
        )
    return locks


def _show_changes(releases: Sequence[Release], manifest: Manifest) -> None:
    """Print what changed in the locks since the last release, once for targets with the same changes."""
    from publisher.ledger.release import last_before
    from publisher.report.release_comparison import BuiltTarget, find_changes, title

    last = last_before(releases)
    if last is None:
        return
    built = [BuiltTarget(each.target, each.size, each.unzipped_size, each.lock) for each in manifest.artifacts]
    changes = find_changes(built, last)
    print_message(f"since {title(last)}: {'' if changes else 'no change'}")
    for change, targets in changes.items():
        print_message(f"  {', '.join(targets)}")
        for line in change.lines():
            print_message(f"    {line}")


def _tell_github(releases: Sequence[Release], manifest: Manifest, seconds: float) -> None:
    if github.is_reporting():
        from publisher.report.proof_summary import build_notes, build_section

        github.report(build_section(manifest, releases, seconds), build_notes(manifest))


def _show(manifest: Manifest, output: Path, seconds: float) -> None:
    print_table(
        ["target", "zip", "unzipped", "packages", "bytecode by", "sha256"],
        [
            [
                artifact.target,
                megabytes(artifact.size),
                megabytes(artifact.unzipped_size),
                str(len(artifact.lock)),
                artifact.interpreter or "none",
                artifact.sha256[:12],
            ]
            for artifact in manifest.artifacts
        ],
        right=(1, 2, 3),
    )
    print_result(
        "",
        f"{counted(len(manifest.artifacts), 'zip')} of {manifest.package} {manifest.version} in {output}/ "
        f"after {duration(seconds)}",
    )
