"""Compile bytecode in processes of the target's Python. The same interpreter version gives the same bytes on every
machine; docs/building.md explains how."""

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
#: The folder of a layer's Python files at run time, which tracebacks show.
LAYER_PYTHON_FOLDER = "/opt/python/"
#: Part of every cache key. Increase it with every change of the bytes that the worker writes.
FORMAT = 3


class Module(NamedTuple):
    """A module to compile: its path below ``python/``, and its source file."""

    path: str
    source: str


class Compilers:
    """Runs compiler processes, and reuses idle ones of the same Python, because starting one takes time.

    Thread-safe. At most ``spare`` idle processes are kept.
    """

    def __init__(self, spare: int) -> None:
        self._spare = spare
        self._idle: list[_Compiler] = []
        self._lock = threading.Lock()

    def compile(self, interpreter: Interpreter, modules: Sequence[Module]) -> list[bytes | None]:
        """Return the ``.pyc`` of each module; None for one that does not compile (a template, Python 2)."""
        compiler = self._take(interpreter)
        try:
            compiled = compiler.compile(modules)
        except BaseException:
            compiler.end()
            raise
        self._keep(compiler)
        return compiled

    def close(self) -> None:
        """Stop the idle processes."""
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
            superfluous = self._idle[: -self._spare]
            del self._idle[: -self._spare]
        for each in superfluous:
            each.end()


class _Compiler:
    """A process of an interpreter that runs ``compile_worker``."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            [interpreter.path, "-S", "-s", "-B", "-X", "utf8", "-W", "ignore", "-c", WORKER.read_text("utf-8")],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Not -I, which ignores PYTHONHASHSEED. An empty environment with -S -s isolates as well.
            env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
        )

    def compile(self, modules: Sequence[Module]) -> list[bytes | None]:
        """See ``Compilers.compile``. The worker reads the whole batch before it writes, so there is no deadlock."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - pipes, both
        lines = "".join(f"{module.source}\t{LAYER_PYTHON_FOLDER}{module.path}\n" for module in modules)
        with suppress(BrokenPipeError):  # `_broken` shows the reason
            stdin.write(f"{lines}\n".encode("utf-8", "surrogateescape"))
            stdin.flush()
        size = stdout.read(4)
        results = list(_split(stdout.read(int.from_bytes(size, "little"))))
        if len(size) < 4 or len(results) != len(modules):
            raise self._worker_error()
        return results

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        with self._errors, suppress(BrokenPipeError):
            self._process.communicate()

    def _worker_error(self) -> BuildError:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it is alive but its output is malformed
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(0)
        stderr = self._errors.read().decode(errors="replace").strip()[-300:]
        return BuildError(
            f"the compiler ended with exit status {code}: {stderr}",
            where=f"CPython {self.interpreter.version} ({self.interpreter.path})",
            fix="the interpreter may be broken: install it again, or put another one first on PATH",
        )


def _split(results: bytes) -> Iterator[bytes | None]:
    start = 0
    while start < len(results):
        end = start + 4 + int.from_bytes(results[start : start + 4], "little")
        yield results[start + 4 : end] or None
        start = end
