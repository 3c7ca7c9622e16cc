"""The command ``layers``: a thin shell over the parts. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import atexit
import gc
import sys

import click

from builder.model.errors import LayersError, UsageError
from publisher.cli import github
from publisher.cli.group import layers

#: What shells say of a command that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command line; every error of the program's own becomes one message and its exit code."""
    atexit.register(gc.freeze)  # else Python looks through everything once more before it ends
    try:
        code = layers.main(standalone_mode=False)
    except LayersError as error:
        click.echo(f"error: {error}", err=True)
        github.annotate_end(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        github.annotate_end(UsageError(error.format_message()))
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: nothing more was done", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)
