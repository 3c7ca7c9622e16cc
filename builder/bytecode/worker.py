"""Run by the target's own interpreter: compiles modules to bytes that depend on the source and its path only.

``python -s -S -B -W ignore worker.py JOBS OUT`` with PYTHONHASHSEED=0. JOBS: lines of "<file on disk>\\t<file name in
tracebacks>". OUT: for each line a length of 4 bytes (little-endian) and a pyc; length 0 where it does not compile.

Why the same source gives other bytes at another time, and what is done here:
- ``marshal`` writes the reference flag on objects with more than one reference, and whether an interned string has
  more than one depends on what else the process did. Loading the code once makes a copy whose sharing is its own;
  holding each of its strings makes the flag of every string set.
- Sets iterate by hash: the seed is fixed. (Python 3.10 does not sort them when it writes; see ``_canonical``.)
- A pyc by time or size depends on the clock: these are unchecked, by the source's hash.
No syntax newer than 3.10 and no import but the standard library's.
"""

import gc
import importlib.util
import marshal
import sys
from types import CodeType

UNCHECKED_HASH = 0b01


def compile_module(source: bytes, filename: str) -> bytes:
    """The pyc of a module. Raises what ``compile`` raises."""
    code = compile(source, filename, "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + canonical(code)


def canonical(code: CodeType) -> bytes:
    """``marshal.dumps`` without the traces of the process."""
    own = marshal.loads(marshal.dumps(code))
    held: list[object] = []
    _hold(own, held)
    data = marshal.dumps(own)
    del held
    return data


def _hold(value: object, held: list[object]) -> None:
    if isinstance(value, str):
        held.append(value)
    elif isinstance(value, (tuple, frozenset)):
        for item in value:
            _hold(item, held)
    elif isinstance(value, CodeType):
        held.append(value.co_name)
        held.append(getattr(value, "co_qualname", ""))
        held.append(value.co_filename)
        held.extend(value.co_names)
        held.extend(value.co_varnames)
        held.extend(value.co_cellvars)
        held.extend(value.co_freevars)
        _hold(value.co_consts, held)


def main(jobs: str, out: str) -> None:
    gc.disable()  # compiling makes many objects and no cycles that outlive it
    with open(jobs, encoding="utf-8", newline="\n") as lines, open(out, "wb") as result:  # noqa: PTH123
        for line in lines:
            path, filename = line.rstrip("\n").split("\t")
            with open(path, "rb") as file:  # noqa: PTH123
                source = file.read()
            try:
                data = compile_module(source, filename)
            except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError):
                data = b""
            result.write(len(data).to_bytes(4, "little"))
            result.write(data)


if __name__ == "__main__":
    sys.path.pop(0)
    main(sys.argv[1], sys.argv[2])
