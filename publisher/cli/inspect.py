"""``layers inspect``: show what a zip contains, and whether it works in Lambda."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import InputError
from builder.model.figures import counted, megabytes
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES
from publisher.cli import github
from publisher.cli.console import json_option, print_finding, print_heading, print_json, print_result, print_table
from publisher.cli.local_path import LocalPath
from publisher.cli.options import zip_target_options

if TYPE_CHECKING:
    from builder.inspection.inspector import Inspection
    from builder.inspection.zip_comparison import Comparison

#: A comparison lists so many files of each kind.
_MAX_LISTED_FILES = 10


@click.command("inspect")
@click.argument("zips", nargs=-1, required=True, metavar="ZIP...", type=LocalPath())
@zip_target_options
@click.option("--staged", is_flag=True, help="The zip is published through a bucket: allow more than 50 MB zipped.")
@click.option("--packages/--no-packages", "packages", default=True, help="List the packages.  [default: yes]")
@json_option
def command(
    zips: tuple[Path, ...], python: str | None, architecture: str | None, staged: bool, packages: bool, as_json: bool
) -> None:
    """Show what a layer's zip contains and check each file. For exactly two zips, also show the differences.

    Takes any zip, also one that another program built. Exits with 3 if a zip has errors.
    """
    from builder.inspection.expected_target import against_manifest, expected_target
    from builder.inspection.inspector import inspect_zip
    from builder.inspection.zip_comparison import compare

    inspections = [
        against_manifest(inspect_zip(path, expected_target(path, python, architecture), staged=staged)) for path in zips
    ]
    comparison = compare(*inspections) if len(inspections) == 2 else None
    if github.is_reporting():
        from publisher.report.proof_summary import inspect_notes, inspect_section

        github.report(inspect_section(inspections), inspect_notes(inspections))
    if as_json:
        comparison_json = comparison.as_json() if comparison else None
        print_json({"zips": [each.as_json() for each in inspections], "comparison": comparison_json})
    else:
        for inspection in inspections:
            _show(inspection, packages=packages and comparison is None)
        if comparison:
            _show_comparison(comparison, *inspections)
    _refuse(inspections)


def _show(inspection: Inspection, *, packages: bool) -> None:
    from builder.model.findings import dotted

    print_heading(str(inspection.path))
    remaining = max(0, UNZIPPED_LIMIT_BYTES - inspection.unzipped_size)
    glibc = f", needs glibc {dotted(inspection.glibc)}" if inspection.glibc else ""
    share = f"{100 * inspection.compiled // inspection.modules} %" if inspection.modules else "none"
    facts = {
        "for": f"Python {inspection.python or 'any'}, {inspection.architecture or 'any architecture'}{glibc}",
        "sha256": inspection.sha256,
        "size": f"{megabytes(inspection.size)} zipped, {megabytes(inspection.unzipped_size)} unzipped "
        f"({megabytes(remaining)} left of Lambda's 250)",
        "files": f"{sum(not f.is_folder for f in inspection.files)}, of them "
        + counted(sum(f.elf is not None for f in inspection.files), "binary", "binaries"),
        "bytecode": f"{inspection.compiled} of {inspection.modules} modules ({share})",
        "packages": str(len(inspection.packages)),
    }
    if inspection.slim_services is not None:
        facts["slim"] = f"botocore has the data of {', '.join(inspection.slim_services)} only"
    if inspection.exclude:
        facts["excluded"] = ", ".join(inspection.exclude)
    if inspection.override:
        facts["override"] = ", ".join(inspection.override)
    for name, value in facts.items():
        print_result(f"  {name:9} {value}")
    if packages and inspection.packages:
        print_result("")
        rows = sorted(inspection.packages, key=lambda package: -package.size)
        table = [[f"  {package.name}", package.version, megabytes(package.size)] for package in rows]
        print_table(["  package", "version", "unzipped"], table, right=(2,))
    _show_findings(inspection)
    print_result("")


def _show_findings(inspection: Inspection) -> None:
    warnings = len(inspection.findings) - inspection.errors
    count = f"{counted(inspection.errors, 'error')}, {counted(warnings, 'warning')}"
    print_result("", f"  findings: {count if inspection.findings else 'none: every check passed'}")
    for each in inspection.findings:
        where = f"{each.path} " if each.path else ""
        print_finding(each.level, f"{each.code}: {where}{each.message}")


def _show_comparison(comparison: Comparison, old: Inspection, new: Inspection) -> None:
    print_heading(f"{old.path} → {new.path}")
    if comparison.same_bytes:
        print_result("  the same bytes")
        return
    print_result(f"  zipped    {megabytes(old.size)} → {megabytes(new.size)} ({comparison.size:+,} bytes)")
    print_result(
        f"  unzipped  {megabytes(old.unzipped_size)} → {megabytes(new.unzipped_size)} "
        f"({comparison.unzipped_size:+,} bytes)"
    )
    changed = comparison.packages
    for name, was, now in changed.updated:
        print_result(f"  updated   {name} {was} → {now}")
    for title, packages in (("added", changed.added), ("removed", changed.removed)):
        for name, version in packages:
            print_result(f"  {title:9} {name} {version}")
    if not changed:
        print_result("  packages  the same")
    files = {
        "added": comparison.files_added, "removed": comparison.files_removed, "changed": comparison.files_changed,
    }  # fmt: skip
    for title, paths in files.items():
        _show_paths(title, paths)
    if not any(files.values()):
        print_result("  files     the same; only their compression or order differs")


def _show_paths(title: str, paths: Sequence[str]) -> None:
    if paths:
        print_result(f"  files {title}: {len(paths)}")
        for path in paths[:_MAX_LISTED_FILES]:
            print_result(f"    {path}")
        if len(paths) > _MAX_LISTED_FILES:
            print_result(f"    … and {len(paths) - _MAX_LISTED_FILES} more (--json lists all)")


def _refuse(inspections: Sequence[Inspection]) -> None:
    """Raise InputError if a zip has errors, after everything was shown."""
    bad = [inspection for inspection in inspections if inspection.errors]
    if bad:
        total = sum(inspection.errors for inspection in bad)
        raise InputError(
            f"{counted(total, 'error')} in {len(bad)} of {counted(len(inspections), 'zip')}",
            where=", ".join(str(inspection.path) for inspection in bad),
            fix="see the findings; docs/proof.md explains each",
        )
