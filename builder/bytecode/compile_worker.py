"""Compile modules to bytecode. The target's own interpreter runs this file as a script, so it imports nothing else of
this program and runs on every Python of Lambda.

Standard input: batches of lines ``source <tab> path at run time``, with an empty line after each batch. Standard
output: four bytes of length (little-endian) for each batch, then for each line four bytes of length and a ``.pyc``. The
length is 0 if the source does not compile (a template, Python 2).

The same source gives the same bytes, independent of what the process compiled before:

- marshal sorts set constants from Python 3.11 on. In 3.10 their order depends on addresses (the hash of None is one)
  and on earlier work, even with PYTHONHASHSEED=0, which the caller sets. There `dump_sorted` writes code with sets.
- marshal marks an object as "may be referred to later" by its reference count. Of the objects in code, only interned
  strings are shared with the process, some always and some never. So each string gets one more reference, and is always
  marked.
- Names that were interned before the compilation give other objects for the same code: see `compile_settled`.
- ``.pyc`` files have the source's hash and are unchecked (PEP 552): they never become stale, and imports do not read
  the source.
"""

from __future__ import annotations

import gc
import importlib.util
import marshal
import sys
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FLAGS = (0b01).to_bytes(4, "little")  # PEP 552: hash-based, unchecked
SORTS_SETS = sys.version_info >= (3, 11)
INTERNS_QUALNAMES = sys.version_info >= (3, 13)


def bytecode(source: bytes, path: str) -> bytes:
    """Return the ``.pyc`` of a module."""
    code, constants = compile_settled(source, path)
    data = dump_sorted(code) if constants.sets and not SORTS_SETS else marshal.dumps(code)
    return importlib.util.MAGIC_NUMBER + FLAGS + importlib.util.source_hash(source) + data


def compile_settled(source: bytes, path: str) -> tuple[CodeType, Constants]:
    """Compile a module so that the code is the same as when its names are already interned."""
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    constants = Constants(code)
    if constants.depends_on_interning:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        constants = Constants(code)  # keeps the names of the first compilation alive until here
    return code, constants


class Constants:
    """Holds one more reference to each string and set of a module's code."""

    def __init__(self, code: CodeType) -> None:
        self.strings: list[str] = []
        self.sets: list[frozenset[object]] = []
        self.fresh = False
        self._code(code)

    @property
    def depends_on_interning(self) -> bool:
        """Whether the code could differ if its names were interned before the compilation.

        An interned name replaces an equal one. A set is copied for that, so two equal sets that were one object become
        two. From Python 3.13 on, the qualified name of a nested class is one object with the constant that the class
        body assigns to ``__qualname__``, unless an equal name was interned before.
        """
        return self.fresh or (SORTS_SETS and len(set(self.sets)) < len(self.sets))

    def _code(self, code: CodeType) -> None:
        strings = self.strings
        strings += (code.co_name, code.co_filename, *code.co_names, *code.co_varnames)
        strings += (*code.co_freevars, *code.co_cellvars)
        if SORTS_SETS:  # Python 3.11 and newer, which have qualified names
            name: str = getattr(code, "co_qualname")  # noqa: B009 - Python 3.10 does not have it
            strings.append(name)
            if INTERNS_QUALNAMES and not is_plain(name) and any(value is name for value in code.co_consts):
                self.fresh = True
        self._values(code.co_consts)

    def _values(self, values: Iterable[object]) -> None:
        for value in values:
            if isinstance(value, str):
                self.strings.append(value)
            elif isinstance(value, CodeType):
                self._code(value)
            elif isinstance(value, tuple):
                self._values(value)
            elif isinstance(value, frozenset):
                self.sets.append(value)
                self._values(value)


def is_plain(name: str) -> bool:
    """Whether Python always interns such a constant."""
    return name.isascii() and name.isidentifier()


def dump_sorted(value: object) -> bytes:
    """Serialize as Python 3.10's marshal does, but without references and with sets sorted by their members' bytes."""
    if isinstance(value, CodeType):
        counts = (
            value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_nlocals, value.co_stacksize,
            value.co_flags,
        )  # fmt: skip
        parts = (
            value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars,
            value.co_filename, value.co_name,
        )  # fmt: skip
        numbers = b"".join(map(uint32, counts))
        body = b"".join(map(dump_sorted, parts))
        return b"c" + numbers + body + uint32(value.co_firstlineno) + dump_sorted(value.co_linetable)
    if isinstance(value, tuple):
        return b"(" + uint32(len(value)) + b"".join(map(dump_sorted, value))
    if isinstance(value, frozenset):
        return b">" + uint32(len(value)) + b"".join(sorted(map(dump_sorted, value)))
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return b"t" + uint32(len(text)) + text
    return marshal.dumps(value, 2)  # type: ignore[arg-type]


def uint32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def main() -> None:
    gc.disable()  # no reference cycles occur here, and searching for them takes a tenth of the time
    sys.setrecursionlimit(10000)
    stdout = sys.stdout.buffer
    batch: list[bytes] = []
    for line in iter(sys.stdin.buffer.readline, b""):
        if line != b"\n":
            batch.append(line)
            continue
        results = b"".join(map(sized_result, batch))
        stdout.write(uint32(len(results)) + results)  # one write, so that the reader does not wake up for each module
        stdout.flush()
        batch.clear()


def sized_result(line: bytes) -> bytes:
    """Return what is written for a line: the length and the ``.pyc``, which is empty if the source does not compile."""
    source, _, path = line.rstrip(b"\n").decode("utf-8", "surrogateescape").rpartition("\t")
    with open(source, "rb") as file:
        text = file.read()
    try:
        data = bytecode(text, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        data = b""
    return uint32(len(data)) + data


if __name__ == "__main__":
    main()
