"""The base of every model that is read from or written to a file."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from builder.model.strict_json import load_json

#: The largest number of keys of an object in a document; pydantic needs 3 KB of memory for each invalid one.
MAX_KEYS: Final = 10_000

_Item = TypeVar("_Item")
#: Many items from a file. Only the first invalid one is reported: pydantic needs 3 KB of memory for each error.
Many = Annotated[tuple[_Item, ...], Field(fail_fast=True)]


class Frozen(BaseModel):
    """An immutable pydantic model that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


_Model = TypeVar("_Model", bound=BaseModel)


def parse_document(model: type[_Model], data: bytes) -> _Model:
    """Return the value in a JSON document. Raises ValueError, of which ``first_problem`` makes a message."""
    load_json(data, MAX_KEYS)
    return model.model_validate_json(data)


def first_problem(error: ValueError) -> str:
    """Return the first problem of a file in one line: the key and what is wrong with it."""
    if not isinstance(error, ValidationError):
        return f"invalid JSON: {error}"
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def newer_schema(error: ValueError) -> int | None:
    """Return the schema version of a file that a newer program wrote; None if that is not what is wrong with it."""
    if not isinstance(error, ValidationError):
        return None
    versions = (each["input"] for each in error.errors(include_url=False) if each["loc"] == ("schema_version",))
    return next((version for version in versions if type(version) is int and version > 1), None)
