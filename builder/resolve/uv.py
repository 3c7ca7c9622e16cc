"""Run uv, from its PyPI package, as a subprocess. It resolves and installs, and executes no code of what it installs.

It runs in a folder of its own, so that a ``pyproject.toml`` or ``uv.toml`` in the user's current folder does not
apply. The user's settings for indexes, credentials, proxies and certificates (environment, ``~/.config/uv``, pip's) do
apply, so that a company's index works. ``builder.resolve.settings`` reads those that constrain versions.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import unquote, urlsplit

import uv

from builder.model.errors import BuildError, FailureClass
from builder.model.target import Target
from builder.resolve.other_settings import UNUSED_UV_VARIABLES
from builder.resolve.settings import INDEX_VARIABLES, has_config_file, is_true, package_settings

#: Variables that change what is resolved, or where and how it is installed. They are removed: options set these.
#: COLUMNS wraps uv's messages, which are parsed.
_REMOVED_VARIABLES = frozenset(
    {
        "COLUMNS", "CONDA_PREFIX", "PYTHONPATH", "UV_COMPILE_BYTECODE", "UV_CONSTRAINT", "UV_EXCLUDE",
        "UV_FORK_STRATEGY", "UV_LINK_MODE", "UV_OVERRIDE", "UV_PROJECT", "UV_PYTHON", "UV_SYSTEM_PYTHON",
        "UV_WORKING_DIR", "VIRTUAL_ENV",
        *UNUSED_UV_VARIABLES,
    }
)  # fmt: skip
#: Variables with one path, which may be relative.
_PATH_VARIABLES = (
    "NETRC", "SSL_CERT_FILE", "SSL_CLIENT_CERT", "UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_CREDENTIALS_DIR",
    "UV_PYTHON_INSTALL_DIR",
)  # fmt: skip
#: Listing more files than these takes about as long as resolving again.
MAX_LOCAL_FILES = 20_000
#: Far above the time of real downloads. uv limits the time without a byte only.
MAX_SECONDS = 3600
#: The form of an index that is not a folder.
_INDEX_URL = re.compile(r"(?:https?|file)://", re.IGNORECASE)
#: Longer words of a message are cut.
_MAX_WORD_CHARACTERS = 400
#: The public index lets clients cache a page for ten minutes and a file forever. Tell uv so, because proxies and
#: mirrors drop the header, and then every run would fetch a hundred pages again.
_CACHE_SETTINGS = """[[index]]
url = "{address}"
default = true
cache-control = {{ api = "max-age=600", files = "max-age=365000000, immutable" }}
"""


def run(arguments: list[str], folder: Path, *, stdin: str | None = None) -> CompletedProcess[str]:
    """Run uv in ``folder``, which no other run uses. Raises BuildError if uv cannot be started."""
    return _run(arguments, folder, cache_settings(), stdin, environment(os.environ))


@cache
def public_index() -> str | None:
    """Return the URL of uv's default index, taken from uv itself."""
    command = ["pip", "compile", "--emit-index-url", "--no-header", "--no-python-downloads", "--python", sys.executable]
    variables = {n: value for n, value in os.environ.items() if n not in (*INDEX_VARIABLES, "UV_CONFIG_FILE")}
    with tempfile.TemporaryDirectory(prefix="layers-index-") as folder:
        env = environment(variables, translate_pip=False)
        result = _run([*command, "-", "--no-config"], Path(folder), "", "", env)
    match = re.search(r"^--index-url (\S+)$", result.stdout, re.MULTILINE)
    return match[1] if match else None


def cache_settings() -> str:
    """Return a configuration file for uv: how long it may cache the public index. Empty if that is not the default."""
    address = public_index() if _has_public_default(os.environ) else None
    return _CACHE_SETTINGS.format(address=address) if address else ""


def _run(
    arguments: list[str], folder: Path, settings: str, stdin: str | None, env: dict[str, str]
) -> CompletedProcess[str]:
    # Without this file uv would search the parent folders for one.
    file = folder / "uv.toml"
    file.write_text(settings, "utf-8")
    # UV_NO_CONFIG disables the user's configuration files, not this one.
    if settings and is_true(env.get("UV_NO_CONFIG")):
        env["UV_CONFIG_FILE"] = str(file.absolute())
    if is_true(env.get("UV_NO_INDEX")) and arguments[0] in ("pip", "build"):
        arguments = [*arguments, "--no-index"]  # uv has an option for it, but no variable
    try:
        process = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=env,
            check=False,
            timeout=MAX_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(
            f"uv has not ended after {MAX_SECONDS // 60} minutes: an index or a build backend does not respond",
            fix="check the index and the network, then run the command again; what was downloaded is kept",
            failure_class=FailureClass.TEMPORARY,
        ) from None
    except OSError as error:
        raise BuildError(f"uv cannot be run: {error}", fix="install the program again") from None
    if process.returncode < 0:
        raise _signal_error(-process.returncode)
    return process


