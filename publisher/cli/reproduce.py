"""``layers reproduce``: build a build's zips a second time and compare them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import BuildError, InputError
from builder.model.figures import counted
from publisher.cli.console import json_option, print_json, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath
from publisher.cli.options import architecture_option, python_option

if TYPE_CHECKING:
    from builder.model.artifact import Artifact, Manifest


@click.command("reproduce")
@click.argument("folder", metavar="DIR", type=LocalPath(file_okay=False))
@python_option
@architecture_option
@click.option("--output", type=LocalPath(file_okay=False), help="Keep the second build in this folder.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    folder: Path,
    pythons: tuple[str, ...],
    architectures: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Build the zips of DIR a second time on this machine, and compare the bytes.

    Uses the locks and the exact interpreters of DIR's manifest.json and no cache of earlier builds. The exit code is 4
    if a zip differs: then one of the two builds cannot be trusted.
    """
    from builder.cache.store import Cache
    from builder.model.artifact import read_manifest
    from builder.pipeline.build import build

    matrix = settings.matrix()
    first = read_manifest(folder)
    chosen = [target for target in matrix.select(pythons, architectures) if first.artifact(target.id)]
    _check(first, matrix.package, bool(chosen), folder)
    first_artifacts = {a.target: a for a in first.artifacts}
    # Cached results of the first build would prove nothing, so the second build has an empty cache of its own.
    cached = tempfile.TemporaryDirectory(prefix="layers-cache-")
    with _output_folder(output) as place, cached as empty, progress() as shown:
        second = build(
            matrix, first.version, chosen, place, shown,
            lock={target.id: first_artifacts[target.id].lock for target in chosen},
            interpreters={target.python: first_artifacts[target.id].interpreter for target in chosen},
            cache=Cache(Path(empty)),
        )  # fmt: skip
        _report(
            [(first_artifacts[artifact.target], artifact) for artifact in second.artifacts], folder, output, as_json
        )


def _check(first: Manifest, package: str, chosen: bool, folder: Path) -> None:
    if first.package != package:
        raise InputError(
            f"the build is of {first.package}, but the matrix is for {package}",
            where=str(folder),
            fix="name the matrix of the build with --matrix",
        )
    if not chosen:
        raise InputError(
            "the build has none of the selected targets",
            where=str(folder),
            fix="select others with --python and --arch",
        )


@contextmanager
def _output_folder(output: Path | None) -> Iterator[Path]:
    if output is not None:
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="layers-reproduce-") as folder:
        yield Path(folder)


def _report(pairs: list[tuple[Artifact, Artifact]], folder: Path, output: Path | None, as_json: bool) -> None:
    equal = {first.target: first.sha256 == second.sha256 for first, second in pairs}
    if as_json:
        print_json(
            [{"target": f.target, "first": f.sha256, "second": s.sha256, "same": equal[f.target]} for f, s in pairs]
        )
    else:
        print_table(
            ["target", "first", "second", ""],
            [[f.target, f.sha256[:12], s.sha256[:12], "same" if equal[f.target] else "differs"] for f, s in pairs],
        )
    differ = [first for first, _ in pairs if not equal[first.target]]
    if differ:
        second = output or Path("DIR")
        raise BuildError(
            f"a second build gives other bytes for {len(differ)} of {counted(len(pairs), 'zip')}",
            where=", ".join(first.target for first in differ),
            fix=f"see what differs: layers inspect {folder / differ[0].file} {second / Path(differ[0].file).name}"
            + ("" if output else "; keep the second build with --output DIR"),
        )
