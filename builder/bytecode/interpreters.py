"""Find the CPython interpreters that compile bytecode: on PATH, of uv, pyenv or the system. uv downloads a missing one.

Each candidate is run to find out its version, because a file name does not prove it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builder.model.errors import BuildError
from builder.model.target import python_order
from builder.resolve import uv

#: Prints an interpreter's facts, with as few imports as possible.
_PRINT_FACTS = (
    "import sys,_frozen_importlib_external as f;"
    "print(sys.implementation.name,*sys.version_info[:4],f.MAGIC_NUMBER.hex(),sys.executable)"
)


@dataclass(frozen=True)
class Interpreter:
    """A CPython on this machine."""

    path: Path
    version: str  #: ``3.12.1``
    magic: str  #: of its bytecode, hexadecimal


@cache
def find(python: str, exact: str | None = None) -> Interpreter:
    """Find the CPython ``python`` ("3.12") with the highest patch version on this machine, or ``exact`` ("3.12.1").

    If there is none, uv downloads it. Raises BuildError if that fails.
    """
    interpreter = search(python, exact)
    if interpreter is None and install(exact or python):
        interpreter = search(python, exact)
    if interpreter is None:
        raise BuildError(
            f"CPython {exact or python}, which compiles bytecode, was not found, and uv cannot download it",
            where=f"Python {python}",
            fix=f"install it (`uv python install {exact or python}`, pyenv, your system's packages), "
            "or set `bytecode: auto` in the matrix",
        )
    return interpreter


def search(python: str, exact: str | None = None) -> Interpreter | None:
    """Find the interpreter as ``find`` does, but without a download; None if there is none."""
    candidates = {path.resolve(): path for path in _candidates(python)}
    shims = [path for path in candidates.values() if _is_script(path)]
    # Binaries first: the shims of version managers are slow and usually start one of these binaries.
    programs = [path for path in candidates.values() if path not in shims]
    return _best(python, exact, programs) or _best(python, exact, shims)


def _best(python: str, exact: str | None, paths: Sequence[Path]) -> Interpreter | None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        fitting = [
            interpreter
            for interpreter in pool.map(_identify, paths)
            if interpreter and interpreter.version.rsplit(".", 1)[0] == python
        ]
    fitting = [interpreter for interpreter in fitting if exact in (None, interpreter.version)]
    return max(fitting, key=lambda each: (int(each.version.rsplit(".", 1)[1]), str(each.path)), default=None)


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _candidates(python: str) -> Iterator[Path]:
    name = f"python{python}"
    if sys.version_info[:2] == python_order(python):
        yield Path(sys.executable)
    places = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
    yield from (path for place in places if place and (path := Path(place) / name).is_file())
    roots = [
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        uv_python_folder(),
        Path("/opt/python"),
        Path("/opt/hostedtoolcache/Python"),
        Path("/Library/Frameworks/Python.framework/Versions"),
    ]
    for root in roots:
        for pattern in (f"*{python}*/bin/{name}", f"*{python}*/*/bin/{name}"):
            yield from sorted(root.glob(pattern)) if root.is_dir() else ()


def uv_python_folder() -> Path:
    """Return the folder of the Pythons that uv installed."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path(data) / "uv" / "python")


def install(python: str) -> bool:
    """Let uv install a Python. Return whether the user's settings allow that; the caller looks if it is there."""
    if os.environ.get("UV_PYTHON_DOWNLOADS") == "never":
        return False
    with tempfile.TemporaryDirectory(prefix="layers-python-") as folder:
        uv.run(["python", "install", python], Path(folder))
    return True


def _identify(path: Path) -> Interpreter | None:
    """Run an executable and return its facts; None if it is not a CPython release (a broken link, PyPy)."""
    try:
        process = subprocess.run(
            [path, "-I", "-S", "-c", _PRINT_FACTS],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        implementation, major, minor, patch, level, magic, executable = process.stdout.strip().split(" ", 6)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "cpython" or level != "final":
        return None
    return Interpreter(Path(executable or path), f"{major}.{minor}.{patch}", magic)
