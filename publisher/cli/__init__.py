"""The command ``layers``: a thin shell over the parts. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

from builder.errors import LayersError
from publisher.cli.group import layers


def main() -> None:
    """Run the command line; every error of the program's own becomes one message and its exit code."""
    try:
        layers.main(standalone_mode=True)
    except LayersError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the last word of the program
        sys.exit(error.exit_code)
