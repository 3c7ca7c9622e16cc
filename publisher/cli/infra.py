"""``layers infra``: CloudFormation for what a matrix needs in its account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.errors import DriftError, UsageError
from builder.model.figures import counted
from publisher.cli.console import json_option, print_document, print_json, print_message, print_result
from publisher.cli.file_output import read, write
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath

if TYPE_CHECKING:
    from publisher.infra.scope import Scope

PARTS = ("roles", "staging", "ledger")
#: The folder that --check compares without --output.
FOLDER = Path("infra")


@click.command("infra")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this template; repeatable.")
@click.option("--repository", metavar="OWNER/NAME", help="The GitHub repository.  [default: a parameter of the stack]")
@click.option(
    "--environment", metavar="NAME", default="layers", show_default=True,
    help="The prefix of the names of its environments: NAME-publish, -audit, -canary, -yank.",
)  # fmt: skip
@click.option(
    "--canary-first", is_flag=True, help="Let the publisher create canary functions (publish --canary-first)."
)
@click.option(
    "--output", type=LocalPath(file_okay=False),
    help="Write every template that the matrix needs to this folder, instead of printing one.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; exit with 6 if a file of --output (infra) differs.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    parts: tuple[str, ...],
    repository: str | None,
    environment: str,
    canary_first: bool,
    output: Path | None,
    check: bool,
    as_json: bool,
) -> None:
    """Print the CloudFormation that the matrix needs in its account: the roles, or the --part that is named.

    `roles`: GitHub's OIDC provider and the roles that its jobs assume. `staging`: the buckets of `staging`, in every
    region. `ledger`: the bucket of a ledger in S3. docs/infra.md explains what each role may do and how to deploy them.
    """
    from publisher.infra.scope import make_scope

    scope = make_scope(settings.matrix(), settings.ledger_place, repository, environment, canary_first)
    if output or check:
        _write_or_check(scope, tuple(dict.fromkeys(parts)), output or FOLDER, check, as_json)
    else:
        _print(scope, parts or ("roles",), as_json)


def _print(scope: Scope, parts: tuple[str, ...], as_json: bool) -> None:
    from publisher.infra.template import plain

    if len(set(parts)) > 1:
        raise UsageError(
            "several templates cannot be printed as one document", fix="name one --part, or a folder with --output"
        )
    template = _template(scope, parts[0])
    if as_json:
        print_json(plain(template))
    else:
        print_document(template)
    if other_parts := [part for part in _needed(scope) if part not in parts]:
        print_message(f"note: the matrix also needs {' and '.join(other_parts)}: use --part, or --output DIR for all")


def _write_or_check(scope: Scope, parts: tuple[str, ...], folder: Path, check: bool, as_json: bool) -> None:
    """Write the files that differ, or with ``check`` list them. A file that is not needed is listed and not deleted."""
    chosen = parts or _needed(scope)
    expected = {folder / f"{part}.yaml": _template(scope, part).encode() for part in chosen}
    states = {path: _file_state(read(path), data) for path, data in expected.items()}
    if not parts:
        unchosen = (folder / f"{part}.yaml" for part in PARTS if part not in chosen)
        states |= {path: "not needed" for path in unchosen if path.exists()}
    if not check:
        for path in (path for path in expected if states[path] != "unchanged"):
            write(path, expected[path])
            states[path] = "written"
    if as_json:
        print_json({"files": [{"path": str(path), "state": state} for path, state in states.items()]})
    else:
        for path, state in states.items():
            print_result(f"{path}: {state}")
    differing = [path for path, state in states.items() if state != "unchanged"]
    if check and differing:
        raise DriftError(
            f"{len(differing)} of {counted(len(states), 'file differs', 'files differ')} from the matrix: "
            + ", ".join(map(str, differing)),
            fix=f"run `layers infra --output {folder}` with the same options; delete the files that are not needed",
        )


def _file_state(current: bytes | None, expected: bytes) -> str:
    if current is None:
        return "missing"
    return "unchanged" if current == expected else "differs"


def _needed(scope: Scope) -> tuple[str, ...]:
    in_use = {"roles": True, "staging": scope.matrix.staging is not None, "ledger": scope.ledger is not None}
    return tuple(part for part in PARTS if in_use[part])


def _template(scope: Scope, part: str) -> str:
    from publisher.infra.template import ledger_template, roles_template, staging_template

    return {"roles": roles_template, "staging": staging_template, "ledger": ledger_template}[part](scope)
