"""Compiles modules to bytecode. Run as a script by the target's own interpreter, so it imports nothing of ours and
must run on every Python that Lambda has.

Standard input: lines ``source <tab> path in the layer <tab> destination``. Standard output: a line for each that is
not compilable: ``path <tab> reason``.

The same source gives the same bytes whatever was compiled before it and in whatever process:

- PYTHONHASHSEED=0 (set by the caller) fixes the order of set constants.
- marshal marks an object as "may be referred to later" by its reference count at that moment, which depends on what
  else lives in the process. So the code is marshalled, loaded and marshalled again: what was loaded is referred to by
  itself only. Interned strings alone are shared with the process; each is held once more, and so always marked.
- ``.pyc`` files carry the source's hash and are unchecked: never stale, and no source is read at import.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys
from types import CodeType

FLAGS = (0b01).to_bytes(4, "little")  # PEP 552: hash-based, unchecked


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


def bytecode(source: bytes, path: str) -> bytes:
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    again = marshal.loads(marshal.dumps(code))
    held = strings(again, [])
    data = marshal.dumps(again)
    del held
    return importlib.util.MAGIC_NUMBER + FLAGS + importlib.util.source_hash(source) + data


def main() -> None:
    sys.setrecursionlimit(10000)
    sys.stderr = open("/dev/null", "w")  # SyntaxWarnings of other people's code
    stdin = open(0, encoding="utf-8", newline="\n")
    stdout = open(1, "w", encoding="utf-8", newline="\n")
    for line in stdin:
        source, path, destination = line.rstrip("\n").split("\t")
        with open(source, "rb") as file:
            text = file.read()
        try:
            data = bytecode(text, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            stdout.write("%s\t%s\n" % (path, type(error).__name__))
            continue
        with open(destination, "wb") as file:
            file.write(data)
    stdout.flush()


if __name__ == "__main__":
    main()
