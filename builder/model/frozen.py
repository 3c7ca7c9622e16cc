"""The base of every model that is read from or written to a file."""

from __future__ import annotations

from functools import cached_property

from pydantic import BaseModel, ConfigDict, ValidationError


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
