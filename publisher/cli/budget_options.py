"""The budget on the command line: ``--max-size``, and the last release's sizes for limits on growth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from builder.model.budget import Limit, parse_max_sizes
from builder.model.errors import BuildError, InputError

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from builder.model.matrix_keys import Budget
    from builder.smoke.smoke_test import SmokeReport
    from publisher.cli.group import Settings
    from publisher.ledger.release import Release

max_size_option = click.option(
    "--max-size", "max_sizes", multiple=True, metavar="[zipped=|unzipped=]LIMIT",
    help="Exit with 4 if a zip is larger, like 45MB, unzipped=150MB or +10% over the last release; repeatable. "
    "Replaces the size in `budget` of the matrix.",
)  # fmt: skip


def with_max_sizes(matrix: Matrix, texts: Sequence[str]) -> Matrix:
    """Return the matrix with the limits of ``--max-size`` in its budget."""
    from builder.model.matrix_keys import Budget

    limits = _max_sizes(texts, "45MB, unzipped=150MB or +10%")
    return matrix.model_copy(update={"budget": (matrix.budget or Budget()).model_copy(update=limits)})


def package_budget(texts: Sequence[str]) -> Budget:
    """Return the limits of ``--max-size`` for a package: ``40MB`` (both zips together), ``unzipped=100MB``."""
    from builder.model.matrix_keys import Budget

    limits = _max_sizes(texts, "40MB, zipped=40MB or unzipped=100MB")
    if any(limit.growth is not None for limit in limits.values()):
        fix = "use an absolute size, like 40MB"
        raise InputError("a package has no last release to compare with", where="--max-size", fix=fix)
    return Budget.model_validate(limits)


def _max_sizes(texts: Sequence[str], examples: str) -> dict[str, Limit]:
    try:
        return parse_max_sizes(texts)
    except ValueError as error:
        raise InputError(str(error), where="--max-size", fix=f"write it like {examples}") from None


def refuse_slow_imports(settings: Settings, reports: Sequence[SmokeReport], releases: Sequence[Release]) -> None:
    """Raise BuildError if an import takes longer than `budget.import_time` of the matrix allows.

    Without a matrix there is no budget. The times of emulated runs are not compared.
    """
    from publisher.ledger.release import last_before

    budget = settings.matrix().budget if settings.matrix_path.exists() else None
    limit = budget.import_time if budget else None
    if limit is None:
        return
    last = last_before(releases)
    rows = []
    for report in reports:
        record = last.target(report.target) if last else None
        allowed = limit.allowed(record.cold_start.import_seconds if record and record.cold_start else None)
        if allowed is not None and not report.emulated and (report.import_seconds or 0) > allowed:
            rows.append(f"  {report.zip}: {report.import_seconds:.2f} s; {limit.text} allows {allowed:.2f} s")
    if rows:
        raise BuildError(
            "imports take longer than the budget allows:",
            where="budget.import_time",
            details=rows,
            fix="see which packages take the time (`layers smoke --profile`), or raise `budget.import_time`",
        )
