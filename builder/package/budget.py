"""The size limits for a package: ``--max-size``."""

from __future__ import annotations

from builder.model.budget import parse_max_sizes
from builder.model.errors import BuildError, InputError
from builder.model.matrix_keys import Budget


def parse_budget(texts: tuple[str, ...]) -> Budget:
    """Parse texts like ``40MB`` (both zips together) and ``unzipped=100MB``. Raises InputError."""
    try:
        limits = parse_max_sizes(texts)
    except ValueError as error:
        fix = "write it like 40MB, zipped=40MB or unzipped=100MB"
        raise InputError(str(error), where="--max-size", fix=fix) from None
    if any(limit.growth is not None for limit in limits.values()):
        fix = "use an absolute size, like 40MB"
        raise InputError("a package has no last release to compare with", where="--max-size", fix=fix)
    return Budget.model_validate(limits)


def check_sizes(budget: Budget, zipped: int, unzipped: int, where: str) -> None:
    """Raise BuildError if a size exceeds its limit."""
    if problems := list(budget.exceeded(zipped, unzipped)):
        raise BuildError(
            f"the package is larger than its budget: {'; '.join(problems)}",
            where=where,
            fix="leave something out (--exclude, .lambdaignore), or raise --max-size",
        )
