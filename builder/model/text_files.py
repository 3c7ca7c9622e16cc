"""Read text, TOML and JSON files of a project. Encoding, size and syntax errors are raised as InputError."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any, Final

import tomli

from builder.model.errors import InputError
from builder.model.file_access import read_if_present
from builder.model.strict_json import load_json

#: Far above the size of any real lock file.
MAX_FILE_BYTES: Final = 8 << 20
#: Above those of real lock files of this size. Each ``[`` may be a table, which needs 1 KB of memory.
MAX_TABLES, MAX_VALUES, MAX_LINE_CHARACTERS = 300_000, 2_000_000, 1 << 20
_SYNTAX_FIX: Final = "correct the file, or let the tool that wrote it write it again"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, *, coding_line: bool = False) -> str:
    """Return the file's text: UTF-8, or UTF-16 and UTF-32 with a byte order mark, as PowerShell writes it.

    With ``coding_line``, a comment in the first two lines may name the encoding (PEP 263), as in pip's files.
    """
    data = read_if_present(path, "the file", MAX_FILE_BYTES)
    if data is None:
        raise InputError("no such file", where=str(path), fix="correct the path")
    return _decode(data, path, coding_line)


def _decode(data: bytes, path: Path, coding_line: bool) -> str:
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), None)
    if encoding is None and coding_line:
        matches = (re.match(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", line) for line in data.splitlines()[:2])
        encoding = next((match[1].decode("ascii", "replace") for match in matches if match), None)
    try:
        text = data.decode(encoding or "utf-8")
    except LookupError:
        raise InputError(f"unknown encoding: {encoding}", where=f"{path}:1", fix="save the file as UTF-8") from None
    except UnicodeDecodeError as error:
        where = f"{path}:{data[: error.start].count(10) + 1}"
        raise InputError(f"UnicodeDecodeError: {error}", where=where, fix="save the file as UTF-8") from None
    except (UnicodeError, ValueError, TypeError) as error:  # codecs such as "zip" or "idna"
        raise InputError(f"cannot be decoded: {error}", where=str(path), fix="save the file as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError("is a binary file: it has a NUL character", where=f"{path}:{line}", fix="save it as UTF-8")
    return text


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file."""
    text = read_text(path)
    longest = max(map(len, text.splitlines()), default=0)
    if text.count("[") > MAX_TABLES or text.count(",") > MAX_VALUES or longest > MAX_LINE_CHARACTERS:
        limits = f"{MAX_TABLES:,} tables, {MAX_VALUES:,} values or {MAX_LINE_CHARACTERS:,} characters in a line"
        raise InputError(f"has more than {limits}", where=str(path), fix="split the file, or give another one")
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise InputError(f"is not valid TOML: {error}", where=where, fix=_SYNTAX_FIX) from None
    except (RecursionError, ValueError) as error:  # deep nesting, or a number of more than 4,300 digits
        raise InputError(
            f"is not valid TOML: {type(error).__name__}: {error}", where=str(path), fix=_SYNTAX_FIX
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """Parse a file with a JSON object."""
    text = read_text(path)
    try:
        document = load_json(text)
    except ValueError as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"is not valid JSON: {error}", where=f"{path}{line}", fix=_SYNTAX_FIX) from None
    if not isinstance(document, dict):
        raise InputError("must be a JSON object", where=str(path), fix=_SYNTAX_FIX)
    return document


def table(document: Any, *keys: str, where: str) -> dict[str, Any]:
    """Return the TOML table at a path of keys; empty if it is missing. Raises InputError if it is not a table."""
    if not isinstance(document, dict):
        raise InputError("must be a table", where=where, fix=_SYNTAX_FIX)
    for index, key in enumerate(keys):
        document = document.get(key, {})
        if not isinstance(document, dict):
            raise InputError(f"[{'.'.join(keys[: index + 1])}] must be a table", where=where, fix=_SYNTAX_FIX)
    return document


def array(document: Any, key: str, *, where: str) -> list[Any]:
    """Return the array of a key; empty if it is missing. Raises InputError if it is not an array."""
    values = table(document, where=where).get(key, [])
    if not isinstance(values, list):
        raise InputError(f"{key} must be an array", where=where, fix=_SYNTAX_FIX)
    return values
