"""Let every client of boto3 raise ``ResponseParserError`` for a response that cannot be parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.parsers import ResponseParser, ResponseParserError, ResponseParserFactory

#: What botocore raises for input that it does not check. RecursionError: JSON that is nested too deeply.
INVALID = (AttributeError, LookupError, TypeError, ValueError, RecursionError)


class StrictParsers(ResponseParserFactory):
    """Creates botocore's parsers, which raise other exceptions, so that each of them raises ResponseParserError."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        parser = super().create_parser(protocol_name)
        parse = parser.parse

        def strict(response: Any, shape: Any) -> Any:
            try:
                return parse(response, shape)
            except INVALID as error:
                raise ResponseParserError(f"the response of AWS is invalid ({type(error).__name__})") from None

        parser.parse = strict  # type: ignore[method-assign]
        return parser


def required(response: Any, *path: str) -> Any:
    """Return a field of a response. Raises ResponseParserError if it is missing: the response is not of AWS."""
    value = response
    for name in path:
        if not isinstance(value, Mapping) or value.get(name) is None:
            raise ResponseParserError(f"the response of AWS has no {name}")
        value = value[name]
    return value
