"""Verifying an ARN: are the bytes behind it the recorded ones. For anyone: needs a reader's rights and the index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from builder.errors import InputError
from publisher.aws.gateway import Lambda
from publisher.catalog.index import Index, Row

_ARN = re.compile(
    r"(?P<layer>arn:(?P<partition>[a-z-]+):lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:(?P<name>[A-Za-z0-9_.-]+))"
    r"(?::(?P<number>\d+))?"
)


@dataclass(frozen=True)
class Verdict:
    """What was recorded, and what AWS gives for it; ``sha256`` None: AWS gives nothing."""

    row: Row
    sha256: str | None

    @property
    def matches(self) -> bool:
        """Whether AWS has the recorded bytes."""
        return self.sha256 == self.row.sha256


def find(index: Index, arn: str) -> Row:
    """The recorded layer version of an ARN. InputError says what is wrong with it and what was probably meant."""
    match = _ARN.fullmatch(arn.strip())
    if match is None:
        raise InputError(f"{arn!r} is no ARN of a layer version", fix=f"they look so: {_example(index) or index.arn}")
    if match["number"] is None:
        raise InputError(f"{arn} is the ARN of a layer, without a version number", fix=f"add one: {arn}:1")
    rows = {row.arn: row for release in index.releases for row in index.rows(release)}
    if found := rows.get(match[0]):
        return found
    meant = _meant(match[0])
    near = [meant] if meant in rows else get_close_matches(match[0], rows, n=1, cutoff=0.8)
    raise InputError(
        f"{match[0]} is not recorded",
        fix=f"did you mean {near[0]}?" if near else "see the recorded ones with `layers describe --region all`",
    )


def _meant(arn: str) -> str:
    """The ARN with what people get wrong put right: the API's word for aarch64, a Python without its underscore."""
    arn = re.sub(r"\barm64\b|(?<=-)arm64(?=:)", "aarch64", arn)
    arn = re.sub(r"(?<=-)(?:amd64|x64|x86-64)(?=:)", "x86_64", arn)
    return re.sub(r"py(3)[._-]?(\d{1,2})(?=[-:])", r"py\1_\2", arn)


def _example(index: Index) -> str | None:
    return next((row.arn for release in index.releases for row in index.rows(release)), None)


def verify(row: Row, gateway: Lambda) -> Verdict:
    """Ask AWS for the bytes' hash behind a recorded ARN. The layer's ARN goes for its name: other accounts need it."""
    held = gateway.get(row.arn.rpartition(":")[0], row.layer_version)
    return Verdict(row, held.sha256 if held else None)
