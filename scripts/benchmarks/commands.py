"""Run commands and measure their time and memory, with one package index for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.resolve.settings import INDEX_VARIABLES, package_settings

Figures = dict[str, Any]
ROOT = Path(__file__).parents[2]
_LAYERS = [sys.executable, "-c", "from publisher.cli import main; main()"]
#: pip's settings that decide where packages come from, and which.
PIP_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT")


def use_one_index() -> None:
    """Let pip, uv and this program use the same single index, and write bytecode of the modules that they import."""
    settings = package_settings(os.environ).environment
    index = os.environ.get("UV_DEFAULT_INDEX") or settings.get("UV_DEFAULT_INDEX")
    for name in (*INDEX_VARIABLES, *PIP_VARIABLES, "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE"):
        os.environ.pop(name, None)
    os.environ |= {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    if index:
        os.environ |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def run_layers(arguments: Sequence[str], cache: Path) -> Figures:
    """Run this program with this cache and measure it."""
    return run([*_LAYERS, *arguments], variables={"LAYERS_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)})


def run(
    command: Sequence[str], *, folder: Path | None = None, variables: Mapping[str, str] | None = None,
    may_fail: bool = False,
) -> Figures:  # fmt: skip
    """Run a command with these variables in addition, and measure it."""
    environment = {**os.environ, **(variables or {})}
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 and not may_fail:  # compileall reports templates and Python 2
            output.seek(0)
            sys.exit(output.read().decode(errors="replace"))
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)),
    }


def together(parts: Sequence[Figures]) -> Figures:
    """Return the sum of the figures of consecutive commands."""
    return {
        "seconds": round(sum(part["seconds"] for part in parts), 2),
        "cpu_seconds": round(sum(part["cpu_seconds"] for part in parts), 2),
        "peak_mb": max(part["peak_mb"] for part in parts),
    }


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
