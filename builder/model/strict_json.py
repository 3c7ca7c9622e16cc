"""JSON documents: read without losing anything (``json.loads`` keeps the last of equal keys), written in one way."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

from builder.model.escape import shorten


def load_json(text: str | bytes, max_keys: int | None = None) -> Any:
    """Parse JSON. Raises ValueError if it is invalid or nested too deeply, or if an object has a key twice.

    ``max_keys`` is the largest number of keys of an object.
    """

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if max_keys is not None and len(pairs) > max_keys:
            raise ValueError(f"an object has more than {max_keys:,} keys")
        result = dict(pairs)
        if len(result) < len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise ValueError(f"an object has the key {shorten(twice)!r} twice")
        return result

    try:
        return json.loads(text, object_pairs_hook=to_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def dump_json(data: object) -> str:
    """Format JSON as in every file that the program writes: indented, keys in insertion order, not escaped to ASCII."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
