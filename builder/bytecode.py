"""Bytecode: every module compiled once for each Python, by that Python; the same bytes on every machine that has the
same interpreter (docs/building.md says what remains)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.interpreters import Interpreter

WORKER = Path(__file__).with_name("compile_worker.py")
#: Where a layer's Python files are at run time, and so what tracebacks say.
MOUNTED = "/opt/python/"
#: Part of every cache key: changed with the bytes that the worker makes.
FORMAT = 2


@dataclass(frozen=True)
class Module:
    """A source file and its path below ``python/``."""

    path: str
    source: Path
    sha256: str
    size: int

    @property
    def key(self) -> tuple[str, str]:
        """What its bytecode depends on, besides the interpreter."""
        return self.path, self.sha256


def pyc_path(path: str, python: str) -> str:
    """``a/b.py`` → ``a/__pycache__/b.cpython-312.pyc`` (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    cached = f"__pycache__/{name.removesuffix('.py')}.cpython-{python.replace('.', '')}.pyc"
    return f"{folder}/{cached}" if folder else cached


def compile_modules(interpreter: Interpreter, modules: Sequence[Module]) -> list[bytes | None]:
    """The ``.pyc`` of each module; None for one that is no valid source for that Python (a template, Python 2)."""
    lines = "".join(f"{module.source}\t{MOUNTED}{module.path}\n" for module in modules)
    done = subprocess.run(
        [interpreter.path, "-S", "-s", "-B", "-X", "utf8", "-W", "ignore", "-c", WORKER.read_text("utf-8")],
        cwd="/",
        input=lines.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
        # Not -I, which ignores PYTHONHASHSEED; an empty environment and -S -s keep out the same things.
        env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
    )
    results = list(_split(done.stdout)) if done.returncode == 0 else []
    if len(results) != len(modules):
        raise BuildError(
            f"the compiler ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}",
            where=f"CPython {interpreter.version} ({interpreter.path})",
            fix="is this interpreter broken? Install it again, or take another",
        )
    return results


def _split(data: bytes) -> list[bytes | None]:
    results: list[bytes | None] = []
    start = 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        results.append(data[start + 4 : end] or None)
        start = end
    return results
