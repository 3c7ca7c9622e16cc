"""RECORD: digests in every encoding that build backends write; written rows are read back."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.metadata.record import UNREADABLE_DIGEST, RecordRow, format_record, parse_record

ALGORITHMS = ("sha256", "sha384", "sha512")
#: File names, with commas, quotation marks and letters of every script, but without control characters.
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=40)


@given(st.binary(), st.sampled_from(ALGORITHMS), st.booleans(), st.booleans(), st.booleans())
def test_a_digest_is_read_in_each_encoding(
    content: bytes, algorithm: str, hexadecimal: bool, upper: bool, padded: bool
) -> None:
    digest = hashlib.new(algorithm, content)
    if hexadecimal:
        encoded = digest.hexdigest().upper() if upper else digest.hexdigest()
    else:
        encoded = base64.urlsafe_b64encode(digest.digest()).decode()
        encoded = encoded if padded else encoded.rstrip("=")
    (row,) = parse_record(f"a.py,{algorithm}={encoded},1\n")
    assert row == RecordRow("a.py", algorithm, digest.hexdigest())
    assert row.sha256 == (digest.hexdigest() if algorithm == "sha256" else None)


@given(st.dictionaries(NAMES, st.tuples(st.binary(max_size=9), st.integers(0, 1 << 40)), max_size=8))
def test_a_written_record_is_read_back(files: dict[str, tuple[bytes, int]]) -> None:
    rows = [(path, hashlib.sha256(content).hexdigest(), size) for path, (content, size) in files.items()]
    read = parse_record(format_record("demo-1.0.dist-info", rows).decode())
    assert [(row.path, row.sha256) for row in read[:-1]] == [(path, sha256) for path, sha256, _ in rows]
    assert read[-1] == RecordRow("demo-1.0.dist-info/RECORD")


@pytest.mark.parametrize("encoded", ["", "!", "é", "a" * 5])
def test_a_digest_that_cannot_be_decoded_equals_no_digest(encoded: str) -> None:
    (row,) = parse_record(f"a.py,sha256={encoded},1\n")
    assert row.sha256 in ("", UNREADABLE_DIGEST)


def test_rows_without_a_digest_or_with_missing_columns_are_read() -> None:
    assert parse_record("a.py,,\nb.py\n\n,,\nc\\d.py,,3\n") == (
        RecordRow("a.py"),
        RecordRow("b.py"),
        RecordRow("c/d.py"),
    )
