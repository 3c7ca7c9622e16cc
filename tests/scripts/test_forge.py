"""``forge``: what GitHub shows of the files that the workflows give it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from scripts import forge_commands


@pytest.mark.parametrize("waiting", [[], [{"number": 4}]])
@pytest.mark.parametrize("output", ["region  what\nus-east-1  @octocat #1\n", "a `b` ```\n````\n# c\n", ""])
def test_an_issue_shows_the_output_of_a_command_as_it_is(
    waiting: list[dict[str, int]], output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[str] = []

    def gh(*words: str) -> str:
        bodies.extend(Path(words[-1]).read_text() for _ in range(words[-2] == "--body-file"))
        return ""

    monkeypatch.setattr(forge_commands, "_gh", gh)
    monkeypatch.setattr(forge_commands, "_gh_json", lambda *_: waiting)
    (tmp_path / "audit.txt").write_text(output)
    done = CliRunner().invoke(
        forge_commands.forge, ["issue", "--label", "a", "--title", "b", "--body-file", str(tmp_path / "audit.txt")]
    )
    assert (done.exit_code, len(bodies)) == (0, 1), done.output
    (block,) = MarkdownIt("commonmark").parse(bodies[0])
    assert (block.type, block.content.rstrip()) == ("fence", output.rstrip())
