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
