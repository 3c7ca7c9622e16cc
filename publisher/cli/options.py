"""Options that commands share: every usual spelling is accepted, and shells complete their values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from builder.model.errors import InputError, LayersError, UsageError
from builder.model.escape import shorten
from builder.model.selection import (
    ALL,
    LATEST,
    accepts,
    is_all,
    is_latest,
    parse_architecture,
    parse_python,
    parse_region,
    split_words,
)
from publisher.cli.group import Settings, settings_of

if TYPE_CHECKING:
    from publisher.ledger.release import Release

F = TypeVar("F", bound=Callable[..., Any])


class Word(click.ParamType[str]):
    """A value with several spellings. ``spell`` returns the program's own; ``values`` lists those to complete."""

    def __init__(self, name: str, spell: Callable[[str], str], values: Callable[[Settings], Iterable[str]]) -> None:
        self.name = name
        self._spell = spell
        self._values = values

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value in the program's spelling. The values of a repeatable option are lists until ``split``."""
        if getattr(param, "multiple", False):
            return value
        try:
            return self._spell(value)
        except ValueError as error:
            raise InputError(str(error), where=param.opts[0] if param else None) from None

    def split(self, _context: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
        """Return the words of a repeatable option with comma lists. Empty if one of them is ``all``.

        An empty value, such as an unset variable of a shell, must not mean everything: UsageError.
        """
        words = split_words(values)
        if values and not words:
            raise UsageError(f"{param.opts[0]} has an empty value", fix="give a value, or `all`")
        if not any(map(is_all, words)):
            return tuple(dict.fromkeys(map(self.normalize, words)))
        for word in words:
            if not is_all(word) and not accepts(self._spell, word):  # all,-us-east-1 must not mean all
                raise UsageError(f"{param.opts[0]}: `all` and {word!r} exclude each other", fix="list what you want")
        return ()

    def normalize(self, word: str) -> str:
        """Return the word in the program's spelling; an unknown word is kept, and the command reports it."""
        return self._spell(word) if accepts(self._spell, word) else word

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the possible completions; in a comma list, those of the last word."""
        before, comma, word = incomplete.rpartition(",")
        try:
            values = dict.fromkeys(self._values(settings_of(ctx)))
        except (LayersError, OSError):
            return []
        return [
            CompletionItem(f"{before}{comma}{value}")
            for value in values
            if value.startswith(word) and value not in before.split(",")
        ]


def _version(word: str) -> str:
    return LATEST if is_latest(word) else word


def _releases(settings: Settings) -> Sequence[Release]:
    return settings.ledger(settings.matrix()).releases()


REGION = Word("REGION", parse_region, lambda settings: (*settings.matrix().regions, ALL))
PYTHON = Word("PYTHON", parse_python, lambda settings: settings.matrix().python)
ARCHITECTURE = Word("ARCHITECTURE", parse_architecture, lambda _settings: ("x86_64", "aarch64", "arm64"))
VERSION = Word("VERSION", _version, lambda settings: (LATEST, *(each.version for each in _releases(settings))))


class LayerVersionType(click.IntRange):
    """A layer version number, completed from the ledger. ``latest``: the word is accepted, and gives None."""

    def __init__(self, *, latest: bool = False) -> None:
        super().__init__(min=1)
        self._latest = latest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number. A usage error names the option for a version of the package."""
        text = str(value).strip()
        if self._latest and is_latest(text):
            return None
        if not re.fullmatch("[0-9]{1,18}", text):
            number = re.search("^[vV]([0-9]+)$|:([0-9]+)$", text, re.ASCII)
            is_version = re.match(r"[vV]?[0-9]+\.", text)
            meant = (number and (number[1] or number[2])) or (f"--version {text}" if is_version else "")
            hint = f" Did you mean {meant}?" if meant else ""
            self.fail(f"{shorten(text, 60)!r} is not a layer version number.{hint}", param, ctx)
        return super().convert(int(text), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the recorded numbers."""
        try:
            numbers = [str(each.layer_version) for each in _releases(settings_of(ctx))]
        except (LayersError, OSError):
            return []
        return [CompletionItem(number) for number in numbers if number.startswith(incomplete)]


def _repeatable(flag: str, name: str, word: Word, text: str) -> Callable[[F], F]:
    return click.option(
        flag, name, multiple=True, type=word, callback=word.split, help=f"{text}; repeatable, or a comma list."
    )


region_option = _repeatable("--region", "regions", REGION, "Only this region, or `all`")
python_option = _repeatable("--python", "pythons", PYTHON, "Only this Python")
architecture_option = _repeatable(
    "--arch", "architectures", ARCHITECTURE, "Only this architecture: x86_64, or aarch64 (arm64)"
)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator for these options, in the order in which ``--help`` lists them."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


#: ``--python`` and ``--arch`` of a command that reads zips.
zip_target_options = together(
    click.option(
        "--python", type=PYTHON,
        help="The zip's Python.  [default: from the manifest beside it, its name or its content]",
    ),
    click.option(
        "--arch", "architecture", type=ARCHITECTURE, help="The zip's architecture.  [default: as for --python]"
    ),
)  # fmt: skip


def _regions_or_default(context: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    if values or context.resilient_parsing:
        return REGION.split(context, param, values)
    source = next((name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if os.environ.get(name)), None)
    default, where = (os.environ[source], source) if source else _region_of_profile()
    try:
        return (parse_region(default),)
    except ValueError as error:
        raise InputError(str(error), where=where, fix="correct it, or give --region REGION or --region all") from None


def _region_of_profile() -> tuple[str, str]:
    """Return the region of the AWS profile, and where it is set."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    session, why = get_session(), ""
    try:
        if region := session.get_config_variable("region"):
            file = session.get_config_variable("config_file")
            return str(region), f"region of the profile {session.profile or 'default'} in {file}"
    except BotoCoreError as error:  # ProfileNotFound, ConfigParseError
        why = f" ({type(error).__name__}: {error})"
    raise UsageError(
        f"no region: neither --region, AWS_REGION, AWS_DEFAULT_REGION nor the AWS profile names one{why}",
        fix="give --region REGION, or --region all",
    )


#: The options of a command that looks recorded layers up; their names are the fields of ``Query``.
query_options = together(
    click.option(
        "--region", "regions", multiple=True, type=REGION, callback=_regions_or_default,
        help="A region, a pattern ('eu-*') or `all`; repeatable, or a comma list.  [default: AWS_REGION, "
        "AWS_DEFAULT_REGION, or the profile's region]",
    ),
    python_option,
    architecture_option,
    click.option(
        "--version", type=VERSION, help="A version of the package; `latest` is the newest release that is not yanked."
    ),
    click.option(
        "--layer-version", type=LayerVersionType(latest=True), help="A layer version number; `latest` as for --version."
    ),
)  # fmt: skip