def _signal_error(number: int) -> BuildError:
    """Return the error for a run of uv that a signal ended; uv writes no message then."""
    name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
    fixes = {
        signal.SIGXFSZ: "raise the limit for file sizes (ulimit -f), then run the command again",
        signal.SIGKILL: "give it more memory (the system may have stopped uv for using too much), then run it again",
    }
    fix = {int(each): text for each, text in fixes.items()}.get(number, "run the command again")
    return BuildError(
        f"uv was ended by {name} ({signal.strsignal(number)})",
        fix=fix,
        failure_class=None if number == signal.SIGXFSZ else FailureClass.TEMPORARY,
    )


def environment(variables: Mapping[str, str], *, translate_pip: bool = True) -> dict[str, str]:
    """Return uv's environment from ours (``variables``), with pip's index settings translated if uv has none."""
    passed = {name: value for name, value in variables.items() if name not in _REMOVED_VARIABLES}
    # Relative paths are relative to the user's current folder, but uv runs in another one.
    for name in _PATH_VARIABLES:
        if value := passed.get(name):
            passed[name] = str(Path(value).absolute())
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        if value := passed.get(name):
            is_list = name in ("UV_INDEX", "UV_EXTRA_INDEX_URL")
            passed[name] = " ".join(map(_absolute_index, value.split() if is_list else [value]))
    if value := passed.get("UV_FIND_LINKS"):
        passed["UV_FIND_LINKS"] = ",".join(str(Path(p).absolute()) if Path(p).exists() else p for p in value.split(","))
    if translate_pip:
        passed |= package_settings(variables).environment
    # Build backends set this time on every file of a wheel, so that the same source gives the same wheel.
    return {
        **passed,
        "NO_COLOR": "1",
        "RUST_LOG": "uv_extract=warn,uv_install_wheel=debug",  # for `unsafe_names`
        "SOURCE_DATE_EPOCH": "315532800",
        "UV_NO_PROGRESS": "1",
    }


def _absolute_index(place: str) -> str:
    """Return an index, ``name=…`` or without a name, with the absolute path if it is a folder."""
    name, separator, path = place.rpartition("=") if re.match(r"[\w.-]+=", place, re.ASCII) else ("", "", place)
    return f"{name}{separator}{Path(path).absolute()}" if "://" not in path and Path(path).exists() else place


def local_files(variables: Mapping[str, str]) -> list[tuple[str, int, int]] | None:
    """Return the path, size and time of change of each file in the local folders among the indexes, for a cache key.

    None if they are unknown: uv has a configuration file, a place is not a folder (on the web, or missing), or the
    folders have more than MAX_LOCAL_FILES files.
    """
    if has_config_file(variables):
        return None
    files: list[tuple[str, int, int]] = []
    for place in (each.rpartition("=")[2] for each in index_places(variables)):
        folder = unquote(urlsplit(place).path) if place.startswith("file:") else place
        if not Path(folder).is_dir():
            return None
        for root, _, names in os.walk(folder, followlinks=True):
            if len(files) + len(names) > MAX_LOCAL_FILES:
                return None
            try:
                facts = {path: path.stat() for name in names if (path := Path(root, name))}
            except OSError:  # a broken link, or a file that is being replaced
                return None
            files += [(str(path), each.st_size, each.st_ctime_ns) for path, each in facts.items()]
    return sorted(files)


def index_places(variables: Mapping[str, str]) -> list[str]:
    """Return each value of the variables that set indexes, pip's included, as it is written: ``corp=https://…``."""
    env = environment(variables)
    return [each for name in INDEX_VARIABLES for each in re.split(r"[\s,]+", env.get(name, "")) if each]


def unusable_index(variables: Mapping[str, str]) -> str | None:
    """Return an index that is neither a URL nor an existing folder, or None. uv takes it for an empty folder."""
    env = environment(variables)
    one = [env.get(name, "") for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")]
    many = [part for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL") for part in env.get(name, "").split()]
    return next(
        (each for each in (*one, *many) if not _INDEX_URL.search(each) and not Path(each.rpartition("=")[2]).exists()),
        None,
    )


def _has_public_default(variables: Mapping[str, str]) -> bool:
    """Whether the public index is uv's default index, alone or after others of the user."""
    env = environment(variables)
    replaced = any(env.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"))
    return not (replaced or is_true(env.get("UV_NO_INDEX")) or has_config_file(variables))


def platform_options(target: Target, platform: str | None = None) -> list[str]:
    """Return uv's options to resolve and install for a target instead of this machine.

    ``platform`` replaces the target's manylinux platform.
    """
    return [
        "--python-version",
        target.runtime.full_version,
        "--python-platform",
        f"{target.architecture}-{platform or target.runtime.system.uv_platform}",
        "--only-binary",
        ":all:",
    ]


def one_line(text: str) -> str:
    """Return uv's message on one line, with long words cut, so that searches in it take little time."""
    return " ".join(
        word if len(word) <= _MAX_WORD_CHARACTERS else f"{word[:_MAX_WORD_CHARACTERS]}…" for word in text.split()
    )


def after_warnings(text: str) -> str:
    """Return uv's error without the warnings before it."""
    return text[max(text.find("error: "), 0) :].removeprefix("error: ")


def without_addresses(text: str) -> str:
    """Remove URLs from uv's text, because the URL of an index may contain credentials."""
    return re.sub(r"\b(?:https?|file)://\S+", "the index", text)
