"""Bytecode: every module compiled once for each Python, by that Python; the same bytes on every machine that has the
same interpreter (docs/building.md says what remains)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.interpreters import Interpreter

WORKER = Path(__file__).with_name("compile_worker.py")
#: Where a layer's Python files are at run time, and so what tracebacks say.
MOUNTED = "/opt/python/"


@dataclass(frozen=True)
class Module:
    """A source file and its path below ``python/``."""

    path: str
    source: Path
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """What its bytecode depends on, besides the interpreter."""
        return self.path, self.sha256


def pyc_path(path: str, python: str) -> str:
    """``a/b.py`` → ``a/__pycache__/b.cpython-312.pyc`` (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    cached = f"__pycache__/{name.removesuffix('.py')}.cpython-{python.replace('.', '')}.pyc"
    return f"{folder}/{cached}" if folder else cached


def compile_all(
    jobs: Mapping[Interpreter, Sequence[Module]], folder: Path
) -> dict[Interpreter, dict[tuple[str, str], Path]]:
    """Compile each interpreter's modules, in as many processes as there are cores: the ``.pyc`` files by module key.

    A module that is no valid source for that Python (a template, Python 2) has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    processes = os.cpu_count() or 1
    work: list[tuple[Interpreter, list[tuple[Module, Path]]]] = []
    for interpreter, modules in jobs.items():
        unique = list({module.key: module for module in modules}.values())
        named = [(m, folder / f"{interpreter.version}-{index}.pyc") for index, m in enumerate(unique)]
        work += [(interpreter, named[start::processes]) for start in range(processes) if named[start::processes]]
    with ThreadPoolExecutor(max_workers=processes) as pool:
        list(pool.map(lambda job: _compile(job[0], job[1], folder), work))  # raises what a worker raised
    return {
        interpreter: {
            module.key: path for i, named in work if i == interpreter for module, path in named if path.exists()
        }
        for interpreter in jobs
    }


def _compile(interpreter: Interpreter, modules: Iterable[tuple[Module, Path]], folder: Path) -> None:
    lines = "".join(f"{module.source}\t{MOUNTED}{module.path}\t{path}\n" for module, path in modules)
    done = subprocess.run(
        [interpreter.path, "-S", "-s", "-B", "-X", "utf8", "-c", WORKER.read_text("utf-8")],
        cwd=folder,
        input=lines,
        capture_output=True,
        encoding="utf-8",
        check=False,
        # Not -I, which ignores PYTHONHASHSEED; an empty environment and -S -s keep out the same things.
        env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"},
    )
    if done.returncode != 0:
        raise BuildError(
            f"the compiler ended with {done.returncode}: {done.stderr.strip()[-300:]}",
            where=f"CPython {interpreter.version} ({interpreter.path})",
            fix="is the disk full, or this interpreter broken?",
        )
