"""The command ``layers``. A command is imported when it is called, and its heavy libraries when they are needed."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from builder.model.errors import InputError, LayersError, UsageError
from publisher.cli import github
from publisher.cli.console import (
    forget_json,
    json_was_printed,
    open_closed_streams,
    output_was_lost,
    print_json,
    print_message,
)
from publisher.cli.group import layers
from publisher.cli.logs import LibraryMessages, log_event
from publisher.cli.signals import handle_signals

#: The exit code of shells for a command that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command line: turn each of the program's own errors into one message and its exit code."""
    open_closed_streams()
    atexit.register(gc.freeze)  # skip the garbage collection at exit
    sys.excepthook = _print_defect
    logging.lastResort = LibraryMessages(logging.WARNING)
    forget_json()
    handle_signals()
    if "_LAYERS_COMPLETE" in os.environ:
        from publisher.cli.completion import register

        register()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = layers.main(standalone_mode=False)
    except LayersError as error:
        _end(error)
    except NoArgsIsHelpError as error:
        print_message(*error.format_message().splitlines())
        sys.exit(UsageError.exit_code)
    except click.UsageError as error:
        if error.ctx is not None:
            print_message(*error.ctx.get_usage().splitlines())
            print_message(f"Try '{error.ctx.command_path} --help' for help.", "")
        _end(UsageError(error.format_message()))
    except click.ClickException as error:
        _end(UsageError(error.format_message()))
    except (click.Abort, KeyboardInterrupt) as stopped:
        print_message("stopped")
        sys.exit(getattr(stopped.__cause__, "exit_code", INTERRUPTED))  # click raises Abort from KeyboardInterrupt
    except OSError as error:
        if (known := _of_system(error)) is None:
            raise
        _end(known)
    sys.exit((code if isinstance(code, int) else 0) or (InputError.exit_code if output_was_lost() else 0))


def _of_system(error: OSError) -> InputError | None:
    """Return the error for a state of the system that any command may meet; None for a defect."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        fix = "free some space, or write to another disk; then run the command again"
        return InputError(f"cannot write: {error.strerror}", where=error.filename, fix=fix)
    try:
        Path.cwd()
    except FileNotFoundError:
        return InputError(f"the current folder does not exist any more ({error.strerror})", fix="cd to another folder")
    return None


def _end(error: LayersError) -> NoReturn:
    """Print the error as text, or as JSON with ``--json`` or ``--log-format json``, and end the program."""
    fields = {
        "exit_code": error.exit_code,
        "error": type(error).__name__,
        "class": str(error.failure_class),
        "what": error.what,
        "where": error.where,
        "details": list(error.details),
        "fix": error.fix,
    }
    if logging.getLogger("layers").handlers:
        log_event("error", "end", error.what, fields)
    else:
        first, *rest = error.lines
        print_message(f"error: {first}", *rest)
    if _wants_json(sys.argv[1:]) and not json_was_printed():
        print_json({"error": fields})
    github.annotate_end(error)
    sys.exit(error.exit_code)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Return whether the command line asks for JSON. Arguments after ``--`` belong to another command."""
    own_arguments = tuple(takewhile(lambda argument: argument != "--", arguments))
    lower = [argument.lower() for argument in own_arguments]
    return "--json" in own_arguments or "--format=json" in lower or ("--format", "json") in pairwise(lower)


def _print_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a defect; Python then exits with 1."""
    with contextlib.suppress(Exception):
        print_message(*"".join(traceback.format_exception(kind, error, trace)).splitlines())
        print_message("this is a defect of layers: please report it with the lines above")
