"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.model.durations import in_words, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("30 min", 1800),
        ("2 days", 172800),
        ("1 week", 604800),
        ("36 Hours", 129600),
        ("1h 30min", 5400),
        ("1 day, 2 hours", 93600),
        ("90s", 90),
        ("0 s", 0),
    ],
)
def test_usual_spellings_are_parsed(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a duration"),
        ("30", "not a duration"),
        ("soon", "not a duration"),
        ("-2 days", "not a duration"),
        ("1.5 h", "not a duration"),
        ("2 days ago!", "not a duration"),
        ("3 months", "'months' is not a unit"),
        ("400 days", "more than a year"),
        ("9" * 90 + " weeks", "more than a year"),
        ("1" * 200_000, "not a duration"),
    ],
)
def test_other_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 150


@given(st.integers(0, 366 * 86400))
def test_a_formatted_duration_parses_back(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_duration(in_words(span)) == span


def test_a_duration_is_formatted_in_its_largest_unit() -> None:
    spans = [timedelta(days=2), timedelta(hours=36), timedelta(days=7), timedelta(minutes=1), timedelta(0)]
    assert [in_words(span) for span in spans] == ["2 days", "36 hours", "1 week", "1 minute", "0 seconds"]
