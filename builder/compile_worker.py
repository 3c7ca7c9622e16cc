"""Compiles modules to bytecode. Run as a script by the target's own interpreter, so it imports nothing of ours and
must run on every Python that Lambda has.

Standard input: lines ``source <tab> path at run time``. Standard output: for each line four bytes of length
(little-endian) and a ``.pyc``; the length is 0 where the source does not compile (a template, Python 2).

The same source gives the same bytes whatever was compiled before it and in whatever process:

- Set constants: marshal sorts them from Python 3.11 on. In 3.10 their order depends on addresses (the hash of None is
  one) and on history even where PYTHONHASHSEED=0 (set by the caller): code with a set is written by ``plain`` there.
- marshal marks an object as "may be referred to later" by its reference count at that moment, which depends on what
  else lives in the process. So the code is marshalled, loaded and marshalled again: what was loaded is referred to by
  itself only. Interned strings alone are shared with the process; each is held once more, and so always marked.
- From Python 3.13 on, the qualified name of a nested class is one object with the constant that a class body sets
  ``__qualname__`` to, unless an equal name was interned before: see ``settled``.
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
    from collections.abc import Iterator

FLAGS = (0b01).to_bytes(4, "little")  # PEP 552: hash-based, unchecked


def bytecode(source: bytes, path: str) -> bytes:
    """The ``.pyc`` of a module."""
    code = settled(source, path)
    data = plain(code) if sys.version_info < (3, 11) and has_set(code) else canonical(code)
    return importlib.util.MAGIC_NUMBER + FLAGS + importlib.util.source_hash(source) + data


def settled(source: bytes, path: str) -> CodeType:
    """The module's code as it is when its names are interned already, which the second compiling always meets."""
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    if sys.version_info >= (3, 13) and any(is_fresh(inner) for inner in codes(code)):
        held = strings(code, [])
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        del held
    return code


def is_fresh(code: CodeType) -> bool:
    """Whether the code's qualified name was interned just now. (Plain names are interned as constants, always.)"""
    name: str = getattr(code, "co_qualname")  # noqa: B009 - which 3.10 has not
    return not (name.isascii() and name.isidentifier()) and any(value is name for value in code.co_consts)


def canonical(code: CodeType) -> bytes:
    """``marshal.dumps`` without the traces of the process."""
    again = marshal.loads(marshal.dumps(code))
    held = strings(again, [])
    data = marshal.dumps(again)
    del held
    return data


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code and all that is defined in it."""
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from codes(value)


def strings(code: CodeType, found: list[str]) -> list[str]:
    """Every string that the compiler may have interned."""
    found += [code.co_name, code.co_filename, getattr(code, "co_qualname", "")]
    for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
        found.extend(names)
    constants(code.co_consts, found)
    return found


def constants(values: tuple[object, ...] | frozenset[object], found: list[str]) -> None:
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, (tuple, frozenset)):
            constants(value, found)
        elif isinstance(value, CodeType):
            strings(value, found)


def has_set(value: object) -> bool:
    """Whether there is a set among the constants."""
    if isinstance(value, CodeType):
        return any(map(has_set, value.co_consts))
    if isinstance(value, tuple):
        return any(map(has_set, value))
    return isinstance(value, frozenset)


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
    for line in sys.stdin.buffer:
        source, path = line.rstrip(b"\n").decode("utf-8", "surrogateescape").split("\t")
        with open(source, "rb") as file:
            text = file.read()
        try:
            data = bytecode(text, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            data = b""
        stdout.write(long(len(data)))
        stdout.write(data)
    stdout.flush()


if __name__ == "__main__":
    main()
