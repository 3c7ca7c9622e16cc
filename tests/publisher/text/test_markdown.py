"""Text from outside in Markdown: shown as it is, without markup, links or mentions."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from publisher.text.markdown import text

_PIECES = [
    "@octocat",
    "#1",
    "GH-2",
    "https://a.example/b",
    "www.a.example",
    "x@a.example",
    "owner/repo#3",
    "*b*",
    "`c`",
]


def parts(words: str) -> list[str]:
    """Return the rendered text, split at the tags: GitHub looks for mentions and references in each part alone."""
    rendered = MarkdownIt("commonmark", {"linkify": False}).render(text(words)).strip()
    assert set(re.findall(r"<(/?\w+)[^>]*>", rendered)) <= {"p", "/p", "span", "/span"}
    return [html.unescape(part) for part in re.split(r"<[^>]+>", rendered)]


@given(st.lists(st.sampled_from([*_PIECES, "word", "(", "/", "=="]), min_size=1))
def test_a_text_mentions_and_links_nothing_and_reads_the_same(pieces: list[str]) -> None:
    words = " ".join(pieces)
    shown = parts(words)
    assert "".join(shown) == words
    assert not [part for part in shown if re.search(r"@\w|#\d|\bGH-\d|://|\bwww\.", part)]


@pytest.mark.parametrize("words", ["strands-agents 1.62.0", "costs 5 @ 3", "C# and F#", "a:b"])
def test_other_text_stays_readable_in_the_source(words: str) -> None:
    assert "<" not in text(words)
