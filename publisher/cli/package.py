"""``layers package``: the zips of a user's own agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.model.errors import InputError, UsageError
from builder.model.figures import megabytes
from builder.model.runtimes import UNZIPPED_LIMIT_BYTES, Architecture
from publisher.cli.budget_options import package_budget
from publisher.cli.console import json_option, print_json, print_result, print_table, progress
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath
from publisher.cli.options import ARCHITECTURE, PYTHON

if TYPE_CHECKING:
    from builder.model.matrix_keys import Slim
    from builder.model.target import TargetKey
    from builder.package.packaging import Package
    from publisher.catalog.base_layer import BaseLayer


@click.command("package")
@click.argument("app", metavar="APP_DIR", type=LocalPath())
@click.option(
    "--python", type=PYTHON,
    help="The function's Python.  [default: the layer's, or this program's where Lambda has it, or 3.12]",
)  # fmt: skip
@click.option(
    "--arch", "architecture", type=ARCHITECTURE,
    help="The function's architecture, x86_64 or aarch64.  [default: the layer's, or this machine's]",
)  # fmt: skip
@click.option(
    "--output", type=LocalPath(file_okay=False), default="packaging", show_default=True,
    help="The folder for app.zip and dependencies.zip.",
)  # fmt: skip
@click.option(
    "--requirements", type=LocalPath(),
    help="The file that states what the app needs.  [default: the nearest, in APP_DIR or the folder above]",
)  # fmt: skip
@click.option(
    "--on-layer", metavar="ARN|VERSION|latest",
    help="The function also uses this published layer: include only packages missing there, at compatible versions.",
)  # fmt: skip
@click.option(
    "--index", "index_source", metavar="FILE|URL", help="For --on-layer: a layers.json instead of the ledger."
)
@click.option("--extra", "extras", multiple=True, metavar="NAME", help="Include this extra of the project; repeatable.")
@click.option("--all-extras", is_flag=True, help="Include every extra of the project.")
@click.option(
    "--group", "groups", multiple=True, metavar="NAME", help="Include this dependency group of the project; repeatable."
)
@click.option("--no-default-groups", is_flag=True, help="Leave out the groups of the project's own default-groups.")
@click.option("--no-lock", is_flag=True, help="Resolve again instead of using the project's lock file.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="NAME",
    help="Leave this package out, even if another one requires it; repeatable.",
)
@click.option(
    "--override", multiple=True, metavar="REQUIREMENT",
    help="Use this requirement of a package instead of all others; repeatable.",
)  # fmt: skip
@click.option(
    "--max-size", multiple=True, metavar="[zipped=|unzipped=]SIZE",
    help="Exit with 4 if the zips are larger than this, like 40MB or unzipped=100MB; repeatable.",
)  # fmt: skip
@click.option(
    "--slim", "is_slim", is_flag=True,
    help="Leave out botocore's data for AWS services for which neither the app nor its packages create a client.",
)  # fmt: skip
@click.option("--service", "services", multiple=True, help="With --slim: keep the data of this service; repeatable.")
@click.option("--no-bytecode", is_flag=True, help="Leave bytecode out: a smaller layer that starts more slowly.")
@click.option("--direct", is_flag=True, help="The zips are sent in requests, not through a bucket: refuse over 50 MB.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    app: Path,
    python: str | None,
    architecture: Architecture | None,
    output: Path,
    requirements: Path | None,
    on_layer: str | None,
    index_source: str | None,
    extras: tuple[str, ...],
    all_extras: bool,
    groups: tuple[str, ...],
    no_default_groups: bool,
    no_lock: bool,
    exclude: tuple[str, ...],
    override: tuple[str, ...],
    max_size: tuple[str, ...],
    is_slim: bool,
    services: tuple[str, ...],
    no_bytecode: bool,
    direct: bool,
    as_json: bool,
) -> None:
    """Package an agent of your own: app.zip with the files of APP_DIR, and dependencies.zip, a layer of the packages
    that it needs, built as the official layers are.

    Needs no matrix; with --on-layer, a ledger or an --index.
    """
    from builder.model.matrix_keys import check_package_name, check_requirement
    from builder.model.target import Target, target_of_this_machine
    from builder.package.packaging import package
    from builder.requirements.declared import Selection

    budget = package_budget(max_size)
    selection = Selection(
        extras, all_extras, groups, not no_default_groups, not no_lock,
        _check_values("--exclude", exclude, check_package_name),
        _check_values("--override", override, check_requirement),
    )  # fmt: skip
    default = target_of_this_machine()
    base = None if on_layer is None else _base_layer(settings, on_layer, index_source, python, architecture, default)
    if base is not None:
        python, architecture = base.python, base.architecture
    target = Target(python or default.python, architecture or default.architecture, "dependencies")
    with progress() as shown:
        for note in base.notes if base else ():
            shown.note(f"warning: the layer: {note}")
        shown.note(f"for Python {target.python} on {target.architecture}")
        layer = base.layer if base else None
        packaged = package(
            app, target, output, shown,
            requirements=requirements, selection=selection, layer=layer, direct=direct, budget=budget,
            slim=_slim(is_slim, services), bytecode=not no_bytecode,
        )  # fmt: skip
    print_json(_as_json(packaged)) if as_json else _show(packaged)


def _slim(is_slim: bool, services: tuple[str, ...]) -> Slim | None:
    from pydantic import ValidationError

    from builder.model.matrix_keys import Slim

    if services and not is_slim:
        raise UsageError("--service has no meaning without --slim", fix="add --slim")
    try:
        return Slim(services=services) if is_slim else None
    except ValidationError:
        raise InputError(
            f"{', '.join(services)}: not a name of an AWS service",
            where="--service",
            fix="write it like bedrock-runtime",
        ) from None


def _check_values(option: str, values: tuple[str, ...], check: Callable[[str], str]) -> tuple[str, ...]:
    try:
        return tuple(map(check, values))
    except ValueError as error:
        raise InputError(str(error), where=option) from None


def _base_layer(
    settings: Settings,
    layer: str,
    index_source: str | None,
    python: str | None,
    architecture: Architecture | None,
    default: TargetKey,
) -> BaseLayer:
    from publisher.catalog.base_layer import find_base_layer

    if index_source is None and not settings.matrix_path.exists():
        raise InputError(
            "no index and no matrix to look the layer up in",
            where="--on-layer",
            fix="name the published layers.json with --index FILE|URL",
        )
    return find_base_layer(settings.index(index_source), layer, python, architecture, default)


def _as_json(packaged: Package) -> dict[str, Any]:
    dependencies = packaged.dependencies
    folder = packaged.app.file.parent
    return {
        "python": packaged.target.python,
        "architecture": packaged.target.architecture,
        "app": packaged.app,
        "dependencies": dependencies
        and {
            "file": folder / dependencies.file,
            **dependencies.model_dump(include={"sha256", "size", "unzipped_size"}),
            "sbom": folder / dependencies.sbom if dependencies.sbom else None,
            "packages": {each.name: each.version for each in dependencies.lock},
        },
        "requirements": packaged.requirements,
        "lock": packaged.lock,
        "on_layer": packaged.layer.arn if packaged.layer else None,
        "total_unzipped": packaged.total_unzipped,
    }


def _show(packaged: Package) -> None:
    app, dependencies, layer = packaged.app, packaged.dependencies, packaged.layer
    rows = [[str(app.file), megabytes(app.size), megabytes(app.unzipped_size), "", app.sha256[:12]]]
    if dependencies:
        file, packages = str(app.file.parent / dependencies.file), str(len(dependencies.lock))
        sizes = [megabytes(dependencies.size), megabytes(dependencies.unzipped_size)]
        rows.append([file, *sizes, packages, dependencies.sha256[:12]])
    if layer:
        rows.append([layer.arn, "", megabytes(layer.unzipped_size, "?"), str(len(layer.packages)), ""])
    print_table(["zip", "size", "unzipped", "packages", "sha256"], rows, right=(1, 2, 3))
    print_result("")
    if packaged.requirements is None:
        print_result("no file that states requirements, in the app's folder or above it: only app.zip was written")
    elif dependencies is None:
        reason = f"{layer.title} has all of them" if layer else "it requires none"
        print_result(f"packages by {packaged.requirements}: {reason}, so only app.zip was written")
    else:
        print_result(f"packages by {packaged.requirements}" + (f", on top of {layer.title}" if layer else ""))
    print_result(
        f"for Python {packaged.target.python} on {packaged.target.architecture.api_name}: "
        f"{megabytes(packaged.total_unzipped)} of {megabytes(UNZIPPED_LIMIT_BYTES)} unzipped"
        + (" (the size of the layer is unknown)" if layer and layer.unzipped_size is None else "")
    )
