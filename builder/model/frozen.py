"""The base of every model that is read from or written to a file."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

MAX_KEYS: Final = 10_000


def _refuse_too_many_keys(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS:,} keys")
    return value


_Key = TypeVar("_Key")
_Item = TypeVar("_Item")
#: Many items from a file. Only the first invalid one is reported: pydantic needs 3 KB of memory for each error.
Many = Annotated[tuple[_Item, ...], Field(fail_fast=True)]
#: A mapping from a file: every invalid item of it is reported, so that their number is limited.
ManyKeys = Annotated[dict[_Key, _Item], BeforeValidator(_refuse_too_many_keys)]


class Frozen(BaseModel):
    """An immutable pydantic model that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a file in one line: the key and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def newer_schema(error: ValidationError) -> int | None:
    """Return the schema version of a file that a newer program wrote; None if that is not what is wrong with it."""
    versions = (each["input"] for each in error.errors(include_url=False) if each["loc"] == ("schema_version",))
    return next((version for version in versions if type(version) is int and version > 1), None)
