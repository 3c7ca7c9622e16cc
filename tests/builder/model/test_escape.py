"""Escaping: any text becomes one line that terminals, logs and GitHub Actions show as text."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from builder.model.escape import escape, escape_json, shorten

#: What an attacker would put into a version, a reason or an error message.
HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=10),
        st.sampled_from(
            [
                "\x1b[2J",
                "\x1b]0;title\x07",
                "\r\n::error::x",
                "::set-output name=a::b",
                "##[error]x",
                "###[",
                ":::",
                " ::",
            ]
        ),
        st.sampled_from(["\u202e", "\u2028", "\x85", "\x9b31m", "\ud800", "\x00", "\x7f", "\U000e0041", "\u200b"]),
    ),
    max_size=8,
).map("".join)


def is_harmless(line: str) -> bool:
    """Return whether the line has no control character, and no command for GitHub's runner."""
    return line.isprintable() and not line.lstrip().startswith("::") and "##[" not in line


@given(HOSTILE)
def test_escaped_text_is_one_line_without_control_characters_or_workflow_commands(text: str) -> None:
    assert is_harmless(escape(text))


@given(HOSTILE)
def test_escaping_is_idempotent(text: str) -> None:
    assert escape(escape(text)) == escape(text)


@given(st.text(st.characters(exclude_characters=":#", categories=["L", "N", "P", "S"])))
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert escape(text) == text


def test_escapes_are_visible() -> None:
    assert escape("1.0\x1b[31m\n::error::x") == "1.0\\x1b[31m\\n::error::x"
    assert escape("  ::warning::x ##[group]y") == "  \\x3a:warning::x \\x23#[group]y"
    assert escape("py3.12 → 34.6 MB, größer: ünïcode 日本") == "py3.12 → 34.6 MB, größer: ünïcode 日本"
    assert escape("https://[::1]:8080/ and std::string") == "https://[::1]:8080/ and std::string"


@given(HOSTILE, st.integers(2, 40))
def test_a_shortened_text_is_harmless_and_within_the_limit(text: str, limit: int) -> None:
    assert is_harmless(shorten(text, limit))
    assert len(shorten(text, limit)) <= limit


@given(st.recursive(HOSTILE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3)))
def test_escaped_json_has_the_same_value_and_harmless_lines(data: object) -> None:
    document = escape_json(json.dumps(data, indent=2, ensure_ascii=False))
    assert json.loads(document) == json.loads(json.dumps(data))
    assert all(is_harmless(line) for line in re.split("\n", document))
