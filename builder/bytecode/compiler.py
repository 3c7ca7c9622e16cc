"""Bytecode: every module compiled once for each Python, by that Python; the same bytes on every machine that has the
same interpreter (docs/building.md says what remains)."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from builder.bytecode.interpreters import Interpreter
from builder.model.errors import BuildError

WORKER = Path(__file__).with_name("compile_worker.py")
#: Lets glibc keep the memory that one module took for the next, where it would give it back and ask for it again.
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_TOP_PAD_": str(1 << 24)}
#: Where a layer's Python files are at run time, and so what tracebacks say.
MOUNTED = "/opt/python/"
#: Part of every cache key: changed with the bytes that the worker makes.
FORMAT = 3


class Module(NamedTuple):
    """A module to compile: its path below ``python/``, and where its source is."""

    path: str
    source: str


def pyc_path(path: str, python: str) -> str:
    """``a/b.py`` → ``a/__pycache__/b.cpython-312.pyc`` (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    cached = f"__pycache__/{name.removesuffix('.py')}.cpython-{python.replace('.', '')}.pyc"
    return f"{folder}/{cached}" if folder else cached


class Compilers:
    """Runs the interpreters' compilers, each kept for the next batch of its Python: starting one takes a while.

    May be used from any thread. As many as are used at once are kept, ``spare`` at most.
    """

    def __init__(self, spare: int) -> None:
        self._spare = spare
        self._idle: list[_Compiler] = []
        self._lock = threading.Lock()

    def compile(self, interpreter: Interpreter, modules: Sequence[Module]) -> list[bytes | None]:
        """The ``.pyc`` of each module; None for one that is no valid source for that Python (a template, Python 2)."""
        compiler = self._take(interpreter)
        try:
            made = compiler.compile(modules)
        except BaseException:
            compiler.end()
            raise
        self._keep(compiler)
        return made

    def close(self) -> None:
        """End those that are kept."""
        while self._idle:
            self._idle.pop().end()

    def _take(self, interpreter: Interpreter) -> _Compiler:
        with self._lock:
            for compiler in reversed(self._idle):
                if compiler.interpreter == interpreter:
                    self._idle.remove(compiler)
                    return compiler
        return _Compiler(interpreter)

    def _keep(self, compiler: _Compiler) -> None:
        with self._lock:
            self._idle.append(compiler)
            surplus = self._idle[: -self._spare]
            del self._idle[: -self._spare]
        for each in surplus:
            each.end()


class _Compiler:
    """A process of the interpreter that runs ``compile_worker``."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            [interpreter.path, "-S", "-s", "-B", "-X", "utf8", "-W", "ignore", "-c", WORKER.read_text("utf-8")],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Not -I, which ignores PYTHONHASHSEED; an empty environment and -S -s keep out the same things.
            env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0", **_MALLOC},
        )

    def compile(self, modules: Sequence[Module]) -> list[bytes | None]:
        """See ``Compilers.compile``. The worker reads the whole batch before it writes, so neither waits for ever."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - pipes, both
        lines = "".join(f"{module.source}\t{MOUNTED}{module.path}\n" for module in modules)
        with suppress(BrokenPipeError):  # what it says is shown below
            stdin.write(f"{lines}\n".encode("utf-8", "surrogateescape"))
            stdin.flush()
        size = stdout.read(4)
        answers = stdout.read(int.from_bytes(size, "little"))
        results = list(_split(answers))
        if len(size) < 4 or len(results) != len(modules):
            raise self._broken()
        return results

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        with self._errors, suppress(BrokenPipeError):
            self._process.communicate()

    def _broken(self) -> BuildError:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it lives, and says other things than it was asked
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(0)
        return BuildError(
            f"the compiler ended with {code}: {self._errors.read().decode(errors='replace').strip()[-300:]}",
            where=f"CPython {self.interpreter.version} ({self.interpreter.path})",
            fix="is this interpreter broken? Install it again, or take another",
        )


def _split(answers: bytes) -> Iterator[bytes | None]:
    start = 0
    while start < len(answers):
        end = start + 4 + int.from_bytes(answers[start : start + 4], "little")
        yield answers[start + 4 : end] or None
        start = end
