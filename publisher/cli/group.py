"""The command group: global options, and commands that are imported when they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.model.stop import Stop
from publisher.cli.local_path import LocalPath, local_path

if TYPE_CHECKING:
    from builder.model.matrix import Matrix
    from publisher.aws.gateway import Lambda
    from publisher.aws.request_log import RequestLog
    from publisher.catalog.index import Index
    from publisher.ledger.folder import Ledger

#: Command → its text in ``layers --help``. The module ``publisher.cli.<command>`` holds ``command``.
COMMANDS = {
    "targets": "List the targets, regions and layer names of the matrix.",
    "build": "Build one zip for each target, with manifest.json.",
    "inspect": "Show what is in a zip and check it; compare two.",
    "smoke": "Run a zip in Lambda's own runtime client.",
    "reproduce": "Build the zips of a build again and compare.",
    "plan": "Show what publish would do; write nothing anywhere.",
    "publish": "Publish a release in every cell, read it back, record it.",
    "promote": "Publish a release of another account.",
    "describe": "Look up the layers of a region.",
    "audit": "Compare the ledger with AWS in every cell.",
    "sync": "Create the ledger from the layer versions in AWS.",
    "yank": "Yank a release; delete nothing.",
    "verify": "Check that the layer of an ARN has the recorded bytes.",
    "canary": "Try a release with real functions on its layers.",
    "docs": "Write the table, the JSON index and the page from the ledger.",
    "infra": "Print the CloudFormation that the matrix needs: roles, buckets.",
    "watch": "Report what needs doing: new versions, incomplete releases, rebuilds.",
    "cache": "Show or clean the program's own cache.",
    "package": "Package your own agent: app.zip and dependencies.zip.",
    "sandbox": "Run a command against an embedded AWS with every region.",
}


#: Names of other tools for these commands.
_SYNONYMS = {
    "withdraw": "yank", "delete": "yank", "unpublish": "yank", "deploy": "publish", "release": "publish",
    "diff": "plan", "list": "describe", "show": "describe", "get": "describe", "lookup": "describe", "arn": "describe",
    "test": "smoke", "check": "audit", "import": "sync", "bundle": "package", "local": "sandbox", "ls": "describe",
    "find": "describe", "search": "describe", "rollback": "yank", "remove": "yank", "clean": "cache clean",
}  # fmt: skip
#: The end of the AWS CLI's names: ``list-layer-versions``, ``get-layer-version-by-arn``.
_OF_LAYERS = re.compile("-layers?(-versions?)?(-by-arn)?$")


@dataclass(frozen=True)
class Settings:
    """The global options."""

    matrix_path: Path
    ledger_place: str  #: a folder, or s3://bucket/prefix

    def matrix(self) -> Matrix:
        """Read and check the matrix."""
        from builder.model.matrix_file import load_matrix

        return load_matrix(self.matrix_path)

    def ledger(self, matrix: Matrix) -> Ledger:
        """Open the ledger of this matrix."""
        if self.ledger_place.lower().startswith("s3:"):
            from publisher.ledger.s3 import BucketLedger

            return BucketLedger(self.ledger_place, matrix)
        from publisher.ledger.folder import FolderLedger

        return FolderLedger(local_path(self.ledger_place, "--ledger"), matrix)

    def index(self, source: str | None, regions: Sequence[str] = ()) -> Index:
        """Return the index of the ledger, or the one in a file or at an address, which is read for ``regions`` only."""
        from publisher.catalog.index import make_index
        from publisher.catalog.index_source import read_index

        if source is not None:
            return read_index(source, regions)
        matrix = self.matrix()
        return make_index(matrix, self.ledger(matrix).releases())

    def lambdas(
        self, matrix: Matrix, journal: RequestLog | None = None, stop: Stop | None = None
    ) -> Mapping[str, Lambda]:
        """Check that the credentials are of the matrix's account; return Lambda in every region of the matrix."""
        from publisher.aws.connect import connect_all
        from publisher.aws.identity import check_account

        check_account(matrix)
        return connect_all(matrix, journal, stop)


def settings_of(context: click.Context) -> Settings:
    """Return the global options of a command line that is being completed."""
    options = context.find_root().params
    return Settings(Path(options["matrix_path"]), options["ledger_place"])


class _LazyGroup(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        match args:
            case ["help", *rest]:
                args = [*rest, "--help"]
            case ["version"]:
                args = ["--version"]
        if any(not word.strip() for word in args) and not ctx.resilient_parsing:
            from publisher.cli.suggestions import unused_words

            unused_words(self, ctx, args)
        words = [word for word in args if word in COMMANDS]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from publisher.cli.suggestions import option_before_its_command

            command = self.get_command(ctx, words[0]) if words else None
            if command and (hint := option_before_its_command(error.option_name, command)):
                raise click.UsageError(f"{error.message} {hint}", ctx) from None
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"publisher.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a command module without a command is a defect
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            word = _OF_LAYERS.sub("", name.lower())
            suggestion = _SYNONYMS.get(word) or next(iter(get_close_matches(word, COMMANDS, n=1)), None)
            hint = f" Did you mean `layers {suggestion}`?" if suggestion else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        resolved_name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing:
            from publisher.cli.suggestions import check_words

            check_words(command, ctx, name, rest)
        return resolved_name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _param: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        from importlib.metadata import version

        from publisher.cli.console import print_result

        print_result(f"layers {version('strands-layers')}")
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--matrix", "matrix_path", type=LocalPath(), default="layer_matrix.yaml", show_default=True,
    envvar="LAYERS_MATRIX", show_envvar=True, help="The matrix: what should exist.",
)  # fmt: skip
@click.option(
    "--ledger", "ledger_place", metavar="DIR|S3", default="ledger", show_default=True,
    envvar="LAYERS_LEDGER", show_envvar=True, help="The record of releases: a folder, or s3://bucket/prefix.",
)  # fmt: skip
@click.option(
    "--log-format", type=click.Choice(["text", "json"], case_sensitive=False), default="text", show_default=True,
    envvar="LAYERS_LOG_FORMAT", show_envvar=True,
    help="Progress for people, or a JSON line for each event and each request to AWS, on stderr.",
)  # fmt: skip
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
@click.pass_context
def layers(ctx: click.Context, matrix_path: Path, ledger_place: str, log_format: str) -> None:
    """Build, publish and look up AWS Lambda layers: every Python, architecture and region at one number."""
    if log_format == "json":
        from publisher.cli.logs import write_json_lines

        write_json_lines()
    if not ledger_place.lower().startswith("s3:"):
        local_path(ledger_place, "--ledger")  # also for commands that only name the ledger, such as `infra`
    ctx.obj = Settings(matrix_path, ledger_place)
