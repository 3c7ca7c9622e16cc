"""uv as a subprocess, from its own package: it resolves and installs, and executes nothing of what it installs.

It runs in a folder of its own, so that a ``pyproject.toml`` or ``uv.toml`` lying in the user's current folder changes
nothing; the user's own settings (environment, ``~/.config/uv``) hold, so that a company's index works.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.matrix import Target


@dataclass(frozen=True)
class Answer:
    """What a run of uv ended with."""

    ok: bool
    out: str
    err: str


def run(arguments: list[str], folder: Path, *, stdin: str | None = None) -> Answer:
    """Run uv in ``folder``. BuildError where uv itself cannot be run."""
    import uv

    try:
        done = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
            check=False,
        )
    except OSError as error:
        raise BuildError(f"uv cannot be run: {error}", fix="install the program again") from None
    return Answer(done.returncode == 0, done.stdout, done.stderr)


def platform_options(target: Target) -> list[str]:
    """The options that make uv resolve and install for a target, whatever Python and machine it runs on."""
    return [
        "--python-version",
        target.runtime.full_version,
        "--python-platform",
        f"{target.architecture}-{target.runtime.manylinux}",
        "--only-binary",
        ":all:",
    ]
