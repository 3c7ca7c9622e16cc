"""The size limits for a package: ``--max-size``."""

from __future__ import annotations

from dataclasses import dataclass

from builder.model.budget import parse_max_sizes
from builder.model.errors import BuildError, InputError


@dataclass(frozen=True)
class PackageBudget:
    """Limits in bytes; None: the user set no limit."""

    zipped: float | None = None
    unzipped: float | None = None

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> PackageBudget:
        """Parse texts like ``40MB`` (both zips together) and ``unzipped=100MB``. Raises InputError."""
        try:
            sizes = {kind: limit.absolute for kind, limit in parse_max_sizes(texts).items()}
        except ValueError as error:
            fix = "write it like 40MB, zipped=40MB or unzipped=100MB"
            raise InputError(str(error), where="--max-size", fix=fix) from None
        if None in sizes.values():
            fix = "use an absolute size, like 40MB"
            raise InputError("a package has no last release to compare with", where="--max-size", fix=fix)
        return cls(sizes.get("zipped"), sizes.get("unzipped"))

    def check(self, zipped: int, unzipped: int, where: str) -> None:
        """Raise BuildError if a size exceeds its limit."""
        exceeded = [
            f"it has {size:,} bytes {kind}, and --max-size allows {limit:,.0f}"
            for kind, size, limit in (("zipped", zipped, self.zipped), ("unzipped", unzipped, self.unzipped))
            if limit is not None and size > limit
        ]
        if exceeded:
            raise BuildError(
                f"the package is larger than its budget: {'; '.join(exceeded)}",
                where=where,
                fix="leave something out (--exclude, .lambdaignore), or raise --max-size",
            )


NO_BUDGET = PackageBudget()
