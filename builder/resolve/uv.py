"""uv as a subprocess, from its own package: it resolves and installs, and executes nothing of what it installs.

It runs in a folder of its own, so that a ``pyproject.toml`` or ``uv.toml`` lying in the user's current folder changes
nothing; the user's own settings of indexes, credentials, proxies and certificates (environment, ``~/.config/uv``)
hold, so that a company's index works. Settings by which uv would choose other packages than those asked for do not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builder.model.errors import BuildError
from builder.model.target import Target

#: Settings that change what is resolved or where and how it is installed: ours to say.
_OURS = frozenset(
    {
        "CONDA_PREFIX", "PYTHONPATH", "UV_BUILD_CONSTRAINT", "UV_COMPILE_BYTECODE", "UV_CONSTRAINT", "UV_EXCLUDE",
        "UV_EXCLUDE_NEWER", "UV_FORK_STRATEGY", "UV_LINK_MODE", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_OVERRIDE",
        "UV_PRERELEASE", "UV_PROJECT", "UV_PYTHON", "UV_REQUIRE_HASHES", "UV_RESOLUTION", "UV_SYSTEM_PYTHON",
        "UV_TORCH_BACKEND", "UV_WORKING_DIR", "VIRTUAL_ENV",
    }
)  # fmt: skip
#: How long what the public index says holds, by its own word: a page ten minutes, a file for ever. Said once more for
#: whom this word is lost on the way, by a proxy or a mirror: every run would fetch a hundred pages and headers again.
_KEPT = """[[index]]
url = "{address}"
default = true
cache-control = {{ api = "max-age=600", files = "max-age=365000000, immutable" }}
"""
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")


@dataclass(frozen=True)
class Answer:
    """What a run of uv ended with."""

    ok: bool
    out: str
    err: str


def run(arguments: list[str], folder: Path, *, stdin: str | None = None) -> Answer:
    """Run uv in ``folder``, which is this run's own. BuildError where uv itself cannot be run."""
    return _run(arguments, folder, "" if _is_told(os.environ) else _public_index_settings(), stdin)


@cache
def public_index() -> str | None:
    """Return the URL of the index that uv uses by default, as uv itself names it."""
    command = ["pip", "compile", "--emit-index-url", "--no-header", "--no-python-downloads", "--python", sys.executable]
    with tempfile.TemporaryDirectory(prefix="layers-index-") as folder:
        answer = _run([*command, "-", "--no-config"], Path(folder), "", "", told=False)
    named = re.search(r"^--index-url (\S+)$", answer.out, re.MULTILINE)
    return named[1] if named else None


def _public_index_settings() -> str:
    address = public_index()
    return _KEPT.format(address=address) if address else ""


def _run(arguments: list[str], folder: Path, settings: str, stdin: str | None, *, told: bool = True) -> Answer:
    import uv

    hidden = () if told else (*_INDEXES, "PIP_INDEX_URL", "UV_CONFIG_FILE")
    own = {name: value for name, value in os.environ.items() if name not in hidden}

    # Without this file uv would look for one in the folders above.
    (folder / "uv.toml").write_text(settings, "utf-8")
    try:
        done = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment(own),
            check=False,
        )
    except OSError as error:
        raise BuildError(f"uv cannot be run: {error}", fix="install the program again") from None
    return Answer(done.returncode == 0, done.stdout, done.stderr)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What uv sees of our environment ``own``."""
    seen = {name: value for name, value in own.items() if name not in _OURS}
    # Relative places are meant from where the user stands, and uv runs elsewhere.
    for name in ("UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_PYTHON_INSTALL_DIR"):
        if value := seen.get(name):
            seen[name] = str(Path(value).absolute())
    if value := seen.get("UV_FIND_LINKS"):
        seen["UV_FIND_LINKS"] = ",".join(str(Path(p).absolute()) if Path(p).exists() else p for p in value.split(","))
    if own.get("PIP_INDEX_URL") and not any(own.get(name) for name in _INDEXES):
        seen["UV_DEFAULT_INDEX"] = own["PIP_INDEX_URL"]
    # Build backends give every file of a wheel this time, so that the same source gives the same wheel.
    return {**seen, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "SOURCE_DATE_EPOCH": "315532800"}


def asks_the_web_only(own: Mapping[str, str]) -> bool:
    """Whether all packages come from indexes on the web, as far as can be told: no folders, no configuration files."""
    places = [part.rpartition("=")[2] for value in _named(own) for part in re.split(r"[\s,]+", value) if part]
    return not _is_configured(own) and all(place.startswith(("http://", "https://")) for place in places)


def _is_told(own: Mapping[str, str]) -> bool:
    """Whether anything says where packages come from; else uv asks the public index."""
    return _is_configured(own) or bool(_named(own))


def _named(own: Mapping[str, str]) -> list[str]:
    """What the environment says of where packages come from."""
    return [value for name in (*_INDEXES, "PIP_INDEX_URL") if (value := own.get(name))]


def _is_configured(own: Mapping[str, str]) -> bool:
    folders = [Path(own.get("XDG_CONFIG_HOME") or Path.home() / ".config"), Path("/etc"), Path("/etc/xdg")]
    return bool(own.get("UV_CONFIG_FILE")) or any((folder / "uv" / "uv.toml").exists() for folder in folders)


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


def without_addresses(text: str) -> str:
    """uv's words without the places that packages come from: those may carry credentials."""
    return re.sub(r"\b(?:https?|file)://\S+", "the index", text)
