"""Checks of the typed words before click's own: empty values, options of other tools, a value without its option."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial

import click

from builder.model.errors import UsageError
from builder.model.selection import (
    accepts,
    is_latest,
    parse_architecture,
    parse_python,
    parse_region,
    region_and_number,
)

#: Option of another tool, or in another form → this program's options and arguments, the first that the command has.
_OPTIONS = {
    "--architecture": ("--arch",), "--compatible-architecture": ("--arch",), "--platform": ("--arch",),
    "-a": ("--arch",), "--runtime": ("--python",), "--compatible-runtime": ("--python",),
    "--python-version": ("--python",), "-p": ("--python",), "-r": ("--region",), "--all-region": ("--region all",),
    "--all": ("--region all",), "--latest": ("--version latest",), "--version": ("--layer-version",),
    "--number": ("--layer-version",), "--version-number": ("--layer-version",), "--package-version": ("--version",),
    "-v": ("--version",), "--output": ("--format", "--json"), "-o": ("--output", "--format", "--json"),
    "--out": ("--output",), "-f": ("--format",), "--format": ("--json",), "--query": ("--format arn", "--json"),
    "--arn": ("ARN", "--on-layer", "--format arn"), "--layer-arn": ("ARN", "--on-layer"),
    "--layer-version-arn": ("ARN", "--on-layer"), "--layer": ("ARN", "--on-layer"),
    "--layer-name": ("ARN", "--on-layer", "--python"), "--zip-file": ("ZIP",), "--zip": ("ZIP",),
    "-y": ("--yes",), "--force": ("--yes",), "--no-confirm": ("--yes",), "--fix": ("--repair",),
}  # fmt: skip
_INSTEAD = {
    "--profile": "Set AWS_PROFILE.",
    "--endpoint-url": "Set AWS_ENDPOINT_URL.",
    "--dry-run": "`layers plan` shows what publish would do.",
    "--function-name": "Put the ARN of `layers describe --format arn` on the function with the AWS CLI.",
}
#: What word processors make of two hyphens.
_DASH = re.compile("[\u2010-\u2015\u2212]")
_GLOBAL = ("--matrix", "--ledger", "--log-format")


def check_words(command: click.Command, parent: click.Context, name: str, words: Sequence[str]) -> None:
    """Raise a usage error with a suggestion for an unknown option, or for a word that no argument takes; also for an
    empty value.

    Click would first ask for required options and defaults that the word was meant for.
    """
    context = command.context_class(command, parent=parent, info_name=name, **command.context_settings)
    options = [option for param in command.params for option in param.opts]
    try:
        rest = unused_words(command, context, words)
    except click.NoSuchOption as error:
        if hint := _option_hint(error.option_name, command, name):
            raise click.UsageError(f"{error.message} {hint}", context) from None
        raise
    if (
        rest
        and not {"-h", "--help"} & {*words}
        and not any(isinstance(param, click.Argument) for param in command.params)
    ):
        hints = [_value_hint(word, options) for word in rest]
        hint = f" Did you mean `{' '.join(map(str, hints))}`?" if all(hints) else ""
        if any(_DASH.match(word) for word in rest):
            hint = " An option begins with two hyphens (--), not with a dash."
        raise click.UsageError(f"Got unexpected extra argument ({' '.join(rest)}).{hint}", context)


def unused_words(command: click.Command, context: click.Context, words: Sequence[str]) -> list[str]:
    """Return the words that no option and no argument of the command takes.

    An empty value is a usage error: it comes from an unset variable of a shell, and must not mean the working directory
    or a default.
    """
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    for param in command.params:
        value = values.get(str(param.name))
        parts = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(part, str) and not part.strip() for part in parts):
            name = param.opts[0] if isinstance(param, click.Option) else param.make_metavar(context)
            fix = "give a value, or omit it (is a shell variable unset?)"
            raise UsageError(f"{name} has an empty value", fix=fix)
    return rest


def option_before_its_command(typed: str, command: click.Command) -> str | None:
    """Return the hint for an option that was typed before the command that it belongs to."""
    if any(typed in param.opts for param in command.params):
        return f"It goes after the command: `layers {command.name} {typed} …`."
    return _option_hint(typed, command, str(command.name))


def _option_hint(typed: str, command: click.Command, name: str) -> str | None:
    if typed in _GLOBAL:
        return f"It goes before the command: `layers {typed} … {name}`."
    if typed in _INSTEAD:
        return _INSTEAD[typed]
    options = {option for param in command.params for option in param.opts}
    arguments = {str(param.name).rstrip("s").upper() for param in command.params if isinstance(param, click.Argument)}
    singular = typed.lower().removesuffix("s")
    for meant in (singular, *_OPTIONS.get(typed, ()), *_OPTIONS.get(singular, ())):
        if meant in arguments:
            return f"Give it without an option: `layers {name} {meant}`."
        if meant.split()[0] in options:
            return f"Did you mean '{meant}'?"
    word = typed.lstrip("-")
    for param in command.params:
        if isinstance(param.type, click.Choice) and word in param.type.choices:
            option = f"{param.opts[0]} " if isinstance(param, click.Option) else ""
            return f"Did you mean `layers {name} {option}{word}`?"
    return None


def _value_hint(word: str, options: Collection[str]) -> str | None:
    """Return the option that takes such a word, with the word."""
    shapes: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("--layer-version", re.compile(r"\d{1,2}").fullmatch),
        ("--python", partial(accepts, parse_python)),
        ("--arch", partial(accepts, parse_architecture)),
        ("--region", partial(accepts, parse_region)),
        ("--version", re.compile(r"v?\d+(\.\w+)+").fullmatch),
    )
    for option, fits in shapes:
        if option in options and fits(word):
            return f"{option} {word}"
    if (arn := region_and_number(word)) and "--region" in options:
        return f"--region {arn[0]}" + (f" --layer-version {arn[1]}" if arn[1] and "--layer-version" in options else "")
    if f"--{word.partition('=')[0]}" in options and "=" in word:
        return f"--{word}"
    return f"--version {word}" if is_latest(word) and "--version" in options else None
