"""Limits of Lambda's layers, and the errors of requests that exceed them.

The limits are from the developer guide ("Lambda quotas") and from botocore's service model, with which a test compares
them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

LAYER_NAME = re.compile(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+)"
    r"|[a-zA-Z0-9-_]+"
)
STATEMENT_ID = re.compile(r"([a-zA-Z0-9-_]+)")
PRINCIPAL = re.compile(r"\d{12}|\*|arn:(aws[a-zA-Z-]*):iam::\d{12}:root")
ORGANIZATION = re.compile(r"o-[a-z0-9]{10,32}")
MAX_NAME_CHARACTERS = 140
MAX_STATEMENT_ID_CHARACTERS = 100
MAX_DESCRIPTION_CHARACTERS = 256
MAX_LICENSE_CHARACTERS = 512
MAX_RUNTIMES = 15
MAX_ARCHITECTURES = 2
MAX_PAGE_ITEMS = 50
MAX_ZIPPED_BYTES = 52_428_800
MAX_UNZIPPED_BYTES = 262_144_000
MAX_REQUEST_BYTES = 69_905_067


class AwsError(Exception):
    """An error response of AWS: status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@cache
def lambda_model() -> dict[str, Any]:
    """Return the shapes of Lambda's API from botocore."""
    import botocore.loaders

    model: dict[str, Any] = botocore.loaders.Loader().load_service_model("lambda", "service-2")["shapes"]
    return model


@cache
def known_runtimes() -> frozenset[str]:
    """Return every runtime that the API accepts."""
    return frozenset(lambda_model()["Runtime"]["enum"])


def check_member(member: str, valid: bool, value: object) -> None:
    """Raise AWS's ValidationException about a member of a request, unless it is ``valid``."""
    if not valid:
        raise AwsError(
            400,
            "ValidationException",
            f"1 validation error detected: Value {str(value)[:80]!r} at '{member}' failed to satisfy constraint",
        )


def matches(pattern: re.Pattern[str], text: str, length: int) -> bool:
    """Whether the whole text matches the pattern and is not too long."""
    return len(text) <= length and pattern.fullmatch(text) is not None
