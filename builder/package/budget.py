"""The sizes that a user allows for a package: ``--max-size``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builder.model.errors import BuildError, InputError

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class Budget:
    """Limits in bytes; None: no limit of the user's."""

    zipped: int | None = None
    unzipped: int | None = None

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> Budget:
        """Return the budget of texts like ``40MB`` (both zips together) and ``unzipped=100MB``. InputError if bad."""
        limits: dict[str, int] = {}
        for text in texts:
            kind, _, size = text.rpartition("=")
            match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)\s*([kmg]?)i?b?", size.strip().lower())
            if match is None or kind.strip() not in ("", "zipped", "unzipped"):
                raise InputError(
                    f"{text!r} is not a size",
                    where="--max-size",
                    fix="write it like 40MB, zipped=40MB or unzipped=100MB",
                )
            limits[kind.strip() or "zipped"] = int(float(match[1]) * _UNITS[match[2]])
        return cls(limits.get("zipped"), limits.get("unzipped"))

    def check(self, zipped: int, unzipped: int, where: str) -> None:
        """Raise a BuildError if a size exceeds its limit."""
        over = [
            f"{kind} it has {size:,} bytes, and --max-size allows {limit:,}"
            for kind, size, limit in (("zipped", zipped, self.zipped), ("unzipped", unzipped, self.unzipped))
            if limit is not None and size > limit
        ]
        if over:
            raise BuildError(
                f"the package is larger than its budget: {'; '.join(over)}",
                where=where,
                fix="leave something out (--exclude, .lambdaignore), or raise --max-size",
            )


NO_BUDGET = Budget()
