"""Compiles modules to bytecode. Run as a script by the target's own interpreter, so it imports nothing of ours and
must run on every Python that Lambda has.

Standard input: batches of lines ``source <tab> path at run time``, an empty line after each batch. Standard output: for
each batch four bytes of length (little-endian), and then for each line four bytes of length and a ``.pyc``; this length
is 0 where the source does not compile (a template, Python 2).

The same source gives the same bytes whatever was compiled before it and in whatever process:

- Set constants: marshal sorts them from Python 3.11 on. In 3.10 their order depends on addresses (the hash of None is
  one) and on history even where PYTHONHASHSEED=0 (set by the caller): code with a set is written by ``plain`` there.
- marshal marks an object as "may be referred to later" by its reference count at that moment. Of what is in code, only
  interned strings are shared with the process, some always and some never; each string is held once more, and so
  always marked.
- Names that were interned before make other objects of the same code: see ``settled``.
- ``.pyc`` files carry the source's hash and are unchecked: never stale, and no source is read at import.
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
    """The ``.pyc`` of a module."""
    code, held = settled(source, path)
    data = plain(code) if held.sets and not SORTS_SETS else marshal.dumps(code)
    return importlib.util.MAGIC_NUMBER + FLAGS + importlib.util.source_hash(source) + data


def settled(source: bytes, path: str) -> tuple[CodeType, Constants]:
    """The module's code as it is when its names are interned already, which the second compiling always meets."""
    names = nested_classes(source) if INTERNS_QUALNAMES else []  # held until it is compiled
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    del names
    held = Constants(code)
    if held.unsettled:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        held = Constants(code)  # and only now lets go of the first
    return code, held


def nested_classes(source: bytes) -> list[str]:
    """The qualified names, interned, of classes within others, as far as a look at the lines tells.

    It spares most modules with such classes the second compiling.
    """
    if b"    class " not in source:
        return []
    names: list[str] = []
    outer: list[tuple[int, str]] = []  # what the line is in: its indentation, and what it puts before names
    for line in source.split(b"\n"):
        text = line.lstrip(b" ")
        if not text.startswith((b"class ", b"def ", b"async def ")):
            continue
        indent = len(line) - len(text)
        while outer and outer[-1][0] >= indent:
            outer.pop()
        head, _, rest = text.removeprefix(b"async ").partition(b" ")
        plain_name = rest.replace(b":", b"(").partition(b"(")[0].strip().decode("utf-8", "replace")
        name = f"{outer[-1][1]}{plain_name}" if outer else plain_name
        if head == b"class" and outer:
            names.append(sys.intern(name))
        outer.append((indent, f"{name}." if head == b"class" else f"{name}.<locals>."))
    return names


class Constants:
    """The strings and the sets that a module's code holds, each once more."""

    def __init__(self, code: CodeType) -> None:
        self.strings: list[str] = []
        self.sets: list[frozenset[object]] = []
        self.fresh = False
        self._code(code)

    @property
    def unsettled(self) -> bool:
        """Whether the code may be another one where its names were interned before it was compiled.

        An interned name takes the place of an equal one. A set is made anew for that, so that two equal sets, which
        were one object, are two. From Python 3.13 on the qualified name of a nested class is one object with the
        constant that the class body sets ``__qualname__`` to, unless an equal name was interned before.
        """
        return self.fresh or (SORTS_SETS and len(set(self.sets)) < len(self.sets))

    def _code(self, code: CodeType) -> None:
        strings = self.strings
        strings += (code.co_name, code.co_filename, *code.co_names, *code.co_varnames)
        strings += (*code.co_freevars, *code.co_cellvars)
        if SORTS_SETS:  # and has qualified names
            name: str = getattr(code, "co_qualname")  # noqa: B009 - which 3.10 has not
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
    """Whether Python interns constants like this one, always."""
    return name.isascii() and name.isidentifier()


def plain(value: object) -> bytes:
    """Python 3.10's marshal format without references, sets sorted by what is written of their members."""
    if isinstance(value, CodeType):
        counts = (
            value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_nlocals, value.co_stacksize,
            value.co_flags,
        )  # fmt: skip
        parts = (
            value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars,
            value.co_filename, value.co_name,
        )  # fmt: skip
        numbers = b"".join(map(long, counts))
        body = b"".join(map(plain, parts))
        return b"c" + numbers + body + long(value.co_firstlineno) + plain(value.co_linetable)
    if isinstance(value, tuple):
        return b"(" + long(len(value)) + b"".join(map(plain, value))
    if isinstance(value, frozenset):
        return b">" + long(len(value)) + b"".join(sorted(map(plain, value)))
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return b"t" + long(len(text)) + text
    return marshal.dumps(value, 2)  # type: ignore[arg-type]


def long(number: int) -> bytes:
    return number.to_bytes(4, "little")


def main() -> None:
    gc.disable()  # nothing here makes cycles; looking for them takes a tenth of the time
    sys.setrecursionlimit(10000)
    stdout = sys.stdout.buffer
    batch: list[bytes] = []
    for line in iter(sys.stdin.buffer.readline, b""):
        if line != b"\n":
            batch.append(line)
            continue
        answers = b"".join(map(answer, batch))
        stdout.write(long(len(answers)) + answers)  # at once: whoever reads it need not wake up for each module
        stdout.flush()
        batch.clear()


def answer(line: bytes) -> bytes:
    """What is given back for a line."""
    data = made(line)
    return long(len(data)) + data


def made(line: bytes) -> bytes:
    source, _, path = line.rstrip(b"\n").decode("utf-8", "surrogateescape").rpartition("\t")
    with open(source, "rb") as file:
        text = file.read()
    try:
        return bytecode(text, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return b""


if __name__ == "__main__":
    main()
