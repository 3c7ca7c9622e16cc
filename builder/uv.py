"""Running uv, from its own package: what it may see of the user's settings, and what its failures mean.

uv's environment variables and the user's and the system's ``uv.toml`` hold, so that indexes, credentials, proxies and
certificates are those of every other uv command. Project files do not: uv runs in a folder of our own, because a
``pyproject.toml`` or ``uv.toml`` that happens to lie where ``layers`` is called must not change what is built.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError

#: Options by environment that would let uv choose other packages, Pythons or places than those we ask for.
_OURS = (
    "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "UV_PYTHON", "UV_SYSTEM_PYTHON",
    "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_BUILD_CONSTRAINT", "UV_RESOLUTION", "UV_PRERELEASE",
    "UV_FORK_STRATEGY", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_LINK_MODE", "UV_COMPILE_BYTECODE",
    "UV_TORCH_BACKEND", "UV_REQUIRE_HASHES", "UV_CUSTOM_COMPILE_COMMAND", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH",
)  # fmt: skip
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
_PATHS = ("UV_FIND_LINKS", "UV_CONFIG_FILE", "UV_CACHE_DIR")


@dataclass(frozen=True)
class Uv:
    """uv in a folder of our own."""

    folder: Path

    def run(self, arguments: Sequence[str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run uv to its end, whatever that is. BuildError where there is no uv."""
        command = [_binary(), *arguments, "--no-progress", "--color", "never"]
        try:
            return subprocess.run(
                command, input=stdin, capture_output=True, text=True, cwd=self.folder, env=environment(os.environ),
                check=False,
            )  # fmt: skip
        except OSError as error:
            raise BuildError(f"uv does not run: {error}", fix="install this program again") from None


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What uv sees of our environment ``own``."""
    result = {name: value for name, value in own.items() if name not in _OURS}
    for name in _PATHS:  # relative to where the user is, not to our folder
        if value := result.get(name):
            parts = value.split() if name == "UV_FIND_LINKS" else [value]
            result[name] = " ".join(str(Path(part).absolute()) if Path(part).exists() else part for part in parts)
    if own.get("PIP_INDEX_URL") and not any(own.get(name) for name in _INDEXES):
        result["UV_DEFAULT_INDEX"] = own["PIP_INDEX_URL"]
    return result


def _binary() -> str:
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise BuildError(f"uv's package is here, but its program is not: {error}", fix="install uv again") from None


#: Arguments that every command that touches packages takes: nothing is executed, nothing but packages fetched.
COMMON = ("--only-binary", ":all:", "--no-python-downloads", "--python", sys.executable)

#: Parts of uv's messages (causes included) that mean the index, not the request, is at fault.
_NETWORK = (
    "Failed to fetch", "error sending request", "tcp connect error", "dns error", "operation timed out",
    "Network connectivity is disabled", "network was disabled", "Failed to download", "connection closed",
    "Failed to read `--find-links`", "Could not connect",
)  # fmt: skip


def is_network_failure(text: str) -> bool:
    """Whether uv's message says that the index could not be asked."""
    return any(part in text for part in _NETWORK)


def shortened(text: str, lines: int = 12) -> str:
    """uv's own words: errors, causes and hints, without its warnings, at most so many lines."""
    kept = [line.rstrip() for line in text.splitlines() if line.strip()]
    start = next((i for i, line in enumerate(kept) if line.lstrip(" ×x").startswith("error")), 0)
    kept = kept[start:]
    return "\n".join([*kept[:lines], "…"] if len(kept) > lines else kept)


def refuse(text: str, *, where: str | None = None) -> BuildError | None:
    """The error for a failure that has nothing to do with what was asked, or None."""
    if "No space left on device" in text or "os error 28" in text:
        return BuildError("the disk is full", where=where, fix="make room (`uv cache prune` and `layers cache` help)")
    if is_network_failure(text):
        return BuildError(
            f"the package index does not answer\n{shortened(text)}",
            where=where,
            fix="check the network and the index settings (UV_DEFAULT_INDEX, uv.toml), then run it again",
        )
    return None
