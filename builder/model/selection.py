"""Parse what people type for a Python, an architecture, a region or a list of them, in the matrix and in options.

Each parser returns the one spelling that the program uses, and raises ValueError with a message for the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from builder.model.escape import shorten
from builder.model.regions import did_you_mean, known_regions
from builder.model.runtimes import RUNTIMES, Architecture

ALL = "all"
LATEST = "latest"

#: Architectures by the names that people and machines have for them, in lower case.
ARCHITECTURES = {
    "x86_64": Architecture.X86_64, "amd64": Architecture.X86_64, "x64": Architecture.X86_64, "x86": Architecture.X86_64,
    "aarch64": Architecture.AARCH64, "arm64": Architecture.AARCH64, "arm": Architecture.AARCH64,
}  # fmt: skip
#: ``3.12``, ``python3.12``, ``py3_12``, ``3-12``, ``312``. These two are JSON Schema patterns too, without flags.
PYTHON_SPELLING = r"^(?:[Pp][Yy](?:[Tt][Hh][Oo][Nn])?)?([0-9])[._-]?([0-9]{1,2})$"
ARCHITECTURE_SPELLING = r"^(?:[Xx]86(?:[_-]64)?|[Xx]64|[Aa][Mm][Dd]64|[Aa][Rr][Mm](?:64)?|[Aa]{2}[Rr][Cc][Hh]64)$"

#: The ARN of a layer or of a layer version.
_LAYER_ARN = re.compile(r"arn:[^:]*:lambda:([^:]*):[^:]*:layer:[^:]*(?::([0-9]{1,18}))?")


def split_words(values: Iterable[str]) -> tuple[str, ...]:
    """Split values of a repeatable option that may hold comma lists: ``("a,b", "c")`` gives a, b and c, each once."""
    return tuple(dict.fromkeys(word for value in values for word in re.split(r"[,\s]+", value) if word))


def is_all(word: str) -> bool:
    """Whether the word means everything: ``all``, in any case."""
    return word.lower() == ALL


def is_latest(word: str) -> bool:
    """Whether the word means the newest version: ``latest``, in any case."""
    return word.strip().lower() == LATEST


def accepts(parse: Callable[[str], object], word: str) -> bool:
    """Whether one of the parsers below accepts the word."""
    try:
        parse(word)
    except ValueError:
        return False
    return True


def parse_python(text: str, known: Collection[str] = tuple(RUNTIMES)) -> str:
    """Return ``3.12`` for ``python3.12``, ``3_12``, ``py3.12`` or ``312``. ``known`` are the accepted Pythons."""
    match = re.match(PYTHON_SPELLING, text.strip())
    python = f"{match[1]}.{match[2]}" if match else ""
    if python in known:
        return python
    patch = re.match(r"(?:python|py)?(3\.\d{1,2})\.\d", text.strip(), re.ASCII | re.IGNORECASE)
    hint = f"did you mean {patch[1]}?" if patch and patch[1] in known else f"there are {', '.join(known)}"
    raise ValueError(f"'{shorten(text, 40)}' is not a Python runtime: {hint}")


def parse_architecture(text: str) -> Architecture:
    """Return the architecture for ``arm64``, ``aarch64``, ``amd64``, ``x86_64``, ``x86`` or ``x64``, in any case."""
    architecture = ARCHITECTURES.get(text.strip().lower().replace("-", "_"))
    if architecture is None:
        raise ValueError(f"'{shorten(text, 40)}' is not an architecture of Lambda: x86_64 or aarch64 (arm64)")
    return architecture


def region_and_number(arn: str) -> tuple[str, str] | None:
    """Return the region and the number in the ARN of a layer, the number empty if it has none; None if it is no ARN."""
    match = _LAYER_ARN.fullmatch(arn.strip())
    return (match[1], match[2] or "") if match and match[1] in known_regions() else None


def parse_region(text: str) -> str:
    """Return the AWS region for its name in any case, also with ``_`` for ``-``."""
    region = text.strip().lower().replace("_", "-")
    if region not in known_regions():
        of_arn = region_and_number(region)
        hint = f"did you mean {of_arn[0]}?" if of_arn else did_you_mean(region[:40], known_regions())
        raise ValueError(f"'{shorten(text, 40)}' is not an AWS region" + (f": {hint}" if hint else ""))
    return region
