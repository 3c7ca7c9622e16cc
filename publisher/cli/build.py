"""``layers build``: one zip a target."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from publisher.cli.console import duration, json_option, megabytes, print_json, print_table, progress
from publisher.cli.group import Settings

if TYPE_CHECKING:
    from builder.artifact import Manifest


@click.command("build")
@click.option("--version", required=True, help="The package version; `latest` is the newest stable one.")
@click.option("--python", "pythons", multiple=True, help="Only this Python; repeatable.")
@click.option("--arch", "architectures", multiple=True, help="Only this architecture; repeatable.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="dist",
    show_default=True,
    help="The folder for the zips and manifest.json.",
)
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    version: str,
    pythons: tuple[str, ...],
    architectures: tuple[str, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Build one zip a target of the matrix: right for its Python, architecture and glibc, the same bytes anywhere."""
    from builder.build import build
    from builder.matrix import parse_version
    from builder.resolve import newest

    matrix = settings.matrix()
    targets = matrix.select(pythons, architectures)
    started = time.monotonic()
    wanted = newest(matrix) if version == "latest" else parse_version(version)
    with progress() as shown:
        manifest = build(matrix, wanted, targets, output, shown)
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        _show(manifest, output, time.monotonic() - started)


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
    click.echo(
        f"\n{len(manifest.artifacts)} zips of {manifest.package} {manifest.version} in {output}/ "
        f"after {duration(seconds)}"
    )
