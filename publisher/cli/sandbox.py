"""``layers sandbox``: run an embedded AWS for a command, or until interrupted."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import click

from builder.model.errors import InputError, UsageError
from publisher.cli.console import print_message, print_result
from publisher.cli.group import Settings
from publisher.cli.local_path import LocalPath


@click.command("sandbox", context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one if not given.")
@click.option(
    "--stand-in", is_flag=True,
    help="Respond for canary functions that this machine cannot run, from their layers' metadata; noted on stderr.",
)  # fmt: skip
@click.option(
    "--model-script", metavar="FILE", type=LocalPath(),
    help="The responses of Bedrock's Converse and ConverseStream: a JSON list of turns.",
)  # fmt: skip
@click.pass_obj
def command(
    settings: Settings, /, command: tuple[str, ...], port: int, stand_in: bool, model_script: Path | None
) -> None:
    """Run an embedded AWS (moto's server) for every region, with the account of the matrix.

    With COMMAND, runs it in an environment in which boto3, the AWS CLI and every SDK use this AWS, and exits with its
    exit code. Without COMMAND, prints that environment and runs until interrupted. Its contents are deleted at the end.

        layers sandbox -- layers publish --version 1.62.0 --yes

    An agent runs here too: Bedrock's Converse and ConverseStream return a fixed response, or those of --model-script.
    """
    from builder.smoke.bedrock_model import default_model, read_script

    matrix = settings.matrix()
    if command and command[0] == "--":
        command = command[1:]
    model = read_script(model_script) if model_script else default_model
    variables = dict(os.environ)
    for key in [key for key in variables if key.startswith("AWS_")]:
        del os.environ[key]  # moto creates a boto3 session, which would load the user's profile
    try:
        from publisher.sandbox.account import create_account_resources
        from publisher.sandbox.server import environment, running

        with running(matrix.account, port, stand_in=stand_in, log=print_message, model=model) as address:
            create_account_resources(address, matrix)
            surroundings = environment(address, matrix.regions[0], variables)
            # so that COMMAND can be `layers`, wherever it is installed
            surroundings["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), variables.get("PATH", "")])
            code = _run(command, surroundings) if command else _serve(surroundings, variables)
    except ModuleNotFoundError as error:
        raise InputError(
            f"the embedded AWS is not installed ({error.name})", fix="pip install 'strands-layers[sandbox]'"
        ) from None
    except (OSError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.code, str):
            raise
        raise InputError(
            f"the embedded AWS cannot start: {error}",
            where=f"127.0.0.1:{port}",
            fix="use another port, or leave --port out for a free one",
        ) from None
    sys.exit(code)


def _run(command: tuple[str, ...], surroundings: dict[str, str]) -> int:
    """Run the command, which handles Ctrl-C and SIGTERM itself."""
    try:
        process = subprocess.Popen(command, env=surroundings)
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}", fix="name an executable command") from None
    signal.set_wakeup_fd(-1)  # the command handles the signals
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),  # the terminal sends it to both processes
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number)),
    }
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _serve(surroundings: dict[str, str], variables: Mapping[str, str]) -> int:
    # A pipe: an Event that a handler sets deadlocks if the signal arrives while `wait` holds the Event's own lock.
    ended, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for key in sorted(variables.keys() - surroundings.keys()):
        print_result(f"unset {key}")  # a profile of the user's would override the variables below
    for key, value in surroundings.items():
        if key.startswith("AWS_") or variables.get(key) != value:
            print_result(f"export {key}={shlex.quote(value)}")
    sys.stdout.flush()
    print_message("running until interrupted (Ctrl-C)")
    os.read(ended, 1)
    return 0
