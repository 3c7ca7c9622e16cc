"""Shell completion: click's own, corrected for ``--option=value`` and, in fish, for values with commas."""

from __future__ import annotations

from itertools import pairwise

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)


class _WholeWords(ShellComplete):
    """Completions that replace the whole word, as the shells expect: ``--region=eu-west-1``, not ``eu-west-1``."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return the completions of a word."""
        option, equals, _ = incomplete.partition("=")
        items = super().get_completions(args, incomplete)
        if equals and option.startswith("-"):
            for item in items:
                item.value = f"{option}={item.value}"
        return items


class _Bash(_WholeWords, BashComplete):
    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words without ``=``, which is a word of its own in bash."""
        args, incomplete = super().get_completion_args()
        return [word for before, word in pairwise(["", *args]) if word != "=" or before[:2] != "--"], incomplete


class _Zsh(_WholeWords, ZshComplete):
    pass


class _Fish(_WholeWords, FishComplete):
    source_template = FishComplete.source_template.replace("string split ", "string split --max 1 ")


def register() -> None:
    """Make click use these classes."""
    for shell in (_Bash, _Zsh, _Fish):
        add_completion_class(shell)
