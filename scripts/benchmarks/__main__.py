"""Run one of the benchmarks: build, publish or payloads."""

from __future__ import annotations

import importlib
import sys

from builder.model.errors import LayersError


def main(name: str) -> None:
    """Run a benchmark with the remaining arguments. Print an error of the program as `layers` does."""
    sys.argv = [f"scripts/bench {name}", *sys.argv[2:]]
    try:
        importlib.import_module(f"scripts.benchmarks.{name}").main()
    except LayersError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(sys.argv[1])
